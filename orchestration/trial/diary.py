"""What one attempt at a trial does, as it does it: events for whoever looks, and its own sums."""

import time
from typing import Any

from moleflow.data.sequences import task_name
from moleflow.training.clock import Share, SharedClock
from moleflow.training.stages import EpochEnd
from orchestration.records.events import EventLog
from orchestration.records.ledger import StageSource
from orchestration.sharing.keys import Stage
from orchestration.sharing.roles import TRAINED
from orchestration.studies.expansion import Trial
from orchestration.trial.usage import PERIOD, SHORTEST, Usage


class Diary:
    """Follows the stages of an attempt; tells now and then what its process uses."""

    def __init__(self, trial: Trial, events: EventLog):
        self.events = events
        self.stage = ""
        """The one that has begun last, e.g. `adapter cookie`."""
        self.seconds: dict[str, float] = {}
        self.sources: dict[str, StageSource] = {}
        self._trial = trial
        self._since = time.perf_counter()
        self._training = SharedClock()
        self._usage = Usage()

    def note(self, text: str) -> None:
        """A sign of life, or something to be told."""
        self._add(PERIOD, "note", note=text)

    def begin(self, stage: Stage, name: str, index: int = 0) -> None:
        """A stage begins; `index` is that of its task. Tasks may be in training meanwhile: seconds
        of other stages are not theirs."""
        self.stage = f"{stage} {name}"
        if stage in TRAINED:
            self._training.begin(self.stage)
        else:
            self._training.stop()
            self._since = time.perf_counter()
        tasks = len(self._trial.sequence)
        place = {"stage": stage, "name": name, "task": index, "tasks": tasks}
        self._add(PERIOD, "stage", state="started", **place)

    def end(self, stage: Stage, name: str, index: int = 0, source: StageSource | None = None):
        """A stage has ended; `source` says where its result comes from."""
        if stage in TRAINED:
            taken = self._training.end(f"{stage} {name}").seconds
        else:
            taken = time.perf_counter() - self._since
            self._training.go_on()
        self.seconds[f"{stage} {name}"] = round(taken, 3)
        if source is not None:
            self.sources[f"{stage} {name}"] = source
        self._add(
            SHORTEST,
            "stage",
            stage=stage,
            name=name,
            state="finished",
            task=index,
            tasks=len(self._trial.sequence),
            seconds=taken,
            source="" if source is None else source.source,
            saved=0.0 if source is None or source.source != "shared" else source.seconds,
        )

    def share(self, stage: Stage, name: str) -> Share:
        """Of the time that has passed, the share of a task in training."""
        return self._training.so_far(f"{stage} {name}")

    def epoch(self, stage: Stage, index: int, end: EpochEnd) -> None:
        """An epoch of a task's training has ended, now or when the stage was made."""
        name = task_name(self._trial.sequence[index])
        values = {"loss": end.loss, "grad_norm": end.grad_norm, "lr": end.lr}
        self._add(
            PERIOD,
            "epoch",
            stage=stage,
            name=name,
            task=index,
            tasks=len(self._trial.sequence),
            epoch=end.epoch,
            epochs=end.epochs,
            step=end.epoch,
            seconds=end.seconds,
            values={f"{number}/{name}": value for number, value in values.items()},
        )

    def _add(self, period: float, kind: str, **fields: Any) -> None:
        """Write an event, with what the process uses if it last said so `period` seconds ago."""
        load = self._usage.due(period)
        tree = None if load is None else load.model_dump()
        self.events.add(kind, **fields, load=tree)
