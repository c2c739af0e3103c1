"""Which class should be learned first?

Every class as task 0 x 5 seeds: 75 sequences of 15 classes. Feeds: reports `task0`,
`task_order`. Nothing is published on it. More classes than a data set has are not asked for.

    moleflow run all_task0 --data DIR
"""

from moleflow import profiles
from orchestration.studies.axes import TaskZero
from orchestration.studies.study import Study

STUDY = Study(
    question="Which class should be learned first?",
    base=profiles.main(),
    axes=(TaskZero(count=100),),
    seeds=(0, 1, 2, 3, 4),
    reports=("task0", "task_order"),
)
