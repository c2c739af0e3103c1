"""Tracking in MLflow. The only file that imports it.

The study's name is the experiment. Runs are found again by tags, never by an id kept here, so that
a resumed study goes on in the runs it has; therefore only one process, the driver, makes runs.
"""

# MLflow's own annotations are incomplete.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false

import json
import logging
import re
import shlex
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote, urlsplit

from mlflow import MlflowClient
from mlflow.entities import Experiment, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from requests.exceptions import RequestException
from sqlalchemy.exc import SQLAlchemyError

from moleflow.errors import StudyError
from moleflow.profiles import PROFILES
from orchestration.events import Event
from orchestration.layout import Root, StudyFolder
from orchestration.ledger import Record
from orchestration.study import Plan, Trial, digest, order_label
from orchestration.tracking.base import (
    Tracker,
    TrackerAway,
    TrackerRefused,
    study_status,
)

DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
SERVERS = ("http", "https")
METRICS_PER_BATCH, PARAMS_PER_BATCH, PARAM_LENGTH, TAG_LENGTH = 1000, 100, 6000, 5000
ENDS = {"finished": "FINISHED", "failed": "FAILED", "diverged": "FAILED", "killed": "KILLED"}
KIND = {"mlflow.experimentKind": "custom_model_development"}
"""Which of its two faces MLflow's view shows."""
RECORDED = ("finished", "diverged", "failed")
LONGEST_PART = 100
"""Letters of a part of a metric's name: a task of many classes has a long one."""
TRY_AGAIN = {408, 425, 429}
"""HTTP statuses below 500 after which the same call may succeed."""


class MlflowTracker(Tracker):
    """Writes to a database or a tracking server.

    Args:
        uri: `sqlite:///<path>`, `postgresql://…`, `mysql://…`, `http(s)://…`;
            none: `mlflow.db` of the root folder.

    Raises:
        StudyError: an URI of another kind.
    """

    def __init__(self, root: Root, uri: str | None = None):
        self._uri = check_uri(uri) if uri else default_uri(root)
        self._root = root
        self._client: MlflowClient | None = None
        self._experiment = ""
        self._parent = ""
        self._runs: dict[str, _Known] = {}
        for name in ("alembic", "mlflow.store.db.utils"):
            logging.getLogger(name).setLevel(logging.CRITICAL)

    def begin(self, plan: Plan, started: float) -> None:
        with _translated(self._uri):
            client = self._connected()
            self._experiment = self._find_experiment(plan.name).experiment_id
            found = self._find_runs()
            keyed = [(run.data.tags.get("moleflow.trial"), run) for run in found]
            self._runs = {key: _known(run) for key, run in keyed if key}
            parents = [run for run in found if run.data.tags.get("moleflow.study") == plan.name]
            if parents:
                self._parent = parents[0].info.run_id
                client.update_run(self._parent, status="RUNNING")
            else:
                tags = {"moleflow.study": plan.name, "mlflow.note.content": plan.study.question}
                time = _milliseconds(started)
                run = client.create_run(self._experiment, time, tags, plan.name)
                self._parent = run.info.run_id

    def log(self, trial: Trial, events: Sequence[Event]) -> None:
        if not events:
            return
        metrics = [
            Metric(metric_name(name), value, _milliseconds(event.time), event.step)
            for event in events
            for name, value in event.values.items()
        ]
        with _translated(self._uri):
            known = self._run(trial, events[0].time)
            if known.killed:
                self._connected().update_run(known.run_id, status="RUNNING")
                self._runs[trial.key] = replace(known, killed=False)
            for i in range(0, len(metrics), METRICS_PER_BATCH):
                batch = metrics[i : i + METRICS_PER_BATCH]
                self._connected().log_batch(known.run_id, metrics=batch)

    def finish(self, trial: Trial, record: Record, folder: StudyFolder) -> None:
        tags = {"moleflow.status": record.status, "moleflow.git": record.git}
        if record.failure:
            tags["moleflow.failure"] = f"{record.failure.kind}: {record.failure.message}"
        with _translated(self._uri):
            client, known = self._connected(), self._run(trial, record.started)
            client.log_batch(known.run_id, tags=_tags(tags))
            if not known.kept:
                client.log_artifact(known.run_id, str(folder.record(trial.key)))
                if folder.artifacts(trial.key).is_dir():
                    client.log_artifacts(known.run_id, str(folder.artifacts(trial.key)))
                client.set_tag(known.run_id, "moleflow.artifacts", "kept")
                self._runs[trial.key] = replace(known, kept=True)
            client.set_terminated(known.run_id, ENDS[record.status], _milliseconds(record.ended))

    def interrupt(self, trial: Trial, ended: float) -> None:
        with _translated(self._uri):
            if trial.key in self._runs:
                client, run = self._connected(), self._runs[trial.key].run_id
                client.set_tag(run, "moleflow.status", "killed")
                client.set_terminated(run, "KILLED", _milliseconds(ended))

    def end(self, plan: Plan, records: Sequence[Record], ended: float) -> None:
        status = study_status(plan, records)
        states = [record.status for record in records]
        tags = {f"moleflow.{name}": str(states.count(name)) for name in RECORDED}
        with _translated(self._uri):
            client = self._connected()
            client.log_batch(self._parent, tags=_tags({"moleflow.status": status, **tags}))
            client.set_terminated(self._parent, ENDS[status], _milliseconds(ended))

    def _connected(self) -> MlflowClient:
        """The first connection makes a SQLite file and its tables."""
        if self._client is None:
            self._root.path.mkdir(parents=True, exist_ok=True)
            self._client = MlflowClient(tracking_uri=self._uri)
        return self._client

    def _find_experiment(self, name: str) -> Experiment:
        client = self._connected()
        found = client.get_experiment_by_name(name)
        if found is None:
            own = urlsplit(self._uri).scheme not in SERVERS
            place = (self._root.mlflow_artifacts / name).as_uri() if own else None
            made = client.create_experiment(name, artifact_location=place, tags=KIND)
            return client.get_experiment(made)
        if found.lifecycle_stage == "deleted":
            raise TrackerRefused(
                f"experiment {name} was deleted; get it back with: "
                f"mlflow experiments restore --experiment-id {found.experiment_id}"
            )
        return found

    def _find_runs(self) -> list[Run]:
        client = self._connected()
        page = client.search_runs([self._experiment])
        runs = list(page)
        while page.token:
            page = client.search_runs([self._experiment], page_token=page.token)
            runs += page
        return runs

    def _run(self, trial: Trial, started: float) -> "_Known":
        """The trial's run, made where there is none; parameters that it lacks are added."""
        client = self._connected()
        known = self._runs.get(trial.key)
        if known is None:
            tags = trial_tags(trial) | {"mlflow.parentRunId": self._parent}
            name = f"{trial.axes.get('task0', trial.key)} seed {trial.seed} {trial.key[:8]}"
            run = client.create_run(self._experiment, _milliseconds(started), tags, name)
            known = self._runs[trial.key] = _known(run)
        lacking = {n: v for n, v in trial_params(trial).items() if n not in known.params}
        if lacking:
            params = [Param(name, value) for name, value in lacking.items()]
            for i in range(0, len(params), PARAMS_PER_BATCH):
                client.log_batch(known.run_id, params=params[i : i + PARAMS_PER_BATCH])
            known = replace(known, params=known.params | set(lacking))
            self._runs[trial.key] = known
        return known


