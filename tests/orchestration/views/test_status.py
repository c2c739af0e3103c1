"""`moleflow status`: what files alone say of a study."""

import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console

from moleflow.config import Config
from moleflow.measurement import Measurement
from orchestration.records.events import Attempt, Epoch, EventLog, StageStarted, read_events
from orchestration.records.files import write_atomically
from orchestration.records.layout import Root
from orchestration.records.ledger import Failure, Ledger, Record, StageSource, without_rows
from orchestration.records.stages import StageRef
from orchestration.runners.runner import describe_failure
from orchestration.sharing.certificate import Certificate, write
from orchestration.sharing.groups import group_id
from orchestration.store.lease import Leases
from orchestration.studies.axes import Orders, TaskZero, Variants
from orchestration.studies.expansion import Plan, Trial, expand
from orchestration.studies.search import Search, uniform
from orchestration.studies.study import Study
from orchestration.views import status
from orchestration.views.record_brief import brief, read_brief
from orchestration.views.status import status_table, study_status
from orchestration.views.status_answer import status_answer

CLASSES = ("bottle", "cable", "wood", "zipper")


@pytest.fixture
def orders(root: Root) -> Plan:
    """Four orders with one task 0."""
    axes = (TaskZero(classes=("bottle",)), Orders(count=4))
    study = Study(question="?", base=Config(), axes=axes)
    prints = {name: name for name in CLASSES}
    root.claim()
    return expand("small", study, "/data", prints, {study.base.backbone: "weights"})


@pytest.fixture
def driver(root: Root) -> Iterator[Leases]:
    with Leases(root.leases, "driver of small") as leases:
        assert leases.acquire("driver/small")
        yield leases


def rows() -> tuple[Measurement, ...]:
    """Steps, and the means at the end."""
    fields = {"task": -1, "class_name": "", "metric": "image_auroc", "value": 0.875}
    steps = [
        Measurement(**fields | {"step": i, "definition": "step_mean", "routing": "routed"})
        for i in range(1, 5)
    ]
    finals = [
        Measurement(
            **fields | {"step": 4, "definition": "final_mean", "routing": routing, "value": value}
        )
        for routing, value in (("routed", 0.625), ("oracle", 0.75))
    ]
    other = Measurement(**fields | {"step": 4, "definition": "on_task_mean", "routing": "routed"})
    return (*steps, *finals, other)


def record(root: Root, trial: Trial, status: str = "finished", **changes: object) -> Record:
    failure = Failure(
        kind="DataError", message="bottle: no such file\nmore", stage=StageRef("base", "bottle")
    )
    made = describe_failure(trial, failure, root.study("small"), time.time() - 90)
    fields: dict[str, object] = {"status": status, "host": "node-1", "rows": rows()}
    if status == "finished":
        fields["failure"] = None
    made = made.model_copy(update=fields | changes)
    Ledger(root.study("small")).write(made)
    return made


def begin(root: Root, trial: Trial) -> EventLog:
    log = EventLog(root.study("small").events(trial.key))
    log.add(Attempt(host="node-2", device="cpu:avx512", role="witness"))
    stage = StageRef("adapter", "cable")
    log.add(StageStarted(stage=stage, task=1))
    log.add(Epoch(stage=stage, task=1, epoch=7, epochs=60, numbers={"loss": 0.5}))
    return log


def shown(plan: Plan, root: Root, width: int = 120) -> str:
    console = Console(width=width)
    with console.capture() as text:
        console.print(status_table(plan, root), soft_wrap=True)
    return text.get()


def line_of(text: str, trial: Trial) -> str:
    return next(line for line in text.splitlines() if line.startswith(trial.key[:8]))


def test_every_trial_is_shown_with_its_state(root: Root, orders: Plan, driver: Leases):
    first, second, third, fourth = orders.trials
    record(root, first)
    begin(root, second)
    record(root, third, "failed", role="alone")
    text = shown(orders, root)
    assert "finished " in line_of(text, first) and " 62.50 " in line_of(text, first)
    assert "in work, witness" in line_of(text, second) and "node-2" in line_of(text, second)
    assert "failed, alone" in line_of(text, third)
    assert "awaits certificate" in line_of(text, fourth)
    assert text.startswith("small: 2 of 4 trials done, 1 failed")


