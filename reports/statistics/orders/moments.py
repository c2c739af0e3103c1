"""Exact mean, standard deviation and extremes over all orders, by recursion over sets of tasks.

Of all paths into a set, each of its tasks is the last in an equal share; so what adds up along a
path has a mean and a variance at every set, from those of the sets before it (the variance by the
law of total variance). K = 2^m sets, m tasks beside task 0.
"""

from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Int

from reports.statistics.orders.sets import Sets

Level: TypeAlias = tuple[Int[np.ndarray, " n"], Int[np.ndarray, "p n"], Int[np.ndarray, "p n"]]
"""Sets of p tasks: each, the sets before it, and the task that was learned from them."""


@dataclass(frozen=True)
class Moments:
    """Over all orders."""

    minimum: float
    maximum: float
    mean: float
    sd: float


def running_mean(step: Float[np.ndarray, " k"]) -> Moments:
    """Of the mean over steps, from the number of every set, each of which must have one."""
    return _added(step, None, others_of(step) + 1)


def others_of(step: Float[np.ndarray, " k"]) -> int:
    """Tasks beside task 0, of which there is a number for every set."""
    return len(step).bit_length() - 1


def on_task_mean(found: Sets) -> Moments:
    """Of the mean over classes when each was learned last."""
    first = found.table[found.own < 0, 0].sum()
    at_start = np.zeros(len(found.step))
    at_start[0] = first
    return _added(at_start, found.learned, len(found.own))


def worst_step(found: Sets) -> tuple[float, float]:
    """Smallest and largest over all orders of the smallest step."""
    best = found.step.copy()
    for sets, before, _ in _levels(found.others):
        best[sets] = np.fmin(found.step[sets], best[before].max(axis=0))
    return float(np.nanmin(found.step)), float(best[-1])


def best_and_worst(step: Float[np.ndarray, " k"]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The orders of the tasks beside task 0 with the largest and the smallest running mean."""
    return _order_of(step), _order_of(-step)


def by_place(step: Float[np.ndarray, " k"]) -> Float[np.ndarray, "m m"]:
    """Of each task beside task 0, the running mean over all orders in which it stands at a place.

    At a step the sets of a size are equally often known, those without a task until its place, and
    those with it from then on.
    """
    others = others_of(step)
    without, within = np.zeros((2, others, others + 1))
    for size, sets in enumerate(_by_size(others)):
        known = (sets >> np.arange(others)[:, None] & 1) == 1
        for task in range(others):
            if size < others:
                without[task, size] = step[sets[~known[task]]].mean()
            if size:
                within[task, size] = step[sets[known[task]]].mean()
    before = np.cumsum(without, axis=1)[:, :-1]
    after = np.cumsum(within[:, ::-1], axis=1)[:, ::-1][:, 1:]
    return (before + after) / (others + 1)


def _order_of(step: Float[np.ndarray, " k"]) -> tuple[int, ...]:
    top, others = step.copy(), others_of(step)
    for sets, before, _ in _levels(others):
        top[sets] += top[before].max(axis=0)
    at, order = len(top) - 1, list[int]()
    while at:
        tasks = [task for task in range(others) if at >> task & 1]
        order.append(max(tasks, key=lambda task: top[at ^ (1 << task)]))
        at ^= 1 << order[-1]
    return tuple(reversed(order))


def _added(
    node: Float[np.ndarray, " k"], edge: Float[np.ndarray, "m k"] | None, parts: int
) -> Moments:
    """Of the sum of what lies at a path's sets and, by the task just learned, at its steps."""
    mean, low, high, variance = (a.astype(np.float64) for a in (node, node, node, 0 * node))
    for sets, before, tasks in _levels(others_of(node)):
        step = 0.0 if edge is None else edge[tasks, sets]
        means = mean[before] + step
        middle = means.mean(axis=0)
        variance[sets] = (variance[before] + (means - middle) ** 2).mean(axis=0)
        mean[sets] = node[sets] + middle
        low[sets] = node[sets] + (low[before] + step).min(axis=0)
        high[sets] = node[sets] + (high[before] + step).max(axis=0)
    ends = (float(low[-1]), float(high[-1]), float(mean[-1]), float(np.sqrt(variance[-1])))
    return Moments(*(end / parts for end in ends))


@cache
def _by_size(others: int) -> tuple[Int[np.ndarray, " n"], ...]:
    """Sets of no task, of one, and so on."""
    every = np.arange(1 << others)
    sizes = ((every[:, None] >> np.arange(others)) & 1).sum(axis=1)
    return tuple(every[sizes == size] for size in range(others + 1))


@cache
def _levels(others: int) -> tuple[Level, ...]:
    found: list[Level] = []
    for size, sets in enumerate(_by_size(others)[1:], start=1):
        tasks = np.nonzero(sets[:, None] >> np.arange(others) & 1)[1].reshape(len(sets), size)
        found.append((sets, np.ascontiguousarray((sets[:, None] ^ (1 << tasks)).T), tasks.T))
    return tuple(found)
