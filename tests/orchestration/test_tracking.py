"""Tracking: all that is on disk is in the store, once, whatever happened to the store meanwhile."""

import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from moleflow.errors import StudyError
from orchestration.events import EventLog
from orchestration.layout import Root
from orchestration.ledger import Failure, Ledger
from orchestration.runners.base import describe_failure
from orchestration.study import Plan, Trial
from orchestration.tracking.base import TrackerAway, TrackerRefused
from orchestration.tracking.exporter import Exporter, sync
from orchestration.tracking.memory import MemoryTracker

STATUSES = ("finished", "diverged", "failed")


def no_warning(text: str) -> None:
    raise AssertionError(text)


def write_trial(root: Root, trial: Trial, status: str = "finished", epochs: int = 3) -> None:
    """What a trial leaves: events, artifacts, record."""
    folder = root.study(trial.study)
    log = EventLog(folder.events(trial.key))
    log.add("attempt")
    for epoch in range(1, epochs + 1):
        log.add("epoch", epoch=epoch, step=epoch, values={"loss/bottle": 1 / epoch})
    log.add("metrics", step=1, values={"image_auroc/mean": 0.5, "image_auroc/a+b": 0.25})
    folder.artifacts(trial.key).mkdir()
    (folder.artifacts(trial.key) / "maps.txt").write_text("sheet")
    if status in STATUSES:
        failure = None if status == "finished" else Failure(kind="E", message="m")
        record = describe_failure(trial, Failure(kind="", message=""), folder, time.time())
        changes = {"status": status, "failure": failure, "git": "abc"}
        Ledger(folder).write(record.model_copy(update=changes))


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


def test_an_interrupt_ends_open_runs_as_killed(root: Root, plan: Plan):
    tracker = MemoryTracker()
    with (
        pytest.raises(KeyboardInterrupt),
        Exporter(plan, root.study("small"), tracker, no_warning, period=0.01),
    ):
        write_trial(root, plan.trials[0], "running")
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


# MLflow itself.


def mlflow_tracker(root: Root, uri: str | None = None):
    from orchestration.tracking.mlflow import MlflowTracker

    return MlflowTracker(root, uri)


