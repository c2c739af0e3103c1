"""How many directions do the updates of later tasks use?

3 seeds: 3 sequences. Feeds: `moleflow analyse lora_spectrum --what spectrum,similarity`, and report
`task_order`. Published (SVD Analysis, 1; one run of leather, grid and transistor with 30 epochs):
95 % of an update's energy in 14.5 directions for task 0 and in 1.3 and 1.5 for later ones, of 64.

    moleflow run lora_spectrum --data DIR --classes leather grid transistor --set training.epochs=30
"""

from moleflow import profiles
from orchestration.studies.study import Study

STUDY = Study(
    question="How many directions do the updates of later tasks use?",
    base=profiles.main(),
    seeds=(0, 1, 2),
)
