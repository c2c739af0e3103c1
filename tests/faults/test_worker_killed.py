"""A worker that dies costs its trial one attempt, and the other trials nothing."""

import io
import os
import signal
import time
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

import pytest

from moleflow.config import Config
from orchestration.cluster.environment import quiet_environment
from orchestration.records.events import Attempt, EventLog, StageStarted
from orchestration.records.layout import Root
from orchestration.records.ledger import Failure, Ledger, Record
from orchestration.records.stages import StageRef
from orchestration.runners.runner import describe_failure
from orchestration.sharing.schedule import Schedule
from orchestration.studies.expansion import Plan, Trial, expand
from orchestration.studies.study import Study
from orchestration.studies.terms import Resources, Terms

pytestmark = pytest.mark.cluster
RETRIES = 1


def dying(trial: Trial, root: Root, terms: Terms) -> str:
    """Seed 0 is killed once, seed 1 always, seed 2 never."""
    folder = root.study(trial.study)
    log = EventLog(folder.events(trial.key))
    log.add(Attempt())
    log.add(StageStarted(stage=StageRef("base", "wood")))
    marker = root.path / f"killed {trial.key}"
    if trial.seed == 1 or (trial.seed == 0 and not marker.exists()):
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    record = describe_failure(trial, Failure(kind="", message=""), folder, time.time())
    Ledger(folder).write(record.model_copy(update={"status": "finished", "failure": None}))
    return "finished"


@dataclass(frozen=True)
class Aftermath:
    plan: Plan
    records: dict[int, Record]
    """By seed."""
    printed: str


@pytest.fixture(scope="module")
def aftermath(tmp_path_factory) -> Iterator[Aftermath]:
    root = Root.at(tmp_path_factory.mktemp("root"))
    study = Study(question="Who survives?", base=Config(), seeds=(0, 1, 2))
    plan = expand("deaths", study, "/data", {"wood": "w"}, {study.base.backbone: "weights"})
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in quiet_environment(Resources()).items():
            patch.setenv(name, value)
        from orchestration.runners.ray_tune import RayTuneRunner

        with redirect_stdout(printed), redirect_stderr(printed):
            terms = Terms(resources=Resources(max_retries=RETRIES))
            RayTuneRunner(root, terms).run(plan, Schedule(plan, root.study("deaths")), dying)
    records = {record.seed: record for record in Ledger(root.study("deaths")).records()}
    yield Aftermath(plan, records, printed.getvalue())


def test_a_trial_whose_worker_was_killed_once_finishes(aftermath: Aftermath):
    assert (aftermath.records[0].status, aftermath.records[0].attempts) == ("finished", 2)


def test_a_trial_whose_workers_all_die_is_recorded_as_failed(aftermath: Aftermath):
    record = aftermath.records[1]
    assert record.failure is not None
    assert (record.status, record.attempts) == ("failed", 1 + RETRIES)
    assert record.failure.message.endswith("; it was in base wood")
    assert (record.failure.kind, "died" in record.failure.message) == ("ActorDiedError", True)


def test_the_other_trials_finish(aftermath: Aftermath):
    assert (aftermath.records[2].status, aftermath.records[2].attempts) == ("finished", 1)


def test_deaths_are_told_by_the_ledger_not_by_ray(aftermath: Aftermath):
    assert aftermath.printed == ""
