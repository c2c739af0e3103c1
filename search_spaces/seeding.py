"""Is noise of the order only noise of the seed in disguise?

2 ways to name random streams x 5 orders of one first class x 3 seeds: 30 sequences. By class, what
a task learns does not depend on its place, and orders share their training; by position, as in the
original code, each place has its own random numbers, so that a new order is a new seed for all
classes that move: what was then published as an effect of order is this. Feeds: report
`task_order`. Published (Method Outline, task order): five orders within 0.55 points of pixel AP.

    moleflow run seeding --data DIR
"""

from moleflow import profiles
from orchestration.studies.axes import Grid, Orders
from orchestration.studies.study import Study

STUDY = Study(
    question="Is noise of the order only noise of the seed in disguise?",
    base=profiles.main(),
    axes=(
        Orders(count=5, each=5),
        Grid(field="seeding", values=("by_class", "positional")),
    ),
    seeds=(0, 1, 2),
    reports=("task_order",),
)
