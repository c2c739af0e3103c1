"""All that a trial's processes say is kept, and shown."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from moleflow.errors import StudyError
from orchestration.commands.control import logs
from orchestration.records.events import (
    Attempt,
    End,
    Epoch,
    EventLog,
    Metrics,
    StageFinished,
    StageStarted,
    read_events,
)
from orchestration.records.layout import Root
from orchestration.records.ledger import Failure, Ledger
from orchestration.records.plans import write_plan
from orchestration.records.stages import StageRef
from orchestration.records.worker import announce
from orchestration.runners.inline import InlineRunner
from orchestration.runners.runner import describe_failure
from orchestration.sharing.schedule import Schedule
from orchestration.studies.expansion import Plan, Trial
from orchestration.studies.terms import Resources, Terms
from orchestration.views.logs import event_lines, find_trial, follow, head

pytestmark = pytest.mark.slow

TOP = str(Path(__file__).resolve().parents[3])
WORKER = """
import ctypes
import os
import sys
import time
from pathlib import Path
from orchestration.records.worker import output_kept

with output_kept(Path(sys.argv[1])):
    {body}
"""


def run_worker(log: Path, body: str) -> int:
    command = [sys.executable, "-c", WORKER.format(body=body), str(log)]
    ran = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": TOP}, capture_output=True, timeout=60
    )
    assert (ran.stdout, ran.stderr) == (b"", b"")
    return ran.returncode


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("print('from Python')", "from Python"),
        ("print('to stderr', file=sys.stderr)", "to stderr"),
        ("os.write(1, b'from C\\n')", "from C"),
        ("os.system('echo from a child')", "from a child"),
        ("raise ValueError('from a traceback')", "ValueError: from a traceback"),
        ("ctypes.string_at(0)", "Fatal Python error: Segmentation fault"),
        ("os.abort()", "Fatal Python error: Aborted"),
        ("print('last words'); os._exit(3)", "last words"),
    ],
)
def test_all_that_a_worker_prints_is_kept(tmp_path: Path, body: str, said: str):
    run_worker(tmp_path / "log.txt", body)
    assert said in (tmp_path / "log.txt").read_text()


def test_attempts_follow_each_other_in_one_log(tmp_path: Path):
    for number in (1, 2):
        run_worker(tmp_path / "log.txt", f"print('attempt', {number})")
    lines = (tmp_path / "log.txt").read_text().splitlines()
    assert [line for line in lines if not line.startswith("---")] == ["attempt 1", "attempt 2"]
    heads = [line for line in lines if line.startswith("--- attempt begins: ")]
    assert len(heads) == 2
    assert f"host {os.uname().nodename}, process " in heads[0]


def test_a_signal_shows_where_a_worker_is_and_leaves_it_running(tmp_path: Path):
    log = tmp_path / "log.txt"
    body = f"os.kill(os.getpid(), {int(signal.SIGUSR1)}); print('goes on')"
    assert run_worker(log, body) == 0
    assert 'File "<string>", line' in log.read_text()
    assert "goes on" in log.read_text()


def chatty(trial: Trial, root: Root, terms: Terms) -> str:
    logging.getLogger("somewhere").warning("careful with %s", trial.key)
    print("to the terminal")
    folder = root.study(trial.study)
    EventLog(folder.events(trial.key)).add(Attempt())
    failure = Failure(kind="DataError", message="no images")
    Ledger(folder).write(describe_failure(trial, failure, folder, time.time()))
    return "failed"


def raising(trial: Trial, root: Root, terms: Terms) -> str:
    log = EventLog(root.study(trial.study).events(trial.key))
    log.add(Attempt())
    log.add(StageStarted(stage=StageRef("base", "wood")))
    values = {"loss": 1.5}
    log.add(Epoch(stage=StageRef("base", "wood"), numbers=values, epoch=2, epochs=4))
    raise OSError(24, "Too many open files")


def run_inline(root: Root, plan: Plan, function) -> None:
    terms = Terms(resources=Resources(max_retries=1))
    InlineRunner(root, terms).run(plan, Schedule(plan, root.study("small")), function)


def test_inline_keeps_what_is_logged_and_leaves_what_is_printed(
    root: Root, plan: Plan, capfd: pytest.CaptureFixture[str]
):
    run_inline(root, plan, chatty)
    text = root.study("small").log(plan.trials[0].key).read_text()
    assert f"WARNING somewhere: careful with {plan.trials[0].key}" in text
    assert plan.trials[1].key not in text
    assert capfd.readouterr().out == "to the terminal\n" * 4


def test_a_lost_trial_is_recorded_with_stage_epoch_and_last_numbers(root: Root, plan: Plan):
    """Also when its last attempt repeated what the first one told, so that it is not told twice."""
    run_inline(root, plan, raising)
    record = Ledger(root.study("small")).read(plan.trials[0].key)
    assert record is not None and record.failure is not None
    assert (record.attempts, record.failure.stage) == (2, StageRef("base", "wood"))
    assert record.failure.numbers == {"epoch": 2, "epochs": 4, "loss": 1.5}
    assert record.failure.message.endswith("; it was in base wood, epoch 2 of 4, loss 1.5")


def test_a_trial_is_named_by_the_beginning_of_its_key(root: Root, plan: Plan):
    key = plan.trials[2].key
    EventLog(root.study("small").events(key)).add(Attempt())
    folder = root.study("small")
    assert find_trial(key[:6], root) == (folder, key)
    assert find_trial(f"small/{key[:6]}", root) == (folder, key)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("zz", "no trial in .* that was begun has a key that begins so"),
        ("other/", "no study 'other' in .*: its studies are small"),
        ("", "no trial is named"),
        ("small/", "begins 2 trials .small/.*give more letters"),
    ],
)
def test_a_name_that_is_not_one_trial_is_refused(root: Root, plan: Plan, asked: str, said: str):
    for trial in plan.trials[:2]:
        EventLog(root.study("small").events(trial.key)).add(Attempt())
    with pytest.raises(StudyError, match=said):
        find_trial(asked, root)


def test_a_trial_of_two_studies_is_named_with_its_study(root: Root, plan: Plan):
    """More letters of a key that is complete do not help."""
    key, folders = plan.trials[0].key, [root.study(name) for name in ("mine", "task_order")]
    for folder in folders:
        write_plan(plan.model_copy(update={"name": folder.name}), folder)
        EventLog(folder.events(key)).add(Attempt())
    for asked in (key, key[:6]):
        with pytest.raises(StudyError, match=f"name its study: mine/{key} or task_order/{key}$"):
            find_trial(asked, root)
    assert [find_trial(f"{folder.name}/{key}", root)[0] for folder in folders] == folders


@pytest.fixture
def told(root: Root, plan: Plan) -> str:
    """Key of a trial with some events, a worker and a log."""
    folder, key = root.study("small"), plan.trials[0].key
    log = EventLog(folder.events(key))
    log.add(Attempt(host="some host", device="cpu"))
    log.add(StageStarted(stage=StageRef("adapter", "wood"), task=1))
    log.add(Epoch(stage=StageRef("adapter", "wood"), numbers={"loss": 2.0}, epoch=1, epochs=2))
    log.add(StageFinished(stage=StageRef("adapter", "wood"), seconds=75.0, source="made"))
    numbers = {"image_auroc/wood": 0.5, "image_auroc/mean": 0.75}
    log.add(Metrics(numbers=numbers, step=2))
    announce(folder, key, "a node")
    folder.log(key).write_text("a warning\n")
    return key


def test_events_are_lines_and_epochs_only_on_demand(root: Root, told: str):
    events = list(read_events(root.study("small").events(told)))
    lines = [line.split("  ", 1)[1] for line in event_lines(events)]
    assert lines == [
        "attempt some host cpu",
        "adapter wood started",
        "adapter wood finished in 1 min 15 s, made",
        "after 2 tasks, image_auroc/mean 0.75",
    ]
    assert "adapter wood, epoch 1 of 2, loss 2" in "".join(event_lines(events, epochs=True))


def test_the_head_says_study_status_attempts_and_host(root: Root, told: str):
    said = head(root.study("small"), told)
    assert said.startswith(f"trial {told}, study small, begun, no record yet, attempts 1, last on ")
    assert said.endswith(f"(process {os.getpid()})")


def test_the_command_shows_head_events_and_log(root: Root, told: str, capsys):
    assert logs(told[:8], root=root.path) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"trial {told}")
    assert (len(lines), lines[-1]) == (8, "a warning")


def test_follow_ends_with_the_record_and_misses_nothing(root: Root, plan: Plan, told: str):
    folder = root.study("small")

    def go_on() -> None:
        time.sleep(0.7)
        EventLog(folder.events(told)).add(End(status="finished"))
        with folder.log(told).open("a") as file:
            file.write("begun, ")
            file.flush()
            time.sleep(0.7)
            file.write("ended\nhalf a line")
        failure = Failure(kind="", message="")
        Ledger(folder).write(describe_failure(plan.trials[0], failure, folder, time.time()))

    writer = threading.Thread(target=go_on)
    writer.start()
    lines = list(follow(folder, told))
    writer.join()
    assert [line.split("  ", 1)[-1] for line in lines] == [
        "attempt some host cpu",
        "adapter wood started",
        "adapter wood finished in 1 min 15 s, made",
        "after 2 tasks, image_auroc/mean 0.75",
        "a warning",
        "end: finished",
        "begun, ended",
        "half a line",
    ]
