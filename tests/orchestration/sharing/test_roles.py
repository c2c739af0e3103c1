"""Who trains what, as a pure function of what is known."""

from collections.abc import Mapping

import pytest

from moleflow.config import Config
from orchestration.sharing.groups import Keys, keys_of
from orchestration.sharing.roles import Begun, Part, apart, keys_in_role, order_free, parts
from orchestration.studies.axes import Grid, Orders, TaskZero
from orchestration.studies.expansion import Plan, expand
from orchestration.studies.study import Study

CLASSES = ("a", "b", "c", "d")
ALL = (0, 1, 2, 3)


def orders(count: int, *more: Grid) -> Keys:
    """Of four classes, with `a` first."""
    axes = (TaskZero(classes=("a",)), Orders(count=count), *more)
    study = Study(question="?", base=Config(), axes=axes)
    prints = {name: name * 2 for name in CLASSES}
    plan: Plan = expand("orders", study, "/data", prints, {study.base.backbone: "w"})
    return keys_of(plan)


def begun(keys: Keys, number: int, role: str, state: str, learned: tuple[int, ...] = ()):
    trial = keys.trials[number]
    return {trial.key: Begun(trial.sequence, role, state, learned)}  # pyright: ignore[reportArgumentType]


def told(left: Mapping[str, Part]) -> list[tuple[str, int, bool]]:
    return [(part.role, len(part.trains), part.waits) for part in left.values()]


def test_of_five_orders_two_are_trained_and_three_wait() -> None:
    assert told(parts(orders(5), {}, {})) == [
        ("shared", 4, False),
        ("witness", 4, False),
        *[("derived", 0, True)] * 3,
    ]


def test_a_failed_order_is_replaced_and_what_it_had_learned_is_not_trained_again() -> None:
    keys = orders(5)
    known = begun(keys, 0, "shared", "failed", (0, 1))
    assert told(parts(keys, known, {})) == [
        ("shared", 2, False),
        ("witness", 4, False),
        *[("derived", 0, True)] * 2,
    ]


def test_what_a_witness_has_trained_is_taken_by_nobody() -> None:
    keys = orders(3)
    known = begun(keys, 1, "witness", "finished", ALL)
    assert told(parts(keys, known, {}))[0] == ("shared", 4, False)


def test_a_trial_in_work_trains_what_it_has_not_learned_yet() -> None:
    keys = orders(3)
    known = begun(keys, 1, "shared", "in work", (0, 1))
    assert told(parts(keys, known, {})) == [
        ("shared", 2, False),
        ("witness", 4, False),
        ("derived", 0, True),
    ]


@pytest.mark.parametrize(
    ("holds", "expected"), [(True, ("derived", 0, False)), (False, ("alone", 4, False))]
)
def test_a_verdict_decides_for_all_that_waited(
    holds: bool, expected: tuple[str, int, bool]
) -> None:
    keys = orders(4)
    known = begun(keys, 0, "shared", "finished", ALL) | begun(keys, 1, "witness", "finished", ALL)
    group = keys.groups[keys.trials[0].key].id
    assert told(parts(keys, known, {group: holds})) == [expected] * 2


def test_derived_trials_train_what_nobody_is_known_to_have() -> None:
    keys = orders(4)
    group = keys.groups[keys.trials[0].key].id
    known = begun(keys, 0, "shared", "finished") | begun(keys, 1, "witness", "finished")
    assert told(parts(keys, known, {group: True})) == [("derived", 4, False), ("derived", 0, False)]


def test_a_trial_that_has_not_said_its_role_has_the_one_that_it_was_given() -> None:
    keys = orders(3)
    known = {keys.trials[0].key: Begun(keys.trials[0].sequence, None, "in work", (0,))}
    assert told(parts(keys, known, {}))[:2] == [("shared", 3, False), ("witness", 4, False)]


def test_each_stage_is_trained_by_one_trial_alone() -> None:
    keys = orders(1, Grid(field="scoring.top_k", values=(1, 2, 3)))
    assert told(parts(keys, {}, {})) == [("shared", 4, False), *[("shared", 0, False)] * 2]


def test_without_sharing_every_trial_trains_everything() -> None:
    assert told(parts(orders(3), {}, {}, sharing=False)) == [("alone", 4, False)] * 3


def test_who_shares_nothing_has_keys_of_its_own() -> None:
    trial = orders(1).trials[0]
    keys = {r: keys_in_role(trial, r, "cpu", 1) for r in ("shared", "derived", "witness", "alone")}
    assert keys["shared"] == keys["derived"]
    assert keys["witness"].task(0) != keys["shared"].task(0)
    assert (
        keys["witness"].features("a") == keys["shared"].features("a") != keys["alone"].features("a")
    )
    assert apart("derived", trial) == "" and apart("alone", trial) == trial.identity


@pytest.mark.parametrize("change", [{}, {"freeze_base": False}, {"seeding": "positional"}])
def test_orders_are_free_where_every_order_has_the_same_keys(change: dict[str, object]) -> None:
    config = Config().updated(change)
    study = Study(question="?", base=config, axes=(TaskZero(classes=("a",)), Orders(count=3)))
    prints = {name: name * 2 for name in CLASSES}
    keys = keys_of(expand("orders", study, "/data", prints, {config.backbone: "w"}))
    groups = {group.id for group in keys.groups.values()}
    assert order_free(config) == (len(groups) == 1)
