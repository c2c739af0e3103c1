"""Laws of the distribution over all orders: brute force is the oracle."""

import itertools
import math
from collections.abc import Iterable

import numpy as np
import pytest

from moleflow.metrics.catalogue import CONCLUDED
from moleflow.metrics.detection import binary_scores
from moleflow.metrics.means import mean
from moleflow.streams import numpy_stream
from orchestration.trial.all_orders import TiedError, reach
from reports.document import plain
from reports.order_spread import MOST_SHOWN, Running, shown_orders
from reports.order_spread import sentence as spread_sentence
from reports.statistics.orders import (
    ClassTable,
    Sets,
    along_every_order,
    beside,
    distributions,
    drawn,
    every_order,
    of_orders,
    of_sets,
    of_values,
    quantiles,
    running_means,
    sets_of,
)
from reports.statistics.orders.moments import best_and_worst
from reports.statistics.orders.quantiles import SHARES


class World:
    """T tasks of one class each, with distances and scores of every picture under every task."""

    def __init__(self, tasks: int, name: str, pictures: int = 24):
        draws = numpy_stream("orders", name)
        self.tasks = range(tasks)
        self.labels = np.arange(pictures) % 3 == 0
        self.distances = draws.random((tasks, pictures, tasks))
        self.distances[self.tasks, :, self.tasks] -= 0.3
        self.scores = draws.normal(size=(tasks, pictures, tasks)) + self.labels[:, None]

    def auroc(self, c: int, chosen: np.ndarray) -> float:
        scores = self.scores[c][np.arange(len(chosen)), chosen]
        return binary_scores(self.labels, scores).auroc

    def evaluated(self, order: tuple[int, ...]) -> list[dict[int, float]]:
        """As a trial does it: after every task, of the classes learned so far."""
        return [
            {c: self.auroc(c, np.take(known, self.distances[c][:, known].argmin(1))) for c in known}
            for known in (list(order[:step]) for step in range(1, len(order) + 1))
        ]

    def kept(self) -> list[ClassTable]:
        tables: list[ClassTable] = []
        for c in self.tasks:
            found = reach(self.distances[c], c)
            numbers = np.array([self.auroc(c, chosen) for chosen in found.chosen])
            rivals = tuple(t - 1 for t in found.rivals)
            tables.append(ClassTable(c - 1, rivals, numbers[list(found.choice)]))
        return tables


def quantities(steps: list[dict[int, float]], order: tuple[int, ...]) -> dict[str, float]:
    means = [mean(step.values()) for step in steps]
    return {
        "running_mean": mean(means),
        "worst_step": min(means),
        "final_mean": means[-1],
        "on_task_mean": mean(steps[i][c] for i, c in enumerate(order)),
        "last_task": steps[-1][order[-1]],
    }


def all_orders(tasks: int) -> Iterable[tuple[int, ...]]:
    return ((0, *rest) for rest in itertools.permutations(range(1, tasks)))


@pytest.mark.parametrize("tasks", [2, 5])
def test_every_order_has_the_numbers_of_evaluating_it_to_the_last_digit(tasks: int) -> None:
    world = World(tasks, f"{tasks} tasks")
    done = [quantities(world.evaluated(order), order) for order in all_orders(tasks)]
    found = {one.quantity: one for one in distributions(world.kept(), tasks - 1)}
    assert found.keys() == done[0].keys()
    for quantity, one in found.items():
        values = [row[quantity] for row in done]
        assert one.orders == math.factorial(tasks - 1)
        assert (one.minimum, one.maximum) == (min(values), max(values))
        assert one.mean == mean(values)
        assert one.sd == pytest.approx(np.std(values), rel=1e-12, abs=1e-15)
        assert one.quantiles == tuple(np.quantile(values, SHARES))
    assert (found["running_mean"].sd > 0) == (tasks > 2)


