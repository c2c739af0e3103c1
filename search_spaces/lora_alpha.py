"""How large may the updates of later tasks be?

4 settings, one seed: 4 sequences; the update is scaled by alpha / r, here by 1/4, 1/2, 1 and 2, at
rank 64. Feeds: report `ablation`, against scale 1. Published (Method Outline, 3.4.1): less than 0.5
points of difference, without a table.

    moleflow run lora_alpha --data DIR
"""

from moleflow import profiles
from orchestration.studies.axes import Variants
from orchestration.studies.study import Study

STUDY = Study(
    question="How large may the updates of later tasks be?",
    base=profiles.main(),
    axes=(
        Variants(
            baseline="r",
            variants={
                "r/4": {"lora.alpha": 16.0},
                "r/2": {"lora.alpha": 32.0},
                "r": {"lora.alpha": 64.0},
                "2r": {"lora.alpha": 128.0},
            },
        ),
    ),
    reports=("ablation",),
)
