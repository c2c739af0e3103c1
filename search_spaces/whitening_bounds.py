"""How tight must scale and shift of the whitening adapter be bounded?

4 settings x 5 seeds: 20 sequences. Feeds: report `ablation`. Published (Method Outline, table S2):
pixel AP 55.8 % as it is, 53.2 % wide, 54.1 % narrow, 51.8 % without bounds, where two tasks
diverge.

    moleflow run whitening_bounds --data DIR
"""

from moleflow import profiles
from orchestration.studies.axes import Variants
from orchestration.studies.study import Study

STUDY = Study(
    question="How tight must scale and shift of the whitening adapter be bounded?",
    base=profiles.main(),
    axes=(
        Variants(
            baseline="0.5 to 2, 2",
            variants={
                "0.5 to 2, 2": {},
                "0.1 to 5, 5": {"adapter.gamma": (0.1, 5.0), "adapter.beta": 5.0},
                "0.8 to 1.2, 1": {"adapter.gamma": (0.8, 1.2), "adapter.beta": 1.0},
                "none": {"adapter.bounds": "none"},
            },
        ),
    ),
    seeds=(0, 1, 2, 3, 4),
    reports=("ablation",),
)
