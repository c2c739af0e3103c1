"""Variance components of a random-effects model: how much of the variation each source makes.

N values, K sources, Q levels of all sources together, q of one.
"""
# pyright: reportMissingTypeStubs=false

import itertools
import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float
from scipy import special

from moleflow.metrics.summaries import NOISE
from reports.statistics.inputs import Numbers, numbers
from reports.statistics.likelihood import Crossed, reml

RESIDUAL = "residual"
IMAGES = "test pictures"


@dataclass(frozen=True)
class VarianceComponent:
    """Of one source."""

    name: str
    levels: int
    """That were seen; of the residual, its degrees of freedom."""
    estimate: float
    """Unbiased (ANOVA), and then below 0 by chance where the source does little; never below 0 by
    REML."""
    interval: tuple[float, float] | None
    """95 %, within [0, ∞); None where it was not estimated from these values."""
    share: float | None
    """Of the sum of all components, negative ones taken for 0; None where nothing varies."""
    negative: bool
    """The estimate is below 0, or REML's lies on that bound: these values show no sign of the
    source. To be said wherever the component is shown as 0."""


@dataclass(frozen=True)
class VarianceComponents:
    """Of y = mean + Σ effects of sources + residual, all independent and random."""

    components: tuple[VarianceComponent, ...]
    """In the order given; then the residual, with all interactions, and test images, if known."""
    method: Literal["ANOVA", "REML"]
    n: int
    images_in: str | None = None
    """The source from which the share of the test images was taken."""


def variance_components(
    values: Numbers, sources: Mapping[str, Sequence[Hashable]]
) -> VarianceComponents:
    """Components with intervals: in closed form where the design allows it, else by REML.

    Closed form where every level of a source is as frequent as its others and every two sources
    are orthogonal (each pair of levels as often as their frequencies say): σ² = (MS − MS_residual)/
    (N/q). Its interval is the modified large-sample one (Ting, Burdick, Graybill, Jeyaratnam and Lu
    1990; Burdick and Graybill 1992, section 3.3). REML's is the profile likelihood's, a little
    narrow for sources of few levels (with five it covers 93 %).

    Args:
        values: [N].
        sources: per source, the level of each value: task 0, position, seed, class, ...; levels of
            a nested source need names that are unique over the other.

    Raises:
        ValueError: lengths differ, a value is not finite, a source has one level or one for each
            value, two sources are the same, or nothing is left for the residual.
    """
    y = numbers(values, "values", 1)
    codes = {name: _coded(levels, name, len(y)) for name, levels in sources.items()}
    for (a, x), (b, z) in itertools.combinations(codes.items(), 2):
        if len(np.unique(x * len(y) + z)) == x.max() + 1 == z.max() + 1:
            raise ValueError(f"{a} and {b} change together; their components cannot be told apart")
    df = len(y) - 1 - sum(int(code.max()) for code in codes.values())
    if df < 1:
        raise ValueError(f"{len(y)} values are too few for these sources; none is left for noise")
    if float(y.max() - y.min()) <= NOISE * float(np.abs(y).max()):
        return _nothing_varies(codes, df, len(y))
    if _orthogonal(codes, len(y)):
        found, method = _closed_form(y, codes, df), "ANOVA"
    else:
        found, method = _by_likelihood(y, codes, df), "REML"
    return VarianceComponents(_shared(found), method, len(y))


def with_images(found: VarianceComponents, variance: float, source: str) -> VarianceComponents:
    """The same with a component of the test images, taken from the source that it hides in.

    The images of a class are drawn once and stay: what they do to its metric is part of the effect
    of the class. Their variance is known from the images themselves (`delong_covariance`,
    `bootstrap_covariance`), as mean over classes, and counts as known in the source's interval.

    Raises:
        ValueError: no such source, or a variance below 0 or not finite.
    """
    names = [component.name for component in found.components]
    if source not in names or not (math.isfinite(variance) and variance >= 0):
        raise ValueError(f"variance {variance} in {source!r}; give one ≥ 0 in one of {names}")
    parts: list[VarianceComponent] = []
    for part in found.components:
        if part.name == source:
            estimate = part.estimate - variance
            ends = part.interval and tuple(max(0.0, end - variance) for end in part.interval)
            interval = (ends[0], ends[1]) if ends else None
            part = replace(part, estimate=estimate, interval=interval, negative=estimate <= 0)
        parts.append(part)
    parts.append(VarianceComponent(IMAGES, 0, variance, None, None, False))
    return replace(found, components=_shared(parts), images_in=source)


