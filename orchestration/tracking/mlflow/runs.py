"""Tracking in MLflow. Only this file and `connection.py` import it.

The study's name is the experiment. Runs are found again by tags, never by an id kept here, so that
a resumed study goes on in the runs it has; therefore only one process, the driver, makes runs. One
of the tags says whose a run is: those of other root folders, which may have studies of the same
name, are neither looked at nor touched.
"""

# MLflow's own annotations are incomplete.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false

import logging
import threading
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from mlflow import MlflowClient
from mlflow.entities import Experiment, Metric, Param, Run, RunTag

from moleflow.errors import StoreError
from orchestration.records.events import Event
from orchestration.records.layout import Root, StudyFolder
from orchestration.records.ledger import Record
from orchestration.sharing.no_effect import no_effects, outcome_of
from orchestration.studies.expansion import Plan, Trial, order_numbers
from orchestration.tracking.address import (
    check_uri,
    default_uri,
    is_server,
    safe_uri,
    store_options,
)
from orchestration.tracking.mlflow import places, saved_view
from orchestration.tracking.mlflow.batches import PARAM_LENGTH, TAG_LENGTH, batches, plain_text
from orchestration.tracking.mlflow.connection import connected, translated
from orchestration.tracking.mlflow.database import PATIENCE
from orchestration.tracking.mlflow.kept_report import content_of, report_files
from orchestration.tracking.mlflow.metric_names import timings, tracked
from orchestration.tracking.mlflow.naming import (
    NOTE,
    count_tags,
    record_tags,
    run_name,
    study_tags,
    trial_params,
    trial_tags,
)
from orchestration.tracking.mlflow.owner import OWNER, PLACE, USER, Owner, owner_of
from orchestration.tracking.tracker import Tracker, TrackerAway, TrackerRefused, study_status

