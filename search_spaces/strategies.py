"""How far is the frozen base from the bounds that the field prints?

4 settings x 3 seeds: 12 sequences. Those of `training_strategy`: frozen base (the method), base
trained on (fine-tuned, the lower bound) and separate flows; and all classes at once, `joint`, an
upper bound where memory is no question. Feeds: reports `strategies`, `ablation`; `joint` has no
order, and is not paired. Published in part: `training_strategy`.

    moleflow run strategies --data DIR
"""

from moleflow import profiles
from orchestration.studies.study import Study
from search_spaces import training_strategy

SEEDS = (0, 1, 2)

STUDY = Study.union(
    "How far is the frozen base from the bounds that the field prints?",
    {
        "one after another": training_strategy.STUDY.model_copy(update={"seeds": SEEDS}),
        "all at once": Study(
            question="All classes in one task?",
            base=profiles.main(),
            scenario="joint",
            seeds=SEEDS,
        ),
    },
    reports=("strategies", "ablation"),
)
