"""The file of a small study, for commands that run in processes of their own."""

from collections.abc import Sequence

CLASSES = ("capsule", "fabric", "wood")
TWO_ORDERS = 'TaskZero(classes=("fabric",)), Orders(count=2)'
"""With one task 0."""
TEXT = """
from moleflow import profiles
from orchestration import Orders, Search, Study, TaskZero, log_uniform, uniform

STUDY = Study(
    question="What is left when something breaks?",
    base=profiles.quick().updated(
        {{
            "image.size": 64,
            "backbone.weights": "random",
            "patches.dim": 16,
            "position": "none",
            "flow.blocks": {blocks},
            "lora.rank": 2,
            "training.epochs": {epochs},
        }}
    ),
    classes={classes},
    axes=({axes},),
    seeds={seeds},
)
"""


def small_study(
    axes: str = TWO_ORDERS,
    *,
    epochs: int,
    seeds: Sequence[int] = (0,),
    classes: Sequence[str] = CLASSES,
    blocks: int = 2,
) -> str:
    """Without a backbone that was trained, and as small as it learns anything."""
    return TEXT.format(
        axes=axes, epochs=epochs, seeds=tuple(seeds), classes=tuple(classes), blocks=blocks
    )
