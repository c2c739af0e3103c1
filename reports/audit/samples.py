"""Mean and deviation of values, where there are enough."""

import statistics
from collections.abc import Iterable


def mean(values: Iterable[float]) -> float | None:
    known = [*values]
    return statistics.fmean(known) if known else None


def sd(values: Iterable[float]) -> float | None:
    """Of a sample: divided by n - 1."""
    known = [*values]
    return statistics.stdev(known) if len(known) > 1 else None
