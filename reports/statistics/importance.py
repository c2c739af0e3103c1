"""How much each axis moves the outcome: exactly in balanced grids, by densities in searches."""
# pyright: reportMissingTypeStubs=false

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import special

from moleflow.metrics.summaries import NOISE
from moleflow.streams import numpy_stream
from reports.statistics.inputs import Numbers, numbers

SHUFFLES = 499
POINTS = 101
"""Of the grid that densities are compared on."""


@dataclass(frozen=True)
class Share:
    """Of the variance over the whole grid, by one axis or several together."""

    axes: tuple[str, ...]
    variance: float
    share: float | None
    """Of the variance over the grid; None where nothing varies."""
    noise: float | None
    """Part of `variance` that noise between repetitions explains on average; None without
    repetitions."""


def grid_importance(values: Numbers, axes: Sequence[str]) -> tuple[Share, ...]:
    """Exact functional analysis of variance of a full grid (Hooker 2007; Hutter, Hoos and
    Leyton-Brown 2014, section 4), every combination once per repetition.

    The effect of a set of axes is the mean over all others, less the effects of its subsets; its
    variance over the grid is its share. Shares of all sets sum to 1. Largest first.

    Args:
        values: one dimension per axis, and one more for repetitions (seeds), if any.
        axes: their names.

    Raises:
        ValueError: dimensions and names do not fit, or a value is missing (NaN): the grid is not
            balanced then, and the exact shares do not exist.
    """
    dimensions = np.ndim(np.asarray(values, dtype=np.float64))
    repeated = dimensions == len(axes) + 1
    table = numbers(values, "values", len(axes) + 1 if repeated else len(axes))
    noise = None
    if repeated and table.shape[-1] > 1:
        noise = float(table.var(axis=-1, ddof=1).mean()) / table.shape[-1]
    grid = table.mean(axis=-1) if repeated else table
    total = float(grid.var())
    varies = float(grid.max() - grid.min()) > NOISE * float(np.abs(grid).max())
    effects: dict[tuple[int, ...], np.ndarray] = {(): grid.mean(keepdims=True)}
    shares: list[Share] = []
    for size in range(1, len(axes) + 1):
        for chosen in itertools.combinations(range(len(axes)), size):
            others = tuple(i for i in range(len(axes)) if i not in chosen)
            effect = grid.mean(axis=others, keepdims=True)
            for k in range(size):
                for subset in itertools.combinations(chosen, k):
                    effect = effect - effects[subset]
            effects[chosen] = effect
            variance = float((effect**2).mean())
            df = math.prod(grid.shape[i] - 1 for i in chosen)
            expected = None if noise is None else noise * df / grid.size
            share = variance / total if varies else None
            shares.append(Share(tuple(axes[i] for i in chosen), variance, share, expected))
    return tuple(sorted(shares, key=lambda s: -s.variance))


def search_importance(
    parameters: Mapping[str, Sequence[float] | Sequence[str]],
    outcome: Numbers,
    top: float = 0.1,
    baseline: float = 1.0,
) -> dict[str, float]:
    """PED-ANOVA: how differently the best trials of a search lie from all, per parameter, as shares
    that sum to 1 (Watanabe, Bansal and Hutter, IJCAI 2023).

    The importance of a parameter is the Pearson divergence ∫ (p_top/p_base − 1)² p_base of its
    marginal densities among the best `top` and the best `baseline` of the trials. Densities of
    numbers are Gaussian mixtures on the range seen, with Scott's bandwidth; those of words are
    frequencies, each word counted once more. Give numbers on the scale they were drawn on (logs for
    log-uniform).

    Where a parameter shows nothing, its share is the noise of this estimate, not 0; at few trials
    that is much.

    Args:
        outcome: per trial; more is better.

    Raises:
        ValueError: lengths differ, a value is not finite, fewer than 2 of the best, or quantiles
            outside 0 < top < baseline ≤ 1.
    """
    divergence = _divergences(parameters, numbers(outcome, "outcome", 1), top, baseline)
    total = math.fsum(divergence.values())
    return {name: d / total if total > 0 else 0.0 for name, d in divergence.items()}


def search_chances(
    parameters: Mapping[str, Sequence[float] | Sequence[str]],
    outcome: Numbers,
    top: float = 0.1,
    baseline: float = 1.0,
) -> dict[str, float]:
    """How often a parameter that does nothing diverges as much: p of each divergence by shuffling
    the outcome 499 times, one parameter apart from the others.

    Exact where values were drawn at random. Where they were proposed by what was good before, they
    are no longer exchangeable, and p is rough.

    Raises:
        ValueError: as `search_importance`.
    """
    y = numbers(outcome, "outcome", 1)
    seen = _divergences(parameters, y, top, baseline)
    draw = numpy_stream("reports", "shuffled outcomes of a search", len(y))
    as_much = dict.fromkeys(seen, 1)
    for _ in range(SHUFFLES):
        drawn = _divergences(parameters, draw.permutation(y), top, baseline)
        for name, one in drawn.items():
            as_much[name] += one >= seen[name] - NOISE
    return {name: count / (SHUFFLES + 1) for name, count in as_much.items()}


def _divergences(
    parameters: Mapping[str, Sequence[float] | Sequence[str]],
    y: Float[np.ndarray, " n"],
    top: float,
    baseline: float,
) -> dict[str, float]:
    if not 0 < top < baseline <= 1:
        raise ValueError(f"top {top} and baseline {baseline}; give 0 < top < baseline ≤ 1")
    order = np.argsort(-y, kind="stable")
    best, base = (order[: math.ceil(q * len(y))] for q in (top, baseline))
    if len(best) < 2:
        raise ValueError(f"{len(y)} trials have {len(best)} in the best {top:g}; give more of them")
    divergence: dict[str, float] = {}
    for name, values in parameters.items():
        if len(values) != len(y):
            raise ValueError(f"{name} has {len(values)} values for {len(y)} outcomes")
        p, q = _densities(values, best, base, name)
        divergence[name] = float(((p / q - 1) ** 2 * q).sum())
    return divergence


def _densities(
    values: Sequence[float] | Sequence[str], best: np.ndarray, base: np.ndarray, name: str
) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of the same cells among the best and in the baseline."""
    if any(isinstance(value, str) for value in values):
        words = sorted(set(map(str, values)))
        codes = np.array([words.index(str(value)) for value in values])
        counts = [np.bincount(codes[chosen], minlength=len(words)) + 1.0 for chosen in (best, base)]
        return counts[0] / counts[0].sum(), counts[1] / counts[1].sum()
    x = numbers(values, name, 1)
    low, high = float(x.min()), float(x.max())
    if high - low <= NOISE * max(abs(low), abs(high)):
        return np.ones(1), np.ones(1)
    return _mixture(x[best], low, high), _mixture(x[base], low, high)


def _mixture(x: Float[np.ndarray, " n"], low: float, high: float) -> Float[np.ndarray, " g"]:
    """Share of each of `POINTS` equal cells under a mixture of normals cut off at the range, and
    one that is flat, so that no cell is empty."""
    width = (high - low) / POINTS
    scott = max(1.059 * float(x.std(ddof=1)) * len(x) ** -0.2, width / 2)
    edges = np.linspace(low, high, POINTS + 1)
    cdf = special.ndtr((edges[:, None] - x) / scott)
    cells = np.diff(cdf, axis=0) / (cdf[-1] - cdf[0])
    return (cells.sum(axis=1) + 1 / POINTS) / (len(x) + 1)
