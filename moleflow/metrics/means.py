"""Means that are the same bits in every order of what is averaged."""

import math
from collections.abc import Iterable


def mean(values: Iterable[float]) -> float:
    """The mean from the exact sum: floating-point sums depend on the order of their terms, and the
    classes of a sequence stand in the order in which they were learned.

    Raises:
        ZeroDivisionError: of nothing.
    """
    found = [float(value) for value in values]
    return math.fsum(found) / len(found)
