"""How far is the frozen base from the bounds that the field prints?

4 settings x 3 seeds: 12 sequences. Frozen base (the method); fine-tuned, the lower bound; a flow of
its own for every task; and all classes at once, `joint`, an upper bound where memory is no
question. Feeds: report `ablation`; `joint` learns in another order of events, and is not paired.
Published in part: `training_strategy`.

    moleflow run strategies --data DIR
"""

from moleflow import profiles
from orchestration.studies.axes import Variants
from orchestration.studies.study import Study

STUDY = Study.union(
    "How far is the frozen base from the bounds that the field prints?",
    {
        "one after another": Study(
            question="Frozen base, fine-tuned, or separate flows?",
            base=profiles.main(),
            axes=(
                Variants(
                    baseline="frozen base",
                    variants={
                        "frozen base": {},
                        "fine-tuned": {"freeze_base": False},
                        "separate flows": {"separate": True},
                    },
                ),
            ),
            seeds=(0, 1, 2),
        ),
        "all at once": Study(
            question="All classes in one task?",
            base=profiles.main(),
            scenario="joint",
            seeds=(0, 1, 2),
        ),
    },
    reports=("ablation",),
)
