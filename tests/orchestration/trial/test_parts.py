"""The parts of an attempt at a trial, each alone and without a file."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from moleflow.config import Config
from moleflow.measurement import Measurement
from moleflow.model import MoLEFlow
from moleflow.tasks.freeze import module_digest
from orchestration.records.events import Event, StageFinished, StageStarted
from orchestration.records.history import History
from orchestration.records.ledger import Span, StageSource
from orchestration.records.stages import StageRef
from orchestration.sharing.roles import keys_in_role
from orchestration.store.lease import Leases
from orchestration.store.stage_store import StageStore
from orchestration.store.store import Store
from orchestration.studies.axes import Orders
from orchestration.studies.expansion import Trial, expand
from orchestration.studies.study import Study
from orchestration.studies.terms import Resources, Role, Terms
from orchestration.trial.attempt_log import AttemptLog
from orchestration.trial.context import TrialContext
from orchestration.trial.recording import TrialResults
from orchestration.trial.tasks_left import TasksLeft

NOWHERE = Path("/nowhere")
BASE, SCORED = StageRef("base", "bottle"), StageRef("evaluation", "bottle")


@pytest.fixture
def trial() -> Trial:
    study = Study(question="?", base=Config(), axes=(Orders(count=1),))
    prints = {name: name * 2 for name in ("bottle", "cable", "wood")}
    return expand("small", study, "/data", prints, {study.base.backbone: "w"}).trials[0]


def context(trial: Trial, told: list[Event], role: Role = "shared") -> TrialContext:
    log = AttemptLog(told.append)
    stage_store = StageStore(Store(NOWHERE), Leases(NOWHERE, trial.key), log.waits)
    keys = keys_in_role(trial, role, "cpu:test", 1)
    terms = Terms(resources=Resources(tasks_at_once=3))
    return TrialContext(trial, terms, role, torch.device("cpu"), keys, stage_store, log)


def learn(left: TasksLeft, order: Sequence[int]) -> list[list[int]]:
    """The steps that can be measured after each."""
    return [list(left.learned(index)) for index in order]


def test_all_tasks_after_the_first_are_ready_where_they_do_not_depend_on_each_other():
    left = TasksLeft(4, order_free=True)
    assert left.ready == (0,)
    left.learned(0)
    assert left.ready == (1, 2, 3)
    left.learned(2)
    assert left.ready == (1, 3) and left.next == 1


def test_only_the_next_task_is_ready_where_they_do():
    left = TasksLeft(3, order_free=False)
    for index in range(3):
        assert left.ready == (index,)
        left.learned(index)
    assert not left


def test_a_step_is_measured_once_and_when_all_tasks_up_to_it_are_learned():
    assert learn(TasksLeft(4, order_free=True), (0, 3, 1, 2)) == [[0], [], [1], [2, 3]]
    assert learn(TasksLeft(3, order_free=False), (0, 1, 2)) == [[0], [1], [2]]


def test_a_witness_trains_in_its_order_and_others_side_by_side(trial: Trial):
    assert [context(trial, [], role).at_once for role in ("shared", "witness")] == [3, 1]


def test_a_stage_takes_the_seconds_that_are_told_or_those_that_passed():
    told: list[Event] = []
    log = AttemptLog(told.append)
    for stage, seconds in ((BASE, 1234.5678), (SCORED, None)):
        log.begin(stage)
        log.end(stage, seconds=seconds)
    assert log.seconds[BASE] == 1234.568 and 0 <= log.seconds[SCORED] < 1000
    assert [type(event) for event in told] == [StageStarted, StageFinished] * 2
    assert log.stage == SCORED


def test_a_record_holds_what_was_found_before_a_trial_failed(trial: Trial, tiny: Config):
    told: list[Event] = []
    here, results = context(trial, told), TrialResults(started=20.0)
    source = StageSource(kind="base", key="k", source="made", seconds=3.0)
    here.log.end(BASE, source=source, seconds=3.0)
    model, task = MoLEFlow(tiny, (2, 3), 0, ("bottle",)), ("bottle",)
    model.new_bank(task)
    results.learned(model, task, module_digest)
    results.rows.append(Measurement(1, 0, "bottle", "image_auroc", "step", "routed", 0.5))
    earlier = History((Span(started=5.0, ended=9.0),), {BASE: 2.0})
    record = results.record(here, "failed", None, earlier)
    assert record.trial == trial and record.status == "failed" and record.rows == (*results.rows,)
    assert record.stages == {BASE: source} and record.seconds == {BASE: 5.0}
    assert (record.started, record.attempts) == (5.0, 2)
    assert record.hashes["bank bottle"] == module_digest(model.banks[task])
    assert record.parameters["bank"] == sum(model.banks[task].parameter_counts().values())
    assert not NOWHERE.exists()
