"""Which training pictures of a class are used, where only a part of them shall be."""

import math

from moleflow.config_parts import DataConfig
from moleflow.data.sequences import permutations

FEWEST = 2
"""Pictures that a class is trained on: one has no spread."""


def drawn(pictures: int, config: DataConfig, name: str) -> list[int]:
    """Places of the pictures that are used, in order; all where the fraction is 1.

    A smaller fraction uses some of those that a larger one uses. Neither the training seed nor
    other classes have a part in it.
    """
    if config.fraction == 1.0:
        return list(range(pictures))
    count = min(pictures, max(FEWEST, math.floor(config.fraction * pictures + 0.5)))
    return sorted(next(permutations(pictures, "pictures", str(config.seed), name))[:count])