def test_one_trial_is_told_as_one(root: Root, driver: Leases):
    one = expand(
        "small",
        Study(question="?", base=Config()),
        "/data",
        {"bottle": "b"},
        {Config().backbone: "w"},
    )
    assert shown(one, root).startswith("small: 0 of 1 trial done")


def test_a_trial_in_work_says_stage_epoch_and_when_it_was_heard(
    root: Root, orders: Plan, driver: Leases
):
    begin(root, orders.trials[0])
    work = shown(orders, root).partition("\nin work\n")[2]
    line = line_of(work, orders.trials[0])
    assert "adapter cable" in line and "7 of 60" in line and " s ago" in line


def test_without_a_driver_begun_trials_are_interrupted_and_the_remedy_is_said(
    root: Root, orders: Plan
):
    begin(root, orders.trials[0])
    text = shown(orders, root)
    assert "interrupted" in line_of(text, orders.trials[0])
    assert "no driver is running it: run the same command again to resume" in text
    assert study_status(orders, root, time.time()).study.running == {}


def test_with_nothing_left_no_driver_is_missed(root: Root, orders: Plan):
    for trial in orders.trials:
        record(root, trial)
    text = shown(orders, root)
    assert "nothing is left to run" in text and "no driver" not in text


def test_a_search_that_asks_the_test_set_is_told_so(root: Root, orders: Plan):
    for objective in ("selection", "test:image_auroc"):
        search = Search(space={"training.lr": uniform(1e-4, 1e-3)}, trials=1, objective=objective)
        study = orders.study.model_copy(update={"axes": (search,)})
        plan = orders.model_copy(update={"study": study})
        cautions = " ".join(status_answer(plan, root).cautions)
        for text in (" ".join(shown(plan, root).split()), cautions):
            assert ("measured on the test set" in text) == (objective != "selection")


def test_settings_that_are_one_and_settings_that_changed_nothing_are_told(root: Root):
    variants = {"main": {}, "same": {"lora.rank": 64}, "vain": {"loss.tail_ratio": 0.03}}
    axes = (Orders(count=1), Variants(baseline="main", variants=variants))
    study = Study(question="?", base=Config(), axes=axes)
    prints = {name: name for name in CLASSES}
    plan = expand("small", study, "/data", prints, {study.base.backbone: "weights"})
    told = ["variant = main and variant = same: one setting under several names"]
    for trial in (None, *plan.trials):
        if trial is not None:
            record(root, trial)
        if trial is plan.trials[-1]:
            told.append("variant = vain: no effect: all numbers equal the baseline’s to the bit")
        cautions = status_answer(plan, root).cautions
        pairs = zip(cautions, told, strict=True)
        assert all(one.startswith(text) for one, text in pairs)
        assert all(text in " ".join(shown(plan, root, width=300).split()) for text in told)


def test_a_driver_is_named_by_host_and_process(root: Root, orders: Plan, driver: Leases):
    assert f" on {platform.node()} for " in shown(orders, root)
    assert "driven by process" in shown(orders, root)


def test_what_an_earlier_driver_left_is_not_in_work(root: Root, orders: Plan, driver: Leases):
    begin(root, orders.trials[0])
    path = root.study("small").events(orders.trials[0].key)
    old = [e.model_copy(update={"time": e.time - 1000}) for e in read_events(path)]
    path.write_text("".join(e.model_dump_json(exclude_none=True) + "\n" for e in old))
    begin(root, orders.trials[1])
    found = study_status(orders, root, time.time())
    assert [state.trial for state in found.lost] == [orders.trials[0]]
    assert set(found.study.running) == {orders.trials[1].key}


def test_leases_on_stages_are_shown_with_who_holds_them(root: Root, orders: Plan):
    with Leases(root.leases, orders.trials[0].key) as leases:
        leases.acquire("adapter/0123456789abcdef")
        text = shown(orders, root)
    line = next(line for line in text.splitlines() if line.startswith("adapter 01234567"))
    assert orders.trials[0].key[:8] in line and platform.node()[:8] in line


