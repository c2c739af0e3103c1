"""Ranges of the same numbers when one thing changes, and the disparity between orders."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """Ranges (max − min) of the same numbers when one thing changes."""

    mean: float
    largest: float
    groups: int
    """How many ranges were taken; each over at least two numbers."""


def spread(groups: Iterable[Sequence[float]]) -> Spread | None:
    """Mean and largest range over groups; None where no group has two numbers."""
    ranges = [max(group) - min(group) for group in groups if len(group) > 1]
    if not ranges:
        return None
    return Spread(math.fsum(ranges) / len(ranges), max(ranges), len(ranges))


@dataclass(frozen=True)
class Disparity:
    """Order-normalised performance disparity (Yoon et al. 2020)."""

    average: float
    """AOPD: mean over classes of OPD."""
    maximum: float
    """MOPD: largest OPD."""
    worst: str
    """The class with the largest."""
    classes: int
    groups: int
    """Groups of orders that were compared, e.g. one per seed."""


def order_disparity(groups: Sequence[Sequence[Mapping[str, float]]]) -> Disparity | None:
    """OPD of a class: max − min over the orders of a group, averaged over groups (Yoon et al. 2020,
    "Scalable and order-robust continual learning with additive parameter decomposition").

    Args:
        groups: per group (what is held fixed, e.g. a seed), per order, the final number by class.

    Returns:
        None where no group has two orders.
    """
    compared = [orders for orders in groups if len(orders) > 1]
    ranges: dict[str, list[float]] = {}
    for orders in compared:
        for name in sorted(orders[0]):
            values = [order[name] for order in orders if name in order]
            if len(values) < len(orders):
                continue
            ranges.setdefault(name, []).append(max(values) - min(values))
    if not ranges:
        return None
    opd = {name: math.fsum(found) / len(found) for name, found in ranges.items()}
    worst = max(opd, key=lambda name: (opd[name], name))
    average = math.fsum(opd.values()) / len(opd)
    return Disparity(average, opd[worst], worst, len(opd), len(compared))
