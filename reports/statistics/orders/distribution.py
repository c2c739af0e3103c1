"""The distribution of a metric over all orders of T tasks that begin with one task 0."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from moleflow.metrics.means import mean
from reports.statistics.orders import drawn, moments
from reports.statistics.orders.moments import Moments
from reports.statistics.orders.sets import (
    MOST_ENUMERATED,
    MOST_EXACT,
    ClassTable,
    Quantity,
    Sets,
    along_every_order,
    sets_of,
)

QUANTILES = (0.05, 0.5, 0.95)
SAMPLED = 97
"""Every so many values are looked at to find those near a quantile."""

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
    quantiles: tuple[float, float, float]
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
    if others > MOST_EXACT:
        return _of_many(classes, others)
    found = sets_of(classes, others)
    if others <= MOST_ENUMERATED:
        made = along_every_order(found).items()
        return tuple(
            of_values(quantity, v, int(np.isfinite(v).sum()), "every order")
            for quantity, v in made
            if np.isfinite(v).any()
        )
    return (*_recursive(found), _same("final_mean", found.step[-1], others), *_last(found))


def of_values(
    quantity: Quantity, values: Float[np.ndarray, " n"], orders: int, how: How
) -> Distribution:
    """Of these values, NaN left out."""
    known = values[np.isfinite(values)]
    plain = known.tolist()
    middle, sd = _middle(plain)
    low, half, high = _quantiles(known)
    return Distribution(
        quantity, orders, min(plain), max(plain), middle, sd, (low, half, high), how
    )


def _middle(values: Sequence[float]) -> tuple[float, float]:
    """Mean and standard deviation; of equal values exactly these and 0."""
    if min(values) == max(values):
        return values[0], 0.0
    middle = mean(values)
    return middle, math.sqrt(math.fsum((v - middle) ** 2 for v in values) / len(values))


def _recursive(found: Sets) -> list[Distribution]:
    orders = math.factorial(found.others)
    made: list[Distribution] = []
    if not np.isnan(found.step).any():
        running, worst = drawn.running_and_worst(found)
        made.append(_with(moments.running_mean(found), "running_mean", running, orders))
        low, high = moments.worst_step(found)
        all_ = _drawn("worst_step", worst, orders)
        made.append(_exact_extremes(all_, low, high))
    made.append(_with(moments.on_task_mean(found), "on_task_mean", drawn.on_task(found), orders))
    return made


def _with(
    exact: Moments, quantity: Quantity, values: Float[np.ndarray, " n"], orders: int
) -> Distribution:
    ends = (exact.minimum, exact.maximum, exact.mean, exact.sd)
    return Distribution(quantity, orders, *ends, _quantiles(values), "exact moments")


def _exact_extremes(found: Distribution, low: float, high: float) -> Distribution:
    return Distribution(
        found.quantity,
        found.orders,
        low,
        high,
        found.mean,
        found.sd,
        found.quantiles,
        "exact extremes",
    )


def _drawn(quantity: Quantity, values: Float[np.ndarray, " n"], orders: int) -> Distribution:
    ends = (float(values.min()), float(values.max()), float(values.mean()), float(values.std()))
    return Distribution(quantity, orders, *ends, _quantiles(values), "drawn")


def _quantiles(values: Float[np.ndarray, " n"]) -> tuple[float, float, float]:
    sample = np.sort(values[::SAMPLED])
    low, half, high = (_quantile(values, sample, q) for q in QUANTILES)
    return low, half, high


def _quantile(
    values: Float[np.ndarray, " n"], sample: Float[np.ndarray, " s"], share: float
) -> float:
    """As numpy's, to the last digit; of many values those near it alone are sorted."""
    at = share * (len(values) - 1)
    rank, part = int(at), at % 1
    near, below = _near(values, sample, share)
    if not below <= rank < below + len(near) - 1:
        near, below = values, 0
    guess = sample[int(share * len(sample))]
    if len(near) * 5 > len(values):  # many equal ones may be among them
        same = np.count_nonzero(values < guess), np.count_nonzero(values <= guess)
        if same[0] <= rank < same[1] - 1:
            return float(guess)
    place = rank - below
    above = min(place + 1, len(near) - 1)
    sorted_ = np.partition(near, (place, above))
    low, high = float(sorted_[place]), float(sorted_[above])
    gap = high - low
    return high - gap * (1 - part) if part >= 0.5 else low + gap * part


def _near(
    values: Float[np.ndarray, " n"], sample: Float[np.ndarray, " s"], share: float
) -> tuple[Float[np.ndarray, " k"], int]:
    """Values that a sorted sample says are near a quantile, and how many are smaller than those."""
    middle, width = share * len(sample), 4 * math.sqrt(len(sample) * share * (1 - share)) + 2
    low = sample[max(0, int(middle - width))]
    high = sample[min(len(sample) - 1, int(middle + width))]
    reached = values >= low
    return values[reached & (values <= high)], len(values) - int(np.count_nonzero(reached))


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
        *(_drawn(quantity, values, orders) for quantity, values in made.items()),
        _same("final_mean", final, others),
    )
