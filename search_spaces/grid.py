"""What the command line names, and nothing else: the study for a question of your own.

One alphabetical order and one seed, until `--vary`, `--zip`, `--orders`, `--order`, `--task0` or
`--seeds` ask for more. Costs as many sequences as there are combinations.

    moleflow run grid --data DIR --vary loss.tail_weight=0,0.3,0.7 --vary dia.blocks=0:4 \
        --seeds 3 --name tails
"""

from moleflow import profiles
from orchestration.studies.study import Study

STUDY = Study(
    question="How do results depend on the settings that the command line varies?",
    base=profiles.main(),
)