def test_a_certificate_ends_the_waiting(root: Root, orders: Plan):
    one, other, third, _ = orders.trials
    record(root, one, role="shared")
    assert "awaits certificate" in line_of(shown(orders, root), third)
    record(root, other, role="witness")
    made = Certificate(
        group=group_id(one),
        holds=True,
        device="cpu:avx512",
        threads=1,
        trials=(one.key, other.key),
        orders=(one.sequence, other.sequence),
        moved=("cable",),
        made=0.0,
    )
    write(made, root.study("small"))
    text = shown(orders, root)
    assert "waiting" in line_of(text, third)
    assert "order-invariance certificates: 1 holds" in text


def test_records_of_trials_that_are_not_in_the_plan_are_counted(root: Root, orders: Plan):
    for i in range(3):
        record(root, orders.trials[0].model_copy(update={"key": f"{i:020}"}))
    record(root, orders.trials[1])
    text = shown(orders, root)
    assert "3 earlier trials are not in the present plan (kept)" in text
    assert text.startswith("small: 1 of 4 trials done")


def test_failures_say_stage_epoch_and_last_numbers(root: Root, orders: Plan):
    begin(root, orders.trials[1])
    failure = Failure(kind="MemoryError", message="none left\nat all")
    made = describe_failure(orders.trials[1], failure, root.study("small"), 0.0)
    Ledger(root.study("small")).write(made)
    text = shown(orders, root, width=300)
    place = [task[0] for task in orders.trials[1].sequence].index("cable") + 1
    where = f"adapter cable (task {place} of 4), epoch 7 of 60, loss 0.5"
    assert f"MemoryError in {where}: none left\n" in text


@pytest.mark.parametrize("damage", ["record", "events"])
def test_a_damaged_file_is_named_and_hides_nothing_else(root: Root, orders: Plan, damage: str):
    folder, (first, second, *_) = root.study("small"), orders.trials
    record(root, second)
    path = folder.record(first.key) if damage == "record" else folder.events(first.key)
    write_atomically(path, "{}\n")
    text = shown(orders, root)
    assert str(path) in text.replace("\n", "")
    assert "finished" in line_of(text, second)


def test_no_event_file_is_read_twice_and_none_of_a_finished_trial(
    root: Root, orders: Plan, monkeypatch: pytest.MonkeyPatch
):
    first, second, third, _ = orders.trials
    for trial in (first, second, third):
        begin(root, trial)
    record(root, first)
    record(root, second, "failed")
    read: list[Path] = []

    def counted(path: Path, tell: Callable[[str], None]) -> object:
        read.append(path)
        return read_events(path, tell)

    monkeypatch.setattr(status, "read_events", counted)
    shown(orders, root)
    events = [root.study("small").events(t.key) for t in orders.trials]
    assert sorted(read) == sorted(events[1:])


def full(root: Root, trial: Trial) -> Record:
    """With all that a brief takes from a record."""
    stages = {
        StageRef("features", "bottle"): StageSource(
            kind="features", key="f", source="shared", seconds=7.0, trial="x"
        ),
        StageRef("base", "bottle"): StageSource(
            kind="base", key="b", source="made", seconds=20.0, trial="y"
        ),
        StageRef("adapter", "cable"): StageSource(
            kind="adapter", key="a", source="shared", seconds=30.0, trial="x"
        ),
    }
    seconds = {
        StageRef("base", "bottle"): 20.0,
        StageRef("adapter", "cable"): 0.5,
        StageRef("evaluation", "bottle"): 3.0,
    }
    return record(
        root, trial, stages=stages, seconds=seconds, role="witness", started=0.0, ended=60.0
    )


def test_a_record_read_in_brief_says_what_the_whole_one_does(root: Root, orders: Plan):
    made = full(root, orders.trials[0])
    found = read_brief(root.study("small"), made.key)
    assert found == brief(made)
    assert found is not None
    assert (found.saved, found.besides, found.values) == (37.0, 39.5, {"image_auroc/mean": 0.625})
    assert [(item.source, item.seconds) for item in found.learned] == [
        ("made", 20.0),
        ("shared", 30.0),
    ]


def test_a_record_read_in_brief_parses_its_final_rows_alone(root: Root, orders: Plan):
    made = full(root, orders.trials[0])
    content = root.study("small").record(made.key).read_bytes()
    kept = without_rows(content)
    assert kept.count(b"final_mean") == 2 and b"step_mean" not in kept


@pytest.mark.slow
def test_the_views_import_no_torch():
    modules = "sys, orchestration.views.status, orchestration.views.progress"
    code = f"import {modules}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])
