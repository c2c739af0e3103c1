"""Tracking: all that is on disk is in the store, once, whatever happened to the store meanwhile."""

import json
import multiprocessing
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from moleflow.errors import StoreError
from orchestration.records.layout import Root
from orchestration.records.ledger import Ledger
from orchestration.studies.axes import Grid, Orders
from orchestration.studies.expansion import Plan, order_numbers
from orchestration.tracking.address import default_uri
from orchestration.tracking.exporter import Exporter, keep_report, sync
from orchestration.tracking.mlflow.batches import TAG_LENGTH, batches
from orchestration.tracking.mlflow.naming import (
    describe,
    metric_name,
    run_name,
    short_axes,
    trial_params,
)
from orchestration.tracking.mlflow.saved_view import saved_view, varied
from orchestration.tracking.tracker import TrackerAway, TrackerRefused
from tests.orchestration.tracking.memory_tracker import MemoryTracker
from tests.orchestration.tracking.stores import (
    begin_trial,
    contents,
    no_warning,
    small_plan,
    write_report,
    write_trial,
)
from tests.processes import wait_for

pytestmark = pytest.mark.slow

STATUSES = ("finished", "diverged", "failed")


class FlakyTracker(MemoryTracker):
    """Fails as told: `away` and `refuse` are counts of calls still to fail."""

    def __init__(self, away: int = 0, refuse: frozenset[str] = frozenset()):
        super().__init__()
        object.__setattr__(self, "failures", [TrackerAway("no answer")] * away)
        object.__setattr__(self, "refuse", refuse)
        object.__setattr__(self, "refused", [])

    def log(self, trial, events):
        if self.failures:
            raise self.failures.pop()
        if trial.key in self.refuse:
            self.refused.append(trial.key)
            raise TrackerRefused("no such name")
        super().log(trial, events)


def test_the_exporter_sends_every_measurement_and_status(root: Root, plan: Plan):
    tracker = MemoryTracker()
    exporter = Exporter(plan, root.study("small"), tracker, no_warning, period=0.01)
    with exporter:
        for trial, status in zip(plan.trials, (*STATUSES, "finished"), strict=True):
            write_trial(root, trial, status)
    assert [len(tracker.points[t.key]) for t in plan.trials] == [5] * 4
    assert [tracker.statuses[t.key] for t in plan.trials] == [*STATUSES, "finished"]
    assert tracker.statuses["small"] == "failed"
    assert exporter.complete


def test_what_is_left_is_sent_while_the_caller_does_something_else(root: Root, plan: Plan):
    tracker = MemoryTracker()
    with Exporter(plan, root.study("small"), tracker, no_warning, period=60.0) as exporter:
        for trial in plan.trials:
            write_trial(root, trial)
        exporter.no_more()
        wait_for(lambda: tracker.statuses.get("small") == "finished")
    assert exporter.complete and len(tracker.statuses) == 1 + len(plan.trials)


def test_a_caller_that_fails_while_the_rest_is_sent_loses_nothing(root: Root, plan: Plan):
    tracker = MemoryTracker()
    with (
        pytest.raises(StoreError),
        Exporter(plan, root.study("small"), tracker, no_warning, period=60.0) as exporter,
    ):
        for trial in plan.trials:
            write_trial(root, trial)
        exporter.no_more()
        raise StoreError("the report cannot be written")
    assert exporter.complete and set(tracker.statuses.values()) == {"finished"}


def test_an_interrupt_ends_open_runs_as_killed(root: Root, plan: Plan):
    tracker = MemoryTracker()
    with (
        pytest.raises(KeyboardInterrupt),
        Exporter(plan, root.study("small"), tracker, no_warning, period=0.01),
    ):
        begin_trial(root, plan.trials[0])
        raise KeyboardInterrupt
    assert tracker.statuses == {"small": "killed", plan.trials[0].key: "killed"}


def test_a_store_that_was_away_gets_everything_later(root: Root, plan: Plan):
    tracker, told = FlakyTracker(away=3), []
    exporter = Exporter(plan, root.study("small"), tracker, told.append, period=0.01)
    with exporter:
        for trial in plan.trials:
            write_trial(root, trial)
        time.sleep(0.5)
    assert [len(tracker.points[t.key]) for t in plan.trials] == [5] * 4
    assert (len(told), exporter.complete) == (1, True)


def test_a_store_that_stays_away_ends_no_study_and_says_what_to_do(root: Root, plan: Plan):
    told: list[str] = []
    exporter = Exporter(
        plan, root.study("small"), FlakyTracker(away=10**6), told.append, period=0.01
    )
    with exporter:
        write_trial(root, plan.trials[0])
        time.sleep(0.1)
    assert not exporter.complete
    assert ["away" in told[0], "moleflow sync small" in told[-1], len(told)] == [True, True, 2]


