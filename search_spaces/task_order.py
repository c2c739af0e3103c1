"""How much do results depend on the order in which the classes are learned?

Every order is trained in full for every seed. Orders differ in their first class as long as there
are classes, because with a frozen base only the first class can matter (METHOD section 5): the
report measures whether the rest of the order does.

Published (002, task order): 5 orders x 3 seeds within 0.55 points of pixel AP, without a test of
equivalence. Costs orders x seeds sequences.

    moleflow run task_order --data DIR --profile main --orders 5 --seeds 3
"""

from moleflow import profiles
from orchestration.study import Orders, Study

STUDY = Study(
    question="How much do results depend on the order in which the classes are learned?",
    base=profiles.main(),
    axes=(Orders(count=5),),
    seeds=(0, 1, 2),
)
