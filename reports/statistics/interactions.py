"""Whether two components need each other: 2 × 2 designs, and any two factors.

N values, P columns of a model.
"""
# pyright: reportMissingTypeStubs=false

import itertools
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy import special

from moleflow.metrics.summaries import NOISE
from reports.statistics.contrasts import Contrast, adjusted, contrast, holm
from reports.statistics.distributions import root
from reports.statistics.inputs import Numbers, numbers


@dataclass(frozen=True)
class Effect:
    """A line of a two-way analysis of variance."""

    sum_of_squares: float
    """Type II: over all effects but those that contain this one."""
    df: int
    f: float | None
    """Against the residual mean square; None where the residual is rounding only."""
    p: float | None
    partial_eta2: float
    """SS/(SS + residual SS): of what the other effects leave, the share of this one."""
    partial_eta2_interval: tuple[float, float] | None
    """90 %, from the noncentral F distribution (Steiger 2004): its lower end is 0 where p > 5 %."""
    f_robust: float | None
    """Wald's F with HC3 covariance (MacKinnon and White 1985), right under unequal variances."""
    p_robust: float | None


@dataclass(frozen=True)
class TwoWay:
    """Analysis of variance of two factors and their interaction."""

    first: Effect
    second: Effect
    interaction: Effect
    residual_sum_of_squares: float
    residual_df: int
    n: int


def two_way(values: Numbers, first: Sequence[Hashable], second: Sequence[Hashable]) -> TwoWay:
    """Type II analysis of variance with interaction; cells may differ in number.

    Values count as independent: runs that share a seed are not, and `interaction` pairs them.

    Args:
        values: [N].
        first: level of the one factor, per value.
        second: of the other.

    Raises:
        ValueError: lengths differ, a value is not finite, a factor has one level, a combination of
            levels has no value, or no combination has two.
    """
    y = numbers(values, "values", 1)
    if not len(y) == len(first) == len(second):
        raise ValueError(f"{len(y)} values, {len(first)} and {len(second)} levels; give one each")
    a, b = _coded(first, "first"), _coded(second, "second")
    ab = np.einsum("ni,nj->nij", a, b).reshape(len(y), -1)
    one = np.ones((len(y), 1))
    full = np.hstack([one, a, b, ab])
    if len(set(zip(first, second, strict=True))) < full.shape[1]:
        raise ValueError("a combination of the two factors has no value; their interaction is open")
    df = len(y) - full.shape[1]
    if df < 1:
        raise ValueError("one value for each combination; the noise needs two of one at least")
    residual = _rest(y, full)
    without = {
        "first": (_rest(y, np.hstack([one, b])), _rest(y, np.hstack([one, a, b]))),
        "second": (_rest(y, np.hstack([one, a])), _rest(y, np.hstack([one, a, b]))),
        "interaction": (_rest(y, np.hstack([one, a, b])), residual),
    }
    ends = list(itertools.accumulate([1, a.shape[1], b.shape[1], ab.shape[1]]))
    covariance = _hc3(y, full)
    effects: dict[str, Effect] = {}
    for i, (name, (less, more)) in enumerate(without.items()):
        columns = list(range(ends[i], ends[i + 1]))
        robust = _wald(y, full, covariance, columns)
        effects[name] = _effect(max(0.0, less - more), len(columns), residual, df, y, robust)
    return TwoWay(**effects, residual_sum_of_squares=residual, residual_df=df, n=len(y))


def _coded(levels: Sequence[Hashable], name: str) -> Float[np.ndarray, "n k"]:
    """Columns that sum to 0 over the levels, so that a main effect is one of the mean over the
    other factor's levels."""
    known = list(dict.fromkeys(levels))
    if len(known) < 2:
        raise ValueError(f"the {name} factor has one level; an effect needs two")
    code = np.vstack([np.eye(len(known) - 1), -np.ones(len(known) - 1)])
    return code[[known.index(level) for level in levels]]


def _rest(y: Float[np.ndarray, " n"], x: Float[np.ndarray, "n p"]) -> float:
    """Residual sum of squares."""
    return float(((y - x @ np.linalg.lstsq(x, y, rcond=None)[0]) ** 2).sum())


def _hc3(
    y: Float[np.ndarray, " n"], x: Float[np.ndarray, "n p"]
) -> Float[np.ndarray, "p p"] | None:
    """Covariance of the coefficients, each residual weighed by 1/(1 − leverage)²; None where a
    value stands alone in its combination, whose residual is 0 whatever the noise."""
    bread = np.linalg.inv(x.T @ x)
    leverage = np.einsum("np,pq,nq->n", x, bread, x)
    if (leverage > 1 - 1e-9).any():
        return None
    e = (y - x @ (bread @ (x.T @ y))) / (1 - leverage)
    if np.abs(e).max() <= NOISE * np.abs(y).max():
        return None
    return bread @ ((x * (e**2)[:, None]).T @ x) @ bread