@dataclass(frozen=True)
class _Known:
    """What the store is known to hold of a trial."""

    run_id: str
    params: frozenset[str]
    kept: bool
    """Whether its artifacts are there."""
    killed: bool


def _known(run: Run) -> _Known:
    return _Known(
        run.info.run_id,
        frozenset(run.data.params),
        "moleflow.artifacts" in run.data.tags,
        run.info.status == "KILLED",
    )


def trial_tags(trial: Trial) -> dict[str, str]:
    """What a trial's run is found by."""
    profiles = [name for name, make in PROFILES.items() if make() == trial.config]
    return {
        "moleflow.trial": trial.key,
        "moleflow.status": "running",
        "moleflow.order": order_label(trial.sequence)[:TAG_LENGTH],
        "moleflow.task0": "+".join(trial.sequence[0])[:TAG_LENGTH],
        "moleflow.seed": str(trial.seed),
        "moleflow.data": digest(trial.fingerprints),
        "moleflow.profile": ", ".join(profiles) or "none",
    }


def trial_params(trial: Trial) -> dict[str, str]:
    """The resolved config, the axes and the seed, as text that MLflow takes."""
    tree = {**trial.axes, **trial.config.flat(), "seed": trial.seed}
    text = {name: v if isinstance(v, str) else json.dumps(v) for name, v in tree.items()}
    return {metric_name(name): value[:PARAM_LENGTH] for name, value in text.items()}


def metric_name(name: str) -> str:
    """A name that MLflow takes: letters, digits and `_ - . / : space`. Others become `_`, and a
    digest keeps two such names apart."""
    return "/".join(_plain_part(part) for part in name.split("/"))


def _plain_part(part: str) -> str:
    """A part keeps its look under every metric: `loss/a_b-1040`, `lr/a_b-1040`."""
    plain = re.sub(r"[^\w\-.: ]", "_", part)[:LONGEST_PART]
    return plain if plain == part else f"{plain}-{digest(part)[:4]}"


def default_uri(root: Root) -> str:
    return f"sqlite:///{quote(str(root.mlflow_db))}"


def check_uri(uri: str) -> str:
    """The URI, if MLflow can write there.

    Raises:
        StudyError: it is of another kind.
    """
    scheme = urlsplit(uri).scheme.split("+")[0]
    if scheme not in (*DATABASES, *SERVERS) or "://" not in uri:
        raise StudyError(
            f"--mlflow-uri {safe_uri(uri)}: not a tracking store; use sqlite:////path/mlflow.db, "
            "postgresql://…, mysql://… or the http(s):// address of a tracking server"
        )
    return uri


def safe_uri(uri: str) -> str:
    """Without its password."""
    return re.sub(r"(//[^/@:]*):[^/@]*@", r"\1:***@", uri)


def ui_command(uri: str | None, root: Root, port: int = 5000) -> str:
    """The command that opens MLflow's own view; for a tracking server, its address."""
    where = uri or default_uri(root)
    if urlsplit(where).scheme in SERVERS:
        return where
    beside = Path(sys.executable).with_name("mlflow")
    program = [str(beside)] if beside.exists() else [sys.executable, "-m", "mlflow"]
    options = ["--backend-store-uri", where, "--host", "127.0.0.1", "--port", str(port)]
    return shlex.join([*program, "ui", *options])


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _tags(tags: Mapping[str, str]) -> list[RunTag]:
    return [RunTag(name, value[:TAG_LENGTH]) for name, value in tags.items()]


@contextmanager
def _translated(uri: str) -> Generator[None]:
    """MLflow's errors as those of a tracker."""
    try:
        yield
    except MlflowException as error:
        status = error.get_http_status_code()
        refused = 400 <= status < 500 and status not in TRY_AGAIN
        kind = TrackerRefused if refused else TrackerAway
        raise kind(f"{safe_uri(uri)}: {str(error).splitlines()[0]}") from error
    except (RequestException, SQLAlchemyError, OSError) as error:
        raise TrackerAway(f"{safe_uri(uri)}: {str(error).splitlines()[0]}") from error