def _coded(levels: Sequence[Hashable], name: str, n: int) -> np.ndarray:
    if len(levels) != n:
        raise ValueError(f"{len(levels)} levels of {name} for {n} values")
    known = {level: i for i, level in enumerate(dict.fromkeys(levels))}
    if not 1 < len(known) < n:
        raise ValueError(f"{name} has {len(known)} levels over {n} values; a component needs some "
                         "levels, and some values at each")  # fmt: skip
    return np.array([known[level] for level in levels])


def _orthogonal(codes: Mapping[str, np.ndarray], n: int) -> bool:
    counts = {name: np.bincount(code) for name, code in codes.items()}
    if any(len(set(count.tolist())) > 1 for count in counts.values()):
        return False
    for (a, x), (b, z) in itertools.combinations(codes.items(), 2):
        both = np.bincount(x * len(counts[b]) + z, minlength=len(counts[a]) * len(counts[b]))
        if (both * len(both) != n).any():
            return False
    return True


def _closed_form(
    y: Float[np.ndarray, " n"], codes: Mapping[str, np.ndarray], df: int
) -> list[VarianceComponent]:
    away = y - y.mean()
    total = float((away**2).sum())
    sums: dict[str, float] = {}
    for name, code in codes.items():
        means = np.bincount(code, away) / np.bincount(code)
        sums[name] = float((means**2).sum()) * len(y) / len(means)
    rest = max(0.0, total - math.fsum(sums.values())) / df
    found: list[VarianceComponent] = []
    for name, code in codes.items():
        own = int(code.max())
        each = len(y) / (own + 1)
        estimate = (sums[name] / own - rest) / each
        low, high = _difference(sums[name] / own, own, rest, df)
        interval = (max(0.0, low / each), max(0.0, high / each))
        found.append(VarianceComponent(name, own + 1, estimate, interval, None, estimate < 0))
    return [*found, _residual(rest, df)]


def _residual(estimate: float, df: int) -> VarianceComponent:
    """With its exact χ² interval."""
    low, high = (df * estimate / float(special.chdtri(df, tail)) for tail in (0.025, 0.975))
    return VarianceComponent(RESIDUAL, df, estimate, (low, high), None, False)


def _difference(ms1: float, df1: int, ms2: float, df2: int) -> tuple[float, float]:
    """Modified large-sample interval of E[ms1] − E[ms2], 95 %."""
    tail = 0.025

    def point(upper: float, a: float, b: float) -> float:
        if math.isinf(b):
            return float(special.chdtri(a, upper)) / a
        return float(special.fdtri(a, b, 1 - upper))

    g1, g2 = (1 - 1 / point(tail, df, math.inf) for df in (df1, df2))
    h1, h2 = (1 / point(1 - tail, df, math.inf) - 1 for df in (df1, df2))
    above, below = point(tail, df1, df2), point(1 - tail, df1, df2)
    g12 = ((above - 1) ** 2 - g1**2 * above**2 - h2**2) / above
    h12 = ((1 - below) ** 2 - h1**2 * below**2 - g2**2) / below
    low = (g1 * ms1) ** 2 + (h2 * ms2) ** 2 + g12 * ms1 * ms2
    high = (h1 * ms1) ** 2 + (g2 * ms2) ** 2 + h12 * ms1 * ms2
    centre = ms1 - ms2
    return centre - math.sqrt(max(0.0, low)), centre + math.sqrt(max(0.0, high))


def _by_likelihood(
    y: Float[np.ndarray, " n"], codes: Mapping[str, np.ndarray], df: int
) -> list[VarianceComponent]:
    scale = float(y.var())
    model = Crossed.of((y - y.mean()) / math.sqrt(scale), list(codes.values()))
    fit = reml(model)
    names, levels = [RESIDUAL, *codes], [df, *(int(code.max()) + 1 for code in codes.values())]
    found = [
        VarianceComponent(
            name,
            count,
            scale * variance,
            (scale * interval[0], scale * interval[1]),
            None,
            variance <= fit.nothing,
        )
        for name, count, variance, interval in zip(
            names, levels, fit.variances, fit.intervals, strict=True
        )
    ]
    return [*found[1:], found[0]]


def _nothing_varies(codes: Mapping[str, np.ndarray], df: int, n: int) -> VarianceComponents:
    parts = [
        VarianceComponent(name, int(code.max()) + 1, 0.0, (0.0, 0.0), None, False)
        for name, code in codes.items()
    ]
    parts.append(VarianceComponent(RESIDUAL, df, 0.0, (0.0, 0.0), None, False))
    return VarianceComponents(tuple(parts), "ANOVA", n)


def _shared(parts: Sequence[VarianceComponent]) -> tuple[VarianceComponent, ...]:
    total = math.fsum(max(0.0, part.estimate) for part in parts)
    if total <= 0:
        return tuple(parts)
    return tuple(replace(part, share=max(0.0, part.estimate) / total) for part in parts)
