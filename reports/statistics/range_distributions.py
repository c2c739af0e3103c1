"""Distributions of the largest of many comparisons that share their noise."""
# pyright: reportMissingTypeStubs=false

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from jaxtyping import Float
from scipy import special

from reports.statistics.distributions import root

NODES = 100
"""Of the quadrature over the estimated noise."""
NORMAL = np.polynomial.hermite_e.hermegauss(60)

Given = Callable[[Float[np.ndarray, " s"]], Float[np.ndarray, " s"]]


def studentized_range(q: float, groups: int, df: float) -> float:
    """P(range of so many independent normal means ≤ q of their standard errors), with a noise of
    df degrees of freedom, ∞ for a known one (Tukey 1953):

    E_s [ k ∫ φ(z) (Φ(z) − Φ(z − q·s))^(k − 1) dz ].
    """
    z, weight = NORMAL

    def given(s: Float[np.ndarray, " s"]) -> Float[np.ndarray, " s"]:
        below = special.ndtr(z) - special.ndtr(z - q * s[:, None])
        return groups * (below ** (groups - 1)) @ weight / weight.sum()

    return _over_noise(given, df)


def dunnett(d: float, others: int, df: float) -> float:
    """P(max |T| ≤ d) of so many t-statistics of differences from one group, all of equal size, so
    correlated by ½ (Dunnett 1955)."""
    z, weight = NORMAL

    def given(s: Float[np.ndarray, " s"]) -> Float[np.ndarray, " s"]:
        reach = math.sqrt(2) * d * s[:, None]
        return (
            ((special.ndtr(z + reach) - special.ndtr(z - reach)) ** others) @ weight / weight.sum()
        )

    return _over_noise(given, df)


@lru_cache(maxsize=256)
def studentized_range_point(level: float, groups: int, df: float) -> float:
    """Where `studentized_range` is the level."""
    return root(lambda q: studentized_range(q, groups, df) - level, 0.0, 1000.0)


@lru_cache(maxsize=256)
def dunnett_point(level: float, others: int, df: float) -> float:
    """Where `dunnett` is the level."""
    return root(lambda d: dunnett(d, others, df) - level, 0.0, 1000.0)


@lru_cache(maxsize=1)
def _legendre() -> tuple[np.ndarray, np.ndarray]:
    return np.polynomial.legendre.leggauss(NODES)


def _over_noise(given: Given, df: float) -> float:
    """Expectation over s, the estimated deviation in units of the true one: s²·df is χ² with df."""
    if math.isinf(df):
        return float(given(np.ones(1))[0])
    low, high = (math.sqrt(float(special.chdtri(df, tail)) / df) for tail in (1 - 1e-13, 1e-13))
    x, weight = _legendre()
    s = low + (high - low) * (x + 1) / 2
    log = math.log(2) + df / 2 * math.log(df / 2) - math.lgamma(df / 2)
    density = np.exp(log + (df - 1) * np.log(s) - df * s * s / 2)
    return float(np.clip((weight * density) @ given(s) * (high - low) / 2, 0, 1))
