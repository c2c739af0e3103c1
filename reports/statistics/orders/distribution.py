"""The distribution of a metric over all orders of T tasks that begin with one task 0."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from moleflow.metrics.means import mean
from reports.statistics.orders import beside, drawn, moments, quantiles
from reports.statistics.orders.beside import Stepwise
from reports.statistics.orders.moments import Moments
from reports.statistics.orders.quantiles import Quantiles
from reports.statistics.orders.sets import (
    MOST_ENUMERATED,
    MOST_EXACT,
    ClassTable,
    Quantity,
    Sets,
    along_every_order,
    sets_of,
)

How = Literal["every order", "closed form", "exact moments", "exact extremes", "drawn"]
"""All numbers are of every order; or follow from fewer; or mean, sd and extremes do, and quantiles
are of drawn orders; or extremes alone do; or all is of drawn orders."""


@dataclass(frozen=True)
class Distribution:
    """Over all orders with one task 0."""

    quantity: Quantity
    orders: int
    """That there are."""
    minimum: float
    maximum: float
    mean: float
    sd: float
    """Of all orders there are, so divided by their number."""
    quantiles: Quantiles
    """At 5, 50 and 95 %, linear between ranks."""
    how: How


def distributions(classes: Sequence[ClassTable], others: int) -> tuple[Distribution, ...]:
    """Of every quantity.

    Args:
        classes: those that have the metric.
        others: tasks beside task 0.

    Raises:
        ValueError: as `sets_of`, `of_many_tasks`.
    """
    return distributions_beside([classes], others)[0]


def distributions_beside(
    asked: Sequence[Sequence[ClassTable]], others: int
) -> list[tuple[Distribution, ...]]:
    """Of several metrics of the same trials, which take less time than each by itself.

    Raises:
        ValueError: as `distributions`.
    """
    if others > MOST_EXACT:
        return [_of_many(classes, others) for classes in asked]
    found = [sets_of(classes, others) for classes in asked]
    if others <= MOST_ENUMERATED:
        return [_of_all(one) for one in found]
    complete = [one for one in found if not np.isnan(one.step).any()]
    steps = iter(beside.stepwise(complete))
    learned = beside.on_task_mean(found)
    return [
        _recursive(one, next(steps) if any(one is c for c in complete) else None, of)
        for one, of in zip(found, learned, strict=True)
    ]


def _of_all(found: Sets) -> tuple[Distribution, ...]:
    made = along_every_order(found).items()
    return tuple(
        of_values(quantity, v, int(np.isfinite(v).sum()), "every order")
        for quantity, v in made
        if np.isfinite(v).any()
    )


def of_values(
    quantity: Quantity, values: Float[np.ndarray, " n"], orders: int, how: How
) -> Distribution:
    """Of these values, NaN left out."""
    known = values[np.isfinite(values)]
    plain = known.tolist()
    middle, sd = _middle(plain)
    return Distribution(
        quantity, orders, min(plain), max(plain), middle, sd, quantiles.of_values(known), how
    )


def _middle(values: Sequence[float]) -> tuple[float, float]:
    """Mean and standard deviation; of equal values exactly these and 0."""
    if min(values) == max(values):
        return values[0], 0.0
    middle = mean(values)
    return middle, math.sqrt(math.fsum((v - middle) ** 2 for v in values) / len(values))


def _recursive(found: Sets, steps: Stepwise | None, learned: Quantiles) -> tuple[Distribution, ...]:
    orders = math.factorial(found.others)
    made: list[Distribution] = []
    if steps is not None:
        made.append(_with(moments.running_mean(found.step), "running_mean", steps.running, orders))
        low, high = moments.worst_step(found)
        middle, sd = _of_counts(steps.worst, steps.times)
        found_ = quantiles.of_counts(steps.worst, steps.times)
        ends = (low, high, middle, sd)
        made.append(Distribution("worst_step", orders, *ends, found_, "exact extremes"))
    made.append(_with(moments.on_task_mean(found), "on_task_mean", learned, orders))
    return (*made, _same("final_mean", found.step[-1], found.others), *_last(found))


def _with(exact: Moments, quantity: Quantity, quantiles_: Quantiles, orders: int) -> Distribution:
    ends = (exact.minimum, exact.maximum, exact.mean, exact.sd)
    return Distribution(quantity, orders, *ends, quantiles_, "exact moments")


def _of_counts(
    values: Float[np.ndarray, " k"], counts: Int[np.ndarray, " k"]
) -> tuple[float, float]:
    """Mean and standard deviation of values that are there so many times."""
    middle = float((values * counts).sum() / counts.sum())
    return middle, math.sqrt(float(((values - middle) ** 2 * counts).sum() / counts.sum()))


def _drawn(
    quantity: Quantity, values: Float[np.ndarray, " n"], orders: int, of: Quantiles
) -> Distribution:
    ends = (float(values.min()), float(values.max()), float(values.mean()), float(values.std()))
    return Distribution(quantity, orders, *ends, of, "drawn")


def _same(quantity: Quantity, value: float, others: int) -> Distribution:
    """What no order moves."""
    at = float(value)
    orders = math.factorial(others)
    return Distribution(quantity, orders, at, at, at, 0.0, (at, at, at), "closed form")


def _last(found: Sets) -> list[Distribution]:
    """Each task is the last of as many orders."""
    values = sorted(found.last()[~np.isnan(found.last())].tolist())
    if not values:
        return []
    each = math.factorial(found.others - 1)
    middle, sd = _middle(values)
    low, half, high = (_repeated(values, each, q) for q in (5, 50, 95))
    quantiles = (low, half, high)
    orders = each * len(values)
    return [
        Distribution(
            "last_task", orders, values[0], values[-1], middle, sd, quantiles, "closed form"
        )
    ]


def _repeated(values: Sequence[float], each: int, percent: int) -> float:
    """Quantile of rising values, each repeated, linear between ranks: in whole numbers."""
    rank, rest = divmod(percent * (each * len(values) - 1), 100)
    low = values[rank // each]
    high = values[min(rank + 1, each * len(values) - 1) // each]
    return low + (high - low) * rest / 100


def _of_many(classes: Sequence[ClassTable], others: int) -> tuple[Distribution, ...]:
    orders = math.factorial(others)
    made = drawn.of_many_tasks(classes, others)
    final = mean(float(one.values[-1]) for one in classes)
    return (
        *(
            _drawn(quantity, values, orders, quantiles.of_values(values))
            for quantity, values in made.items()
        ),
        _same("final_mean", final, others),
    )
