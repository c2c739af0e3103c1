"""The audit's formulas of every order give what going through every order gives."""

import numpy as np
import pytest

from reports.audit import every_order
from reports.audit.known_tasks import MOST_ENUMERATED, Known, OfClass, along, walks
from reports.audit.orders import HOW, _along, _of_every, _of_values  # pyright: ignore[reportPrivateUsage]

TASKS = 6
"""Beside task 0."""
PLACES = range(TASKS)


@pytest.fixture
def known() -> Known:
    """Of two classes of task 0 and one of each other task, each moved by two others."""
    draws = np.random.default_rng(3)
    own = [-1, -1, *PLACES]
    rivals = [tuple(sorted({(task + 1) % TASKS, (task + 3) % TASKS})) for task in own]
    classes = (
        OfClass(f"class {i}", task, of, tuple(draws.uniform(0.7, 0.9, 4).tolist()))
        for i, (task, of) in enumerate(zip(own, rivals, strict=True))
    )
    return Known(tuple(f"task {task}" for task in PLACES), tuple(classes))


@pytest.mark.parametrize("quantity", [name for name, how in HOW.items() if how != "closed form"])
def test_formulas_of_every_order_give_what_going_through_them_gives(
    known: Known, quantity: str
) -> None:
    assert TASKS <= MOST_ENUMERATED
    (values,) = _along([known], quantity)
    assert np.ptp(values) > 0
    found, told = _of_every(known, quantity, values), _of_values(values)
    assert (found.orders, found.quantiles) == (told.orders, told.quantiles)
    for name in ("minimum", "maximum", "mean", "sd"):
        assert getattr(found, name) == pytest.approx(getattr(told, name), rel=1e-12), name


def test_a_tasks_place_and_the_ends_are_those_of_going_through_every_order(known: Known) -> None:
    every = walks(TASKS)
    values = every.running_mean(known.step[None])[0]
    places = every_order.by_place(known.step) / (TASKS + 1)
    for task, place in np.ndindex(TASKS, TASKS):
        assert places[task, place] == pytest.approx(values[every.orders[:, place] == task].mean())
    assert along(known.step, every_order.least_order(known.step)) == pytest.approx(values.min())
    assert along(known.step, every_order.least_order(-known.step)) == pytest.approx(values.max())
