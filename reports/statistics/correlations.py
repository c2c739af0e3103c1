"""Correlation with its interval, and a p-value that assumes nothing but exchangeability."""
# pyright: reportMissingTypeStubs=false

import itertools
import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from moleflow.metrics.summaries import NOISE
from moleflow.streams import numpy_stream
from reports.statistics.distributions import midranks
from reports.statistics.image_metrics import Z
from reports.statistics.inputs import Numbers, numbers

FEWEST = 3
"""Pairs that a correlation says something of."""
DRAWS = 9999
EXACT = 8
"""Pairs; up to here all orders are tried."""


@dataclass(frozen=True)
class Correlation:
    """Of n pairs."""

    n: int
    value: float | None
    """None where one side does not vary, and of two pairs, which always lie on a line."""
    interval: tuple[float, float] | None
    """95 %, by Fisher's z; None for fewer than 4 pairs and for a perfect correlation, of which n
    pairs cannot tell how perfect it is."""
    p: float | None
    """Two-sided, by permutation: of all orders up to 8 pairs, else of 9,999 drawn ones and the one
    that is there. A handful of pairs has too few orders for a small one."""


def pearson(x: Numbers, y: Numbers, name: str = "") -> Correlation:
    """Pearson's correlation. Interval tanh(artanh r ± 1.96/√(n − 3)) (Fisher 1921), for roughly
    normal pairs that are independent.

    Args:
        name: of the random stream of the permutations.

    Raises:
        ValueError: unequal lengths, fewer than 2 pairs, or a value is not finite.
    """
    a, b = _pairs(x, y)
    return _correlation(a, b, 1.0, name)


def spearman(x: Numbers, y: Numbers, name: str = "") -> Correlation:
    """Spearman's rank correlation, equal values sharing ranks. Interval by Fisher's z with
    variance (1 + r²/2)/(n − 3) (Bonett and Wright 2000).

    Args:
        name: of the random stream of the permutations.

    Raises:
        ValueError: as `pearson`.
    """
    a, b = (midranks(side) for side in _pairs(x, y))
    r = _product(a, b)
    return _correlation(a, b, 1.0 if r is None else 1 + r * r / 2, name)


def _pairs(x: Numbers, y: Numbers) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    a, b = numbers(x, "x", 1), numbers(y, "y", 1)
    if len(a) != len(b) or len(a) < 2:
        raise ValueError(f"{len(a)} and {len(b)} values; a correlation needs 2 pairs at least")
    return a, b


def _centred(x: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"] | None:
    """Of length 1; None where nothing varies."""
    if float(x.max() - x.min()) <= NOISE * float(np.abs(x).max()):
        return None
    away = x - x.mean()
    return away / np.linalg.norm(away)


def _product(x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"]) -> float | None:
    a, b = _centred(x), _centred(y)
    return None if a is None or b is None else float(np.clip(a @ b, -1, 1))


def _correlation(
    x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"], spread: float, name: str
) -> Correlation:
    n, r = len(x), _product(x, y)
    if r is None or n < FEWEST:
        return Correlation(n, None, None, None)
    interval = None
    if n > 3 and 1 - abs(r) > NOISE:
        half = Z * math.sqrt(spread / (n - 3))
        interval = (math.tanh(math.atanh(r) - half), math.tanh(math.atanh(r) + half))
    return Correlation(n, r, interval, _permuted(x, y, abs(r), name))


def _permuted(x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"], r: float, name: str) -> float:
    """Share of orders of y with a correlation at least as strong."""
    a, b = _centred(x), _centred(y)
    assert a is not None and b is not None
    n = len(x)
    if n <= EXACT:
        orders = np.array(list(itertools.permutations(range(n))))
        return float((np.abs(b[orders] @ a) >= r - NOISE).mean())
    draw = numpy_stream("reports", "permutations", name)
    shuffled = draw.permuted(np.broadcast_to(b, (DRAWS, n)), axis=1)
    return (1 + int((np.abs(shuffled @ a) >= r - NOISE).sum())) / (DRAWS + 1)
