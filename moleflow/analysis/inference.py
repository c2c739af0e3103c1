"""Correlations and shares with 95 % intervals. What n does not allow is NaN: missing, not zero."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

NORMAL = float(special.ndtri(0.975))
LEAST_FOR_CORRELATION, LEAST_FOR_INTERVAL = 3, 4
"""Two points always correlate perfectly; the standard error of Fisher's z needs n > 3."""


@dataclass(frozen=True)
class Correlation:
    """A coefficient and its 95 % interval; NaN where it is not defined."""

    n: int
    value: float
    low: float
    high: float


def pearson(x: np.ndarray, y: np.ndarray) -> Correlation:
    """Linear correlation; interval by Fisher's z, SE 1 / sqrt(n - 3)."""
    return _with_interval(x, y, lambda r: 1.0)


def spearman(x: np.ndarray, y: np.ndarray) -> Correlation:
    """Rank correlation; interval by Fisher's z, SE sqrt((1 + r^2 / 2) / (n - 3)).

    Source: Bonett and Wright, Psychometrika 65 (2000).
    """
    return _with_interval(stats.rankdata(x), stats.rankdata(y), lambda r: 1 + r**2 / 2)


def _with_interval(
    x: np.ndarray, y: np.ndarray, inflation: Callable[[float], float]
) -> Correlation:
    n = len(x)
    if n < LEAST_FOR_CORRELATION or np.ptp(x) == 0 or np.ptp(y) == 0:
        return Correlation(n, math.nan, math.nan, math.nan)
    r = float(np.clip(np.corrcoef(x, y)[0, 1], -1, 1))
    if n < LEAST_FOR_INTERVAL or abs(r) > 1 - 1e-12:
        return Correlation(n, r, math.nan, math.nan)
    half = NORMAL * math.sqrt(inflation(r) / (n - 3))
    z = math.atanh(r)
    return Correlation(n, r, math.tanh(z - half), math.tanh(z + half))


def wilson(successes: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % score interval of a share; missing for n = 0."""
    if n == 0:
        return math.nan, math.nan
    share, z2 = successes / n, NORMAL**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = NORMAL / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n**2))
    # The ends are exact where nothing or everything was a success; rounding would miss them.
    return (centre - half if successes else 0.0), (centre + half if successes < n else 1.0)