def _wald(
    y: Float[np.ndarray, " n"],
    x: Float[np.ndarray, "n p"],
    covariance: Float[np.ndarray, "p p"] | None,
    columns: list[int],
) -> tuple[float, float] | None:
    """F and p of "these coefficients are 0"."""
    if covariance is None:
        return None
    beta = np.linalg.lstsq(x, y, rcond=None)[0][columns]
    part = covariance[np.ix_(columns, columns)]
    if np.linalg.cond(part) > 1e12:
        return None
    f = float(beta @ np.linalg.solve(part, beta)) / len(columns)
    return f, float(special.fdtrc(len(columns), len(y) - x.shape[1], f))


def _effect(
    ss: float,
    df: int,
    residual: float,
    df_residual: int,
    y: Float[np.ndarray, " n"],
    robust: tuple[float, float] | None,
) -> Effect:
    f_robust, p_robust = robust or (None, None)
    rounding = len(y) * (NOISE * float(np.abs(y).max())) ** 2
    if residual <= rounding:
        share = 0.0 if ss <= rounding else 1.0
        return Effect(ss, df, None, None, share, None, f_robust, p_robust)
    f = (ss / df) / (residual / df_residual)
    p = float(special.fdtrc(df, df_residual, f))
    share = ss / (ss + residual)
    interval = _eta2_interval(f, df, df_residual)
    return Effect(ss, df, f, p, share, interval, f_robust, p_robust)


def _eta2_interval(f: float, df: int, df_residual: int) -> tuple[float, float]:
    n = df + df_residual + 1

    def noncentrality(level: float) -> float:
        def gap(value: float) -> float:
            return float(special.ncfdtr(df, df_residual, value, f)) - level

        if gap(0.0) <= 0:
            return 0.0
        high = 1.0
        while gap(high) > 0 and high < 1e9:
            high *= 2
        return root(gap, 0.0, high)

    low, high = noncentrality(0.95), noncentrality(0.05)
    return low / (low + n), high / (high + n)


@dataclass(frozen=True)
class Interaction:
    """What two components do together beyond what each does alone; n seeds."""

    contrast: Contrast
    """Paired by seed: (both − second) − (first − neither). *better*: they help each other; *worse*:
    they stand in each other's way; *equivalent*: each does the same with and without the other."""
    anova: TwoWay
    """Of the same 4·n values as if independent, as papers print it."""
    p_holm: float | None = None
    """Of the interaction in `anova`, adjusted for the other pairs, by `holm_interactions`."""


def interaction(
    neither: Sequence[float],
    first: Sequence[float],
    second: Sequence[float],
    both: Sequence[float],
    margin: float,
) -> Interaction:
    """Interaction of two components in a 2 × 2 design that is paired by seed.

    The paired contrast is the one to trust: the four runs of a seed share data and streams, so they
    are no independent values. Values right after learning a class and final values are two
    questions: ask both, lest forgetting pass for an effect.

    Args:
        neither, first, second, both: with these components; a value per seed, seeds alike.

    Raises:
        ValueError: as `contrast`, or fewer than 2 seeds.
    """
    cells = {(0, 0): neither, (1, 0): first, (0, 1): second, (1, 1): both}
    if len({len(values) for values in cells.values()}) > 1:
        lengths = ", ".join(str(len(values)) for values in cells.values())
        raise ValueError(f"{lengths} values; give those of the same seeds, in the same order")
    alone = [float(a) - float(o) for a, o in zip(first, neither, strict=True)]
    joined = [float(ab) - float(b) for ab, b in zip(both, second, strict=True)]
    found = contrast(alone, joined, margin)
    y = [value for values in cells.values() for value in values]
    a, b = ([cell[i] for cell, values in cells.items() for _ in values] for i in (0, 1))
    return Interaction(found, two_way(y, a, b))


def holm_interactions(found: Mapping[str, Interaction]) -> dict[str, Interaction]:
    """The same interactions as one table: Holm over the pairs of components, for the contrasts'
    verdicts (`holm`) and for the p-values of the analysis of variance.

    Raises:
        ValueError: one was adjusted before.
    """
    contrasts = holm([one.contrast for one in found.values()])
    tested = [name for name, one in found.items() if one.anova.interaction.p is not None]
    p = adjusted([found[name].anova.interaction.p or 0.0 for name in tested])
    by_name = dict(zip(tested, p, strict=True))
    return {
        name: replace(one, contrast=by_seed, p_holm=by_name.get(name))
        for (name, one), by_seed in zip(found.items(), contrasts, strict=True)
    }
