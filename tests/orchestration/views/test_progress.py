"""The live view: what it says of a study, and what it does not say."""

import io
import time

import pytest
from rich.console import Console

from moleflow.data.sequences import task_name
from orchestration.records.events import End, Epoch, Note, StageStarted, Waiting, read_events
from orchestration.records.layout import Root
from orchestration.records.ledger import Ledger
from orchestration.records.stages import StageRef
from orchestration.studies.expansion import Plan
from orchestration.views import progress as shown
from orchestration.views.display import duration, summary
from orchestration.views.progress import LiveProgress, PlainProgress, progress
from orchestration.views.trial_state import TrialState
from tests.orchestration.views.trial_files import end, run_task, start
from tests.processes import wait_for


def no_warning(text: str) -> None:
    raise AssertionError(text)


def plain(root: Root, plan: Plan) -> tuple[PlainProgress, io.StringIO]:
    text = io.StringIO()
    console = Console(file=text, width=200, emoji=False)
    return PlainProgress(plan, root.study("small"), console, no_warning, period=0.01), text


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
    assert "task 2 of 3 (cable) done; trained in 12 s; image_auroc/mean 0.6250" in lines[2]
    assert "finished after" in lines[4]
    assert "image_auroc/mean 0.8750; 1 of 4 trials done" in lines[4]


def test_a_log_is_told_now_and_then_where_the_trials_are(
    root: Root, plan: Plan, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(shown, "QUIET", 0.1)
    follower, text = plain(root, plan)
    with follower:
        for trial in plan.trials[:2]:
            log = start(root, trial)
        stage = StageRef("base", "bottle")
        log.add(StageStarted(stage=stage))
        log.add(Epoch(stage=stage, epoch=3, epochs=60, numbers={"loss": 0.5}))
        wait_for(lambda: text.getvalue().count("in work") > 1, 10)
    line = next(line for line in text.getvalue().splitlines() if line.startswith("in work"))
    second, first = plan.trials[1].key[:8], plan.trials[0].key[:8]
    assert f"{second} (base bottle, epoch 3 of 60), {first} (starting); 0 of 4" in line


def test_a_log_of_nothing_that_runs_stays_silent(
    root: Root, plan: Plan, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(shown, "QUIET", 0.0)
    follower, text = plain(root, plan)
    with follower:
        time.sleep(0.1)
    assert text.getvalue() == ""


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
    assert summary(follower.study, time.time()).startswith("1 of 4 trials done")
    assert follower.study.running == {}


def test_records_of_earlier_runs_are_never_read_whole(
    root: Root, plan: Plan, monkeypatch: pytest.MonkeyPatch
):
    end(root, plan.trials[0])
    monkeypatch.delattr(Ledger, "read")
    follower, _ = plain(root, plan)
    with follower:
        pass
    assert set(follower.study.briefs) == {plan.trials[0].key}


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
            log.add(Epoch(stage=StageRef("base", trial.sequence[0][0]), epoch=3, epochs=60))
    last = text.getvalue().split("0 of 4 trials done")[-1]
    for trial in plan.trials[:2]:
        assert trial.key[:8] in last
    assert last.count("3 of 60") == 2
    assert last.count("0 of 3") == 2


def test_a_start_says_where_and_in_which_role(root: Root, plan: Plan):
    follower, text = plain(root, plan)
    with follower:
        start(root, plan.trials[0], "node-7", "shared")
        start(root, plan.trials[1], "node-8", "witness")
    one, other = text.getvalue().splitlines()
    assert "started on node-7; task0" in one
    assert "started on node-8 as witness; task0" in other


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("made", "trained in 12 s"),
        ("resumed", "trained by an earlier attempt"),
        ("shared", "taken from the store"),
    ],
)
def test_a_task_s_line_says_where_it_comes_from(root: Root, plan: Plan, source: str, words: str):
    follower, text = plain(root, plan)
    with follower:
        run_task(start(root, plan.trials[0]), plan.trials[0], 0, 0.5, source)
    assert f"(bottle) done; {words}; image_auroc" in text.getvalue()