def test_what_a_store_refuses_does_not_hold_up_the_rest(root: Root, plan: Plan):
    tracker, told = FlakyTracker(refuse=frozenset({plan.trials[0].key})), []
    exporter = Exporter(plan, root.study("small"), tracker, told.append, period=0.01)
    with exporter:
        for trial in plan.trials:
            write_trial(root, trial)
        time.sleep(0.1)
        asked = len(tracker.refused)
        time.sleep(0.1)
    assert (len(told), len(tracker.refused)) == (2, asked)
    assert [len(tracker.points.get(t.key, ())) for t in plan.trials] == [0, 5, 5, 5]
    assert not exporter.complete


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """Set when the test is over, so that no thread of it stays."""
    event = threading.Event()
    yield event
    event.set()


def test_a_store_that_never_answers_ends_no_study_and_holds_it_up_for_a_bounded_time(
    root: Root, plan: Plan, released: threading.Event
):
    class Stuck(MemoryTracker):
        def log(self, trial, events):
            released.wait()

    told: list[str] = []
    exporter = Exporter(
        plan, root.study("small"), Stuck(), told.append, period=0.01, longest_end=0.5
    )
    with exporter:
        write_trial(root, plan.trials[0])
        left = time.monotonic()
    assert time.monotonic() - left < 5
    assert (exporter.complete, len(told)) == (False, 1)
    assert "1 trial" in told[0] and "moleflow sync small" in told[0]


def test_a_report_that_a_store_never_takes_holds_up_nothing(
    root: Root, plan: Plan, released: threading.Event
):
    class Stuck(MemoryTracker):
        def keep_report(self, plan, folder):
            released.wait()

    told: list[str] = []
    assert not keep_report(plan, root.study("small"), Stuck(), told.append, longest=0.1)
    assert len(told) == 1


def test_a_defect_of_the_exporter_ends_no_study_and_is_told(root: Root, plan: Plan):
    class Faulty(MemoryTracker):
        def log(self, trial, events):
            raise ZeroDivisionError("no way")

    told: list[str] = []
    with Exporter(plan, root.study("small"), Faulty(), told.append, period=0.01):
        write_trial(root, plan.trials[0])
    assert "ZeroDivisionError: no way" in told[0] and "moleflow sync small" in told[1]


def test_one_trial_that_a_store_never_takes_does_not_hold_up_the_others(root: Root, plan: Plan):
    bad = plan.trials[0].key

    class Choosy(MemoryTracker):
        def log(self, trial, events):
            if trial.key == bad:
                raise TrackerAway("HTTP 500")
            super().log(trial, events)

    tracker = Choosy()
    with Exporter(plan, root.study("small"), tracker, lambda text: None, period=0.01):
        for trial in plan.trials:
            write_trial(root, trial)
        wait_for(lambda: len(tracker.points) == 3)


def test_sync_sends_what_the_ledger_holds_of_earlier_plans(root: Root, plan: Plan):
    for trial in plan.trials:
        write_trial(root, trial)
    fewer, tracker = small_plan(root, seeds=(1,)), MemoryTracker()
    assert sync(fewer, root.study("small"), tracker, no_warning)
    assert {trial.key for trial in plan.trials} <= set(tracker.points)
    assert tracker.statuses["small"] == "finished"


def test_sync_says_that_it_waits_for_a_store_that_takes_long(root: Root, plan: Plan):
    told: list[str] = []

    class Slow(MemoryTracker):
        def begin(self, plan: Plan, started: float) -> None:
            wait_for(lambda: told, 10)
            super().begin(plan, started)

    assert sync(plan, root.study("small"), Slow(), told.append, silence=0.1)
    assert told == [
        "the tracking store has taken 0.1 s so far; Ctrl-C ends sync, and harms nothing"
    ]
    told.clear()
    assert sync(plan, root.study("small"), MemoryTracker(), told.append, silence=3.0)
    assert told == []


def test_sync_keeps_the_report(root: Root, plan: Plan):
    write_report(root, "small")
    tracker = MemoryTracker()
    sync(plan, root.study("small"), tracker, no_warning)
    assert tracker.reports == {"small": ["index.html", "main.csv"]}


def test_the_trial_of_a_record_is_the_one_that_was_planned(root: Root, plan: Plan):
    trial = plan.trials[0]
    write_trial(root, trial)
    record = Ledger(root.study("small")).read(trial.key)
    assert record is not None
    assert record.trial == trial


# Names.


def test_names_that_mlflow_does_not_take_stay_apart():
    assert metric_name("image_auroc/bottle") == "image_auroc/bottle"
    plus = metric_name("loss/a+b")
    assert len({plus, metric_name("loss/a*b"), metric_name(plus)}) == 3


