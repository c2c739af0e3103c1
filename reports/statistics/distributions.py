"""What is asked of scipy beyond its special functions, with types."""
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast

import numpy as np
from scipy import optimize


def root(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a function that changes its sign between low and high is 0 (Brent's method)."""
    return float(cast("Any", optimize.brentq(function, low, high)))


def midranks(values: np.ndarray) -> np.ndarray:
    """Ranks along the last axis from 1, equal values sharing the mean of theirs."""
    from scipy import stats

    return np.asarray(stats.rankdata(values, axis=-1), dtype=np.float64)


@lru_cache(maxsize=256)
def studentized_range_point(level: float, groups: int, df: float) -> float:
    """The point that the range of so many means in standard errors stays below with this
    probability."""
    from scipy import stats

    return float(cast("Any", stats.studentized_range.ppf(level, groups, df)))


def studentized_range_tail(q: float, groups: int, df: float) -> float:
    """Probability that it is larger."""
    from scipy import stats

    return float(cast("Any", stats.studentized_range.sf(q, groups, df)))


def minimum(
    function: Callable[[np.ndarray], tuple[float, np.ndarray]], start: np.ndarray, low: np.ndarray
) -> tuple[np.ndarray, float]:
    """Where a function with its gradient is least, at or above bounds (L-BFGS-B), and its value."""
    found = cast(
        "Any",
        optimize.minimize(
            function,
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=[(float(b), None) for b in low],
            options={"ftol": 1e-13, "gtol": 1e-8, "maxiter": 500},
        ),
    )
    return np.asarray(found.x, dtype=np.float64), float(found.fun)