def test_a_failure_s_line_says_class_stage_epoch_and_last_numbers(root: Root, plan: Plan):
    trial = plan.trials[0]
    follower, text = plain(root, plan)
    with follower:
        log = start(root, trial)
        run_task(log, trial, 0, 0.5)
        stage = StageRef("adapter", "cable")
        log.add(StageStarted(stage=stage, task=1))
        for epoch, loss in ((1, 0.5), (2, 0.25)):
            numbers = {"loss": loss, "grad_norm": 3.0}
            log.add(Epoch(stage=stage, task=1, epoch=epoch, epochs=60, numbers=numbers))
        end(root, trial, "failed")
    line = text.getvalue().splitlines()[-1]
    where = "adapter cable (task 2 of 3), epoch 2 of 60, loss 0.25, grad_norm 3"
    assert f"DivergedError in {where}: loss is inf; 1 of 4" in line


def test_a_repeated_epoch_keeps_the_numbers_that_were_told_first(root: Root, plan: Plan):
    trial, state = plan.trials[0], TrialState(plan.trials[0], 0.0)
    name = task_name(trial.sequence[0])
    said = Epoch(stage=StageRef("base", name), epoch=3, epochs=9, numbers={"loss": 0.5})
    for _ in range(2):
        log = start(root, trial)
        log.add(said)
    for event in read_events(root.study("small").events(trial.key)):
        state = state.after(event)
    assert (state.attempts, state.last_epoch(name)) == (2, (3, 9, {"loss": 0.5}))


def test_a_sign_of_life_is_no_line_and_any_other_note_is(root: Root, plan: Plan):
    follower, text = plain(root, plan)
    with follower:
        log = start(root, plan.trials[0])
        log.add(Waiting(what="base"))
        log.add(Note(note="adapter/abc was damaged"))
    lines = text.getvalue().splitlines()
    assert [line.partition(": ")[2] for line in lines[1:]] == ["adapter/abc was damaged"]
    assert [state.waits for state in follower.study.running.values()] == [""]


def test_a_retried_trial_is_in_work_again_after_its_earlier_end(root: Root, plan: Plan):
    trial = plan.trials[0]
    start(root, trial).add(End(status="failed"))
    follower, text = plain(root, plan)
    with follower:
        assert follower.study.running == {}
        start(root, trial)
    assert "started again (attempt 2)" in text.getvalue()
    assert set(follower.study.running) == {trial.key}


def test_a_note_stands_above_the_live_table(root: Root, plan: Plan):
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=100, height=24)
    with LiveProgress(plan, root.study("small"), console, no_warning, period=0.01):
        log = start(root, plan.trials[0])
        log.add(Waiting(what="base"))
        log.add(Note(note="adapter/abc was damaged"))
    assert text.getvalue().count("adapter/abc was damaged") == 1
    assert ": waits for base" not in text.getvalue()


@pytest.mark.parametrize("height", [16, 24, 40])
def test_the_live_table_is_no_higher_than_the_terminal(root: Root, plan: Plan, height: int):
    trials = tuple(plan.trials[0].model_copy(update={"key": f"{i:020}"}) for i in range(60))
    many = plan.model_copy(update={"trials": trials})
    for trial in trials[:30]:
        start(root, trial, f"node-{trial.key[-1]}", "witness").add(Waiting(what="base"))
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=100, height=height)
    follower = LiveProgress(many, root.study("small"), console, no_warning, period=0.01)
    with follower:
        for trial in trials[30:]:
            log = start(root, trial, f"node-{trial.key[-1]}", "shared")
            log.add(Waiting(what="base"))
        for trial in trials[:5]:
            end(root, trial, "failed")
    last = text.getvalue().split("small: ")[-1]
    assert "trials in work" in last
    assert last.count("\n") < height


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.2, "1 min 00 s"), (185, "3 min 05 s"), (7800, "2 h 10 min")],
)
def test_durations_are_rounded_up_to_what_matters(seconds: float, text: str):
    assert duration(seconds) == text