def test_an_axis_is_shown_by_the_last_part_of_its_field_where_that_is_unique():
    axes = ["task0", "order", "training.lr", "dia.dim", "patches.dim", "a.seed"]
    assert short_axes(axes) == {
        "training.lr": "lr",
        "dia.dim": "dia.dim",
        "patches.dim": "patches.dim",
        "a.seed": "a.seed",
    }


def test_parameters_are_what_varies_by_short_names_and_the_resolved_config(root: Root):
    plan = small_plan(root, axes=(Grid(field="training.lr", values=(0.1, 0.2)),))
    trial = plan.trials[2]
    params = trial_params(trial)
    assert set(params) == {"task0", "order", "seed", "lr", *trial.config.flat()}
    assert (params["seed"], params["lr"], params["training.lr"]) == ("0", "0.2", "0.2")
    assert run_name(trial, order_numbers(plan)) == "bottle O1 s0 lr=0.2"


def test_a_saved_view_has_the_parameters_that_vary_and_no_others(root: Root):
    axes = (Orders(count=2), Grid(field="training.lr", values=(0.1, 0.2)))
    plan = small_plan(root, axes=(*axes, Grid(field="training.epochs", values=(3,))), seeds=(5,))
    assert varied(plan) == ["task0", "order", "lr"]
    assert set(varied(plan)) <= set(trial_params(plan.trials[0]))
    seeds = small_plan(root, axes=(), seeds=(0, 1))
    assert varied(seeds) == ["seed"]


def test_a_saved_view_fits_a_tag_of_an_experiment(root: Root):
    plan = small_plan(root, axes=(Orders(count=2),), seeds=(0,))
    axes = [{f"{name:<40}": str(n) for name in range(120)} for n in range(len(plan.trials))]
    trials = [t.model_copy(update={"axes": a}) for t, a in zip(plan.trials, axes, strict=True)]
    wide = plan.model_copy(update={"trials": tuple(trials)})
    assert len(varied(wide)) == 120
    many = small_plan(root, classes=[f"class number {n}" for n in range(200)], axes=())
    for each in (wide, many):
        _, value = saved_view(each, made=10**12)
        assert len(value) <= TAG_LENGTH


def test_a_study_describes_its_question_and_what_varies(root: Root, plan: Plan):
    text = describe(plan)
    for part in ("Does it run?", "4 trials", "**task0**: bottle", "**seed**: 0, 1", "- O1: bottle"):
        assert part in text


@dataclass(frozen=True)
class Item:
    key: str
    value: str | float


def test_batches_hold_everything_in_order_and_no_more_than_a_store_takes():
    texts = [Item(f"größe {i}", "瓶" * 6000) for i in range(150)]
    numbers = [Item(f"loss/{i}", i / 7) for i in range(2500)]
    found = list(batches([*texts, *numbers]))
    assert [item for batch in found for item in batch] == [*texts, *numbers]
    for batch in found:
        assert len(batch) <= 1000
        assert sum(isinstance(item.value, str) for item in batch) <= 100
        assert len(json.dumps([vars(item) for item in batch])) <= 10**6
    assert len(found) < 15


# MLflow in a SQLite file; other stores: test_tracking_server.py.


def sync_study(root: Root, name: str, ready, go) -> None:
    from orchestration.tracking.mlflow.runs import MlflowTracker

    plan, told = small_plan(root, name, seeds=(0,)), []
    write_trial(root, plan.trials[0])
    tracker = MlflowTracker(root)
    ready.release()
    go.wait()
    sync(plan, root.study(name), tracker, told.append)
    assert told == []


@dataclass(frozen=True)
class First:
    """Two studies in a new root folder at once."""

    root: Root
    exits: list[int | None]


@pytest.fixture(scope="module")
def first(tmp_path_factory) -> First:
    root = Root.at(tmp_path_factory.mktemp("parent") / "100% trouble #1")
    context = multiprocessing.get_context("spawn")
    ready, go = context.Semaphore(0), context.Event()
    jobs = [(root, name, ready, go) for name in ("one", "two")]
    workers = [context.Process(target=sync_study, args=job) for job in jobs]
    for worker in workers:
        worker.start()
    for _ in workers:
        assert ready.acquire(timeout=60)
    go.set()
    for worker in workers:
        worker.join(60)
    return First(root, [worker.exitcode for worker in workers])


def test_two_studies_may_be_the_first_of_a_root_folder_at_once(first: First):
    assert first.exits == [0, 0]
    for name in ("one", "two"):
        assert len(contents(default_uri(first.root), name)) == 2
    assert [path.name for path in first.root.path.glob(".*")] == []


def test_any_name_of_a_root_folder_will_do_and_no_other_folder_is_made(first: First):
    assert first.root.mlflow_db.is_file()
    assert list(first.root.path.parent.iterdir()) == [first.root.path]
