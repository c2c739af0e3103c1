"""What the schedule is predicted to do is what it does."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moleflow.config import Config
from orchestration.records.layout import Root
from orchestration.sharing.groups import Keys, keys_of
from orchestration.sharing.roles import parts
from orchestration.sharing.savings import savings
from orchestration.sharing.schedule import Schedule
from orchestration.sharing.simulation import Costs, Outcome, Simulation
from orchestration.studies.axes import Grid, Orders
from tests.orchestration.sharing.test_schedule import FIVE_ORDERS, planned, roles_to_the_end

COSTS = Costs(
    features=lambda trial, name: (name, 5.0),
    training=lambda trial, index: 100.0 if index == 0 else 60.0,
    besides=lambda trial, trains: 20.0 if trains else 8.0,
    start=2.0,
)
SCORED = (Orders(count=1), Grid(field="scoring.top_k", values=(1, 2, 3)))


def simulated(keys: Keys, workers: int, **known: object) -> Outcome:
    return Simulation(keys, keys.trials, COSTS, **known).run(workers)


PLANS = {
    "orders": planned(*FIVE_ORDERS),
    "orders, three seeds": planned(*FIVE_ORDERS, seeds=(0, 1, 2)),
    "scores": planned(*SCORED, seeds=(0, 1)),
    "a base that goes on": planned(*FIVE_ORDERS, config=Config().updated({"freeze_base": False})),
    "flows of one task": planned(*FIVE_ORDERS, config=Config().updated({"separate": True})),
    "all apart": planned(Grid(field="training.lr", values=(1e-3, 2e-3, 3e-3))),
}
KEYS = {name: keys_of(plan) for name, plan in PLANS.items()}


@pytest.mark.parametrize("name", PLANS)
def test_what_is_trained_is_what_the_keys_say(name: str) -> None:
    keys = KEYS[name]
    counts = savings(keys, parts(keys, {}, {}))
    for workers in (1, 3, 50):
        trained = simulated(keys, workers).trained
        assert len(trained) == counts.distinct
        assert sum(map(len, trained.values())) == counts.distinct + counts.witnesses


@pytest.mark.parametrize("name", PLANS)
def test_one_worker_never_waits_and_gives_the_roles_of_the_drivers_schedule(
    name: str, tmp_path: Path
) -> None:
    found = simulated(KEYS[name], 1)
    assert found.waiting == 0.0 and found.wall == pytest.approx(found.busy)
    folder = Root.at(tmp_path).study("orders")
    assert list(found.roles.values()) == roles_to_the_end(Schedule(PLANS[name], folder), folder)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(sorted(PLANS)), st.integers(1, 20))
def test_a_schedule_takes_no_less_than_its_share_and_no_more_than_one_worker(
    name: str, workers: int
) -> None:
    found, alone = simulated(KEYS[name], workers), simulated(KEYS[name], 1)
    assert found.ended.keys() == {trial.key for trial in PLANS[name].trials}
    assert found.busy / workers <= found.wall + 1e-6
    assert found.wall <= alone.busy + 1e-6
    assert sum(found.at_work.values()) == pytest.approx(found.busy - 2.0 * len(found.ended))


def test_three_seeds_of_an_order_take_as_long_as_one_with_a_worker_each() -> None:
    one = simulated(keys_of(planned(Orders(count=1))), 1)
    keys = keys_of(planned(Orders(count=1), seeds=(0, 1, 2)))
    three = simulated(keys, 3)
    assert one.wall == 2 + 4 * 5 + 100 + 3 * 60 + 20
    assert three.wall == pytest.approx(one.wall)
    assert three.features == dict.fromkeys("abcd", 5.0)


def test_what_the_store_holds_is_not_trained() -> None:
    keys = KEYS["scores"]
    everything = {key for tasks in keys.tasks.values() for key in tasks}
    found = simulated(keys, 2, made=everything | set("abcd"))
    assert not found.trained and not found.features
    assert found.wall == pytest.approx(3 * (2 + 8))


def test_scoring_variants_learn_tasks_side_by_side_where_workers_are_free() -> None:
    """The later tasks of one training are shared out among the trials that need them."""
    keys = keys_of(planned(*SCORED))
    one, three = simulated(keys, 1), simulated(keys, 3)
    assert sum(map(len, three.trained.values())) == 4
    assert three.wall < one.wall - 60
