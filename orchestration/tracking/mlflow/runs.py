"""Tracking in MLflow. Only this file and `connection.py` import it.

The study's name is the experiment. One of the tags of a run says whose it is: those of other root
folders, which may have studies of the same name, are neither looked at nor touched.
"""

# MLflow's own annotations are incomplete.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false

import logging
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

from mlflow import MlflowClient
from mlflow.entities import Experiment, Metric, Param

from moleflow.errors import StoreError
from orchestration.records.events import Event
from orchestration.records.layout import Root, StudyFolder
from orchestration.records.ledger import Record
from orchestration.studies.expansion import Plan, Trial, order_numbers
from orchestration.tracking.address import (
    check_driver,
    check_uri,
    default_uri,
    is_server,
    safe_uri,
    store_options,
)
from orchestration.tracking.mlflow import places, saved_view, told_by_reports
from orchestration.tracking.mlflow.batches import PARAM_LENGTH, plain_text
from orchestration.tracking.mlflow.connection import connected, translated
from orchestration.tracking.mlflow.database import PATIENCE
from orchestration.tracking.mlflow.datasets import dataset_of
from orchestration.tracking.mlflow.kept_report import answer, content_of, report_files
from orchestration.tracking.mlflow.logged_models import LoggedModels, no_model
from orchestration.tracking.mlflow.metric_names import loads, timings, tracked
from orchestration.tracking.mlflow.naming import (
    NOTE,
    code_tags,
    count_tags,
    record_tags,
    run_name,
    setting_tags,
    setting_title,
    source_tags,
    study_tags,
    trial_params,
    trial_tags,
)
from orchestration.tracking.mlflow.own_runs import COMPLETE, ENDS, STATUS, OwnRuns, milliseconds
from orchestration.tracking.mlflow.owner import OWNER, PLACE, USER, Owner, owner_of, refuse_copy
from orchestration.tracking.mlflow.study_answer import (
    ANSWERED,
    Setting,
    by_any_name,
    have_runs,
    points,
    setting_called,
    settings_of,
)
from orchestration.tracking.mlflow.trial_files import LOGGED, log_files
from orchestration.tracking.mlflow.uploads import send_files
from orchestration.tracking.mlflow.vain_settings import tell_vain
from orchestration.tracking.tracker import (
    Tracker,
    TrackerAway,
    TrackerRefused,
    status_of,
    study_status,
)

ANSWER = "moleflow.answer"
"""On the study's run: what its reports say at their head."""
KIND = {"mlflow.experimentKind": "custom_model_development"}
"""Which of its two faces MLflow's view shows."""
PARENT = "mlflow.parentRunId"


