"""Shares of the variance by source, in designs of orders crossed with seeds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from moleflow.metrics.summaries import NOISE, Observation


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
