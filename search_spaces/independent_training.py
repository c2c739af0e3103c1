"""How far apart are flows that were trained on one class each, from one start?

2 settings x 3 seeds: 6 sequences; the separate flows train all of their weights for every class.
Feeds: report `ablation`, and `moleflow analyse independent_training --what spectrum` for the
difference of two flows' weights. Published (SVD Analysis, 2; one run of leather and grid with 30
epochs, no updates of low rank): 95 % of the difference's energy in 181.5 directions, 74.4 % of it
in the first 64; on a frozen base an update needs 1.3 to 14.5 (`lora_spectrum`).

    moleflow run independent_training --data DIR --classes leather grid --set training.epochs=30
"""

from moleflow import profiles
from orchestration.studies.axes import Variants
from orchestration.studies.study import Study

STUDY = Study(
    question="How far apart are flows that were trained on one class each, from one start?",
    base=profiles.main(),
    axes=(
        Variants(
            baseline="frozen base",
            variants={
                "frozen base": {},
                "separate flows": {"separate": True, "lora": "off", "dia.blocks": 0},
            },
        ),
    ),
    seeds=(0, 1, 2),
    reports=("ablation",),
)
