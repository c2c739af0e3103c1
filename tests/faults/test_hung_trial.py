"""A trial that says nothing for too long is ended, tried again, and at last recorded."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from moleflow.config import Config
from orchestration.cluster.environment import quiet_environment
from orchestration.records.events import Attempt, Epoch, EventLog, Note, StageStarted
from orchestration.records.layout import Root
from orchestration.records.ledger import Failure, Ledger, Record
from orchestration.records.stages import StageRef
from orchestration.runners.guard import Guard, Limit
from orchestration.runners.runner import describe_failure
from orchestration.sharing.schedule import Schedule
from orchestration.studies.expansion import Trial, expand
from orchestration.studies.study import Study
from orchestration.studies.terms import Resources, Terms

pytestmark = pytest.mark.slow

STALL, WALL = 5.0, 12.0
KEY = "0123456789abcdef"


def hanging(trial: Trial, root: Root, terms: Terms) -> str:
    """Seed 0 stops its process once, seed 1 sleeps always, seed 2 talks without end."""
    folder = root.study(trial.study)
    log = EventLog(folder.events(trial.key))
    log.add(Attempt())
    log.add(StageStarted(stage=StageRef("adapter", "wood")))
    values = {"loss": 0.25}
    log.add(Epoch(stage=StageRef("adapter", "wood"), numbers=values, epoch=3, epochs=40))
    marker = root.path / f"hung {trial.key}"
    if trial.seed == 0 and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGSTOP)
    if trial.seed == 1:
        time.sleep(600)
    for epoch in range(4, 1000 if trial.seed == 2 else 4):
        log.add(Epoch(stage=StageRef("adapter", "wood"), epoch=epoch, epochs=1000))
        time.sleep(0.3)
    record = describe_failure(trial, Failure(kind="", message=""), folder, time.time())
    Ledger(folder).write(record.model_copy(update={"status": "finished", "failure": None}))
    return "finished"


@dataclass(frozen=True)
class Aftermath:
    records: dict[int, Record]
    """By seed."""
    root: Root


@pytest.fixture(scope="module")
def aftermath(tmp_path_factory) -> Iterator[Aftermath]:
    root = Root.at(tmp_path_factory.mktemp("root"))
    study = Study(question="Who hangs?", base=Config(), seeds=(0, 1, 2))
    plan = expand("hangs", study, "/data", {"wood": "w"}, {study.base.backbone: "weights"})
    limits = {"stall_limit": STALL, "wall_limit": WALL, "max_retries": 1, "cpus_per_trial": 0.5}
    resources = Resources(**limits)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in quiet_environment(resources).items():
            patch.setenv(name, value)
        from orchestration.runners.ray_tune import RayTuneRunner

        schedule = Schedule(plan, root.study("hangs"))
        RayTuneRunner(root, Terms(resources=resources)).run(plan, schedule, hanging)
    records = {record.seed: record for record in Ledger(root.study("hangs")).records()}
    yield Aftermath(records, root)


@pytest.mark.cluster
@pytest.mark.soak
def test_a_stopped_process_is_ended_and_its_trial_tried_again(aftermath: Aftermath):
    record = aftermath.records[0]
    assert (record.status, record.attempts) == ("finished", 2)


@pytest.mark.cluster
@pytest.mark.soak
def test_a_trial_that_hangs_always_is_recorded_with_limit_stage_epoch_and_loss(
    aftermath: Aftermath,
):
    record = aftermath.records[1]
    assert record.failure is not None
    assert (record.status, record.attempts) == ("failed", 2)
    assert record.failure.kind == "HungTrialError"
    assert record.failure.message == (
        "no word for --stall-limit, 5 s (last of 2 attempts); "
        "it was in adapter wood, epoch 3 of 40, loss 0.25"
    )
    assert record.failure.stage == StageRef("adapter", "wood")
    assert record.failure.numbers == {"epoch": 3, "epochs": 40, "loss": 0.25}


@pytest.mark.cluster
@pytest.mark.soak
def test_what_ended_a_trial_stands_beside_its_record(aftermath: Aftermath):
    record = aftermath.records[1]
    assert record.failure is not None
    beside = aftermath.root.study("hangs").trial(record.key) / "ended.txt"
    assert beside.read_text() == record.failure.message + "\n"


@pytest.mark.cluster
@pytest.mark.soak
def test_a_trial_longer_than_the_wall_limit_has_failed_at_its_first_attempt(aftermath: Aftermath):
    record = aftermath.records[2]
    assert record.failure is not None
    assert (record.status, record.attempts) == ("failed", 1)
    assert record.failure.message.startswith("longer at work than --wall-limit, 12 s; it was in")


@dataclass
class Ends:
    """The limits that an attempt was ended for, and how one waits for that."""

    found: list[Limit]
    event: threading.Event

    def __call__(self, limit: Limit) -> None:
        self.found.append(limit)
        self.event.set()


@pytest.fixture
def ends() -> Ends:
    return Ends([], threading.Event())


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Callable[..., tuple[Guard, EventLog]]]:
    """(limits) -> a guard at work and the event log of its trial."""
    guards: list[Guard] = []

    def start(**limits: float) -> tuple[Guard, EventLog]:
        folder = Root.at(tmp_path).study("small")
        guards.append(Guard(folder, Resources.model_validate(limits)).__enter__())
        return guards[-1], EventLog(folder.events(KEY))

    yield start
    for guard in guards:
        guard.__exit__(None, None, None)
        assert guard.error is None


def test_silence_ends_an_attempt_once(guarded, ends: Ends):
    guard, _ = guarded(stall_limit=0.2)
    guard.began(KEY, ends)
    assert ends.event.wait(10)
    time.sleep(0.6)
    assert ends.found == ["stall"]
    assert guard.ended(KEY).startswith("no word for")


def test_a_word_now_and_then_keeps_an_attempt(guarded, ends: Ends):
    guard, log = guarded(stall_limit=2.0)
    guard.began(KEY, ends)
    for _ in range(15):
        log.add(Note(note="at work"))
        time.sleep(0.2)
    assert (ends.found, guard.ended(KEY)) == ([], "")


def test_words_do_not_save_an_attempt_from_the_wall_limit(guarded, ends: Ends):
    guard, log = guarded(stall_limit=60.0, wall_limit=0.5)
    guard.began(KEY, ends)
    deadline = time.monotonic() + 10
    while not ends.event.wait(0.1) and time.monotonic() < deadline:
        log.add(Note(note="at work"))
    assert ends.found == ["wall"]


def test_an_attempt_that_is_over_is_not_ended(guarded, ends: Ends):
    guard, _ = guarded(stall_limit=0.3)
    guard.began(KEY, ends)
    assert guard.ended(KEY) == ""
    time.sleep(1.0)
    assert ends.found == []


def test_a_clock_that_is_set_ends_nothing(guarded, ends: Ends, monkeypatch: pytest.MonkeyPatch):
    guard, _ = guarded(stall_limit=2.0, wall_limit=2.0)
    guard.began(KEY, ends)
    real = time.time()
    monkeypatch.setattr(time, "time", lambda: real + 1e6)
    time.sleep(1.0)
    assert ends.found == []
