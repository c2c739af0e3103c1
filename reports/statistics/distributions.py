"""What is asked of scipy beyond its special functions, with types; imported when asked, as it takes
long."""
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Callable
from typing import Any, cast

import numpy as np


def root(
    function: Callable[[float], float], low: float, high: float, within: float = 1e-12
) -> float:
    """Where a function that changes its sign between low and high is 0 (Brent's method)."""
    from scipy import optimize

    return float(cast("Any", optimize.brentq(function, low, high, xtol=within)))


def midranks(values: np.ndarray) -> np.ndarray:
    """Ranks along the last axis from 1, equal values sharing the mean of theirs."""
    from scipy import stats

    return np.asarray(stats.rankdata(values, axis=-1), dtype=np.float64)


def minimum(
    function: Callable[[np.ndarray], tuple[float, np.ndarray]],
    start: np.ndarray,
    low: np.ndarray,
    precision: float = 1e-13,
) -> tuple[np.ndarray, float]:
    """Where a function with its gradient is least, at or above bounds (L-BFGS-B), and its value."""
    from scipy import optimize

    found = cast(
        "Any",
        optimize.minimize(
            function,
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=[(float(b), None) for b in low],
            options={"ftol": precision, "gtol": 1e-7, "maxiter": 500},
        ),
    )
    return np.asarray(found.x, dtype=np.float64), float(found.fun)
