"""How wide a context do the subnets of the flow need?

4 settings, one seed: 4 sequences. Feeds: reports `sensitivity`, `ablation`. Published (Ablation
Study, scale context; one run each): pixel AP 54.52, 54.59, 55.80, 55.33 %.

    moleflow run context_kernel --data DIR
"""

from moleflow import profiles
from orchestration.studies.axes import Grid
from orchestration.studies.study import Study

STUDY = Study(
    question="How wide a context do the subnets of the flow need?",
    base=profiles.main(),
    axes=(Grid(field="flow.context_kernel", values=(0, 3, 5, 7)),),
    reports=("sensitivity", "ablation"),
)
