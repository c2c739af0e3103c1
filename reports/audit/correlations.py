"""The second way to a correlation: by exact fractions, odds and every permutation."""

import itertools
import math
from collections.abc import Sequence
from fractions import Fraction

from moleflow.streams import numpy_stream
from reports.audit.distributions import normal_quantile
from reports.audit.second_way import Numbers

EVERY, DRAWS = 8, 9999
"""Pairs up to which every order of them is tried; else orders that are drawn."""
ROUNDING = 1e-12
SPEARMAN = "spearman"


def correlated(
    x: Sequence[float], y: Sequence[float], said: str, of: str = "correlation"
) -> Numbers:
    """Pearson's, with Fisher's interval and the share of orders that correlate as strongly.

    Args:
        said: p of drawn orders, which is taken where it is that but for the drawing.
        of: the column of it; `spearman`: x and y are ranks, and the interval is Bonett's.
    """
    names = (of, f"{of}_low", f"{of}_high", "p")
    a, b = _away(x), _away(y)
    if a is None or b is None or len(x) == 2:
        return dict.fromkeys(names)
    p = _as_strong([float(v) for v in a], [float(v) for v in b], said)
    return dict(zip(names, (*coefficient(x, y, of), p), strict=True))


def coefficient(
    x: Sequence[float], y: Sequence[float], of: str = "correlation"
) -> tuple[float | None, float | None, float | None]:
    """With its interval, where there is one; of pairs of which one side does not vary, nothing."""
    a, b = _away(x), _away(y)
    if a is None or b is None:
        return None, None, None
    squares = sum(v * v for v in a) * sum(v * v for v in b)
    r = float(sum(v * w for v, w in zip(a, b, strict=True))) / math.sqrt(squares)
    if len(x) <= 3 or 1 - abs(r) <= ROUNDING:
        return r, None, None
    wider = 1 + r * r / 2 if of == SPEARMAN else 1.0
    half = normal_quantile(0.975) * math.sqrt(wider / (len(x) - 3))
    low, high = ((1 + r) / (1 - r) * math.exp(2 * sign * half) for sign in (-1, 1))
    return r, (low - 1) / (low + 1), (high - 1) / (high + 1)


def _away(values: Sequence[float]) -> list[Fraction] | None:
    """From their mean; None where nothing varies."""
    if max(values) - min(values) <= ROUNDING * max(map(abs, values)):
        return None
    exact = [Fraction(value) for value in values]
    middle = sum(exact, Fraction(0)) / len(exact)
    return [value - middle for value in exact]


def _as_strong(a: Sequence[float], b: Sequence[float], said: str) -> float:
    """Share of orders with a product at least as large; of drawn ones what is said, where it is
    that but for the drawing."""
    size = math.sqrt(math.fsum(v * v for v in a) * math.fsum(v * v for v in b))
    least = abs(math.fsum(v * w for v, w in zip(a, b, strict=True))) - ROUNDING * size
    if len(a) <= EVERY:
        strong = [
            abs(sum(v * w for v, w in zip(a, order, strict=True))) >= least
            for order in itertools.permutations(b)
        ]
        return sum(strong) / len(strong)
    draws = numpy_stream("audit", "orders of pairs", len(a))
    strong = list[bool]()
    for _ in range(DRAWS):
        order: list[int] = draws.permutation(len(b)).tolist()
        strong.append(abs(sum(v * b[i] for v, i in zip(a, order, strict=True))) >= least)
    p = (1 + sum(strong)) / (DRAWS + 1)
    return float(said) if said and abs(float(said) - p) <= drawing(p) else p


def drawing(p: float) -> float:
    """How far apart two drawings of orders may put p."""
    return 5 * math.sqrt(2 * p * (1 - p) / DRAWS) + 2 / DRAWS


def chances(p: float, pairs: int) -> set[str]:
    """How sentences may tell p: of few pairs in one way, else as any drawing of orders gives it."""
    apart = drawing(p) if pairs > EVERY else 0.0
    near = {p + apart * k / DRAWS for k in range(-DRAWS, DRAWS + 1)}
    return {"p < 0.001" if one < 0.001 else f"p = {one:.3f}" for one in near}


def ranked(values: Sequence[float]) -> list[float]:
    """From 1, by counting those below; equal ones share the mean of theirs."""
    return [sum(v < w for v in values) + (sum(v == w for v in values) + 1) / 2 for w in values]
