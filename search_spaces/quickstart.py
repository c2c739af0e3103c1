"""Does everything work here? A small task-order study on synthetic pictures, in under four minutes.

2 choices of task 0 x 2 orders x 2 seeds: 8 sequences of 4 made-up classes, with an untrained
backbone, so that nothing is downloaded. The numbers show that the machinery works; they say nothing
about the method. An untrained network's features vary less than the position code, which would
drown them: it is off.

    moleflow run quickstart
"""

from moleflow import profiles
from orchestration.studies.axes import Orders, TaskZero
from orchestration.studies.study import Study

STUDY = Study(
    question="Does everything work on this machine, from pictures to a task-order report?",
    base=profiles.quick().updated(
        {
            "image.size": 128,
            "backbone.weights": "random",
            "patches.dim": 64,
            "position": "none",
            "flow.blocks": 2,
            "lora.rank": 8,
            "training.epochs": 120,
            "scoring.smoothing": 2.0,
        }
    ),
    axes=(TaskZero(count=2), Orders(count=2)),
    seeds=(0, 1),
    data="synthetic",
    reports=("task_order",),
)
