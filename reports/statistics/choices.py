"""Which of several options is best, with what probability, and what would settle it.

G groups, S seeds, T values of τ.
"""
# pyright: reportMissingTypeStubs=false

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import special

from reports.statistics.block_designs import Blocks, blocks
from reports.statistics.inputs import Numbers

SETTLED = 0.95
"""Probability of being best at which the question is settled."""
MOST_SEEDS = 1000
NOISES = 12
SPREADS = 24
NORMAL = np.polynomial.hermite_e.hermegauss(32)


@dataclass(frozen=True)
class Best:
    """Of G groups; more is better."""

    probability: tuple[float, ...]
    """Of each group, to have the largest true mean; they sum to 1."""
    leader: int
    """The likeliest."""
    identical: bool
    """Every seed gave all groups the same number; the probabilities are 1/G then."""


def best(values: Numbers) -> Best:
    """Probability of each group to be the best.

    A normal model: group effects ~ N(0, τ²), seeds and noise as in `blocks`. τ has a flat prior
    (Gelman 2006), the noise that of a scale (1/σ²), and both are integrated over: groups that may
    well be equal are seldom told apart by their luck: of five that are, the luckiest has 0.4 on
    average, and 0.95 in one case of a hundred. With two groups nothing is learned of τ, and
    it is taken for infinite.

    Args:
        values: [G, S].

    Raises:
        ValueError: fewer than 2 groups or 2 seeds, or a value is not finite.
    """
    found = blocks(values)
    chance = _chances(found, found.seeds, found.df)
    return Best(tuple(chance.tolist()), int(chance.argmax()), found.identical)


def seeds_to_settle(values: Numbers) -> int | None:
    """How many more seeds for each group would make the leader the best with 95 %, if means and
    noise stayed as they are; None where 1000 would not, and 0 where it is settled.

    Args:
        values: [G, S].

    Raises:
        ValueError: as `best`.
    """
    found = blocks(values)

    def settled(seeds: int) -> bool:
        df = (found.groups - 1) * (seeds - 1)
        return float(_chances(found, seeds, df).max()) >= SETTLED

    if settled(found.seeds):
        return 0
    low, high = found.seeds, 2 * found.seeds
    while not settled(high):
        low, high = high, 2 * high
        if low > MOST_SEEDS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if settled(middle) else (middle, high)
    return high - found.seeds


def _chances(found: Blocks, seeds: int, df: int) -> Float[np.ndarray, " g"]:
    g = found.groups
    if found.identical:
        return np.full(g, 1 / g)
    gaps = found.means[:, None] - found.means
    between = float(((found.means - found.means.mean()) ** 2).sum())
    share = (np.arange(NOISES) + 0.5) / NOISES
    errors = found.sd * np.sqrt(df / special.chdtri(df, share) / seeds)
    # τ = reach·u², denser near 0, where the likelihood turns.
    u = (np.arange(SPREADS) + 0.5) / SPREADS
    reach = 10 * max(float(errors.max()), math.sqrt(between / (g - 1)))
    tau = reach * u * u
    chances = np.zeros((NOISES, g))
    for i, error in enumerate(errors.tolist()):
        if g == 2:
            chances[i] = _given(gaps / error, np.ones(1))[0]
            continue
        total = tau**2 + error**2
        weight = u * total ** (-(g - 1) / 2) * np.exp(-between / (2 * total))
        chances[i] = weight @ _given(gaps / error, np.sqrt(tau**2 / total))
    # Nodes are equally likely by the noise's own sum of squares; their weights are what means add.
    return chances.sum(axis=0) / chances.sum()


def _given(
    gaps: Float[np.ndarray, "g g"], shrink: Float[np.ndarray, " t"]
) -> Float[np.ndarray, "t g"]:
    """∫ φ(z) Π_{j ≠ i} Φ(z + √w·gap_ij) dz for each weight w: P(group i is the largest)."""
    z, weight = NORMAL
    below = special.ndtr(z + shrink[:, None, None, None] * gaps[..., None])
    return (below.prod(axis=2) / special.ndtr(z)) @ weight / weight.sum()