class MlflowTracker(Tracker):
    """Writes to a database or a tracking server.

    Args:
        uri: `sqlite:///<path>`, `postgresql://…`, `mysql://…`, `http(s)://…`;
            none: `mlflow.db` of the root folder.

    Raises:
        StudyError: an URI of another kind.
    """

    _plan: Plan
    _studies: OwnRuns
    _settings: OwnRuns
    _trials: OwnRuns
    _models: LoggedModels

    def __init__(self, root: Root, uri: str | None = None):
        self._uri = check_driver(check_uri(uri)) if uri else default_uri(root)
        self._options = store_options(uri, root)
        self._root = root
        self._client: MlflowClient | None = None
        self._experiment = ""
        self._name = ""
        self._owner: Owner | None = None
        self._others = ""
        self._news: list[str] = []  # to be told of the store
        self._planned: frozenset[str] = frozenset()
        self._orders: Mapping[str, str] = {}
        self._setting_of: Mapping[str, Setting] = {}
        """Of trials whose settings have runs, the one whose run is above theirs."""
        self._misrouted: set[str] = set()
        """Trials of which a number was sent that tells of a picture sent to another's task."""
        self._read: dict[str, float] = {}  # by trial, the end of those whose data were noted
        self._loaded: dict[str, int] = {}  # by trial, the last step of what it used
        self._one_call = threading.Lock()
        for name in ("alembic", "mlflow.store.db.utils"):
            logging.getLogger(name).setLevel(logging.CRITICAL)

    def options(self) -> tuple[str, ...]:
        return self._options

    def begin(self, plan: Plan, started: float) -> None:
        self.grow(plan)
        with self._calls() as client:
            experiment = self._find_experiment(plan)
            self._join(experiment)
            self._studies = self._own("moleflow.study")
            tag, view = saved_view.saved_view(plan, experiment.creation_time or 0, self._guest)
            if experiment.tags.get(tag) != view:
                client.set_experiment_tag(self._experiment, tag, view)
            tags = self._study_tags(plan) | self._mine.tags
            if not self._studies.make(plan.name, tags, plan.name, started):
                self._studies.settle(plan.name, tags, plan.name, "RUNNING")
            if not is_server(self._uri):
                places.bring_home(self._uri, self._root, self._mine)
            self._models = LoggedModels(
                client,
                self._experiment,
                self._mine,
                partial(self._bring_home, places.MODEL),
            )
            self._settings = self._own("moleflow.setting")
            self._trials = self._own("moleflow.trial")
            names = {trial.key: run_name(trial, self._orders) for trial in plan.trials}
            for key in self._trials:
                started = self._trials[key].started / 1000
                self._trials.settle(key, self._own_tags(key, started), names.get(key, ""))
            for trial in plan.trials:
                if self._trials.get(trial.key) is not None:
                    self._trials.add(trial.key, self._lacking(trial))

    def grow(self, plan: Plan) -> None:
        settings = by_any_name(settings_of(plan)) if have_runs(plan) else {}
        own = {trial.key: setting_called(trial.axes) for trial in plan.trials}
        self._setting_of = {key: settings[name] for key, name in own.items() if settings}
        self._planned, self._read = frozenset(own), {}
        self._orders = order_numbers(plan)
        self._plan = plan

    def news(self) -> str:
        return "; ".join(filter(None, (*self._news, self._others)))

    def holds(self, trial: Trial, record: Record) -> bool:
        known = self._trials.get(trial.key)
        if known is None:
            return False
        return (known.tags.get(COMPLETE), known.status) == (_stamp(record), ENDS[record.status])

    def log(self, trial: Trial, events: Sequence[Event]) -> None:
        if not events:
            return
        numbers, misrouted = tracked(events, trial.key in self._misrouted)
        with self._calls():
            self._make(trial, events[0].time)
            known = self._trials[trial.key]
            used, last = loads(events, known.started / 1000, self._loaded.get(trial.key, -1))
            metrics = [Metric(n, v, milliseconds(t), step) for n, step, t, v in (*numbers, *used)]
            new = self._trials.not_yet(trial.key, metrics)
            self._trials.add(trial.key, [*self._lacking(trial), *new])
            self._trials.settle(trial.key, {STATUS: "running"}, status="RUNNING")
            if trial.key in self._setting_of:
                above = self._setting_of[trial.key].name
                self._settings.settle(above, {STATUS: "running"}, status="RUNNING")
        self._misrouted |= {trial.key} if misrouted else set()
        self._loaded[trial.key] = last

    def finish(self, trial: Trial, record: Record, folder: StudyFolder) -> None:
        at, tags = milliseconds(record.ended), record_tags(record) | {COMPLETE: _stamp(record)}
        times = [Metric(name, value, at, 0) for name, value in timings(record).items()]
        with self._calls() as client:
            self._make(trial, record.started)
            known = self._trials[trial.key]
            told = known.tags.get(COMPLETE) == tags[COMPLETE]
            if not told and log_files(client, known, record, folder):
                tags |= LOGGED
            if record.failure is None:
                self._trials.drop(trial.key, "moleflow.failure")
            self._trials.add(trial.key, times)
            self._trials.read(trial.key, dataset_of(record))
            self._models.log(record, self._trials[trial.key], folder)
            self._trials.settle(trial.key, tags)
            self._trials.end(trial.key, record.status, record.ended)

    def answer(self, plan: Plan, records: Sequence[Record]) -> None:
        answered = self._studies[plan.name].tags.get(ANSWERED, "")
        found, now = points(plan, records, answered)
        if not found:
            return
        with self._calls():
            for point in found:
                at = milliseconds(point.time)
                own = [Metric(n, v, at, point.step) for n, v in point.study.items()]
                self._studies.add(plan.name, own)
                for name, (step, numbers) in point.settings.items():
                    if self._settings.get(name) is not None:
                        own = [Metric(n, v, at, step) for n, v in numbers.items()]
                        self._settings.add(name, own)
            for record in records:
                if self._read.get(record.key) != record.ended and record.key in self._trials:
                    data, above = dataset_of(record), self._setting_of.get(record.key)
                    self._studies.read(plan.name, data)
                    if above is not None:
                        self._settings.read(above.name, data)
                    self._read[record.key] = record.ended
            code = code_tags(max(records, key=lambda record: record.ended)) if records else {}
            self._studies.settle(plan.name, code | {ANSWERED: now})

    def interrupt(self, trial: Trial, ended: float) -> None:
        with self._calls():
            if self._trials.get(trial.key) is not None:
                self._trials.end(trial.key, "killed", ended)

    def end(self, plan: Plan, records: Sequence[Record], ended: float) -> None:
        status = study_status(plan, records)
        with self._calls():
            self._trials.look_again()
            for key in self._trials:
                if self._trials[key].status == "RUNNING":
                    self._trials.end(key, "killed", ended)
            for name in self._settings:
                self._end_setting(name, records, ended)
            tell_vain(plan, records, self._studies, self._trials)
            self._studies.settle(plan.name, self._study_tags(plan) | count_tags(records))
            self._studies.end(plan.name, status, ended)

    def _end_setting(self, name: str, records: Sequence[Record], ended: float) -> None:
        setting = next((one for one in self._setting_of.values() if one.name == name), None)
        if setting is None:  # of an earlier plan
            if self._settings[name].status == "RUNNING":
                self._settings.end(name, "killed", ended)
            return
        own = [record for record in records if record.key in setting.trials]
        last = max((record.ended for record in own), default=ended)
        whole = len(own) == len(setting.trials)
        self._settings.settle(name, count_tags(own))
        self._settings.end(name, status_of(own) if whole else "killed", last)

    def keep_report(self, plan: Plan, folder: StudyFolder) -> None:
        files = report_files(folder)
        findings = told_by_reports.findings(plan, folder)
        with self._calls() as client:
            experiment = client.get_experiment_by_name(plan.name)
            if experiment is None or not files:
                return
            self._join(experiment)
            self._studies = self._own("moleflow.study")
            known, content = self._studies.get(plan.name), content_of(files)
            if known is None or known.tags.get("moleflow.report") == content:
                return
            send_files(client, known.run_id, files)
            settings = self._own("moleflow.setting")
            told_by_reports.tell(findings, plan, self._studies, settings)
            said = answer(folder)
            self._studies.settle(plan.name, {ANSWER: said} if said else {})
            tags = self._study_tags(plan) | {"moleflow.report": content}
            self._studies.settle(plan.name, tags)

    def register(self, record: Record, folder: StudyFolder, name: str, alias: str | None) -> str:
        """Register the model of a finished trial; returns the version. Needs no `begin`.

        Raises:
            StudyError: the store has no model of that trial.
        """
        with self._calls() as client:
            experiment = client.get_experiment_by_name(folder.name)
            if experiment is not None:
                models = LoggedModels(client, experiment.experiment_id, self._mine)
                if made := models.register(record, folder, name, alias):
                    return made
        raise no_model(record, self._options)

    @contextmanager
    def _calls(self) -> Generator[MlflowClient]:
        """One at a time: a call that was given up may still be waiting for its answer."""
        if not self._one_call.acquire(timeout=PATIENCE):
            raise TrackerAway(f"{safe_uri(self._uri)}: an earlier call has no answer yet")
        try:
            with translated(self._uri):
                if self._client is None:
                    self._client = connected(self._uri, self._root, self._news.append)
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

    def _study_tags(self, plan: Plan) -> dict[str, str]:
        known = self._studies.get(plan.name)
        return study_tags(plan, known.tags.get(ANSWER, "") if known else "")

    def _own(self, tag: str) -> OwnRuns:
        own = OwnRuns(self._store, self._experiment, self._mine.id, tag)
        refuse_copy(self._root, self._uri, {own[run].tags.get(PLACE, "") for run in own})
        return own

    def _make(self, trial: Trial, started: float) -> None:
        """The trial's run, where there is none."""
        if self._trials.get(trial.key) is None:
            own = self._own_tags(trial.key, started) | {STATUS: "running"}
            tags, name = trial_tags(trial) | own, run_name(trial, self._orders)
            self._trials.make(trial.key, tags, name, started)
            self._bring_home(places.RUN, self._trials[trial.key].run_id)

    def _lacking(self, trial: Trial) -> list[Param]:
        """Parameters that the trial's run lacks, as where its study came to vary one more."""
        there = self._trials[trial.key].params
        return [
            Param(name, plain_text(value, PARAM_LENGTH))
            for name, value in trial_params(trial).items()
            if name not in there
        ]

    def _own_tags(self, key: str, started: float) -> dict[str, str]:
        """Whose a trial's run is, and the run that it stands below, which is made if need be."""
        parent, setting = self._studies[self._plan.name], self._setting_of.get(key)
        if setting is not None:
            above = {PARENT: parent.run_id, STATUS: "running"} | self._mine.tags
            above |= source_tags(self._plan)
            tags, name = setting_tags(setting.name) | above, setting_title(setting.axes)
            if self._settings.make(setting.name, tags, name, started):
                self._bring_home(places.RUN, self._settings[setting.name].run_id)
            parent = self._settings[setting.name]
        planned = "yes" if key in self._planned else "no"
        own = self._mine.tags | source_tags(self._plan)
        return {PARENT: parent.run_id, "moleflow.planned": planned} | own

    def _bring_home(self, kind: places.Kind, made: str) -> None:
        """Artifacts of what was made in an experiment of another root folder, to our own."""
        if self._others and not is_server(self._uri):
            places.bring_one_home(self._uri, self._root, self._name, kind, made)


def _stamp(record: Record) -> str:
    return str(milliseconds(record.ended))