def test_recursion_over_sets_gives_the_moments_of_enumeration(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tables = World(6, "recursion").kept()
    values = along_every_order(sets_of(tables, 5))
    whole = {one.quantity: one for one in distributions(tables, 5)}
    monkeypatch.setattr("reports.statistics.orders.distribution.MOST_ENUMERATED", 0)
    monkeypatch.setattr(drawn, "DERIVED", 60_000)
    drawn.drawn_orders.cache_clear()
    drawn.drawn_paths.cache_clear()
    found = {one.quantity: one for one in distributions(tables, 5)}
    assert found.keys() == whole.keys()
    for quantity, one in found.items():
        exact = whole[quantity]
        assert (one.minimum, one.maximum) == pytest.approx((exact.minimum, exact.maximum))
        near = 0.02 if quantity == "worst_step" else 1e-9
        assert (one.mean, one.sd) == pytest.approx((exact.mean, exact.sd), rel=near)
        for q, value in zip(SHARES, one.quantiles, strict=True):
            low, high = np.quantile(values[quantity], [max(q - 0.02, 0), min(q + 0.02, 1)])
            assert low - 1e-12 <= value <= high + 1e-12
    for order, end in zip(
        best_and_worst(sets_of(tables, 5).step), ("maximum", "minimum"), strict=True
    ):
        steps = World(6, "recursion").evaluated((0, *(t + 1 for t in order)))
        means = mean(mean(step.values()) for step in steps)
        assert means == pytest.approx(getattr(whole["running_mean"], end))
    drawn.drawn_orders.cache_clear()
    drawn.drawn_paths.cache_clear()


def test_many_tasks_are_computed_of_drawn_orders_as_by_sets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tables = World(6, "many").kept()
    whole = {one.quantity: one for one in distributions(tables, 5)}
    monkeypatch.setattr("reports.statistics.orders.distribution.MOST_EXACT", 0)
    monkeypatch.setattr(drawn, "DERIVED", 60_000)
    drawn.drawn_orders.cache_clear()
    found = {one.quantity: one for one in distributions(tables, 5)}
    drawn.drawn_orders.cache_clear()
    for quantity in ("running_mean", "worst_step", "on_task_mean", "final_mean"):
        one, exact = found[quantity], whole[quantity]
        assert (one.minimum, one.maximum) == pytest.approx((exact.minimum, exact.maximum))
        assert one.mean == pytest.approx(exact.mean, abs=0.03 * exact.sd + 1e-12)


def test_orders_of_many_tasks_are_drawn_and_none_asks_for_all_of_them() -> None:
    with pytest.raises(ValueError, match="14 tasks beside task 0 have too many orders"):
        every_order(14)
    orders = shown_orders(9)
    assert len(orders) == MOST_SHOWN
    assert (np.sort(orders, axis=1) == np.arange(9)).all()
    drawn.drawn_orders.cache_clear()


@pytest.mark.parametrize("tasks", [4, 9, 10])
def test_an_orders_ends_are_looked_up_and_its_steps_added_to_the_same(
    tasks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawn, "DERIVED", 2_000)
    tables = World(tasks, f"ends of {tasks}").kept()
    drawn.drawn_orders.cache_clear()
    drawn.drawn_paths.cache_clear()
    found = sets_of(tables, tasks - 1)
    running = drawn.of_every(drawn.running_mean(found))
    plain = drawn.of_many_tasks(tables, tasks - 1)
    assert np.ptp(running) > 0
    assert running == pytest.approx(plain["running_mean"], rel=1e-14)
    steps = beside.stepwise([found])[0]
    worst = np.sort(plain["worst_step"])
    assert np.repeat(steps.worst, steps.times) == pytest.approx(worst, rel=1e-14)
    learned = drawn.of_every(drawn.on_task_mean(found))
    assert learned == pytest.approx(plain["on_task_mean"], rel=1e-14)
    drawn.drawn_orders.cache_clear()
    drawn.drawn_paths.cache_clear()


def some_metric(rivals: int, name: str) -> Sets:
    """Of 10 tasks of a class each, moved by so many others."""
    draws = numpy_stream("orders", name)
    tables: list[ClassTable] = []
    for own in range(-1, 9):
        near = tuple(((own + 1 + np.arange(rivals)) % 9).tolist())
        tables.append(ClassTable(own, near, draws.uniform(0.8, 0.9, 1 << rivals)))
    return sets_of(tables, 9)


@pytest.mark.parametrize(("rivals", "codes"), [(0, 1), (1, 1), (3, 3)])
def test_metrics_beside_each_other_have_the_quantiles_of_every_drawn_order_to_the_last_digit(
    rivals: int, codes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawn, "DERIVED", 20_000)
    drawn.drawn_orders.cache_clear()
    drawn.drawn_paths.cache_clear()
    found = [some_metric(rivals, f"metric {i}") for i in range(beside.AT_ONCE + 1)]
    assert len(beside.told_together(found)) == codes
    steps, learned = beside.stepwise(found), beside.on_task_mean(found)
    apart = [beside.on_task_mean([one])[0] for one in found]
    for one, step, of, alone in zip(found, steps, learned, apart, strict=True):
        running = drawn.of_every(drawn.running_mean(one))
        assert step.running == tuple(np.quantile(running, SHARES))
        worst = np.repeat(step.worst, step.times)
        assert quantiles.of_counts(step.worst, step.times) == tuple(np.quantile(worst, SHARES))
        every = drawn.of_every(drawn.on_task_mean(one))
        assert of == alone == tuple(np.quantile(every, SHARES))
    drawn.drawn_orders.cache_clear()
    drawn.drawn_paths.cache_clear()


def test_keys_with_an_error_lead_to_the_quantiles_of_all_values_or_say_that_they_cannot() -> None:
    draws = numpy_stream("orders", "keys")
    values = draws.normal(size=20_001)
    right = np.rint((values - values.min()) * (1 << 28)).astype(np.int64)

    def found(keys: np.ndarray, slack: int, of: np.ndarray = values) -> object:
        return quantiles.of_keys(keys.astype(np.uint32), slack, lambda some: of[some])

    near = np.maximum(right + draws.integers(-9_000, 9_001, size=len(values)), 0)
    assert found(right, 1) == found(near, 9_001) == tuple(np.quantile(values, SHARES))
    assert found(near, 1 << 14) is None
    assert found(np.zeros(len(values)), 1, np.zeros(len(values))) is None


def test_quantiles_of_drawn_orders_are_those_of_numpy_to_the_last_digit() -> None:
    draws = numpy_stream("orders", "quantiles")
    smooth = draws.normal(size=20_001)
    for values in (
        smooth,
        smooth.round(1),
        np.sort(smooth),
        np.repeat([1.0, 2.0], [19_000, 1_001]),
        np.repeat([0.0, 1.0, 0.0], 97),
        smooth[:5],
        smooth[:1],
    ):
        found = of_values("worst_step", values, len(values), "drawn")
        assert found.quantiles == tuple(np.quantile(values, SHARES))


def test_drawn_orders_are_not_told_to_be_all() -> None:
    def told(others: int, whole: bool) -> str:
        orders = np.array([range(others), range(others)[::-1]])
        names = tuple(f"task {task}" for task in range(others))
        values = {"first": np.array([0.5, 0.6])}
        over = {"first": of_orders(values["first"], every_order(2))}
        one = Running(CONCLUDED[0], (0,), {"first": names}, orders, values, over, whole, ())
        return plain(spread_sentence([one], proved=True))

    assert "by up to 10.00 points (seed 0; over all 2 orders, whatever" in told(2, True)
    assert "by up to 10.00 points (seed 0; over all 362,880 orders, whatever" in told(9, True)
    assert "by up to 10.00 points (seed 0; over 2 drawn orders, whatever" in told(9, False)


def test_what_is_told_of_all_orders_is_the_same_by_sets_as_order_by_order() -> None:
    tables = World(6, "told").kept()
    one_by_one = of_orders(running_means(tables, every_order(5)), every_order(5))
    by_sets = of_sets(sets_of(tables, 5).step)
    for name in ("mean", "sd", "maximum", "minimum", "by_place"):
        assert getattr(by_sets, name) == pytest.approx(getattr(one_by_one, name), rel=1e-12), name
    assert np.ptp(by_sets.by_place) > 0
    assert (by_sets.best, by_sets.worst) == (one_by_one.best, one_by_one.worst)


def test_an_order_that_ends_with_a_task_without_the_metric_has_no_last_task() -> None:
    tables = [one for one in World(4, "no masks").kept() if one.own != 2]
    found = {one.quantity: one for one in distributions(tables, 3)}
    assert found["last_task"].orders == 4
    assert found["running_mean"].orders == 6


def test_pictures_equally_near_to_two_tasks_are_refused_where_the_first_learned_has_them() -> None:
    distances = np.array([[5.0, 1.0, 1.0], [0.5, 3.0, 3.0]])
    with pytest.raises(TiedError, match="1 pictures"):
        reach(distances, 1)
    # Task 0 is learned first in every order.
    assert reach(np.array([[1.0, 1.0, 2.0]]), 1).chosen[0].tolist() == [0]
