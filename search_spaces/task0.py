"""Does it matter which class is learned first?

5 first classes x 3 seeds: 15 sequences; `--task0 a b c` names others. Feeds: reports `task0`,
`task_order`. Published (Method Outline, task 0): 0.87 points of pixel AP between five first
classes, without a test.

    moleflow run task0 --data DIR
"""

from moleflow import profiles
from orchestration.studies.axes import TaskZero
from orchestration.studies.study import Study

STUDY = Study(
    question="Does it matter which class is learned first?",
    base=profiles.main(),
    axes=(TaskZero(count=5),),
    seeds=(0, 1, 2),
    reports=("task0", "task_order"),
)
