"""How much weight does the log-determinant term need?

4 settings, one seed: 4 sequences. Feeds: reports `sensitivity`, `ablation`. Published (Ablation
Study, lambda; one run each): pixel AP 51.85, 51.88, 52.46, 55.80 %.

    moleflow run logdet_weight --data DIR
"""

from moleflow import profiles
from orchestration.studies.axes import Grid
from orchestration.studies.study import Study

STUDY = Study(
    question="How much weight does the log-determinant term need?",
    base=profiles.main(),
    axes=(Grid(field="loss.logdet_weight", values=(0.0, 1e-6, 1e-5, 1e-4)),),
    reports=("sensitivity", "ablation"),
)
