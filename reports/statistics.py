"""Means, intervals and variance shares of plain numbers; nothing that n does not allow."""
# pyright: reportMissingTypeStubs=false

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import special

NOISE = 1e-12
"""Fractions closer than this differ by rounding of sums only."""
SEEDS_FOR_INTERVAL = 3


@dataclass(frozen=True)
class Summary:
    """Of n numbers."""

    n: int
    mean: float
    sd: float | None
    """Sample standard deviation (n − 1); None for n = 1."""
    low: float
    high: float
    interval: tuple[float, float] | None
    """95 % t-interval of the mean; None for n < 3."""


def summarise(values: Iterable[float]) -> Summary | None:
    """Summary of the numbers; None where there are none."""
    numbers = sorted(values)
    if not numbers:
        return None
    mean, n = math.fsum(numbers) / len(numbers), len(numbers)
    sd = math.sqrt(math.fsum((x - mean) ** 2 for x in numbers) / (n - 1)) if n > 1 else None
    interval = None
    if sd is not None and n >= SEEDS_FOR_INTERVAL:
        half = float(special.stdtrit(n - 1, 0.975)) * sd / math.sqrt(n)
        interval = (mean - half, mean + half)
    return Summary(n, mean, sd, numbers[0], numbers[-1], interval)


class Observation(NamedTuple):
    """One trial's number and where it stands in the design."""

    task0: str
    order: str
    seed: int
    value: float


@dataclass(frozen=True)
class Component:
    """One line of the variance decomposition."""

    name: str
    df: int
    sum_of_squares: float
    share: float | None
    """Of the total sum of squares; None without degrees of freedom or without any variation."""


@dataclass(frozen=True)
class Decomposition:
    """Variance of the trials' numbers by source, over orders that were run with the same seeds."""

    components: tuple[Component, ...]
    varies: bool
    """Whether the numbers differ by more than rounding."""
    trials: int
    left_out: int
    """Trials whose seed was not run with every order."""
    task_zeros: int
    orders: int
    seeds: int


def decompose(observations: Sequence[Observation]) -> Decomposition | None:
    """Sums of squares of task 0, order within task 0, seed, and the rest (their interactions).

    y = m + task0_a + order_b(a) + seed_s + rest. Seeds are crossed with orders; orders are nested
    in task 0 and may differ in number. The four sums are orthogonal when every order has every
    seed, so only such seeds are used. None where that leaves fewer than two trials.
    """
    orders = sorted({(o.task0, o.order) for o in observations})
    cells = {(o.task0, o.order, o.seed): o.value for o in observations}
    every = sorted({o.seed for o in observations})
    seeds = [s for s in every if all((*order, s) in cells for order in orders)]
    if len(seeds) * len(orders) < 2:
        return None
    y = np.array([[cells[(*order, seed)] for seed in seeds] for order in orders])
    firsts = [first for first, _ in orders]
    names = sorted(set(firsts))
    grand, by_order, by_seed = y.mean(), y.mean(axis=1), y.mean(axis=0)
    by_first = {a: float(y[[f == a for f in firsts]].mean()) for a in names}
    first = np.array([by_first[f] for f in firsts])
    rest = y - by_order[:, None] - by_seed[None, :] + grand
    sums = {
        "task 0": (len(names) - 1, len(seeds) * ((first - grand) ** 2).sum()),
        "order within task 0": (
            len(orders) - len(names),
            len(seeds) * ((by_order - first) ** 2).sum(),
        ),
        "seed": (len(seeds) - 1, len(orders) * ((by_seed - grand) ** 2).sum()),
        "rest (interactions)": ((len(orders) - 1) * (len(seeds) - 1), (rest**2).sum()),
    }
    varies = float(y.max() - y.min()) > NOISE
    total = float(((y - grand) ** 2).sum())
    components = tuple(
        Component(name, df, float(ss), float(ss) / total if df and varies else None)
        for name, (df, ss) in sums.items()
    )
    left_out = len(observations) - y.size
    return Decomposition(components, varies, y.size, left_out, len(names), len(orders), len(seeds))


@dataclass(frozen=True)
class Spread:
    """Ranges (max − min) of the same numbers when one thing changes."""

    mean: float
    largest: float
    groups: int
    """How many ranges were taken; each over at least two numbers."""


def spread(groups: Iterable[Sequence[float]]) -> Spread | None:
    """Mean and largest range over groups; None where no group has two numbers."""
    ranges = [max(group) - min(group) for group in groups if len(group) > 1]
    if not ranges:
        return None
    return Spread(math.fsum(ranges) / len(ranges), max(ranges), len(ranges))


@dataclass(frozen=True)
class Disparity:
    """Order-normalised performance disparity (Yoon et al. 2020)."""

    average: float
    """AOPD: mean over classes of OPD."""
    maximum: float
    """MOPD: largest OPD."""
    worst: str
    """The class with the largest."""
    classes: int
    groups: int
    """Groups of orders that were compared, e.g. one per seed."""


def order_disparity(groups: Sequence[Sequence[Mapping[str, float]]]) -> Disparity | None:
    """OPD of a class: max − min over the orders of a group, averaged over groups (Yoon et al. 2020,
    "Scalable and order-robust continual learning with additive parameter decomposition").

    Args:
        groups: per group (what is held fixed, e.g. a seed), per order, the final number by class.

    Returns:
        None where no group has two orders.
    """
    compared = [orders for orders in groups if len(orders) > 1]
    ranges: dict[str, list[float]] = {}
    for orders in compared:
        for name in sorted(orders[0]):
            values = [order[name] for order in orders if name in order]
            if len(values) < len(orders):
                continue
            ranges.setdefault(name, []).append(max(values) - min(values))
    if not ranges:
        return None
    opd = {name: math.fsum(found) / len(found) for name, found in ranges.items()}
    worst = max(opd, key=lambda name: (opd[name], name))
    average = math.fsum(opd.values()) / len(opd)
    return Disparity(average, opd[worst], worst, len(opd), len(compared))
