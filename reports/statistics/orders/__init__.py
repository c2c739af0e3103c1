"""All orders of tasks with one task 0, from what is known of sets of tasks.

Up to 8 tasks every order is computed. Up to 16, exact mean, standard deviation and extremes come by
recursion over sets, and quantiles from 10⁶ drawn orders; beyond, all comes from those.
"""

from reports.statistics.orders.distribution import (
    Distribution,
    How,
    distributions,
    distributions_beside,
    of_values,
)
from reports.statistics.orders.moments import running_mean
from reports.statistics.orders.sets import (
    MOST_ENUMERATED,
    MOST_EXACT,
    ClassTable,
    Quantity,
    Sets,
    along_every_order,
    every_order,
    running_means,
    sets_along,
    sets_of,
)
from reports.statistics.orders.summary import OverOrders, of_orders, of_sets

__all__ = [
    "MOST_ENUMERATED",
    "MOST_EXACT",
    "ClassTable",
    "Distribution",
    "How",
    "OverOrders",
    "Quantity",
    "Sets",
    "along_every_order",
    "distributions",
    "distributions_beside",
    "every_order",
    "of_orders",
    "of_sets",
    "of_values",
    "running_mean",
    "running_means",
    "sets_along",
    "sets_of",
]
