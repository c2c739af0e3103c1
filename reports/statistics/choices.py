"""Which of several options is best, with what probability, and what would settle it: over seeds,
and over seeds and test images.

G groups, S seeds, N nodes of the noise, T values of τ, B draws, K = G − 1 directions in which
groups differ.
"""
# pyright: reportMissingTypeStubs=false

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy import special

from moleflow.streams import numpy_stream
from reports.statistics.block_designs import Blocks, blocks
from reports.statistics.inputs import Numbers
from reports.statistics.seeds_needed import Needed, ends_of_noise

SETTLED = 0.95
"""Probability of being best at which the question is settled."""
MOST_SEEDS = 1000
NOISES = 12
SPREADS = 24
NORMAL = np.polynomial.hermite_e.hermegauss(32)
DRAWS = 32768
"""Of effects, where images are in it: give a probability to 0.003."""


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
    chance = _chances(found, found.seeds)
    return Best(tuple(chance.tolist()), int(chance.argmax()), found.identical)


def best_over_images(values: Numbers, covariance: Float[np.ndarray, "g g"]) -> Best:
    """The same on other test images too, which are the same for all groups.

    Means ~ N(effects, noise²/S · I + V), with V what another sample of the images would do to all
    means at once: what it does to all alike says nothing of which is best. No further seed makes V
    smaller. V is taken as it is; effects and noise are integrated over as in `best`.

    Args:
        values: [G, S].
        covariance: V, of the groups' means over samples of images.

    Raises:
        ValueError: as `best`, or the covariance is not of these groups.
    """
    found = blocks(values)
    chance = _chances_over_images(found, _images(found, covariance), found.seeds)
    return Best(tuple(chance.tolist()), int(chance.argmax()), found.identical)


def seeds_to_settle(values: Numbers) -> int | None:
    """How many more seeds for each group would make the leader the best with 95 %, if means and
    noise stayed as they are; None where 1000 would not, and 0 where it is settled.

    Args:
        values: [G, S].

    Raises:
        ValueError: as `best`.
    """
    return _to_settle(blocks(values))


def seeds_to_settle_range(values: Numbers) -> Needed:
    """Fewest and most that `seeds_to_settle` can be: at the ends of the 95 % interval of the noise.

    Args:
        values: [G, S].

    Raises:
        ValueError: as `best`.
    """
    found = blocks(values)
    low, high = (_to_settle(replace(found, sd=found.sd * end)) for end in ends_of_noise(found.df))
    return low, high


def _to_settle(found: Blocks) -> int | None:
    leader = int(found.means.argmax())
    return _more(found.seeds, lambda seeds: _chances(found, seeds, [leader]))


def seeds_to_settle_over_images(
    values: Numbers, covariance: Float[np.ndarray, "g g"]
) -> int | None:
    """The same on other test images too: often None, since seeds take nothing of their doubt away.

    Raises:
        ValueError: as `best_over_images`.
    """
    found = blocks(values)
    return _to_settle_over_images(found, _images(found, covariance))


def seeds_to_settle_range_over_images(
    values: Numbers, covariance: Float[np.ndarray, "g g"]
) -> Needed:
    """Fewest and most that `seeds_to_settle_over_images` can be: at the ends of the 95 % interval
    of the noise between seeds; the images are what they are.

    Raises:
        ValueError: as `best_over_images`.
    """
    found = blocks(values)
    images = _images(found, covariance)
    low, high = (
        _to_settle_over_images(replace(found, sd=found.sd * end), images)
        for end in ends_of_noise(found.df)
    )
    return low, high


def _to_settle_over_images(found: Blocks, images: "_Images") -> int | None:
    return _more(found.seeds, lambda seeds: _chances_over_images(found, images, seeds))


