"""How much do results differ by the seed alone?

The base config x 10 seeds: 10 sequences. Feeds: report `task_order`. Published: 97.90 ± 0.14 %
image AUROC and 54.92 ± 0.85 % pixel AP, from three seeds that the authors logged. A difference
between two single runs means little that is smaller than twice this noise.

    moleflow run noise_floor --data DIR
"""

from moleflow import profiles
from orchestration.studies.study import Study

STUDY = Study(
    question="How much do results differ by the seed alone?",
    base=profiles.main(),
    seeds=(0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
)
