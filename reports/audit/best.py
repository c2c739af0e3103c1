"""The second way to which option is best and how many seeds would settle it: drawn instead of
integrated, and by t in closed form where there are two."""

import math
from collections.abc import Sequence

import numpy as np

from moleflow.streams import numpy_stream
from reports.audit.distributions import chi2_quantile, t_tail
from reports.audit.tests import Layout

DRAWS = 100_000
SETTLED, MOST_SEEDS = 0.95, 1000
NEARLY = 0.02
"""Of a probability: what a coarse integral and a finite sample may lie apart."""
LARGEST_NOISE = 1 / 24
"""Share of χ² below which the prior of the spread is not made wider by it."""


def chances(found: Layout, seeds: int) -> list[float]:
    """Of each option to be the best, were means and noise those that so many seeds gave."""
    g = len(found.names)
    if found.identical:
        return [1 / g] * g
    df, error = (g - 1) * (seeds - 1), found.sd / math.sqrt(seeds)
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


def near(said: str, found: float) -> float:
    """What is said of a probability, where it is that which was found but for the sampling."""
    try:
        return float(said) if abs(float(said) - found) <= NEARLY else found
    except ValueError:
        return found


def settles(found: Layout, said: str) -> bool:
    """Whether so many further seeds, and no fewer, settle which is best; nothing said: whether no
    number of seeds does."""
    if not said:
        return max(chances(found, MOST_SEEDS)) < SETTLED + NEARLY
    total = found.seeds + int(said)
    if max(chances(found, total)) < SETTLED - NEARLY:
        return False
    return total == found.seeds or max(chances(found, total - 1)) < SETTLED + NEARLY
