"""The live view: what it says of a study, and what it does not say."""

import io
import time

import pytest
from rich.console import Console

from orchestration.events import Event, EventLog
from orchestration.layout import Root
from orchestration.ledger import Failure, Ledger, Row
from orchestration.progress import (
    Board,
    LiveProgress,
    PlainProgress,
    Running,
    duration,
    progress,
)
from orchestration.runners.base import describe_failure
from orchestration.study import Plan, Trial
from orchestration.watch import News


def no_warning(text: str) -> None:
    raise AssertionError(text)


def plain(root: Root, plan: Plan) -> tuple[PlainProgress, io.StringIO]:
    text = io.StringIO()
    console = Console(file=text, width=200)
    return PlainProgress(plan, root.study("small"), console, no_warning, period=0.01), text


def start(root: Root, trial: Trial) -> EventLog:
    log = EventLog(root.study("small").events(trial.key))
    log.add("attempt")
    return log


def run_task(log: EventLog, trial: Trial, task: int, value: float) -> None:
    """The events of one task, as a trial writes them."""
    place = {"name": trial.sequence[task][0], "task": task, "tasks": len(trial.sequence)}
    stage = "adapter" if task else "base"
    log.add("stage", stage=stage, state="started", **place)
    for epoch in (1, 2):
        log.add("epoch", stage=stage, epoch=epoch, epochs=2, step=epoch, **place)
    log.add("stage", stage=stage, state="finished", **place)
    log.add("stage", stage="evaluation", state="started", **place)
    log.add("metrics", step=task + 1, task=task, values={"image_auroc/mean": value})
    log.add("stage", stage="evaluation", state="finished", **place)


def end(root: Root, trial: Trial, status: str = "finished") -> None:
    folder = root.study("small")
    row = Row(
        step=3,
        task=-1,
        class_name="",
        metric="image_auroc",
        definition="final_mean",
        routing="routed",
        value=0.875,
    )
    failure = Failure(kind="DivergedError", message="loss is inf\nat epoch 3")
    record = describe_failure(trial, failure, folder, time.time())
    if status == "finished":
        record = record.model_copy(update={"failure": None, "rows": (row,)})
    Ledger(folder).write(record.model_copy(update={"status": status}))


def test_plain_lines_are_one_per_start_per_task_and_per_end(root: Root, plan: Plan):
    trial = plan.trials[0]
    follower, text = plain(root, plan)
    with follower:
        log = start(root, trial)
        for task, value in enumerate((0.5, 0.625, 0.75)):
            run_task(log, trial, task, value)
        end(root, trial)
    lines = text.getvalue().splitlines()
    assert [line.startswith(trial.key[:8]) for line in lines] == [True] * 5
    assert "started; task0 bottle; seed 0" in lines[0]
    assert "task 2 of 3 (cable) done; image_auroc/mean 0.6250" in lines[2]
    assert "finished after" in lines[4]
    assert "image_auroc/mean 0.8750; 1 of 4 trials done" in lines[4]


def test_a_second_attempt_does_not_tell_its_tasks_again(root: Root, plan: Plan):
    trial = plan.trials[0]
    follower, text = plain(root, plan)
    with follower:
        for _ in range(2):
            run_task(start(root, trial), trial, 0, 0.5)
    lines = text.getvalue().splitlines()
    assert sum("task 1 of 3" in line for line in lines) == 1
    assert sum("started again (attempt 2)" in line for line in lines) == 1


def test_a_failure_is_told_in_one_line(root: Root, plan: Plan):
    follower, text = plain(root, plan)
    with follower:
        end(root, plan.trials[0], "diverged")
    (line,) = text.getvalue().splitlines()
    assert "DivergedError: loss is inf; 1 of 4 trials done, 1 diverged" in line


def test_what_earlier_runs_left_is_counted_and_not_told(root: Root, plan: Plan):
    run_task(start(root, plan.trials[0]), plan.trials[0], 0, 0.5)
    end(root, plan.trials[0])
    start(root, plan.trials[1])
    follower, text = plain(root, plan)
    with follower:
        pass
    assert text.getvalue() == ""
    assert follower.board.summary(time.time()).startswith("1 of 4 trials done")
    assert follower.board.running == {}


def test_nothing_is_written_after_the_block(root: Root, plan: Plan):
    follower, text = plain(root, plan)
    with follower:
        start(root, plan.trials[0])
    before = text.getvalue()
    end(root, plan.trials[0])
    time.sleep(0.05)
    assert text.getvalue() == before


def test_class_names_are_not_read_as_markup(root: Root, plan: Plan):
    trial = plan.trials[0].model_copy(update={"sequence": (("[red]x[/] :boom:",),)})
    follower, text = plain(root, plan.model_copy(update={"trials": (trial,)}))
    with follower:
        run_task(start(root, trial), trial, 0, 0.5)
    assert "([red]x[/] :boom:) done" in text.getvalue()


def test_fraction_never_falls_within_an_attempt(root: Root, plan: Plan):
    trial = plan.trials[0]
    log = start(root, trial)
    for task in range(3):
        run_task(log, trial, task, 0.5)
    from orchestration.events import read_events

    state, seen = Running(trial, 0.0), [0.0]
    for event in read_events(root.study("small").events(trial.key)):
        state = state.after(event)
        seen.append(state.fraction)
    assert seen == sorted(seen)
    assert seen[-1] == 1


def test_time_left_follows_finished_trials_and_what_is_done_of_running_ones(root: Root, plan: Plan):
    trial, folder = plan.trials[0], root.study("small")
    record = describe_failure(trial, Failure(kind="", message=""), folder, 0.0)
    done = record.model_copy(update={"status": "finished", "started": 0.0, "ended": 100.0})
    board = Board(plan, [done], now=0.0)
    for running in plan.trials[1:3]:
        attempt = Event(time=100.0, kind="attempt")
        half = Event(time=110.0, kind="stage", task=1, stage="adapter", state="started")
        board.take([News(running, (attempt, half))])
    # One waits, two lack two thirds each, two run at a time, and a trial takes 100 s.
    assert board.time_left(now=110.0) == pytest.approx((1 + 2 * 2 / 3) / 2 * 100)


def test_the_view_is_live_on_a_terminal_and_plain_elsewhere(root: Root, plan: Plan):
    folder = root.study("small")
    views = [
        progress(plan, folder, Console(file=io.StringIO(), force_terminal=flag), no_warning)
        for flag in (True, False)
    ]
    assert [type(view) for view in views] == [LiveProgress, PlainProgress]


def test_the_live_table_shows_each_running_trial(root: Root, plan: Plan):
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=160, height=30)
    follower = LiveProgress(plan, root.study("small"), console, no_warning, period=0.01)
    with follower:
        for trial in plan.trials[:2]:
            log = start(root, trial)
            log.add("epoch", stage="base", name=trial.sequence[0][0], epoch=3, epochs=60, tasks=3)
    last = text.getvalue().split("0 of 4 trials done")[-1]
    for trial in plan.trials[:2]:
        assert trial.key[:8] in last
    assert last.count("epoch 3 of 60") == 2
    assert last.count("task 1 of 3") == 2


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.2, "1 min 00 s"), (185, "3 min 05 s"), (7800, "2 h 10 min")],
)
def test_durations_are_rounded_up_to_what_matters(seconds: float, text: str):
    assert duration(seconds) == text
