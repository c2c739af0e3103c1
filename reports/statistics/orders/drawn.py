"""Orders drawn at random, of each of which every quantity is computed. n orders, T steps."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int

from moleflow.streams import numpy_stream
from reports.statistics.orders.sets import ClassTable, Quantity, Sets, sets_along

DERIVED = 10**6
AT_ONCE = 50_000
MOST_TASKS = 62
"""Beside task 0: a set of them is a number of 64 bits."""


@lru_cache(maxsize=1)
def drawn_orders(others: int) -> Int[np.ndarray, "n m"]:
    """The same orders at every call."""
    orders = np.tile(np.arange(others, dtype=np.int8), (DERIVED, 1))
    return numpy_stream("all orders", others).permuted(orders, axis=1)


@lru_cache(maxsize=1)
def drawn_sets(others: int) -> Int[np.ndarray, "t n"]:
    """The sets at their steps, step by step."""
    known = np.zeros((others + 1, DERIVED), dtype=np.uint16)
    for step, tasks in enumerate(drawn_orders(others).T):
        known[step + 1] = known[step] | (np.uint16(1) << tasks.astype(np.uint16))
    return known


def running_and_worst(
    found: Sets,
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Running mean and worst step; every step must have a number."""
    known = drawn_sets(found.others)
    total, worst = np.zeros(DERIVED), np.full(DERIVED, np.inf)
    for sets in known:
        value = found.step.take(sets)
        total += value
        np.minimum(worst, value, out=worst)
    return total / found.steps, worst


def on_task(found: Sets) -> Float[np.ndarray, " n"]:
    """Mean over classes when each was learned last."""
    learned = np.stack(
        [np.nansum(found.table[found.own == task], axis=0) for task in range(found.others)]
    ).ravel()
    total = np.full(DERIVED, found.table[found.own < 0, 0].sum())
    size = len(found.step)
    for tasks, sets in zip(drawn_orders(found.others).T, drawn_sets(found.others)[1:], strict=True):
        total += learned.take(tasks.astype(np.int32) * size + sets)
    return total / len(found.own)


def of_many_tasks(
    classes: Sequence[ClassTable], others: int
) -> dict[Quantity, Float[np.ndarray, " n"]]:
    """Every quantity where the tasks are too many for a number of every set.

    Raises:
        ValueError: more tasks than bits.
    """
    if others > MOST_TASKS:
        raise ValueError(f"{others} tasks beside task 0; up to {MOST_TASKS} can be told apart")
    orders = drawn_orders(others)
    parts = [
        _batch(classes, orders[at : at + AT_ONCE].astype(np.int64))
        for at in range(0, len(orders), AT_ONCE)
    ]
    return {quantity: np.concatenate([part[quantity] for part in parts]) for quantity in parts[0]}


def _batch(
    classes: Sequence[ClassTable], orders: Int[np.ndarray, "n m"]
) -> dict[Quantity, Float[np.ndarray, " n"]]:
    known = sets_along(orders)
    sums, counts = np.zeros(known.shape), np.zeros(known.shape)
    on_task = np.zeros(len(orders))
    places = orders.argsort(axis=1)
    rows = np.arange(len(orders))
    for one in classes:
        value = one.when(known)
        inside = (known >> one.own & 1) == 1 if one.own >= 0 else np.ones(known.shape, dtype=bool)
        sums += np.where(inside, value, 0.0)
        counts += inside
        on_task += value[rows, 1 + places[:, one.own]] if one.own >= 0 else value[:, 0]
    steps = np.divide(sums, counts, out=np.full(known.shape, np.nan), where=counts > 0)
    return {
        "running_mean": np.nanmean(steps, axis=1),
        "worst_step": np.nanmin(steps, axis=1),
        "on_task_mean": on_task / len(classes),
    }
