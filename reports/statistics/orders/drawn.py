"""Orders drawn at random, of each of which every quantity is computed. n orders, T steps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Int

from moleflow.streams import numpy_stream
from reports.statistics.orders.sets import ClassTable, Quantity, Sets, sets_along

DERIVED = 10**6
AT_ONCE = 50_000
IN_CACHE = 1 << 14
ENDS = 4
"""Tasks at either end of an order whose sets are told by which they are: few enough for a table."""
MOST_TASKS = 62
"""Beside task 0: a set of them is a number of 64 bits."""


@lru_cache(maxsize=1)
def drawn_orders(others: int) -> Int[np.ndarray, "n m"]:
    """The same orders at every call."""
    orders = np.tile(np.arange(others, dtype=np.int8), (DERIVED, 1))
    return numpy_stream("all orders", others).permuted(orders, axis=1)


@dataclass(frozen=True)
class Paths:
    """Sets at the steps of drawn orders. c ways in which an order begins, and ends."""

    first: Int[np.ndarray, "c e"]
    """From the start: sets known until some tasks are learned."""
    begins: Int[np.ndarray, " n"]
    """The way in which each order does."""
    middle: Int[np.ndarray, "t n"]
    """Step by step, from there to the last tasks."""
    last: Int[np.ndarray, "c e"]
    ends: Int[np.ndarray, " n"]
    learned: Int[np.ndarray, "m n"]
    """Of each task, the set known when it was just learned."""


@lru_cache(maxsize=1)
def drawn_paths(others: int) -> Paths:
    """Of `drawn_orders`."""
    orders, size = drawn_orders(others), min(ENDS, (others - 1) // 2)
    ways = np.indices((others,) * size, dtype=np.uint16).reshape(size, -1).T
    first = _known(ways)
    middle: list[Int[np.ndarray, " n"]] = []
    learned = np.empty((others, len(orders)), dtype=np.uint16)
    known, every = np.zeros(len(orders), dtype=np.uint16), np.arange(len(orders))
    for step, tasks in enumerate(orders.T, start=1):
        known = known | (np.uint16(1) << tasks.astype(np.uint16))
        learned[tasks, every] = known
        if size < step < others - size:
            middle.append(known)
    return Paths(
        first,
        _way(orders[:, :size], others),
        np.array(middle, dtype=np.uint16).reshape(-1, len(orders)),
        ((1 << others) - 1) ^ first,
        _way(orders[:, ::-1][:, :size], others),
        learned,
    )


def _known(ways: Int[np.ndarray, "c p"]) -> Int[np.ndarray, "c e"]:
    start = np.zeros((len(ways), 1), dtype=np.uint16)
    return np.hstack([start, np.bitwise_or.accumulate(np.uint16(1) << ways, axis=1)])


def _way(tasks: Int[np.ndarray, "n p"], others: int) -> Int[np.ndarray, " n"]:
    """Place among the ways of these tasks, in their order."""
    size = (others,) * tasks.shape[1]
    return np.asarray(np.ravel_multi_index(tuple(tasks.T), size), dtype=np.uint16)


Some: TypeAlias = slice | Int[np.ndarray, " k"]
"""Of the drawn orders, some."""
Along: TypeAlias = Callable[[Some], Float[np.ndarray, " k"]]
"""A quantity of some of the drawn orders."""


def running_mean(found: Sets) -> Along:
    """Mean over the steps, each of which must have a number."""
    paths = drawn_paths(found.others)
    first, _, last = sums_along(found)

    def of(some: Some) -> Float[np.ndarray, " k"]:
        total = first.take(paths.begins[some])
        for sets in paths.middle:
            total += found.step.take(sets[some])
        return (total + last.take(paths.ends[some])) / found.steps

    return of


def sums_along(found: Sets) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For every way to begin, every set, and every way to end: the sum over the steps."""
    paths = drawn_paths(found.others)
    return found.step[paths.first].sum(axis=1), found.step, found.step[paths.last].sum(axis=1)


def on_task_mean(found: Sets) -> Along:
    """Mean over classes when each was learned last."""
    paths = drawn_paths(found.others)
    start, moved = moved_when_learned(found)

    def of(some: Some) -> Float[np.ndarray, " k"]:
        total = np.full(len(paths.begins[some]), start)
        for task, values in moved.items():
            total += values.take(paths.learned[task, some])
        return total / len(found.own)

    return of


def moved_when_learned(found: Sets) -> tuple[float, dict[int, Float[np.ndarray, " k"]]]:
    """What no order moves, and for each task that some order moves its numbers."""
    start = float(found.table[found.own < 0, 0].sum())
    moved: dict[int, Float[np.ndarray, " k"]] = {}
    for task, values in enumerate(found.learned):
        known = values[np.arange(len(values)) >> task & 1 == 1]
        if np.ptp(known) == 0:
            start += float(known[0])
        else:
            moved[task] = values
    return start, moved


def of_every(along: Along) -> Float[np.ndarray, " n"]:
    """Of all that were drawn."""
    parts = [along(slice(at, at + IN_CACHE)) for at in range(0, DERIVED, IN_CACHE)]
    return np.concatenate(parts)


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
