"""Real tracking stores of this machine, what trials leave on disk, and what a store then holds."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from moleflow.config import Config
from orchestration.records.events import Attempt, Epoch, EventLog, Metrics
from orchestration.records.layout import Root
from orchestration.records.ledger import Failure, Ledger
from orchestration.records.plans import write_plan
from orchestration.records.stages import StageRef
from orchestration.runners.runner import describe_failure
from orchestration.studies.axes import Orders
from orchestration.studies.expansion import Plan, Trial, expand
from orchestration.studies.study import Study
from tests.processes import wait_for

PATIENCE = 60
CLASSES = ("bottle", "cable", "wood")


def no_warning(text: str) -> None:
    """For those who are to be told what goes wrong."""
    raise AssertionError(text)


def small_plan(root: Root, name: str = "small", classes=CLASSES, **changes: Any) -> Plan:
    """Two orders and two seeds, written where commands look for it."""
    asked = {"question": "Does it run?", "axes": (Orders(count=2),), "seeds": (0, 1)}
    study = Study(base=Config(), **{**asked, **changes})
    weights = {config.backbone: "weights" for config in [study.base]}
    plan = expand(name, study, "/data", {c: c * 2 for c in classes}, weights)
    write_plan(plan, root.study(name))
    return plan


def begin_trial(root: Root, trial: Trial, epochs: int = 3) -> None:
    """Events and artifacts of a trial that has no record."""
    folder = root.study(trial.study)
    log = EventLog(folder.events(trial.key))
    log.add(Attempt())
    first, *_ = trial.classes
    for epoch in range(1, epochs + 1):
        log.add(
            Epoch(
                stage=StageRef("base", first),
                numbers={"loss": 1 / epoch},
                epochs=9,
                epoch=epoch,
            )
        )
    log.add(Metrics(numbers={"image_auroc/mean": 0.5, "image_auroc/a+b": 0.25}, step=1))
    folder.artifacts(trial.key).mkdir(exist_ok=True)
    (folder.artifacts(trial.key) / "maps.txt").write_text("sheet")


def end_trial(root: Root, trial: Trial, status: str = "finished", **changes: Any) -> None:
    folder = root.study(trial.study)
    failure = (
        None
        if status == "finished"
        else Failure(kind="E", message="m", stage=StageRef("base", "wood"))
    )
    record = describe_failure(trial, Failure(kind="", message=""), folder, time.time())
    seconds = {
        StageRef("features", "wood"): 0.5,
        StageRef("adapter", "cable"): 2.0,
        StageRef("adapter", "wood"): 3.0,
    }
    told = {"status": status, "failure": failure, "git": "abc", "seconds": seconds}
    Ledger(folder).write(record.model_copy(update=told | changes))


def write_trial(root: Root, trial: Trial, status: str = "finished") -> None:
    begin_trial(root, trial)
    end_trial(root, trial, status)


def leave_model(root: Root, trial: Trial) -> None:
    """As a finished trial does; no model that anyone could load."""
    folder = root.study(trial.study).model(trial.key)
    folder.mkdir(parents=True)
    (folder / "model.json").write_text("{}")
    (folder / "base.safetensors").write_bytes(bytes(100))


def logged_models(uri: str, study: str) -> dict[str, Any]:
    """Logged models of a study, by trial key."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name(study)
    assert experiment is not None
    found: dict[str, Any] = {}
    for model in client.search_logged_models([experiment.experiment_id]):
        key = model.tags["moleflow.trial"]
        assert key not in found, "a second model of one trial"
        found[key] = {**model.to_dictionary(), "status": model.status.value}
    return found


def write_report(root: Root, name: str) -> None:
    folder = root.study(name)
    (folder.report / "tables").mkdir(parents=True)
    (folder.report / "index.html").write_text("<h1>It runs</h1>")
    folder.answer.write_text("It runs, said the report.\n")
    (folder.report / "tables" / "main.csv").write_text("a,b\n1,2\n")
    folder.results.write_bytes(b"PAR1")


