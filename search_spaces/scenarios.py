"""Does it matter in how many steps the classes come?

6 scenarios x 3 seeds: 18 sequences of 15 classes: 1-1, 3-3, 5-5, 10-1, 10-5 and 14-1 (classes of
the first task and of each later one). Other numbers of classes are cut in the same shares where
these come out whole: 12 into 1-1, 4-4, 8-1, 8-4 and 11-1, as papers cut VisA. Feeds: reports
`scenarios`, `task_order`. Published (DeCoFlow's scripts): these six on MVTec AD, of which
results are not in the repository.

    moleflow run scenarios --data DIR
"""

from moleflow import profiles
from orchestration.studies.axes import Scenarios
from orchestration.studies.study import Study

STUDY = Study(
    question="Does it matter in how many steps the classes come?",
    base=profiles.main(),
    axes=(Scenarios("1-1", "3-3", "5-5", "10-1", "10-5", "14-1", made_for=15),),
    seeds=(0, 1, 2),
    reports=("scenarios", "task_order"),
)
