"""Contrasts of values paired by seed, and groups that share seeds, a second time: by F instead of
t, sums of exact fractions, and noncentral t.
"""
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

import itertools
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import numpy as np
from scipy import special, stats

from reports.audit.distributions import (
    chi2_quantile,
    chi2_tail,
    f_quantile,
    f_tail,
    root,
    t_quantile,
    t_tail,
)

LEVEL, SEEDS_FOR_PROOF, POWER = 0.05, 3, 0.8
MOST_SEEDS = 10_000
ROUNDING = 1e-12
NEARLY = 1e-3
"""Of a probability, from one quadrature to another."""


@dataclass(frozen=True)
class Tested:
    """A difference with what is to be said of it alone."""

    n: int
    difference: float
    sd: float | None
    interval: tuple[float, float] | None
    p: float | None
    p_equivalence: float | None


def tested(before: Sequence[float], after: Sequence[float], margin: float) -> Tested:
    """Paired: after − before."""
    differences = [b - a for a, b in zip(before, after, strict=True)]
    n, middle = len(differences), statistics.mean(differences)
    if n < 2:
        return Tested(n, middle, None, None, None, None)
    sd = sd_equivalent = statistics.stdev(differences)
    values = [*before, *after]
    if sd <= ROUNDING * max(map(abs, values)):
        if abs(middle) <= ROUNDING * max(map(abs, values)):
            proven = margin > 0 and n >= SEEDS_FOR_PROOF
            return Tested(n, middle, 0.0, (middle, middle), 1.0, 0.0 if proven else 1.0)
        grid = gap(values)
        sd, sd_equivalent = grid / math.sqrt(12), grid / 2
    f = n * (middle / sd) ** 2
    half = math.sqrt(f_quantile(1 - LEVEL, 1, n - 1) / n) * sd
    room = (margin - abs(middle)) * math.sqrt(n) / sd_equivalent
    equivalent = t_tail(room, n - 1) if margin > 0 else 1.0
    interval = (middle - half, middle + half)
    return Tested(n, middle, sd, interval, f_tail(f, 1, n - 1), equivalent)


def gap(values: Sequence[float]) -> float:
    """Between the two values that are nearest to each other, and not equal."""
    ordered = sorted(values)
    rounding = ROUNDING * max(map(abs, values))
    return min(b - a for a, b in itertools.pairwise(ordered) if b - a > rounding)


def step_down(p_values: Mapping[str, float]) -> dict[str, float]:
    """Holm: the largest of (hypotheses not smaller) × p over all that are as small or smaller."""
    found: dict[str, float] = {}
    for name, p in p_values.items():
        smaller = sorted(q for q in p_values.values() if q <= p)
        products = (((len(p_values) - i) * q) for i, q in enumerate(smaller))
        found[name] = min(1.0, max(products))
    return found


def verdict(difference: float, p: float, p_equivalence: float) -> str:
    """*equivalent* comes first."""
    if p_equivalence <= LEVEL:
        return "equivalent"
    return "undecided" if p > LEVEL else "better" if difference > 0 else "worse"


def decides(one: Tested, margin: float, levels: tuple[float, float], n: int) -> float:
    """Probability that n seeds give a verdict, were difference and noise those that were seen: of a
    difference beyond what its estimated noise s allows, and of one well inside of the margin."""
    assert one.sd is not None
    df, error = n - 1, one.sd / math.sqrt(n)
    far = t_quantile(1 - levels[0] / 2, df)
    near = t_quantile(1 - levels[1], df)
    nodes, weights = _quadrature()
    most = math.sqrt(chi2_quantile(1 - 1e-12, df) / df)
    s = most * (nodes + 1) / 2
    weigh = weights * stats.chi.pdf(s * math.sqrt(df), df) * math.sqrt(df) * most / 2

    def inside(half: np.ndarray) -> float:
        upper = special.ndtr((half - one.difference) / error)
        lower = special.ndtr((-half - one.difference) / error)
        return float((weigh * np.where(half > 0, upper - lower, 0.0)).sum())

    beyond = far * s * error
    return 1 - inside(beyond) + inside(np.minimum(margin - near * s * error, beyond))


@cache
def _quadrature() -> tuple[np.ndarray, np.ndarray]:
    return np.polynomial.legendre.leggauss(400)


