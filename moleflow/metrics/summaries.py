"""Means and intervals of plain numbers; nothing that n does not allow. For reports and tracking."""
# pyright: reportMissingTypeStubs=false

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from scipy import special

from moleflow.metrics.means import mean

NOISE = 1e-12
"""Fractions closer than this differ by rounding of sums only."""
SEEDS_FOR_INTERVAL = 3


class Observation(NamedTuple):
    """One trial's number and where it stands in the design."""

    task0: str
    order: str
    seed: int
    value: float


@dataclass(frozen=True)
class Summary:
    """Of n numbers."""

    n: int
    mean: float
    sd: float | None
    """Sample standard deviation (n − 1); None for n = 1."""
    low: float
    high: float
    interval: tuple[float, float] | None
    """95 % t-interval of the mean; None for n < 3."""


def summarise(values: Iterable[float]) -> Summary | None:
    """Summary of the numbers; None where there are none."""
    numbers = sorted(values)
    if not numbers:
        return None
    middle, n = math.fsum(numbers) / len(numbers), len(numbers)
    sd = math.sqrt(math.fsum((x - middle) ** 2 for x in numbers) / (n - 1)) if n > 1 else None
    interval = None
    if sd is not None and n >= SEEDS_FOR_INTERVAL:
        half = float(special.stdtrit(n - 1, 0.975)) * sd / math.sqrt(n)
        interval = (middle - half, middle + half)
    return Summary(n, middle, sd, numbers[0], numbers[-1], interval)


def seed_means(found: Sequence[Observation]) -> list[float]:
    """Mean over orders for each seed that was run with every order among the observations.

    Trials that share a seed and task 0 share their training, so seeds are what repeats.
    """
    return _means({(str(o.seed), o.order): o.value for o in found})


def order_means(found: Sequence[Observation]) -> list[float]:
    """Mean over seeds for each order that was run with every seed among the observations."""
    return _means({(o.order, str(o.seed)): o.value for o in found})


def _means(cells: Mapping[tuple[str, str], float]) -> list[float]:
    """Of the rows that have a value in every column, by (row, column)."""
    columns = {column for _, column in cells}
    rows: dict[str, dict[str, float]] = {}
    for (row, column), value in cells.items():
        rows.setdefault(row, {})[column] = value
    return [mean(row.values()) for row in rows.values() if set(row) == columns]
