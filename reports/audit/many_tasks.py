"""Quantities of drawn orders where tasks are too many for a number of every set of them: by when
each task is learned.

B orders at once, m tasks beside task 0, T = m + 1 steps, c metrics.
"""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int

from reports.audit.known_tasks import Known, OfClass, drawn_orders

AT_ONCE = 1 << 11
"""Orders that a cache holds."""

Found = dict[str, Float[np.ndarray, "c n"]]
"""By quantity."""


def of_drawn(of: Mapping[str, Known], others: int) -> Found:
    """Of these metrics of one trial; NaN where no step has a number."""
    orders, classes = drawn_orders(others), [*_together([*of.values()])]
    names = ("running_mean", "worst_step", "on_task_mean")
    found: Found = {name: np.empty((len(of), len(orders))) for name in names}
    for start in range(0, len(orders), AT_ONCE):
        some = slice(start, start + AT_ONCE)
        steps, learned = _of_some(orders[some].argsort(axis=1) + 1, classes, len(of))
        lack = np.isnan(steps)
        found["running_mean"][:, some] = np.where(lack, 0.0, steps).sum(axis=1) / (~lack).sum(
            axis=1
        )
        found["worst_step"][:, some] = np.fmin.reduce(steps, axis=1)
        found["on_task_mean"][:, some] = learned
    return found


def _together(of: Sequence[Known]) -> Iterator[tuple[OfClass, Float[np.ndarray, "r c"]]]:
    """Each class with its numbers of all metrics; NaN of those that it has not."""
    every = {one.name: one for known in of for one in known.classes}
    for name, one in every.items():
        numbers = np.full((len(one.numbers), len(of)), math.nan)
        for column, known in enumerate(of):
            for own in known.classes:
                if own.name == name:
                    numbers[:, column] = own.numbers
        yield one, numbers


def _of_some(
    when: Int[np.ndarray, "B m"],
    classes: Sequence[tuple[OfClass, Float[np.ndarray, "r c"]]],
    metrics: int,
) -> tuple[Float[np.ndarray, "c T B"], Float[np.ndarray, "c B"]]:
    """Mean over the classes known at each step, and over all when each was learned.

    Args:
        when: the step at which each task is known; task 0 is at step 0.
    """
    size, tasks = map(int, when.shape)
    steps = np.arange(tasks + 1).reshape(-1, 1)
    sums, many = (np.zeros((tasks + 1, size, metrics)) for _ in range(2))
    learned, of_metric = np.zeros((size, metrics)), np.zeros(metrics)
    for one, numbers in classes:
        own = np.zeros(size, dtype=np.int64) if one.own < 0 else when[:, one.own]
        place = np.zeros((tasks + 1, size), dtype=np.int64)
        at_own = np.zeros(size, dtype=np.int64)
        for bit, rival in enumerate(one.rivals):
            of_rival = np.zeros(size, dtype=np.int64) if rival < 0 else when[:, rival]
            place += (of_rival <= steps).astype(np.int64) << bit
            at_own += (of_rival <= own).astype(np.int64) << bit
        have = ~np.isnan(numbers[0])
        filled = np.where(have, numbers, 0.0)
        known = (own <= steps)[:, :, None]
        sums += np.where(known, filled[place], 0.0)
        many += known & have
        learned += filled[at_own]
        of_metric += have
    means = np.where(many > 0, sums / np.maximum(many, 1), math.nan)
    return means.transpose(2, 0, 1), (learned / of_metric).T