def enough(one: Tested, margin: float, levels: tuple[float, float], more: int) -> bool:
    """Whether so many further seeds, and no fewer, make a verdict likely."""
    total = one.n + more
    if decides(one, margin, levels, total) < POWER - NEARLY:
        return False
    return more == 1 or decides(one, margin, levels, total - 1) < POWER + NEARLY


def fewest(one: Tested, margin: float, levels: tuple[float, float], said: str) -> int | str | None:
    """What is said of the further seeds that make a verdict likely, where no fewer do; nothing
    said: that none do."""
    if not one.sd:
        return None
    if not said:
        none = decides(one, margin, levels, MOST_SEEDS) < POWER + NEARLY
        return None if none else "(some number)"
    more = int(float(said))
    return more if enough(one, margin, levels, more) else "(another number)"


@cache
def ends_of_noise(df: int) -> tuple[float, float]:
    """Of the 95 % interval of a deviation, as parts of the one that was seen: where χ² leaves 2.5 %
    above and below."""

    def at(tail: float) -> float:
        return root(lambda x: chi2_tail(math.exp(x), df) - tail, -30.0, 30.0)

    smallest, largest = (math.sqrt(df / math.exp(at(tail))) for tail in (LEVEL / 2, 1 - LEVEL / 2))
    return smallest, largest


@dataclass(frozen=True)
class Layout:
    """Groups that were run with the same seeds: value = group + seed + noise."""

    names: tuple[str, ...]
    values: tuple[tuple[float, ...], ...]

    @property
    def means(self) -> list[float]:
        return [statistics.mean(row) for row in self.values]

    @property
    def seeds(self) -> int:
        return len(self.values[0])

    @property
    def df(self) -> int:
        return (len(self.names) - 1) * (self.seeds - 1)

    @property
    def flat(self) -> list[float]:
        return [value for row in self.values for value in row]

    @property
    def identical(self) -> bool:
        columns = zip(*self.values, strict=True)
        most = ROUNDING * max(map(abs, self.flat))
        return max(max(column) - min(column) for column in columns) <= most

    @property
    def sd(self) -> float:
        """By totals: Σx² − Σ group² / S − Σ seed² / G + (Σx)² / GS."""
        if self.identical:
            return 0.0
        # Exactly: the root of a rounding error would pass for noise where there is none.
        x = [[Fraction(value) for value in row] for row in self.values]
        g, s = len(x), len(x[0])
        rest = _squares(v for row in x for v in row) - _squares(map(_sum, x)) / s
        rest += _sum(v for row in x for v in row) ** 2 / (g * s)
        rest -= _squares(map(_sum, zip(*x, strict=True))) / g
        sd = math.sqrt(rest / self.df)
        if sd <= ROUNDING * max(map(abs, self.flat)):
            return gap(self.flat) / math.sqrt(12)
        return sd


def _sum(values: Iterable[Fraction]) -> Fraction:
    return sum(values, Fraction(0))


def _squares(values: Iterable[Fraction]) -> Fraction:
    return _sum(v * v for v in values)


def range_of(distance: float, groups: int, df: int) -> float:
    """P(studentised range > distance)."""
    return float(stats.studentized_range.sf(distance, groups, df))


@cache
def range_point(groups: int, df: float) -> float:
    """What the studentised range exceeds in 5 %."""
    return float(stats.studentized_range.isf(LEVEL, groups, df))


def difference_interval(ms1: float, df1: int, ms2: float, df2: int) -> tuple[float, float]:
    """95 % of E[ms1] − E[ms2], modified for large samples (Burdick and Graybill 1992, 3.3)."""
    p = LEVEL / 2
    at, inverse = f_quantile(1 - p, df1, df2), f_quantile(p, df1, df2)
    g1, g2 = (1 - df / chi2_quantile(1 - p, df) for df in (df1, df2))
    h1, h2 = (df / chi2_quantile(p, df) - 1 for df in (df1, df2))
    g12 = ((at - 1) ** 2 - (g1 * at) ** 2 - h2**2) / at
    h12 = ((1 - inverse) ** 2 - (h1 * inverse) ** 2 - g2**2) / inverse
    low = (g1 * ms1) ** 2 + (h2 * ms2) ** 2 + g12 * ms1 * ms2
    high = (h1 * ms1) ** 2 + (g2 * ms2) ** 2 + h12 * ms1 * ms2
    return ms1 - ms2 - math.sqrt(max(0.0, low)), ms1 - ms2 + math.sqrt(max(0.0, high))