def _more(have: int, chances: Callable[[int], Float[np.ndarray, " g"]]) -> int | None:
    def settled(seeds: int) -> bool:
        return float(chances(seeds).max()) >= SETTLED

    if settled(have):
        return 0
    most = have
    while most <= MOST_SEEDS:
        most *= 2
    if not settled(most):
        return None
    low, high = have, 2 * have
    while not settled(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if settled(middle) else (middle, high)
    return high - have


def _noises(found: Blocks, seeds: int) -> Float[np.ndarray, " n"]:
    """Standard errors of a mean over so many seeds, equally likely by the noise's own sum of
    squares."""
    df = (found.groups - 1) * (seeds - 1)
    share = (np.arange(NOISES) + 0.5) / NOISES
    return found.sd * np.sqrt(df / special.chdtri(df, share) / seeds)


def _spreads(largest: float, away: Float[np.ndarray, "..."], g: int) -> tuple[np.ndarray, ...]:
    """Values of τ with their weights, τ = reach·u²: denser near 0, where the likelihood turns."""
    u = (np.arange(SPREADS) + 0.5) / SPREADS
    reach = 10 * max(largest, math.sqrt(float((away**2).sum()) / (g - 1)))
    return reach * u * u, u


def _chances(found: Blocks, seeds: int, of: Sequence[int] | None = None) -> Float[np.ndarray, " g"]:
    """
    Args:
        of: these groups alone, in their order; all of them where none are named.
    """
    g = found.groups
    own = list(range(g) if of is None else of)
    if found.identical:
        return np.full(len(own), 1 / g)
    gaps = found.means[own, None] - found.means
    away = found.means - found.means.mean()
    between = float((away**2).sum())
    errors = _noises(found, seeds)
    tau, u = _spreads(float(errors.max()), away, g)
    chances, whole = np.zeros(len(own)), 0.0
    for error in errors.tolist():
        if g == 2:
            weight, shrink = np.ones(1), np.ones(1)
        else:
            total = tau**2 + error**2
            weight = u * total ** (-(g - 1) / 2) * np.exp(-between / (2 * total))
            shrink = np.sqrt(tau**2 / total)
        chances += weight @ _given(gaps / error, shrink)
        whole += float(weight.sum())
    # Nodes' weights are what means add to the noise's own sum of squares.
    return chances / (chances.sum() if of is None else whole)


@dataclass(frozen=True)
class _Images:
    """Variances of what images do to differences of groups, along axes in which they are apart."""

    variances: Float[np.ndarray, " k"]
    axes: Float[np.ndarray, "g k"]
    """Orthonormal, each with sum 0."""


def _images(found: Blocks, covariance: Float[np.ndarray, "g g"]) -> _Images:
    g = found.groups
    if covariance.shape != (g, g) or not np.isfinite(covariance).all():
        raise ValueError(
            f"{g} groups and a covariance of shape {covariance.shape}; give one of them"
        )
    sides = np.linalg.qr(np.eye(g) - 1 / g)[0][:, : g - 1]
    variances, turned = np.linalg.eigh(sides.T @ covariance @ sides)
    return _Images(variances.clip(min=0.0), sides @ turned)


def _chances_over_images(found: Blocks, images: _Images, seeds: int) -> Float[np.ndarray, " g"]:
    g, errors = found.groups, _noises(found, seeds)
    if found.identical or not images.variances.any():
        return _chances(found, seeds)
    away = images.axes.T @ found.means
    noise = errors[:, None] ** 2 + images.variances
    if g == 2:
        first = float(special.ndtr(images.axes[0, 0] * away * math.sqrt(2) / np.sqrt(noise)).mean())
        return np.array([first, 1 - first])
    tau, u = _spreads(math.sqrt(noise.max()), away, g)
    total = noise[:, None] + tau[:, None] ** 2
    log = np.log(u) - (np.log(total) + away**2 / total).sum(axis=2) / 2
    weight = np.exp(log - log.max()).ravel()
    # So many draws of each pair of noise and τ as its weight asks for.
    ends = np.rint(weight.cumsum() / weight.sum() * DRAWS).astype(int)
    pair = np.repeat(np.arange(len(weight)), np.diff(ends, prepend=0))
    i, j = pair // SPREADS, pair % SPREADS
    noise, tau = noise[i], tau[j][:, None] ** 2
    drawn = numpy_stream("reports", "the best on other images", g).standard_normal((DRAWS, g - 1))
    effects = (away * tau + np.sqrt(tau * noise * (tau + noise)) * drawn) / (tau + noise)
    won = (effects @ images.axes.T).argmax(axis=1)
    return np.bincount(won, minlength=g) / DRAWS


def _given(
    gaps: Float[np.ndarray, "i g"], shrink: Float[np.ndarray, " t"]
) -> Float[np.ndarray, "t i"]:
    """∫ φ(z) Π_{j ≠ i} Φ(z + √w·gap_ij) dz for each weight w: P(group i is the largest)."""
    z, weight = NORMAL
    below = special.ndtr(z + shrink[:, None, None, None] * gaps[..., None])
    return (below.prod(axis=2) / special.ndtr(z)) @ weight / weight.sum()