def contents(uri: str, study: str = "small") -> dict[str, Any]:
    """All that the store holds, by trial key (the study's run by `study`, a setting's by its
    name)."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name(study)
    assert experiment is not None
    found: dict[str, Any] = {}
    for run in client.search_runs([experiment.experiment_id]):
        tags = run.data.tags
        key = tags.get("moleflow.trial") or tags.get("moleflow.setting", "study")
        assert key not in found, "a second run of one trial"
        history = [
            (m.key, m.step, m.timestamp, m.value)
            for name in run.data.metrics
            for m in client.get_metric_history(run.info.run_id, name)
        ]
        found[key] = {
            "id": run.info.run_id,
            "name": run.info.run_name,
            "status": run.info.status,
            "times": (run.info.start_time, run.info.end_time),
            "tags": dict(run.data.tags),
            "params": dict(run.data.params),
            "history": sorted(history),
            "data": [(d.dataset.name, d.dataset.profile) for d in run.inputs.dataset_inputs],
            "files": sorted(_files(client, run.info.run_id)),
        }
    return found


def _files(client: Any, run_id: str, folder: str | None = None) -> Iterator[str]:
    for file in client.list_artifacts(run_id, folder):
        if file.is_dir:
            yield from _files(client, run_id, file.path)
        else:
            yield file.path


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=1):
            return True
    except OSError:
        return False


class Server:
    """`mlflow server` on a free port of this machine, which can be killed and started again."""

    def __init__(self, folder: Path, backend: str = ""):
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self._backend = backend or f"sqlite:///{folder}/server.db"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = f"--host 127.0.0.1 --port {self.port} --workers 1".split()
        places = ["--backend-store-uri", self._backend]
        places += ["--artifacts-destination", str(self._folder / "artifacts")]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *options, *places],
            cwd=self._folder,
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_for(lambda: answers(self.uri))

    def kill(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


@contextmanager
def served(folder: Path, backend: str = "") -> Iterator[Server]:
    server = Server(folder, backend)
    try:
        server.start()
        yield server
    finally:
        server.kill()


def postgres_programs() -> Path | None:
    """Folder of PostgreSQL's own programs, which distributions keep off the path."""
    found = shutil.which("pg_ctl")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


@contextmanager
def postgres(programs: Path) -> Iterator[str]:
    """A PostgreSQL of its own; gives the URI of a user's databases, without a database's name.

    It refuses to be run by root, and its user must be able to reach its folder.
    """
    as_user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    folder, port = Path(tempfile.mkdtemp(prefix="moleflow-postgres-")), free_port()
    if as_user:
        shutil.chown(folder, "postgres", "postgres")

    def call(program: str, *options: str) -> None:
        command = [*as_user, str(programs / program), *options]
        with (folder / "log").open("a") as log:
            subprocess.run(command, cwd=folder, check=True, stdout=log, stderr=log)

    data = ["-D", str(folder / "data")]
    secret = folder / "secret"
    secret.write_text("se:cret\n")
    secret.chmod(0o644)
    try:
        access = ["-U", "ada", "--auth=scram-sha-256", f"--pwfile={secret}"]
        call("initdb", *data, "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", *access)
        settings = f"-p {port} -h 127.0.0.1 -k {folder} -c fsync=off"
        call("pg_ctl", *data, "-w", "-l", str(folder / "data" / "log"), "-o", settings, "start")
        try:
            yield f"postgresql+psycopg2://ada:se%3Acret@127.0.0.1:{port}"
        finally:
            call("pg_ctl", *data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)


def make_database(uri: str, name: str) -> str:
    import psycopg2

    connection = psycopg2.connect(f"{uri.replace('+psycopg2', '')}/postgres")
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"create database {name}")
    connection.close()
    return f"{uri}/{name}"
