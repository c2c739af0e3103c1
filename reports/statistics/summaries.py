"""Means and intervals of plain numbers; nothing that n does not allow."""
# pyright: reportMissingTypeStubs=false

import math
from collections.abc import Iterable
from dataclasses import dataclass

from scipy import special

NOISE = 1e-12
"""Fractions closer than this differ by rounding of sums only."""
SEEDS_FOR_INTERVAL = 3


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
    mean, n = math.fsum(numbers) / len(numbers), len(numbers)
    sd = math.sqrt(math.fsum((x - mean) ** 2 for x in numbers) / (n - 1)) if n > 1 else None
    interval = None
    if sd is not None and n >= SEEDS_FOR_INTERVAL:
        half = float(special.stdtrit(n - 1, 0.975)) * sd / math.sqrt(n)
        interval = (mean - half, mean + half)
    return Summary(n, mean, sd, numbers[0], numbers[-1], interval)
