"""What is told of the mean over the steps of all orders with one task 0: how far they lie apart,
which are best and worst, and what the place of a task does.

n orders of m tasks beside task 0, K = 2^m sets of them.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from reports.statistics.orders import moments


@dataclass(frozen=True)
class OverOrders:
    """Of all orders that it is made of."""

    mean: float
    sd: float
    """Divided by the number of orders."""
    maximum: float
    minimum: float
    best: tuple[int, ...]
    """An order that has the maximum."""
    worst: tuple[int, ...]
    by_place: Float[np.ndarray, "m m"]
    """Of each task, mean of the orders in which it stands at a place, minus the mean of all."""

    @property
    def range(self) -> float:
        return self.maximum - self.minimum


def of_orders(values: Float[np.ndarray, " n"], orders: Int[np.ndarray, "n m"]) -> OverOrders:
    """Of these orders, one by one."""
    best, worst = int(values.argmax()), int(values.argmin())
    size = orders.shape[1]
    places = np.zeros((size, size))
    for place in range(size):
        for task in range(size):
            places[task, place] = values[orders[:, place] == task].mean()
    return OverOrders(
        float(values.mean()),
        float(values.std()),
        float(values[best]),
        float(values[worst]),
        tuple(orders[best].tolist()),
        tuple(orders[worst].tolist()),
        places - values.mean(),
    )


def of_sets(step: Float[np.ndarray, " k"]) -> OverOrders:
    """Of every order, from the number that every set of known tasks has."""
    found = moments.running_mean(step)
    best, worst = moments.best_and_worst(step)
    places = moments.by_place(step) - found.mean
    return OverOrders(found.mean, found.sd, found.maximum, found.minimum, best, worst, places)
