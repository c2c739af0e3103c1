"""How much weight does the tail of the loss need?

7 settings, one seed: 7 sequences. Feeds: reports `sensitivity`, `ablation`. Published (Ablation
Study, tail weight; one run each): pixel AP rises from 48.61 to 56.18 %, image AUROC is highest at
0.7 (98.05 %).

    moleflow run tail_weight --data DIR
"""

from moleflow import profiles
from orchestration.studies.axes import Grid
from orchestration.studies.study import Study

STUDY = Study(
    question="How much weight does the tail of the loss need?",
    base=profiles.main(),
    axes=(Grid(field="loss.tail_weight", values=(0.0, 0.1, 0.3, 0.5, 0.7, 0.8, 1.0)),),
    reports=("sensitivity", "ablation"),
)
