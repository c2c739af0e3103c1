"""What the board counts, and the tables that show it."""

import pytest
from rich.console import Console

from orchestration.records.events import Attempt, Epoch, EventLog, Load, Metrics, read_events
from orchestration.records.layout import Root
from orchestration.records.ledger import Failure
from orchestration.records.stages import StageRef
from orchestration.records.watch import News
from orchestration.runners.runner import describe_failure
from orchestration.studies.expansion import Plan
from orchestration.views.board import Board
from orchestration.views.outline import outline
from orchestration.views.progress import table
from tests.orchestration.views.trial_files import finished, learn, orders_of


def test_tasks_are_counted_as_trained_shared_and_derived(root: Root):
    plan = orders_of(4)
    a, b, c, _ = plan.trials
    done = [
        outline(finished(a, root, "shared", "made", 400.0)),
        outline(finished(b, root, "derived", "shared", 4.0)),
    ]
    board = Board(plan, done, now=0.0)
    log = EventLog(root.path / "events")
    log.add(Attempt(host="host", role="shared"))
    learn(log, c, 0, "shared")
    learn(log, c, 1, "resumed")
    board.take(News(c, tuple(read_events(root.path / "events"))))
    found = board.sharing()
    assert (found.trained, found.shared, found.derived) == (5, 1, 4)
    assert found.saved == 409.0
    text = str(drawn(board))
    assert "5 tasks trained, 1 taken from the store, 4 derived: 6 min 49 s of computing" in text


def test_a_restarted_trial_s_tasks_are_counted_once(root: Root, plan: Plan):
    trial, board = plan.trials[0], Board(plan, [], now=0.0)
    log = EventLog(root.path / "events")
    for source in ("made", "resumed"):
        log.add(Attempt())
        learn(log, trial, 0, source)
    board.take(News(trial, tuple(read_events(root.path / "events"))))
    assert board.sharing().trained == 1


def test_a_task_is_counted_once_by_events_and_record(root: Root):
    (trial,) = orders_of(1).trials
    board = Board(orders_of(1), [], now=0.0)
    log = EventLog(root.path / "events")
    for task in range(4):
        learn(log, trial, task)
    record = finished(trial, root, "shared", "made", 400.0)
    board.take(News(trial, tuple(read_events(root.path / "events")), record))
    assert board.sharing().trained == 4


def test_what_a_lost_trial_trained_is_counted_by_its_events(root: Root):
    (trial,) = orders_of(1).trials
    board = Board(orders_of(1), [], now=0.0)
    log = EventLog(root.path / "events")
    learn(log, trial, 0)
    failure = Failure(kind="HungTrialError", message="no word")
    record = describe_failure(trial, failure, root.study("small"), 0.0)
    board.take(News(trial, tuple(read_events(root.path / "events")), record))
    assert board.sharing().trained == 1


def drawn(board: Board, width: int = 140, rows: int = 10) -> str:
    console = Console(width=width)
    with console.capture() as shown:
        console.print(table(board, 100.0, rows))
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
    board = Board(plan, [], now=0.0)
    for trial, told in zip(
        plan.trials, [load("a", "0"), load("a", "0"), load("a", "1")], strict=False
    ):
        events = (
            Attempt(time=0.0),
            Epoch(time=1.0, stage=StageRef("base", "a"), epochs=9, epoch=1, load=told),
        )
        board.take(News(trial, events))
    board.take(News(plan.trials[3], (Attempt(host="b", role="shared"),)))
    first, second = board.nodes()
    assert (first.host, first.trials, first.cores, first.given) == ("a", 3, 4.5, 6)
    assert (second.host, second.trials, second.loads) == ("b", 1, ())
    (line,) = [line for line in drawn(board).splitlines() if line.startswith("a ")]
    assert " ".join(line.split()) == "a 3 4.5 6 16 9.0 of 64 GB 60.0 of 160 GB"


@pytest.mark.parametrize("width", [100, 140])
def test_nothing_of_a_trial_in_work_is_cut_on_a_terminal_of_100_columns(plan: Plan, width: int):
    board = Board(plan, [], now=0.0)
    for trial, role in zip(plan.trials, ("witness", "derived"), strict=False):
        stage = StageRef("adapter", "transistor")
        board.take(
            News(
                trial,
                (
                    Attempt(host=f"host-{role[0]}", device="cuda:sm_90", role=role),
                    Metrics(time=1.0, step=1, numbers={"image_auroc/mean": 1.0}),
                    Epoch(time=2.0, stage=stage, task=1, epoch=99, epochs=100),
                ),
            )
        )
    shown = drawn(board, width)
    assert "…" not in shown
    for words in ("witness", "host-w", "adapter transistor", "99 of 100", "2 min ago", "100.00"):
        assert words in shown
