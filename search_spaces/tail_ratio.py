"""Which share of the patches is the tail?

5 settings, one seed: 5 sequences. Feeds: reports `sensitivity`, `ablation`. Published (Ablation
Study, tail ratio; one run each): pixel AP 55.85, 55.80, 55.83, 55.60, 55.24 %.

    moleflow run tail_ratio --data DIR
"""

from moleflow import profiles
from orchestration.studies.axes import Grid
from orchestration.studies.study import Study

STUDY = Study(
    question="Which share of the patches is the tail?",
    base=profiles.main(),
    axes=(Grid(field="loss.tail_ratio", values=(0.01, 0.02, 0.03, 0.05, 0.1)),),
    reports=("sensitivity", "ablation"),
)
