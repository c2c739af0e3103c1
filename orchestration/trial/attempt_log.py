"""What one attempt at a trial does, as it does it: events for whoever looks, and its own sums."""

import time
from collections.abc import Callable, Mapping

from moleflow.training.train import EpochEnd
from orchestration.records.events import (
    Epoch,
    Event,
    Metrics,
    Note,
    StageFinished,
    StageStarted,
    Waiting,
)
from orchestration.records.ledger import StageSource
from orchestration.records.stages import StageRef
from orchestration.trial.usage import PERIOD, SHORTEST, Usage


class AttemptLog:
    """Follows the stages of an attempt; tells now and then what its process uses."""

    def __init__(self, tell: Callable[[Event], None]):
        """Args:
        tell: told every event.
        """
        self.stage: StageRef | None = None
        """The one that has begun last."""
        self.seconds: dict[StageRef, float] = {}
        self.sources: dict[StageRef, StageSource] = {}
        self.losses: dict[StageRef, float] = {}
        """Of the last epoch of each."""
        self._tell = tell
        self._since = time.perf_counter()
        self._usage = Usage()

    def note(self, text: str) -> None:
        """Something to be told."""
        self._add(PERIOD, Note(note=text))

    def waits(self, what: str) -> None:
        """A sign of life while another trial makes what is needed."""
        self._add(PERIOD, Waiting(what=what))

    def measured(self, step: int, numbers: Mapping[str, float]) -> None:
        """Numbers after `step` tasks, by their names (`trial.recording.told_values`)."""
        self._tell(Metrics(step=step, numbers=dict(numbers)))

    def begin(self, stage: StageRef, index: int = 0) -> None:
        """A stage begins; `index` is that of its task."""
        self.stage = stage
        self._since = time.perf_counter()
        self._add(PERIOD, StageStarted(stage=stage, task=index))

    def end(
        self,
        stage: StageRef,
        index: int = 0,
        source: StageSource | None = None,
        seconds: float | None = None,
    ) -> None:
        """A stage has ended.

        Args:
            source: where its result comes from.
            seconds: how long it took; none: what has passed since a stage began last, which is
                wrong of tasks that were trained beside others.
        """
        taken = time.perf_counter() - self._since if seconds is None else seconds
        self.seconds[stage] = round(taken, 3)
        said = StageFinished(stage=stage, task=index, seconds=taken)
        if source is not None:
            self.sources[stage] = source
            saved = source.seconds if source.source == "shared" else 0.0
            said = said.model_copy(update={"source": source.source, "saved": saved})
        self._add(SHORTEST, said)

    def epoch(self, stage: StageRef, index: int, end: EpochEnd) -> None:
        """An epoch of a task's training has ended, now or when the stage was made."""
        self.losses[stage] = end.loss
        numbers = {"loss": end.loss, "grad_norm": end.grad_norm, "lr": end.lr}
        self._add(
            PERIOD,
            Epoch(
                stage=stage,
                task=index,
                epoch=end.epoch,
                epochs=end.epochs,
                seconds=end.seconds,
                numbers=numbers,
            ),
        )

    def _add(self, period: float, event: Event) -> None:
        """Tell an event, with what the process uses if it last said so `period` seconds ago."""
        self._tell(event.model_copy(update={"load": self._usage.due(period)}))
