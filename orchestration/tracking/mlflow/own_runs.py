"""Runs of an experiment that a root folder owns, as the store is known to hold them.

They are found again by the value of a tag, never by an id kept here, so that a resumed study goes
on in the runs it has; therefore only one process, the driver, makes runs.
"""

# MLflow's own annotations are incomplete.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from orchestration.tracking.mlflow.batches import TAG_LENGTH, batches, plain_text
from orchestration.tracking.mlflow.connection import (
    DatasetInput,
    Metric,
    MlflowClient,
    Param,
    Run,
    RunTag,
    every_page,
)
from orchestration.tracking.mlflow.owner import OWNER

ENDS = {
    "finished": "FINISHED",
    "stopped": "KILLED",
    "failed": "FAILED",
    "diverged": "FAILED",
    "killed": "KILLED",
}
COMPLETE = "moleflow.complete"
"""The end of the record, in ms, that a run holds to its last byte."""
STATUS = "moleflow.status"


@dataclass(frozen=True)
class Known:
    """What the store is known to hold of a run."""

    run_id: str
    name: str
    status: str
    started: int
    ended: int | None
    params: frozenset[str]
    tags: dict[str, str]
    data: frozenset[tuple[str, str]] = frozenset()
    """Names and digests."""
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])
    """What it showed when it was looked up."""


class OwnRuns:
    """Those that have a tag, by its value."""

    def __init__(self, client: MlflowClient, experiment: str, owner: str, tag: str):
        self._client, self._experiment, self._tag = client, experiment, tag
        self._query = f"tags.`{tag}` != '' and tags.`{OWNER}` = '{owner}'"
        self._doubt = False
        self._times: dict[tuple[str, str], dict[int, int]] = {}
        """By run and metric: when each step of those was measured that an earlier process sent."""
        self._known = self._found()

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._known))

    def __contains__(self, value: str) -> bool:
        return value in self._known

    def __getitem__(self, value: str) -> Known:
        return self._known[value]

    def get(self, value: str) -> Known | None:
        """The run, as it is known."""
        return self._known.get(value)

    def look_again(self) -> None:
        """Where the answer to a call that makes a run was lost: it may be there."""
        if self._doubt:
            self._known, self._doubt = self._found(), False

    def make(self, value: str, tags: Mapping[str, str], name: str, started: float) -> bool:
        """The run with that value, where there is none; returns whether it is new."""
        if value not in self._known:
            self.look_again()
        if value in self._known:
            return False
        texts = {tag: plain_text(text, TAG_LENGTH) for tag, text in tags.items()}
        self._doubt = True  # until the answer is there
        run = self._client.create_run(self._experiment, milliseconds(started), texts, name)
        self._doubt = False
        self._known[value] = _known(run)
        return True

    def settle(self, value: str, tags: Mapping[str, str], name: str = "", status: str = "") -> None:
        """Give a run what it lacks of these; nothing is sent where it has all."""
        known = self._known[value]
        texts = {tag: plain_text(text, TAG_LENGTH) for tag, text in tags.items()}
        new = {tag: text for tag, text in texts.items() if known.tags.get(tag) != text}
        self._send(known.run_id, [RunTag(tag, text) for tag, text in new.items()])
        name, status = name or known.name, status or known.status
        if (name, status) != (known.name, known.status):
            self._client.update_run(known.run_id, status, name)
        tagged = {**known.tags, **new}
        self._known[value] = replace(known, tags=tagged, name=name, status=status)

    def drop(self, value: str, tag: str) -> None:
        """Take a tag away, where the run has it."""
        known = self._known[value]
        if tag in known.tags:
            self._client.delete_tag(known.run_id, tag)
            tags = {name: text for name, text in known.tags.items() if name != tag}
            self._known[value] = replace(known, tags=tags)

    def add(self, value: str, entities: Iterable[Metric | Param]) -> None:
        """Metrics and parameters."""
        every, known = list(entities), self._known[value]
        self._send(known.run_id, every)
        params = {one.key for one in every if isinstance(one, Param)}
        self._known[value] = replace(known, params=known.params | params)

    def read(self, value: str, data: DatasetInput | None) -> None:
        """Data that the run is about. MLflow keeps the same data once."""
        if data is None:
            return
        new = (data.dataset.name, data.dataset.digest)
        if new not in self._known[value].data:
            self._client.log_inputs(self._known[value].run_id, [data])
            self._known[value] = replace(self._known[value], data=self._known[value].data | {new})

    def not_yet(self, value: str, metrics: Iterable[Metric]) -> list[Metric]:
        """Without measurements that an earlier process has sent with other times: the events that
        it sent them from were lost since, or were replaced by those of another study."""
        return [one for one in metrics if self._at(value, one) in (None, one.timestamp)]

    def _at(self, value: str, metric: Metric) -> int | None:
        """When the store says that a measurement was made; None: it has none."""
        known = self._known[value]
        if metric.key not in known.metrics:
            return None
        if (known.run_id, metric.key) not in self._times:
            history = self._client.get_metric_history(known.run_id, metric.key)
            self._times[known.run_id, metric.key] = {one.step: one.timestamp for one in history}
        return self._times[known.run_id, metric.key].get(metric.step)

    def end(self, value: str, status: str, ended: float) -> None:
        """Nothing is sent where it has ended so, and then."""
        self.settle(value, {STATUS: status})
        known, at = self._known[value], milliseconds(ended)
        if (known.status, known.ended) != (ENDS[status], at):
            self._client.set_terminated(known.run_id, ENDS[status], at)
            self._known[value] = replace(known, status=ENDS[status], ended=at)

    def _found(self) -> dict[str, Known]:
        """Where an answer was lost, a value may have two runs: the one that is complete, or else
        was made first, stays."""
        runs = map(_known, every_page(self._client.search_runs, [self._experiment], self._query))
        found: dict[str, Known] = {}
        for known in sorted(runs, key=lambda k: (COMPLETE not in k.tags, k.started, k.run_id)):
            if found.setdefault(known.tags[self._tag], known) is not known:
                self._client.delete_run(known.run_id)
        return found

    def _send(self, run_id: str, entities: Iterable[Metric | Param | RunTag]) -> None:
        for batch in batches(entities):
            self._client.log_batch(
                run_id,
                metrics=[item for item in batch if isinstance(item, Metric)],
                params=[item for item in batch if isinstance(item, Param)],
                tags=[item for item in batch if isinstance(item, RunTag)],
            )


def milliseconds(seconds: float) -> int:
    """As MLflow counts time."""
    return round(seconds * 1000)


def _known(run: Run) -> Known:
    info = run.info
    params, tags = frozenset(run.data.params), dict(run.data.tags)
    started, ended = info.start_time, info.end_time
    inputs = run.inputs.dataset_inputs if run.inputs else ()
    data = frozenset((one.dataset.name, one.dataset.digest) for one in inputs)
    name, shown = info.run_name or "", dict(run.data.metrics)
    return Known(info.run_id, name, info.status, started, ended, params, tags, data, shown)
