"""Which training pictures of a class are used, where only a part of them shall be."""

import math

from moleflow.config_parts import DataConfig
from moleflow.data.sequences import permutations
from moleflow.errors import DataError

FEWEST = 2
"""Pictures that a class is trained on, or that are held out: one has no spread."""


def drawn(pictures: int, config: DataConfig, name: str) -> list[int]:
    """Places of the pictures that are trained on, in order; all where the fraction is 1 and none is
    held out.

    A smaller fraction uses some of those that a larger one uses. Neither the training seed nor
    other classes have a part in it.

    Raises:
        DataError: too few are left.
    """
    kept = held_out(pictures, config, name)
    places = [place for place in range(pictures) if place not in kept]
    if config.fraction == 1.0:
        return places
    count = min(len(places), max(FEWEST, _share(len(places), config.fraction)))
    order = next(permutations(len(places), "pictures", str(config.seed), name))
    return [places[index] for index in sorted(order[:count])]


def held_out(pictures: int, config: DataConfig, name: str) -> frozenset[int]:
    """Places of the pictures that are never trained on. A smaller share is part of a larger one.

    Raises:
        DataError: fewer than two would be left to be trained on.
    """
    if not config.held_out:
        return frozenset()
    count = max(FEWEST, _share(pictures, config.held_out))
    if pictures - count < FEWEST:
        raise DataError(
            f"class {name}: {pictures} training pictures, of which {count} would be held out; "
            "leave the class out, or lower data.held_out"
        )
    order = next(permutations(pictures, "held out", str(config.seed), name))
    return frozenset(order[:count])


def _share(pictures: int, share: float) -> int:
    return math.floor(share * pictures + 0.5)
