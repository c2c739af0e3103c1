"""How many seeds a verdict needs, given the difference and the noise that were seen; and what the
doubt of the noise itself leaves open of that number."""
# pyright: reportMissingTypeStubs=false

import math
from typing import NamedTuple

import numpy as np
from scipy import special

POWER = 0.8
"""Probability of a verdict that is planned for."""
MOST_SEEDS = 10_000
"""More are nobody's plan."""
UNKNOWN = 0.05
"""Of the interval of the noise."""
Needed = tuple[int | None, int | None]
"""Fewest and most further seeds; None: more than are anyone's plan."""
STEPS = 512
"""Of the quadrature over the estimated noise; right to about 1e-4."""


class Noise(NamedTuple):
    """What contrasts of the future are thought to come from."""

    difference: float
    sd: float
    """Of the differences by seed."""
    margin: float
    level: float
    """Of the two-sided test of "no difference"."""
    level_equivalence: float
    """Of each one-sided test of equivalence."""


def decided(noise: Noise, n: int) -> float:
    """Probability that n seeds give a verdict: *better*, *worse* or *equivalent*.

    The t-statistic is noncentral t, written as a normal mixed over the estimated deviation s: for a
    given s the difference D is normal, and a verdict falls where |D| ≥ t·s/√n or
    |D| ≤ margin − t'·s/√n.
    """
    df = n - 1
    share = (np.arange(STEPS) + 0.5) / STEPS
    s = noise.sd * np.sqrt(special.chdtri(df, share) / df)
    far = special.stdtrit(df, 1 - noise.level / 2) * s / math.sqrt(n)
    near = noise.margin - special.stdtrit(df, 1 - noise.level_equivalence) * s / math.sqrt(n)
    near = np.minimum(near, far)
    error = noise.sd / math.sqrt(n)

    def within(half: np.ndarray) -> np.ndarray:
        upper = special.ndtr((half - noise.difference) / error)
        lower = special.ndtr((-half - noise.difference) / error)
        return np.where(half > 0, upper - lower, 0.0)

    return float((1 - within(far) + within(near)).mean())


def further_seeds(noise: Noise, n: int) -> int | None:
    """The smallest number that, added to n seeds, makes a verdict `POWER` likely; None where
    `MOST_SEEDS` in all do not."""
    if decided(noise, n + 1) >= POWER:
        return 1
    low, high = n + 1, 2 * (n + 1)
    while decided(noise, high) < POWER:
        low, high = high, 2 * high
        if low >= MOST_SEEDS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if decided(noise, middle) >= POWER else (middle, high)
    return high - n if high <= MOST_SEEDS else None


def further_seeds_range(noise: Noise, n: int) -> Needed:
    """`further_seeds` at both ends of the 95 % interval of the noise that n seeds show."""
    low, high = (
        further_seeds(noise._replace(sd=noise.sd * end), n) for end in ends_of_noise(n - 1)
    )
    return low, high


def ends_of_noise(df: int) -> tuple[float, float]:
    """Of the 95 % interval of a standard deviation (χ²), as parts of the one that was seen with so
    many degrees of freedom."""
    smallest, largest = (
        math.sqrt(df / float(special.chdtri(df, tail))) for tail in (UNKNOWN / 2, 1 - UNKNOWN / 2)
    )
    return smallest, largest
