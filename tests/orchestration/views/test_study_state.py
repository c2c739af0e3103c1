"""What the state of a study counts, and the tables that show it."""

import pytest
from rich.console import Console

from orchestration.records.events import Attempt, Epoch, EventLog, Load, Metrics, read_events
from orchestration.records.layout import Root
from orchestration.records.ledger import Failure
from orchestration.records.stages import StageRef
from orchestration.records.watch import News
from orchestration.runners.runner import describe_failure
from orchestration.studies.expansion import Plan
from orchestration.views.progress import table
from orchestration.views.record_brief import brief
from orchestration.views.study_state import StudyState
from tests.orchestration.views.trial_files import finished, learn, orders_of


def test_tasks_are_counted_as_trained_shared_and_derived(root: Root):
    plan = orders_of(4)
    a, b, c, _ = plan.trials
    done = [
        brief(finished(a, root, "shared", "made", 400.0)),
        brief(finished(b, root, "derived", "shared", 4.0)),
    ]
    study = StudyState(plan, done, now=0.0)
    log = EventLog(root.path / "events")
    log.add(Attempt(host="host", role="shared"))
    learn(log, c, 0, "shared")
    learn(log, c, 1, "resumed")
    study.take(News(c, tuple(read_events(root.path / "events"))))
    found = study.sharing()
    assert (found.trained, found.shared, found.derived) == (5, 1, 4)
    assert found.saved == 409.0
    text = str(drawn(study))
    assert "5 tasks trained, 1 taken from the store, 4 derived: 6 min 49 s of computing" in text


def test_a_restarted_trial_s_tasks_are_counted_once(root: Root, plan: Plan):
    trial, study = plan.trials[0], StudyState(plan, [], now=0.0)
    log = EventLog(root.path / "events")
    for source in ("made", "resumed"):
        log.add(Attempt())
        learn(log, trial, 0, source)
    study.take(News(trial, tuple(read_events(root.path / "events"))))
    assert study.sharing().trained == 1


def test_a_task_is_counted_once_by_events_and_record(root: Root):
    (trial,) = orders_of(1).trials
    study = StudyState(orders_of(1), [], now=0.0)
    log = EventLog(root.path / "events")
    for task in range(4):
        learn(log, trial, task)
    record = finished(trial, root, "shared", "made", 400.0)
    study.take(News(trial, tuple(read_events(root.path / "events")), record))
    assert study.sharing().trained == 4


def test_what_a_lost_trial_trained_is_counted_by_its_events(root: Root):
    (trial,) = orders_of(1).trials
    study = StudyState(orders_of(1), [], now=0.0)
    log = EventLog(root.path / "events")
    learn(log, trial, 0)
    failure = Failure(kind="HungTrialError", message="no word")
    record = describe_failure(trial, failure, root.study("small"), 0.0)
    study.take(News(trial, tuple(read_events(root.path / "events")), record))
    assert study.sharing().trained == 1


def drawn(study: StudyState, width: int = 140, rows: int = 10) -> str:
    console = Console(width=width)
    with console.capture() as shown:
        console.print(table(study, 100.0, rows))
    return shown.get()


def load(host: str, gpu: str = "") -> Load:
    return Load(
        host=host,
        cores=1.5,
        given=2,
        memory=3 * 10**9,
        host_cores=16,
        host_memory=64 * 10**9,
        gpu=gpu,
        gpu_memory=10**9,
        gpu_used=30 * 10**9 if gpu else 0,
        gpu_total=80 * 10**9 if gpu else 0,
    )


def test_a_node_s_row_sums_over_its_trials_and_counts_a_gpu_once(plan: Plan):
    study = StudyState(plan, [], now=0.0)
    for trial, told in zip(
        plan.trials, [load("a", "0"), load("a", "0"), load("a", "1")], strict=False
    ):
        events = (
            Attempt(time=0.0),
            Epoch(time=1.0, stage=StageRef("base", "a"), epochs=9, epoch=1, load=told),
        )
        study.take(News(trial, events))
    study.take(News(plan.trials[3], (Attempt(host="b", role="shared"),)))
    first, second = study.nodes()
    assert (first.host, first.trials, first.cores, first.given) == ("a", 3, 4.5, 6)
    assert (second.host, second.trials, second.loads) == ("b", 1, ())
    (line,) = [line for line in drawn(study).splitlines() if line.startswith("a ")]
    assert " ".join(line.split()) == "a 3 4.5 6 16 9.0 of 64 GB 60.0 of 160 GB"


@pytest.mark.parametrize("width", [100, 140])
def test_nothing_of_a_trial_in_work_is_cut_on_a_terminal_of_100_columns(plan: Plan, width: int):
    study = StudyState(plan, [], now=0.0)
    for trial, role in zip(plan.trials, ("witness", "derived"), strict=False):
        stage = StageRef("adapter", "transistor")
        study.take(
            News(
                trial,
                (
                    Attempt(host=f"host-{role[0]}", device="cuda:sm_90", role=role),
                    Metrics(time=1.0, step=1, numbers={"image_auroc/mean": 1.0}),
                    Epoch(time=2.0, stage=stage, task=1, epoch=99, epochs=100),
                ),
            )
        )
    shown = drawn(study, width)
    assert "…" not in shown
    for words in ("witness", "host-w", "adapter transistor", "99 of 100", "2 min ago", "100.00"):
        assert words in shown
