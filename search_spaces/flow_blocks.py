"""How many coupling blocks, and how many of the deep invertible adapter?

22 settings, one seed: 22 sequences, of which the deepest cost three times the baseline. Feeds:
report `ablation`. Published (Ablation Study, 2; one run each): 6 and 2 blocks give the best pixel
AP, 55.80 %; without the adapter 12 and more blocks fail to train (below 15 %).

    moleflow run flow_blocks --data DIR
"""

from moleflow import profiles
from orchestration.studies.axes import Variants
from orchestration.studies.study import Study

BLOCKS = (
    *((flow, 2) for flow in (6, 4, 8, 10, 12, 16, 20)),
    *((8, 4), (6, 6), (4, 8)),
    *((0, dia) for dia in (4, 6, 8, 10)),
    *((flow, 0) for flow in (8, 4, 6, 10, 12, 14, 16, 18)),
)
"""Of the flow, and of the deep invertible adapter."""

STUDY = Study(
    question="How many coupling blocks, and how many of the deep invertible adapter?",
    base=profiles.main(),
    axes=(
        Variants(
            baseline="6 + 2",
            variants={
                f"{flow} + {dia}": {"flow.blocks": flow, "dia.blocks": dia} for flow, dia in BLOCKS
            },
        ),
    ),
    reports=("ablation",),
)
