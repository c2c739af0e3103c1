"""Do the spatial mixer and the context of the subnets add up, or more?

2 x 2 settings x 5 seeds: 20 sequences. Feeds: reports `context_synergy`, `ablation`. Published
(Method Outline, 3.4.2): pixel AP 56.2 ± 0.71 % with both, 53.8 and 54.1 % with one, 51.2 % with
none; an interaction of −0.5 points with an interval of [−0.9, −0.1], which its own standard
deviations do not give.

    moleflow run context_synergy --data DIR
"""

from moleflow import profiles
from orchestration.studies.axes import Grid
from orchestration.studies.study import Study

STUDY = Study(
    question="Do the spatial mixer and the context of the subnets add up, or more?",
    base=profiles.main(),
    axes=(
        Grid(field="mixer.kernel", values=(3, 0)),
        Grid(field="flow.context_kernel", values=(5, 0)),
    ),
    seeds=(0, 1, 2, 3, 4),
    reports=("context_synergy", "ablation"),
)
