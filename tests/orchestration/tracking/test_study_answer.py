"""What a study's trials say together, as it is sent while they end."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats

from moleflow.measurement import Measurement
from orchestration.records.layout import Root
from orchestration.records.ledger import Record
from orchestration.studies.axes import Grid, Orders, Variants
from orchestration.studies.expansion import Plan, Trial
from orchestration.tracking.mlflow.report_tables import CONTRASTS, Finding
from orchestration.tracking.mlflow.study_answer import Point, have_runs, points, settings_of
from orchestration.tracking.mlflow.told_by_reports import by_settings
from tests.orchestration.tracking.stores import small_plan
from tests.records import record


def ended(trial: Trial, value: float, at: float, **changes: object) -> Record:
    """A record of a trial, with one mean."""
    row = Measurement(3, -1, "", "image_auroc", "final_mean", "routed", value)
    fields = {name: getattr(trial, name) for name in Trial.model_fields}
    return record(**{**fields, "ended": at, "rows": (row,), **changes})


def all_ended(plan: Plan) -> list[Record]:
    values = np.random.default_rng(0).random(len(plan.trials))
    return [ended(t, float(v), n) for n, (t, v) in enumerate(zip(plan.trials, values, strict=True))]


def sent(plan: Plan, parts: Sequence[Sequence[Record]]) -> list[Point]:
    """All that is sent where these are known one after the other."""
    found, answered = list[Point](), ""
    for records in parts:
        new, answered = points(plan, records, answered)
        found += new
    return found


@pytest.fixture
def plan(root: Root) -> Plan:
    """Two orders of four seeds."""
    return small_plan(root, seeds=(0, 1, 2, 3))


def test_means_deviations_and_intervals_are_over_seeds_and_over_orders(plan: Plan):
    records = all_ended(plan)
    last = sent(plan, [records])[-1].study
    table = np.zeros((4, 2))
    orders = sorted({one.order for one in records})
    for one in records:
        table[one.seed, orders.index(one.order)] = one.rows[0].value
    sides = {"image_auroc/": table.mean(axis=1), "over_orders/image_auroc ": table.mean(axis=0)}
    for of, units in sides.items():
        assert last[f"{of}n"] == len(units)
        assert last[f"{of}mean"] == pytest.approx(units.mean())
        assert last[f"{of}sd"] == pytest.approx(units.std(ddof=1))
    seeds = table.mean(axis=1)
    expected = stats.t.interval(0.95, 3, loc=seeds.mean(), scale=stats.sem(seeds))
    found = [last[f"image_auroc/interval_{side}"] for side in ("low", "high")]
    assert found == pytest.approx(expected)


def test_over_orders_no_interval_is_sent(root: Root):
    """Orders with one task 0 may be copies of one result, and may be all that there are."""
    plan = small_plan(root, axes=(Orders(count=4),), seeds=(0, 1, 2))
    last = sent(plan, [all_ended(plan)])[-1].study
    found = {name for name in last if name.startswith("over_orders/image_auroc ")}
    assert last["over_orders/image_auroc n"] == 4
    assert found == {f"over_orders/image_auroc {name}" for name in ("mean", "n", "sd")}
    assert last["image_auroc/interval_low"] < last["image_auroc/mean"]


def test_points_are_the_same_however_trials_become_known(plan: Plan):
    records = all_ended(plan)
    one_by_one = sent(plan, [records[:n] for n in range(1, len(records) + 1)])
    assert sent(plan, [records]) == one_by_one
    assert sent(plan, [records[:3], records]) == one_by_one
    assert [point.step for point in one_by_one] == list(range(1, 9))


def test_what_was_sent_is_not_sent_again(plan: Plan):
    records = all_ended(plan)
    _, answered = points(plan, records, "")
    assert points(plan, records[::-1], answered) == ([], answered)


def test_a_number_that_is_none_any_more_is_not_shown_further(root: Root, plan: Plan):
    """Seeds count that have every order: an order that one seed alone has leaves one."""
    before = small_plan(root, axes=(Orders(count=1),), seeds=(0, 1, 2))
    known = all_ended(before)
    new = next(t for t in plan.trials if t.sequence != known[0].sequence and t.seed == 0)
    first, second = sent(plan, [known, [*known, ended(new, 0.5, 9.0)]])[-2:]
    assert first.study["image_auroc/sd"] > 0
    assert second.study["image_auroc/n"] == 1
    assert math.isnan(second.study["image_auroc/sd"])


def test_a_curve_goes_on_where_trials_were_taken_back(plan: Plan):
    records = all_ended(plan)
    steps = [point.step for point in sent(plan, [records, records[:2], records[:3], records])]
    assert steps == [*range(1, 9), 9, 10, *range(11, 16)]


def test_trials_that_did_not_finish_are_counted_and_in_no_mean(plan: Plan):
    good, bad, derived = all_ended(plan)[:3]
    bad = bad.model_copy(update={"status": "diverged"})
    derived = derived.model_copy(update={"role": "derived"})
    last = sent(plan, [[good, bad, derived]])[-1].study
    counted = [last[f"trials/{name}"] for name in ("planned", "finished", "diverged", "derived")]
    assert counted == [8, 2, 1, 1]
    assert last["image_auroc/mean"] == (good.rows[0].value + derived.rows[0].value) / 2


def test_settings_have_runs_where_several_have_several_trials(root: Root):
    grid = Grid(field="training.lr", values=(0.1, 0.2))
    assert have_runs(small_plan(root, axes=(grid, Orders(count=2))))
    assert not have_runs(small_plan(root, axes=(grid,), seeds=(0,)))
    assert not have_runs(small_plan(root))


def twice(root: Root) -> Plan:
    """Of four variants of two seeds two are one config each."""
    changes: dict[str, dict[str, object]] = {
        "lr": {"training.lr": 0.1},
        "lr again": {"training.lr": 0.1},
    }
    axis = Variants(baseline="main", variants={"main": {}, "same": {}, **changes})
    return small_plan(root, axes=(axis, Orders(count=1)), seeds=(0, 1))


def test_a_config_under_several_names_is_one_setting(root: Root):
    plan = twice(root)
    found = settings_of(plan)
    assert {name: one.names for name, one in found.items()} == {
        "variant = main": ("variant = main", "variant = same"),
        "variant = lr": ("variant = lr", "variant = lr again"),
    }
    assert have_runs(plan) and len(plan.trials) == 4
    answered = sent(plan, [all_ended(plan)])
    assert {name for point in answered for name in point.settings} == set(found)
    beside = {name for point in answered for name in point.study if "image_auroc" in name}
    assert beside == {"image_auroc/main", "image_auroc/lr"}


def test_what_is_said_of_a_setting_under_its_other_name_stands_on_its_run(root: Root):
    found = settings_of(twice(root))
    verdicts = {"lr again": "worse", "lr": "better", "same": "worse"}
    said = [
        Finding(CONTRASTS, f"variant = {name}", "image_auroc", {}, {"verdict": verdict})
        for name, verdict in verdicts.items()
    ]
    shown = by_settings([*said, Finding(CONTRASTS, "variant = none", "x", {}, {})], found)
    assert [(one.setting, one.words["verdict"]) for one in shown] == [
        ("variant = lr", "better"),
        ("variant = main", "worse"),
    ]
