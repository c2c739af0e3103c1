"""How much do results depend on the order in which the classes are learned?

Every order is trained in full for every seed. With a frozen base only the first class can matter
(METHOD section 5), so two questions are kept apart: two choices of the first class, and for each of
them two orders of the rest, which the report compares to the bit and in points.

Published (002, task order): 5 orders x 3 seeds within 0.55 points of pixel AP, without a test of
equivalence. Costs task 0s x orders x seeds sequences; those that share a first class share most.

    moleflow run task_order --data DIR --profile main --orders 2 --seeds 3
"""

from moleflow import profiles
from orchestration.study import Orders, Study, TaskZero

STUDY = Study(
    question="How much do results depend on the order in which the classes are learned?",
    base=profiles.main(),
    axes=(TaskZero(count=2), Orders(count=2)),
    seeds=(0, 1, 2),
)
