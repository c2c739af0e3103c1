"""Of every order of tasks at once, by other ways than a report's: variances from pairs of sets of
which one holds the other, extremes from the end backwards, places of a task from what lies before
and behind it.

m tasks beside task 0, K = 2^m sets of them.
"""

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int

Places: TypeAlias = Int[np.ndarray, " n"]
"""Sets, by their numbers."""


def _tasks(step: Float[np.ndarray, " K"]) -> range:
    return range(len(step).bit_length() - 1)


@lru_cache(maxsize=2)
def _sizes(tasks: range) -> Int[np.ndarray, " K"]:
    return np.array([number.bit_count() for number in range(1 << len(tasks))])


@lru_cache(maxsize=2)
def _inside(tasks: range) -> Bool[np.ndarray, "m K"]:
    """Which tasks each set holds."""
    every = np.arange(1 << len(tasks))
    return np.array([every >> task & 1 for task in tasks], dtype=bool).reshape(len(tasks), -1)


@lru_cache(maxsize=2)
def _without(tasks: range) -> Int[np.ndarray, "m K"]:
    """Each set with another answer to whether it holds a task."""
    every = np.arange(1 << len(tasks))
    return np.array([every ^ (1 << task) for task in tasks]).reshape(len(tasks), -1)


def _learned(tasks: range, size: int) -> Iterator[tuple[int, Places, Places]]:
    """For each task, the sets of a size that lack it, and the same with it."""
    every = np.flatnonzero(_sizes(tasks) == size)
    for task in tasks:
        lack = every[every >> task & 1 == 0]
        yield task, lack, lack | 1 << task


def _within(tasks: range, size: int, found: Float[np.ndarray, " K"]) -> Float[np.ndarray, " K"]:
    """For each set, sum over those sets of a size that it holds."""
    sums = np.where(_sizes(tasks) == size, found, 0.0)
    for task in tasks:
        halves = sums.reshape(-1, 2, 1 << task)
        halves[:, 1] += halves[:, 0]
    return sums


def _by_size(tasks: range, found: Float[np.ndarray, " K"]) -> Float[np.ndarray, " sizes"]:
    """Mean over the sets of each size."""
    sizes = _sizes(tasks)
    return np.bincount(sizes, found) / np.bincount(sizes)


def mean_and_variance(
    node: Float[np.ndarray, " K"], edge: Float[np.ndarray, "m K"] | None = None
) -> tuple[float, float]:
    """Of the sum of what lies at an order's sets and, by the task just learned, at its steps.

    All sets of a size are equally often known, each of their tasks is equally often the last of
    them; of two sizes, so are all pairs of which one holds the other.
    """
    tasks = _tasks(node)
    sizes, inside = _sizes(tasks), _inside(tasks)
    many = np.maximum(sizes, 1)
    middle = node if edge is None else node + np.where(inside, edge, 0.0).sum(axis=0) / many
    means = _by_size(tasks, middle)
    away = middle - means[sizes]
    off = None if edge is None else np.where(inside, node + edge - means[sizes], 0.0)
    squares = away**2 if off is None else np.where(sizes, (off**2).sum(axis=0) / many, away**2)
    variance = float(_by_size(tasks, squares).sum())
    for size in range(1, len(tasks)):
        held = _within(tasks, size, away)
        if off is None:  # a pair may lose any task that is in the larger set alone
            pairs = away * held * (sizes - size)
        else:
            pairs = np.einsum("mk,mk->k", off, held[_without(tasks)])
        sums = np.bincount(sizes, pairs)
        for larger in range(size + 1, len(tasks) + 1):
            count = math.comb(len(tasks), larger) * larger * math.comb(larger - 1, size)
            variance += 2 * float(sums[larger]) / count
    return float(means.sum()), max(variance, 0.0)


def ends(
    node: Float[np.ndarray, " K"], edge: Float[np.ndarray, "m K"] | None = None
) -> tuple[float, float]:
    """Smallest and largest of such a sum."""
    low, high = (_to_go(sign * node, None if edge is None else sign * edge) for sign in (1, -1))
    return float(node[0] + low[0]), float(node[0] - high[0])


def _to_go(
    node: Float[np.ndarray, " K"], edge: Float[np.ndarray, "m K"] | None
) -> Float[np.ndarray, " K"]:
    """The least that can come after each set."""
    tasks = _tasks(node)
    least = np.where(_sizes(tasks) == len(tasks), 0.0, math.inf)
    for size in reversed(tasks):
        for task, of, more in _learned(tasks, size):
            step = node[more] + least[more] + (0.0 if edge is None else edge[task, more])
            least[of] = np.minimum(least[of], step)
    return least


def least_order(node: Float[np.ndarray, " K"]) -> tuple[int, ...]:
    """An order with the smallest sum."""
    least, at, order = _to_go(node, None), 0, list[int]()
    while len(order) < len(_tasks(node)):
        left = [task for task in _tasks(node) if not at >> task & 1]
        order.append(min(left, key=lambda task: node[at | 1 << task] + least[at | 1 << task]))
        at |= 1 << order[-1]
    return tuple(order)


def best_worst_step(step: Float[np.ndarray, " K"]) -> float:
    """The largest number that no step of some order goes below."""
    tasks = _tasks(step)
    best = np.where(_sizes(tasks) == len(tasks), step, -math.inf)
    for size in reversed(tasks):
        for _, of, more in _learned(tasks, size):
            best[of] = np.maximum(best[of], np.minimum(step[of], best[more]))
    return float(best[0])


def by_place(step: Float[np.ndarray, " K"]) -> Float[np.ndarray, "m m"]:
    """Of each task, mean over the orders in which it stands at a place of the sum over the steps:
    what on average comes until the sets without it, and from the sets with it on."""
    tasks = _tasks(step)
    before, after = _so_far(step), _so_far(step[::-1])[::-1]
    found = np.zeros((len(tasks), len(tasks)))
    for place in tasks:
        for task, of, more in _learned(tasks, place):
            found[task, place] = (before[of] + after[more]).mean()
    return found


def _so_far(step: Float[np.ndarray, " K"]) -> Float[np.ndarray, " K"]:
    """Of each set, the mean over the orders that lead to it of the sum until it."""
    tasks, sums = _tasks(step), step.copy()
    for size in tasks:
        for _, of, more in _learned(tasks, size):
            sums[more] += sums[of] / (size + 1)
    return sums
