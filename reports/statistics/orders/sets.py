"""What each class scores when a set of tasks is known, and what follows for an order of tasks.

J classes, m tasks other than task 0, K = 2^m sets of them. A set is a number, bit t of which says
that task t is known. An order is a path through the sets, from none to all, of T = m + 1 steps.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from moleflow.metrics.means import mean

MOST_ENUMERATED = 7
"""Tasks beside task 0 up to which every order is computed: 5040 orders."""
MOST_EXACT = 15
"""Tasks beside task 0 up to which there is a number for every set."""

Quantity = Literal["running_mean", "worst_step", "final_mean", "on_task_mean", "last_task"]


@dataclass(frozen=True)
class ClassTable:
    """A metric of one class, whichever tasks are known beside task 0 and its own."""

    own: int
    """Its task among the others; -1: task 0."""
    rivals: tuple[int, ...]
    """Tasks among the others that move it."""
    values: Float[np.ndarray, " r"]
    """For every set of rivals: rival b is known where bit b of the place is set."""

    def when(self, known: Int[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """Its number when these sets are known."""
        return self.values[_place(self.rivals, known)]


def _place(rivals: Sequence[int], known: Int[np.ndarray, "..."]) -> Int[np.ndarray, "..."]:
    place = np.zeros_like(known)
    for bit, rival in enumerate(rivals):
        place |= (known >> rival & 1) << bit
    return place


@lru_cache(maxsize=64)
def _places(rivals: tuple[int, ...], others: int) -> Int[np.ndarray, " k"]:
    """Of every set: metrics of a trial share their rivals."""
    return _place(rivals, np.arange(1 << others))


@dataclass(frozen=True)
class Sets:
    """A metric for every set of known tasks."""

    others: int
    table: Float[np.ndarray, "j k"]
    """Of each class; NaN where its task is not known."""
    own: Int[np.ndarray, " j"]
    rivals: tuple[tuple[int, ...], ...]
    """Of each class, tasks that move it."""
    step: Float[np.ndarray, " k"]
    """Mean over the classes that are known; NaN where there is none."""

    @property
    def steps(self) -> int:
        return self.others + 1

    @cached_property
    def learned(self) -> Float[np.ndarray, "m k"]:
        """Of each task the sum over its classes, when it and others are known."""
        of = [np.nansum(self.table[self.own == task], axis=0) for task in range(self.others)]
        return np.array(of).reshape(self.others, -1)

    def last(self) -> Float[np.ndarray, " m"]:
        """Mean over a task's classes when all are known; NaN where none has the metric."""
        ends = [self.table[self.own == task, -1].tolist() for task in range(self.others)]
        return np.array([mean(values) if values else math.nan for values in ends])


def sets_of(classes: Sequence[ClassTable], others: int) -> Sets:
    """Raises:
    ValueError: too many tasks for a number of every set, no class, or a table that does not fit its
        rivals.
    """
    if others > MOST_EXACT:
        raise ValueError(f"{others} tasks beside task 0; up to {MOST_EXACT} have all their sets")
    if not classes or any(len(one.values) != 1 << len(one.rivals) for one in classes):
        raise ValueError("give classes, with a number for every set of their rivals")
    every = np.arange(1 << others)
    table = np.stack([one.values[_places(one.rivals, others)] for one in classes])
    own = np.array([one.own for one in classes])
    for row, task in zip(table, own.tolist(), strict=True):
        row[(every >> max(task, 0) & 1 == 0) & (task >= 0)] = np.nan
    rivals = tuple(one.rivals for one in classes)
    return Sets(others, table, own, rivals, _means(table, others))


def _means(table: Float[np.ndarray, "j k"], others: int) -> Float[np.ndarray, " k"]:
    """Over the classes known; rounded once, as evaluation does it, where every order is computed
    and may be compared with trained ones."""
    if others <= MOST_ENUMERATED:
        columns = [[v for v in column if v == v] for column in table.T.tolist()]
        return np.array([mean(column) if column else math.nan for column in columns])
    counts = (~np.isnan(table)).sum(axis=0)
    sums = np.nansum(table, axis=0)
    return np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0)


@cache
def every_order(others: int) -> Int[np.ndarray, "n m"]:
    """All orders of the tasks beside task 0, in lexical order.

    Raises:
        ValueError: more orders than are computed one by one.
    """
    if others > MOST_ENUMERATED:
        raise ValueError(f"{others} tasks beside task 0 have too many orders")
    orders = list(itertools.permutations(range(others)))
    return np.array(orders, dtype=np.int64).reshape(len(orders), others)


def sets_along(orders: Int[np.ndarray, "n m"]) -> Int[np.ndarray, "n t"]:
    """The sets that are known at an order's steps."""
    known = np.cumsum(1 << orders, axis=1, dtype=np.int64)
    return np.hstack([np.zeros((len(orders), 1), dtype=np.int64), known])


def along_every_order(found: Sets) -> dict[Quantity, Float[np.ndarray, " n"]]:
    """Every quantity of every order of `every_order`: the same bits that evaluating it gives.

    NaN where an order has no such number: its last task has no class with the metric.

    Raises:
        ValueError: as `every_order`.
    """
    orders = every_order(found.others)
    known = sets_along(orders)
    steps = [[v for v in row if v == v] for row in found.step[known].tolist()]
    made: dict[Quantity, Float[np.ndarray, " n"]] = {
        "running_mean": np.array([mean(row) for row in steps]),
        "worst_step": np.array([min(row) for row in steps]),
        "final_mean": np.full(len(orders), found.step[-1]),
        "on_task_mean": _on_task(found, orders, known),
    }
    if found.others:
        made["last_task"] = found.last()[orders[:, -1]]
    return made


def running_means(
    classes: Sequence[ClassTable], orders: Int[np.ndarray, "n m"]
) -> Float[np.ndarray, " n"]:
    """Of these orders; steps without a number are left out.

    Raises:
        ValueError: as `sets_of`.
    """
    found = sets_of(classes, orders.shape[1])
    along = found.step[sets_along(orders)]
    return np.nanmean(along, axis=1) if np.isnan(found.step).any() else along.mean(axis=1)


def _on_task(
    found: Sets, orders: Int[np.ndarray, "n m"], known: Int[np.ndarray, "n t"]
) -> Float[np.ndarray, " n"]:
    places = np.hstack([np.zeros((len(orders), 1), dtype=np.int64), 1 + orders.argsort(axis=1)])
    rows = np.arange(len(orders))[:, None]
    learned = known[rows, places[:, 1 + found.own]]
    values = found.table[np.arange(len(found.own)), learned]
    return np.array([mean(row) for row in values.tolist()])
