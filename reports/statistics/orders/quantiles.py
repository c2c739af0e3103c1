"""Quantiles of many values, linear between ranks: numpy's to the last digit, without sorting all.

n values.
"""

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Int

SHARES = (0.05, 0.5, 0.95)
SAMPLED = 97
"""Every so many values are looked at to find those near a quantile."""
FEW = 8
"""Of so many values one may be near a quantile; more, and it is better to take all."""

Quantiles: TypeAlias = tuple[float, float, float]
Some: TypeAlias = Callable[[Int[np.ndarray, " k"]], Float[np.ndarray, " k"]]
"""Of places in a list, the values there."""


def of_values(values: Float[np.ndarray, " n"]) -> Quantiles:
    """Of values at hand."""
    sample = np.sort(values[::SAMPLED])
    low, half, high = (_of_values(values, sample, share) for share in SHARES)
    return low, half, high


def of_counts(values: Float[np.ndarray, " k"], counts: Int[np.ndarray, " k"]) -> Quantiles:
    """Of values that are there so many times each."""
    order = np.argsort(values, kind="stable")
    rising, up_to = values[order], np.cumsum(counts[order])

    def at(share: float) -> float:
        rank, part = _rank(share, int(up_to[-1]))
        ranks = (rank, min(rank + 1, int(up_to[-1]) - 1))
        low, high = rising[np.searchsorted(up_to, ranks, "right")].tolist()
        return _between(low, high, part)

    low, half, high = map(at, SHARES)
    return low, half, high


def of_keys(keys: Int[np.ndarray, " n"], slack: int, some: Some) -> Quantiles | None:
    """Of values that are computed where their keys say that they are near.

    Args:
        keys: numbers of 32 bits, in proportion to the values but for an error.
        slack: the largest error of a key.

    Returns: None where too many values are near, or keys say too little.
    """
    if 4 * slack >= 1 << 16:
        return None
    coarse = (keys >> 16).astype(np.uint16)
    up_to = np.cumsum(np.bincount(coarse, minlength=1 << 16))
    found: list[float] = []
    for share in SHARES:
        rank, part = _rank(share, len(keys))
        ranks = (rank, min(rank + 1, len(keys) - 1))
        first, last = np.searchsorted(up_to, ranks, "right").tolist()
        first, last = max(first - 1, 0), min(last + 1, (1 << 16) - 1)
        below = int(up_to[first - 1]) if first else 0
        if up_to[last] - below > len(keys) // FEW:
            return None
        near = np.flatnonzero((coarse >= first) & (coarse <= last))
        of_near = keys[near].astype(np.int64)
        low, high = np.sort(of_near)[[rank - below for rank in ranks]]
        sorted_ = np.sort(some(near[(of_near >= low - 2 * slack) & (of_near <= high + 2 * slack)]))
        below += int(np.count_nonzero(of_near < low - 2 * slack))
        low, high = sorted_[[rank - below for rank in ranks]].tolist()
        found.append(_between(low, high, part))
    low, half, high = found
    return low, half, high


def _rank(share: float, count: int) -> tuple[int, float]:
    """The rank below a quantile, and how far it is to the next."""
    at = share * (count - 1)
    return int(at), at % 1


def _between(low: float, high: float, part: float) -> float:
    gap = high - low
    return high - gap * (1 - part) if part >= 0.5 else low + gap * part


def _of_values(
    values: Float[np.ndarray, " n"], sample: Float[np.ndarray, " s"], share: float
) -> float:
    """Of many values those near it alone are sorted."""
    rank, part = _rank(share, len(values))
    near, below = _near(values, sample, share)
    if not below <= rank < below + len(near) - 1:
        near, below = values, 0
    guess = sample[int(share * len(sample))]
    if len(near) * 5 > len(values):  # many equal ones may be among them
        same = np.count_nonzero(values < guess), np.count_nonzero(values <= guess)
        if same[0] <= rank < same[1] - 1:
            return float(guess)
    place = rank - below
    above = min(place + 1, len(near) - 1)
    sorted_ = np.partition(near, (place, above))
    return _between(float(sorted_[place]), float(sorted_[above]), part)


def _near(
    values: Float[np.ndarray, " n"], sample: Float[np.ndarray, " s"], share: float
) -> tuple[Float[np.ndarray, " k"], int]:
    """Values that a sorted sample says are near a quantile, and how many are smaller than those."""
    middle, width = share * len(sample), 4 * math.sqrt(len(sample) * share * (1 - share)) + 2
    low = sample[max(0, int(middle - width))]
    high = sample[min(len(sample) - 1, int(middle + width))]
    reached = values >= low
    return values[reached & (values <= high)], len(values) - int(np.count_nonzero(reached))
