"""The second way to which option is best and how many seeds would settle it: drawn instead of
integrated, and by t in closed form where there are two; with test pictures by normal equations of
the differences to the last option, where the report turns to axes of their own."""

import math
import statistics
from collections.abc import Callable, Sequence

import numpy as np

from moleflow.streams import numpy_stream
from reports.audit.distributions import chi2_quantile, normal_tail, t_tail
from reports.audit.tests import Layout

DRAWS, AT_ONCE = 100_000, 20_000
SETTLED, MOST_SEEDS = 0.95, 1000
NEARLY = 0.02
"""Of a probability: what a coarse integral and a finite sample may lie apart."""
LARGEST_NOISE = 1 / 24
"""Share of χ² below which the prior of the spread is not made wider by it."""


def chances(found: Layout, seeds: int, noise: float = 1.0) -> list[float]:
    """Of each option to be the best, were means and noise those that so many seeds gave."""
    g = len(found.names)
    if found.identical:
        return [1 / g] * g
    df, error = (g - 1) * (seeds - 1), noise * found.sd / math.sqrt(seeds)
    if g == 2:
        below = t_tail((found.means[0] - found.means[1]) / (error * math.sqrt(2)), df)
        return [1 - below, below]
    return _drawn(found.means, error, df)


def _drawn(means: Sequence[float], error: float, df: int) -> list[float]:
    """Noise from its own sum of squares and a spread of effects from a flat prior, weighted by how
    likely they make the means; then effects, given both."""
    g = len(means)
    middle = math.fsum(means) / g
    away = np.array([mean - middle for mean in means])
    between = float((away**2).sum())
    draws = numpy_stream("audit", "the best of several", g, df)
    errors = error * np.sqrt(df / draws.chisquare(df, DRAWS))
    widest = error * math.sqrt(df / chi2_quantile(LARGEST_NOISE, df))
    u = draws.random(DRAWS)
    spreads = 10 * max(widest, math.sqrt(between / (g - 1))) * u * u
    total = spreads**2 + errors**2
    log = np.log(u) - (g - 1) / 2 * np.log(total) - between / (2 * total)
    weight = np.exp(log - log.max())
    pulled = away * (spreads**2 / total)[:, None]
    width = spreads * errors / np.sqrt(total)
    effects = pulled + width[:, None] * draws.standard_normal((DRAWS, g))
    won = np.bincount(effects.argmax(axis=1), weights=weight, minlength=g)
    return (won / weight.sum()).tolist()


def chances_on_pictures(
    found: Layout, pictures: np.ndarray, seeds: int, noise: float = 1.0
) -> list[float]:
    """The same where pictures move the means, too, all at once.

    Args:
        pictures: covariance of the means.
    """
    g = len(found.names)
    if found.identical:
        return [1 / g] * g
    df, error = (g - 1) * (seeds - 1), noise * found.sd / math.sqrt(seeds)
    draws = numpy_stream("audit", "the best on other pictures", g, df)
    errors = error * np.sqrt(df / draws.chisquare(df, DRAWS))
    if g == 2:
        own = max(0.0, float(pictures[0, 0] + pictures[1, 1] - 2 * pictures[0, 1]))
        gaps = (found.means[0] - found.means[1]) / np.sqrt(2 * errors**2 + own)
        below = statistics.fmean(map(normal_tail, gaps.tolist()))
        return [1 - below, below]
    away = np.array(found.means) - math.fsum(found.means) / g
    centred = _possible(
        pictures - pictures.mean(axis=0) - pictures.mean(axis=1)[:, None] + pictures.mean()
    )
    widest = error**2 * df / chi2_quantile(LARGEST_NOISE, df)
    largest = math.sqrt(widest + max(0.0, float(np.linalg.eigvalsh(centred)[-1])))
    u = draws.random(DRAWS)
    spreads = 10 * max(largest, math.sqrt(float((away**2).sum()) / (g - 1))) * u * u
    best, weight = np.empty(DRAWS, dtype=int), np.empty(DRAWS)
    for start in range(0, DRAWS, AT_ONCE):
        part = slice(start, start + AT_ONCE)
        normal = draws.standard_normal((3, len(u[part]), g))
        best[part], weight[part] = _moved(away, centred, spreads[part], errors[part], normal)
    weight = u * np.exp(weight - weight.max())
    return (np.bincount(best, weights=weight, minlength=g) / weight.sum()).tolist()


def _possible(covariance: np.ndarray) -> np.ndarray:
    """The nearest that has no variance below zero, as an estimate may: the mean of itself and of
    its absolute value."""
    _, sizes, axes = np.linalg.svd(covariance)
    return (covariance + axes.T * sizes @ axes) / 2


def _moved(
    means: np.ndarray, pictures: np.ndarray, spreads: np.ndarray, errors: np.ndarray, z: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The best of each drawn world, and the logarithm of how likely it makes the means: a world and
    what is seen of it are drawn, and the world is moved by how much else was seen (Matheron), all
    by differences to the last."""
    g = len(means)
    less_last = np.hstack([np.eye(g - 1), -np.ones((g - 1, 1))])
    of_pictures = less_last @ pictures @ less_last.T
    tau, noise = spreads[:, None, None] ** 2, errors[:, None, None] ** 2
    whole = (tau + noise) * (less_last @ less_last.T) + of_pictures
    axes, sizes = np.linalg.svd(pictures)[:2]
    worlds = spreads[:, None] * z[0]
    shown = worlds + errors[:, None] * z[1] + (z[2] * np.sqrt(sizes)) @ axes.T
    seen = np.broadcast_to(less_last @ means, (len(spreads), g - 1))
    solved = np.linalg.solve(whole, np.stack([seen - shown @ less_last.T, seen], axis=2))
    moved = worlds + tau[..., 0] * (solved[..., 0] @ less_last)
    likely = np.linalg.slogdet(whole)[1] + (solved[..., 1] * seen).sum(axis=1)
    return moved.argmax(axis=1), -likely / 2


def near(said: str, found: float) -> float:
    """What is said of a probability, where it is that which was found but for the sampling."""
    try:
        return float(said) if abs(float(said) - found) <= NEARLY else found
    except ValueError:
        return found


def settles(seeds: int, said: str, chances: Callable[[int], Sequence[float]]) -> bool:
    """Whether so many further seeds, and no fewer, settle which is best; nothing said: whether no
    number of seeds does."""
    if not said:
        return max(chances(MOST_SEEDS)) < SETTLED + NEARLY
    total = seeds + int(float(said))
    if max(chances(total)) < SETTLED - NEARLY:
        return False
    return total == seeds or max(chances(total - 1)) < SETTLED + NEARLY
