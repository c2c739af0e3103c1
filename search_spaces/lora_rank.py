"""Which rank do the updates of later tasks need?

4 settings, one seed: 4 sequences. Feeds: reports `sensitivity`, `ablation`. Published (Ablation
Study, rank; one run each): pixel AP 55.80 to 55.89 %, without a test. The update is scaled by alpha
/ r, so that a rank changes its size, too: `lora_alpha` varies that alone.

    moleflow run lora_rank --data DIR
"""

from moleflow import profiles
from orchestration.studies.axes import Grid
from orchestration.studies.study import Study

STUDY = Study(
    question="Which rank do the updates of later tasks need?",
    base=profiles.main(),
    axes=(Grid(field="lora.rank", values=(16, 32, 64, 128)),),
    reports=("sensitivity", "ablation"),
)
