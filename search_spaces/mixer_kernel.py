"""How wide a neighbourhood does the spatial mixer need?

4 settings, one seed: 4 sequences. Feeds: reports `sensitivity`, `ablation`. Published (Ablation
Study, spatial context; one run each): pixel AP 52.93, 55.80, 51.38, 44.33 %.

    moleflow run mixer_kernel --data DIR
"""

from moleflow import profiles
from orchestration.studies.axes import Grid
from orchestration.studies.study import Study

STUDY = Study(
    question="How wide a neighbourhood does the spatial mixer need?",
    base=profiles.main(),
    axes=(Grid(field="mixer.kernel", values=(0, 3, 5, 7)),),
    reports=("sensitivity", "ablation"),
)
