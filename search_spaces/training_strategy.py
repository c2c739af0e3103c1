"""Frozen base, base trained on, or a flow of its own for every task?

3 settings, one seed: 3 sequences. Feeds: report `ablation`. Published (Ablation Study, 3; one run
each): pixel AP 55.80 % frozen, 12.29 % when the base is trained on, 52.49 % apart.

    moleflow run training_strategy --data DIR
"""

from moleflow import profiles
from orchestration.studies.axes import Variants
from orchestration.studies.study import Study

STUDY = Study(
    question="Frozen base, base trained on, or a flow of its own for every task?",
    base=profiles.main(),
    axes=(
        Variants(
            baseline="frozen base",
            variants={
                "frozen base": {},
                "base trained on": {"freeze_base": False},
                "separate flows": {"separate": True},
            },
        ),
    ),
    reports=("ablation",),
)