ENDS = {
    "finished": "FINISHED",
    "stopped": "KILLED",
    "failed": "FAILED",
    "diverged": "FAILED",
    "killed": "KILLED",
}
KIND = {"mlflow.experimentKind": "custom_model_development"}
"""Which of its two faces MLflow's view shows."""
NO_EFFECT = "moleflow.no_effect"
"""On runs of a setting whose weights or scores equal its baseline's to the bit; on the study's run,
all such settings."""
PARENT, COMPLETE = "mlflow.parentRunId", "moleflow.complete"
"""COMPLETE is the end of the record, in ms, that a run holds to its last byte."""


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
        self._options = store_options(uri, root)
        self._root = root
        self._client: MlflowClient | None = None
        self._experiment = ""
        self._parent = ""
        self._name = ""
        self._owner: Owner | None = None
        self._others = ""
        self._runs: dict[str, _Known] = {}
        self._orders: dict[str, str] = {}
        self._planned: frozenset[str] = frozenset()
        self._misrouted: set[str] = set()
        """Trials of which a number was sent that tells of a picture sent to another's task."""
        self._doubt = False
        self._one_call = threading.Lock()
        for name in ("alembic", "mlflow.store.db.utils"):
            logging.getLogger(name).setLevel(logging.CRITICAL)

    def options(self) -> tuple[str, ...]:
        return self._options

    def begin(self, plan: Plan, started: float) -> None:
        self._orders = order_numbers(plan)
        self._planned = frozenset(trial.key for trial in plan.trials)
        tags = study_tags(plan) | self._mine.tags
        with self._calls() as client:
            experiment = self._find_experiment(plan)
            self._join(experiment)
            tag, view = saved_view.saved_view(plan, experiment.creation_time or 0, self._guest)
            if experiment.tags.get(tag) != view:
                client.set_experiment_tag(self._experiment, tag, view)
            parents = self._find_runs("moleflow.study")
            if plan.name in parents:
                self._parent = parents[plan.name].run_id
                self._settle(parents[plan.name], tags, plan.name, "RUNNING")
            else:
                texts = {name: plain_text(value, TAG_LENGTH) for name, value in tags.items()}
                time = _milliseconds(started)
                run = client.create_run(self._experiment, time, texts, plan.name)
                self._parent = run.info.run_id
            self._bring_home()
            self._runs = self._find_runs("moleflow.trial")
            names = {trial.key: run_name(trial, self._orders) for trial in plan.trials}
            for key, known in self._runs.items():
                own = self._own_tags(key)
                self._runs[key] = self._settle(known, own, names.get(key, known.name))

    def grow(self, plan: Plan) -> None:
        self._planned = frozenset(trial.key for trial in plan.trials)
        self._orders = order_numbers(plan)

    def others(self) -> str:
        return self._others

    def holds(self, trial: Trial, record: Record) -> bool:
        known = self._runs.get(trial.key)
        if known is None:
            return False
        return (known.tags.get(COMPLETE), known.status) == (_stamp(record), ENDS[record.status])

    def log(self, trial: Trial, events: Sequence[Event]) -> None:
        if not events:
            return
        numbers, misrouted = tracked(events, trial.key in self._misrouted)
        metrics = [Metric(n, value, _milliseconds(time), step) for n, step, time, value in numbers]
        with self._calls():
            known = self._run(trial, events[0].time)
            lacking = [
                Param(name, plain_text(value, PARAM_LENGTH))
                for name, value in trial_params(trial).items()
                if name not in known.params
            ]
            self._add(known.run_id, [*lacking, *metrics])
            known = replace(known, params=known.params | {param.key for param in lacking})
            running = {"moleflow.status": "running"}
            self._runs[trial.key] = self._settle(known, running, known.name, "RUNNING")
        self._misrouted |= {trial.key} if misrouted else set()

    def finish(self, trial: Trial, record: Record, folder: StudyFolder) -> None:
        at, tags = _milliseconds(record.ended), record_tags(record) | {COMPLETE: _stamp(record)}
        times = [Metric(name, value, at, 0) for name, value in timings(record).items()]
        with self._calls() as client:
            known = self._run(trial, record.started)
            if known.tags.get(COMPLETE) != tags[COMPLETE]:
                client.log_artifact(known.run_id, str(folder.record(trial.key)))
                if folder.artifacts(trial.key).is_dir():
                    client.log_artifacts(known.run_id, str(folder.artifacts(trial.key)))
            if "moleflow.failure" in known.tags and record.failure is None:
                client.delete_tag(known.run_id, "moleflow.failure")
            self._add(known.run_id, [*times, *_tags(tags)])
            known = replace(known, tags=known.tags | tags)
            self._runs[trial.key] = self._end(known, record.status, record.ended)

    def interrupt(self, trial: Trial, ended: float) -> None:
        with self._calls():
            if trial.key in self._runs:
                self._kill(trial.key, ended)

    def end(self, plan: Plan, records: Sequence[Record], ended: float) -> None:
        status = study_status(plan, records)
        tags = study_tags(plan) | {"moleflow.status": status} | count_tags(records)
        with self._calls() as client:
            if self._doubt:
                self._runs = self._find_runs("moleflow.trial")
                self._doubt = False
            for key in [key for key, known in self._runs.items() if known.status == "RUNNING"]:
                self._kill(key, ended)
            self._tell_vain(plan, records, client)
            self._add(self._parent, _tags(tags))
            client.set_terminated(self._parent, ENDS[status], _milliseconds(ended))

    def _tell_vain(self, plan: Plan, records: Sequence[Record], client: MlflowClient) -> None:
        """Tag the runs of settings that changed nothing, and no others."""
        done = {r.key: outcome_of(r) for r in records if r.status == "finished"}
        vain = [one for one in no_effects(plan, done) if not one.expected]
        told = {key: one.sentence for one in vain for key in one.trials}
        for key, known in self._runs.items():
            if key in told:
                self._runs[key] = self._settle(known, {NO_EFFECT: told[key]})
            elif NO_EFFECT in known.tags:
                client.delete_tag(known.run_id, NO_EFFECT)
        every = "; ".join(one.sentence for one in vain)
        if every:
            self._add(self._parent, _tags({NO_EFFECT: every}))

    def keep_report(self, plan: Plan, folder: StudyFolder) -> None:
        files = report_files(folder)
        with self._calls() as client:
            experiment = client.get_experiment_by_name(plan.name)
            if experiment is None or not files:
                return
            self._join(experiment)
            known = self._find_runs("moleflow.study").get(plan.name)
            content = content_of(files)
            if known is None or known.tags.get("moleflow.report") == content:
                return
            for path, place in files:
                client.log_artifact(known.run_id, str(path), place)
            client.set_tag(known.run_id, "moleflow.report", content)

    @contextmanager
    def _calls(self) -> Generator[MlflowClient]:
        """One at a time: a call that was given up may still be waiting for its answer."""
        if not self._one_call.acquire(timeout=PATIENCE):
            raise TrackerAway(f"{safe_uri(self._uri)}: an earlier call has no answer yet")
        try:
            with translated(self._uri):
                if self._client is None:
                    self._client = connected(self._uri, self._root)
                yield self._client
        finally:
            self._one_call.release()

    @property
    def _store(self) -> MlflowClient:
        assert self._client is not None
        return self._client

    def _find_experiment(self, plan: Plan) -> Experiment:
        found = self._store.get_experiment_by_name(plan.name)
        if found is None:
            tags = KIND | {NOTE: plan.study.question} | self._mine.tags
            location = None if is_server(self._uri) else places.location(self._root, plan.name)
            made = self._store.create_experiment(plan.name, location, tags)
            return self._store.get_experiment(made)
        if found.lifecycle_stage == "deleted":
            raise TrackerRefused(
                f"experiment {plan.name} was deleted; get it back with: "
                f"mlflow experiments restore --experiment-id {found.experiment_id}"
            )
        return found

    @property
    def _mine(self) -> Owner:
        if self._owner is None:
            try:
                self._owner = owner_of(self._root)
            except StoreError as error:
                raise TrackerRefused(str(error)) from None
        return self._owner

    def _join(self, experiment: Experiment) -> None:
        self._experiment, self._name = experiment.experiment_id, experiment.name
        tags = experiment.tags
        if tags.get(OWNER) == self._mine.id:
            self._others = ""
            return
        by = f"{tags[USER]} ({tags[PLACE]})" if tags.get(USER) and tags.get(PLACE) else "others"
        self._others = (
            f"experiment {experiment.name} of {safe_uri(self._uri)} was begun by {by}; this root "
            "folder has runs of its own there, and leaves all others alone"
        )

    @property
    def _guest(self) -> str:
        """Part of the owner's id in an experiment that another one began, else empty."""
        return self._mine.id[:8] if self._others else ""

    def _bring_home(self) -> None:
        if not is_server(self._uri):
            places.bring_home(self._uri, self._root, self._mine)

    def _find_runs(self, tag: str) -> "dict[str, _Known]":
        """Own runs of the experiment by that tag's value. Where an answer was lost, a value
        may have two: the one that is complete, or else was made first, stays."""
        where = [self._experiment]
        query = f"tags.`{tag}` != '' and tags.`{OWNER}` = '{self._mine.id}'"
        page = self._store.search_runs(where, query)
        runs = [_known(run) for run in page]
        while page.token:
            page = self._store.search_runs(where, query, page_token=page.token)
            runs += [_known(run) for run in page]
        found: dict[str, _Known] = {}
        for known in sorted(runs, key=lambda k: (COMPLETE not in k.tags, k.started, k.run_id)):
            if found.setdefault(known.tags[tag], known) is not known:
                self._store.delete_run(known.run_id)
        return found

    def _run(self, trial: Trial, started: float) -> "_Known":
        """The trial's run, made where there is none."""
        if trial.key not in self._runs and self._doubt:
            self._runs, self._doubt = self._find_runs("moleflow.trial"), False
        if trial.key not in self._runs:
            tags = trial_tags(trial) | self._own_tags(trial.key) | {"moleflow.status": "running"}
            texts = {name: plain_text(value, TAG_LENGTH) for name, value in tags.items()}
            name, time = run_name(trial, self._orders), _milliseconds(started)
            self._doubt = True  # until the answer is there
            run = self._store.create_run(self._experiment, time, texts, name)
            self._doubt = False
            self._runs[trial.key] = _known(run)
            if self._others and not is_server(self._uri):
                run_id = run.info.run_id
                places.bring_run_home(self._uri, self._root, self._name, run_id)
        return self._runs[trial.key]

    def _own_tags(self, key: str) -> dict[str, str]:
        planned = "yes" if key in self._planned else "no"
        return {PARENT: self._parent, "moleflow.planned": planned} | self._mine.tags

    def _settle(
        self, known: "_Known", tags: Mapping[str, str], name: str = "", status: str = ""
    ) -> "_Known":
        """Give a run what it lacks of these; nothing is sent where it has all."""
        texts = {tag: plain_text(value, TAG_LENGTH) for tag, value in tags.items()}
        new = {tag: value for tag, value in texts.items() if known.tags.get(tag) != value}
        self._add(known.run_id, _tags(new))
        name, status = name or known.name, status or known.status
        if (name, status) != (known.name, known.status):
            self._store.update_run(known.run_id, status, name)
        return replace(known, tags={**known.tags, **new}, name=name, status=status)

    def _kill(self, key: str, ended: float) -> None:
        known = self._settle(self._runs[key], {"moleflow.status": "killed"})
        self._runs[key] = self._end(known, "killed", ended)

    def _end(self, known: "_Known", status: str, ended: float) -> "_Known":
        time = _milliseconds(ended)
        self._store.set_terminated(known.run_id, ENDS[status], time)
        return replace(known, status=ENDS[status])

    def _add(self, run_id: str, entities: Iterable[Metric | Param | RunTag]) -> None:
        for batch in batches(entities):
            self._store.log_batch(
                run_id,
                metrics=[item for item in batch if isinstance(item, Metric)],
                params=[item for item in batch if isinstance(item, Param)],
                tags=[item for item in batch if isinstance(item, RunTag)],
            )


@dataclass(frozen=True)
class _Known:
    """What the store is known to hold of a run."""

    run_id: str
    name: str
    status: str
    started: int
    params: frozenset[str]
    tags: dict[str, str]


def _known(run: Run) -> _Known:
    info = run.info
    params, tags = frozenset(run.data.params), dict(run.data.tags)
    return _Known(info.run_id, info.run_name or "", info.status, info.start_time, params, tags)


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _stamp(record: Record) -> str:
    return str(_milliseconds(record.ended))


def _tags(tags: Mapping[str, str]) -> list[RunTag]:
    return [RunTag(name, plain_text(value, TAG_LENGTH)) for name, value in tags.items()]
