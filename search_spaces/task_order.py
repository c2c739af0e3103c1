"""How much do results depend on the order in which the classes are learned?

Every order is trained in full for every seed. With a frozen base only the first class can matter
(docs/method.md, 5.3), so two questions are kept apart: every two orders have one first class and
differ in the rest, which the report compares to the bit and in points.

5 orders x 3 seeds: 15 sequences; those that share a first class share most. Feeds: report
`task_order`. Published (Method Outline, task order): 5 orders x 3 seeds within 0.55 points of pixel
AP, without a test of equivalence.

    moleflow run task_order --data DIR --profile main --orders 5 --seeds 3
"""

from moleflow import profiles
from orchestration.studies.axes import Orders
from orchestration.studies.study import Study

STUDY = Study(
    question="How much do results depend on the order in which the classes are learned?",
    base=profiles.main(),
    axes=(Orders(count=5, each=2),),
    seeds=(0, 1, 2),
)
