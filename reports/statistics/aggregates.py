"""Aggregates over seeds and classes that few bad runs do not sway (Agarwal et al., NeurIPS 2021).

S seeds, C classes, B bootstrap draws, Q thresholds.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from moleflow.streams import numpy_stream
from reports.statistics.inputs import Numbers, numbers

DRAWS = 2000

Statistic = Callable[[Float[np.ndarray, "b s c"]], Float[np.ndarray, " b"]]


@dataclass(frozen=True)
class Aggregate:
    """A statistic of a table of values with its 95 % percentile bootstrap interval."""

    value: float
    interval: tuple[float, float]
    seeds: int
    classes: int


def mean(values: Float[np.ndarray, "b s c"]) -> Float[np.ndarray, " b"]:
    """Over seeds and classes."""
    return values.mean(axis=(1, 2))


def interquartile_mean(values: Float[np.ndarray, "b s c"]) -> Float[np.ndarray, " b"]:
    """Mean of the middle half of all S·C values (Agarwal et al. 2021, section 4.3).

    ⌊S·C/4⌋ are left out at either end, as in rliable.
    """
    flat = np.sort(values.reshape(len(values), -1), axis=1)
    cut = flat.shape[1] // 4
    return flat[:, cut : flat.shape[1] - cut].mean(axis=1)


def stratified_bootstrap(
    statistic: Statistic, values: Numbers, name: str, draws: int = DRAWS
) -> Aggregate:
    """Seeds are drawn anew for each class apart (Agarwal et al. 2021, section 4.1, as in rliable).

    Right where a class's runs are its own. Values of one sequence share a seed over all classes:
    use `seed_bootstrap`, which keeps what they share.

    Args:
        values: [S, C].
        name: of the random stream.

    Raises:
        ValueError: not a table, or a value is not finite.
    """
    table = numbers(values, "values", 2)
    s, c = table.shape
    draw = numpy_stream("reports", "stratified bootstrap", name)
    chosen = draw.integers(0, s, (draws, s, c))
    return _aggregate(statistic, table, table[chosen, np.arange(c)])


def seed_bootstrap(
    statistic: Statistic, values: Numbers, name: str, draws: int = DRAWS
) -> Aggregate:
    """Whole seeds are drawn anew, with their values of all classes.

    With few seeds a percentile interval is too narrow, by about √((S − 1)/S) and what the tails of
    t would add: for a mean, `contrast` and `summarise` are the better intervals.

    Args:
        values: [S, C].
        name: of the random stream.

    Raises:
        ValueError: not a table, or a value is not finite.
    """
    table = numbers(values, "values", 2)
    draw = numpy_stream("reports", "seed bootstrap", name)
    return _aggregate(statistic, table, table[draw.integers(0, len(table), (draws, len(table)))])


def _aggregate(
    statistic: Statistic, table: Float[np.ndarray, "s c"], resampled: Float[np.ndarray, "b s c"]
) -> Aggregate:
    low, high = np.quantile(statistic(resampled), [0.025, 0.975])
    value = float(statistic(table[None])[0])
    return Aggregate(value, (float(low), float(high)), *table.shape)


def probability_of_improvement(
    baseline: Numbers, variant: Numbers, name: str, draws: int = DRAWS
) -> Aggregate:
    """Mean over classes of P(a run of the variant is above one of the baseline), equal ones half:
    Mann-Whitney's U/(S·S') (Agarwal et al. 2021, section 4.3). Seeds of both are drawn anew, each
    class apart.

    Args:
        baseline: [S, C].
        variant: [S', C].

    Raises:
        ValueError: other classes, or a value is not finite.
    """
    base, other = numbers(baseline, "baseline", 2), numbers(variant, "variant", 2)
    if base.shape[1] != other.shape[1]:
        raise ValueError(
            f"{base.shape[1]} classes of the baseline, {other.shape[1]} of the variant"
        )
    wins = np.sign(other[:, None] - base[None]) / 2 + 0.5
    draw = numpy_stream("reports", "probability of improvement", name)
    classes = base.shape[1]
    of_other, of_base = (
        draw.multinomial(n, np.full(n, 1 / n), size=(draws, classes)) / n
        for n in (len(other), len(base))
    )
    found = np.einsum("bci,ijc,bcj->b", of_other, wins, of_base, optimize=True) / classes
    low, high = np.quantile(found, [0.025, 0.975])
    seeds = min(len(base), len(other))
    return Aggregate(float(wins.mean()), (float(low), float(high)), seeds, classes)


@dataclass(frozen=True)
class Profile:
    """Share of runs above each threshold."""

    thresholds: Float[np.ndarray, " q"]
    share: Float[np.ndarray, " q"]
    low: Float[np.ndarray, " q"]
    """Pointwise 95 % percentile bootstrap."""
    high: Float[np.ndarray, " q"]


def performance_profile(
    values: Numbers, thresholds: Numbers, name: str, draws: int = DRAWS
) -> Profile:
    """Run-score distribution: share of all runs, over seeds and classes, with a value above τ
    (Agarwal et al. 2021, section 4.2). Seeds are drawn anew for each class apart.

    Args:
        values: [S, C].
        thresholds: [Q].

    Raises:
        ValueError: a value or threshold is not finite.
    """
    table, at = numbers(values, "values", 2), numbers(thresholds, "thresholds", 1)
    s, c = table.shape
    draw = numpy_stream("reports", "performance profile", name)
    above = (table[..., None] > at).astype(np.float64)
    counts = draw.multinomial(s, np.full(s, 1 / s), size=(draws, c)).astype(np.float64)
    found = np.einsum("bcs,scq->bq", counts, above) / (s * c)
    low, high = np.quantile(found, [0.025, 0.975], axis=0)
    return Profile(at, above.mean(axis=(0, 1)), low, high)
