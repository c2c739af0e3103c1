"""How many patches make the score of a picture?

4 settings, one seed: 4 sequences that share all training, as the score is an evaluation setting.
Feeds: reports `sensitivity`, `ablation`. Published (Ablation Study, aggregation): image AUROC 98.05
to 98.07 %; pixel metrics cannot change.

    moleflow run score_top_k --data DIR
"""

from moleflow import profiles
from orchestration.studies.axes import Grid
from orchestration.studies.study import Study

STUDY = Study(
    question="How many patches make the score of a picture?",
    base=profiles.main(),
    axes=(Grid(field="scoring.top_k", values=(3, 5, 7, 10)),),
    reports=("sensitivity", "ablation"),
)
