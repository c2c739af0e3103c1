"""Tails of distributions, and minima in a box: all that the checks take from scipy."""
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

import math
import statistics
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
from scipy import optimize, special, stats


def f_tail(f: float, df1: float, df2: float) -> float:
    """P(F > f)."""
    return float(special.fdtrc(df1, df2, f))


def t_tail(t: float, df: float) -> float:
    """P(T > t), small ones too."""
    return float(special.stdtr(df, -t))


def normal_tail(z: float) -> float:
    """P(Z > z)."""
    return float(special.ndtr(-z))


def chi2_tail(x: float, df: float) -> float:
    """P(χ² > x)."""
    return float(special.chdtrc(df, x))


def t_quantile(p: float, df: float) -> float:
    """t with P(T ≤ t) = p."""
    return float(special.stdtrit(df, p))


def normal_quantile(p: float) -> float:
    """z with P(Z ≤ z) = p."""
    return float(special.ndtri(p))


def t_power(effect: float, df: float, critical: float) -> float:
    """P(|T| > critical) of a noncentral T."""
    return float(stats.nct.sf(critical, df, effect) + stats.nct.cdf(-critical, df, effect))


def root(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a function that changes its sign between two numbers is 0."""
    found: Any = optimize.brentq(function, low, high)
    return float(found)


def ranks(values: Sequence[float]) -> np.ndarray:
    """From 1; equal numbers share the mean of theirs."""
    return np.asarray(stats.rankdata(list(values)), dtype=float)


def least_in_box(
    function: Callable[[np.ndarray], float], start: np.ndarray, low: np.ndarray, high: np.ndarray
) -> float:
    """The smallest value that a descent finds from a start. Its steps are in units of each side, so
    that rounding errors of any size count."""
    width = np.where(high > low, high - low, 1.0)

    def scaled(steps: np.ndarray) -> float:
        value = function(low + steps * width)
        return value if math.isfinite(value) else 1e300

    limits = [(0.0, 1.0 if b > a else 0.0) for a, b in zip(low, high, strict=True)]
    begin = (start - low) / width
    found = optimize.minimize(scaled, begin, method="L-BFGS-B", bounds=limits)
    return min(float(found.fun), scaled(begin))


def f_quantile(p: float, df1: float, df2: float) -> float:
    """f with P(F ≤ f) = p."""
    return float(special.fdtri(df1, df2, p))


def middle_of(drawn: Sequence[float]) -> tuple[float, float]:
    """Ends of the middle 95 % of samples."""
    cuts = statistics.quantiles(drawn, n=40, method="inclusive")
    return cuts[0], cuts[-1]


def chi2_quantile(p: float, df: float) -> float:
    """x with P(χ² ≤ x) = p."""
    return float(special.chdtri(df, 1 - p))


def least(
    function: Callable[[np.ndarray], tuple[float, np.ndarray]], start: np.ndarray
) -> tuple[np.ndarray, float]:
    """Where a function with its gradient is least, and its value."""
    found: Any = optimize.minimize(
        function, start, jac=True, method="BFGS", options={"gtol": 1e-7, "maxiter": 500}
    )
    return np.asarray(found.x, dtype=float), float(found.fun)


def crossing_zero(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a function that has another sign at each end is zero."""
    return float(cast(Any, optimize).brentq(function, low, high, rtol=1e-7))