def contents(uri: str, artifacts: bool = True) -> dict[str, object]:
    """All that the store holds, by trial key (the study's run by `study`)."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("small")
    assert experiment is not None
    found: dict[str, object] = {}
    for run in client.search_runs([experiment.experiment_id]):
        key = run.data.tags.get("moleflow.trial", "study")
        assert key not in found
        history = [
            (m.key, m.step, m.timestamp, m.value)
            for name in run.data.metrics
            for m in client.get_metric_history(run.info.run_id, name)
        ]
        files = client.list_artifacts(run.info.run_id) if artifacts else []
        found[key] = {
            "id": run.info.run_id,
            "status": run.info.status,
            "times": (run.info.start_time, run.info.end_time),
            "tags": dict(run.data.tags),
            "params": dict(run.data.params),
            "history": sorted(history),
            "files": sorted(file.path for file in files),
        }
    return found


@pytest.fixture(scope="module")
def synced(make_plan, tmp_path_factory):
    """A study of four trials (one of them open) in SQLite: what the store held after each sync."""
    root = Root.at(tmp_path_factory.mktemp("a root with 100% trouble"))
    plan = make_plan(root)
    for trial, status in zip(plan.trials, (*STATUSES, "open"), strict=True):
        write_trial(root, trial, status)
    held = []
    for _ in range(2):
        assert sync(plan, root.study("small"), mlflow_tracker(root), no_warning)
        held.append(contents(store_uri(root)))
    return root, plan, held


def store_uri(root: Root) -> str:
    from orchestration.tracking.mlflow import default_uri

    return default_uri(root)


def test_syncing_twice_changes_nothing(synced):
    _, _, (first, second) = synced
    assert first == second


def test_each_trial_has_one_run_below_the_study(synced):
    _, plan, (held, _) = synced
    assert set(held) == {"study", *(trial.key for trial in plan.trials)}
    parents = {held[t.key]["tags"]["mlflow.parentRunId"] for t in plan.trials}
    assert parents == {held["study"]["id"]}


def test_values_steps_and_times_are_those_of_the_events(synced):
    from orchestration.events import read_events

    root, plan, (held, _) = synced
    trial = plan.trials[0]
    expected = [
        (name.replace("a+b", "a_b"), event.step, round(event.time * 1000), value)
        for event in read_events(root.study("small").events(trial.key))
        for name, value in event.values.items()
    ]
    found = [(n.partition("-")[0], s, t, v) for n, s, t, v in held[trial.key]["history"]]
    assert sorted(found) == sorted(expected)


def test_runs_end_as_their_records_say(synced):
    _, plan, (held, _) = synced
    found = [held[trial.key]["status"] for trial in plan.trials]
    assert found == ["FINISHED", "FAILED", "FAILED", "KILLED"]
    tags = [held[trial.key]["tags"]["moleflow.status"] for trial in plan.trials]
    assert tags == [*STATUSES, "killed"]
    assert held["study"]["status"] == "KILLED"


def test_parameters_are_the_axes_the_seed_and_the_resolved_config(synced):
    _, plan, (held, _) = synced
    trial = plan.trials[1]
    params = held[trial.key]["params"]
    assert set(params) == {"task0", "order", "seed", *trial.config.flat()}
    assert (params["seed"], params["task0"]) == ("1", "bottle")
    assert params["training.epochs"] == str(trial.config.training.epochs)


def test_record_and_artifacts_are_kept_with_the_run_below_the_root(synced):
    root, plan, (held, _) = synced
    key = plan.trials[0].key
    assert held[key]["files"] == [f"{key}.json", "maps.txt"]
    assert any(root.mlflow_artifacts.rglob("maps.txt"))


def test_a_resumed_trial_goes_on_in_its_run(root: Root, plan: Plan):
    trial, folder = plan.trials[0], root.study("small")
    write_trial(root, trial, "open", epochs=1)
    sync(plan, folder, mlflow_tracker(root), no_warning)
    before = contents(store_uri(root))[trial.key]
    write_trial_end(root, trial)
    with Exporter(plan, folder, mlflow_tracker(root), no_warning, period=0.05):
        pass
    after = contents(store_uri(root))[trial.key]
    assert before["id"] == after["id"]
    assert (before["status"], after["status"]) == ("KILLED", "FINISHED")
    assert len(after["history"]) == len(before["history"]) + 1


def write_trial_end(root: Root, trial: Trial) -> None:
    folder = root.study(trial.study)
    log = EventLog(folder.events(trial.key))
    log.add("attempt")
    log.add("epoch", epoch=1, step=1, values={"loss/bottle": 1.0})
    log.add("epoch", epoch=2, step=2, values={"loss/bottle": 0.5})
    record = describe_failure(trial, Failure(kind="", message=""), folder, time.time())
    changes = {"status": "finished", "failure": None}
    Ledger(folder).write(record.model_copy(update=changes))


@pytest.mark.parametrize("uri", ["ftp://host/x", "file:///tmp/mlruns", "mlflow.db", "sqlite:x"])
def test_a_uri_of_no_tracking_store_is_refused_at_once(root: Root, uri: str):
    with pytest.raises(StudyError, match="--mlflow-uri"):
        mlflow_tracker(root, uri)


def test_messages_do_not_show_passwords():
    from orchestration.tracking.mlflow import safe_uri

    assert safe_uri("postgresql://ada:se:cret@host/db") == "postgresql://ada:***@host/db"


def test_names_that_mlflow_does_not_take_stay_apart():
    from orchestration.tracking.mlflow import metric_name

    assert metric_name("image_auroc/bottle") == "image_auroc/bottle"
    assert metric_name("loss/a+b") != metric_name("loss/a*b")


def test_the_ui_command_is_one_shell_line(root: Root):
    import shlex

    from orchestration.tracking.mlflow import ui_command

    words = shlex.split(ui_command(None, root))
    assert words[words.index("--backend-store-uri") + 1] == store_uri(root)
    assert ui_command("http://host:5000", root) == "http://host:5000"


class Server:
    """`mlflow server` on a free port of this machine, which can be killed and started again."""

    def __init__(self, folder: Path):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = f"--host 127.0.0.1 --port {self.port} --workers 1".split()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *options],
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + 60
        while not self._answers():
            assert time.monotonic() < deadline
            time.sleep(0.2)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=1):
                return True
        except OSError:
            return False

    def kill(self) -> None:
        import os

        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
    server = Server(tmp_path)
    server.start()
    yield server
    server.kill()


def test_a_server_that_was_killed_and_restarted_misses_nothing(
    root: Root, plan: Plan, server: Server
):
    told: list[str] = []
    folder = root.study("small")
    tracker = mlflow_tracker(root, server.uri)
    exporter = Exporter(plan, folder, tracker, told.append, period=0.2)
    with exporter:
        write_trial(root, plan.trials[0])
        wait_for(lambda: exporter.complete)
        server.kill()
        write_trial(root, plan.trials[1])
        wait_for(lambda: told)
        write_trial(root, plan.trials[2])
        server.start()
        write_trial(root, plan.trials[3])
    assert exporter.complete
    assert len(told) == 1
    held = contents(server.uri)
    assert {held[t.key]["status"] for t in plan.trials} == {"FINISHED"}
    assert [len(held[t.key]["history"]) for t in plan.trials] == [5] * 4
    assert held["study"]["status"] == "FINISHED"


def wait_for(condition) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)
