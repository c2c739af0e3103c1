"""Does the deep invertible adapter gain from a context of its own?

2 settings x 5 seeds: 10 sequences. The adapter's net of the log-scale sees each patch alone, or its
3 x 3 neighbours too, as the subnets of the flow do. Feeds: report `ablation`. Published (Method
Outline, 3.4.3): 0.1 points of pixel AP more with it, called not significant, without a table.

    moleflow run dia_context --data DIR
"""

from moleflow import profiles
from orchestration.studies.axes import Grid
from orchestration.studies.study import Study

STUDY = Study(
    question="Does the deep invertible adapter gain from a context of its own?",
    base=profiles.main(),
    axes=(Grid(field="dia.context_kernel", values=(0, 3)),),
    seeds=(0, 1, 2, 3, 4),
    reports=("ablation",),
)
