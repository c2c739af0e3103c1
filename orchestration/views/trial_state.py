"""How far a trial in work is, as its events tell."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from moleflow.data.sequences import task_name
from orchestration.records.events import (
    Attempt,
    End,
    Epoch,
    Event,
    Load,
    Metrics,
    Note,
    StageFinished,
    StageStarted,
    Waiting,
)
from orchestration.records.stages import TRAINED, StageRef
from orchestration.studies.expansion import Trial
from orchestration.studies.terms import Role
from orchestration.views.record_brief import Learned

TRAINING_SHARE = 0.95
"""Share of a task's time that its training is taken to need; the rest is evaluation. A task's time
is taken to grow with its classes."""

Numbers = Mapping[str, float]


@dataclass(frozen=True)
class TrialState:
    """A trial, after some of its events."""

    trial: Trial
    started: float
    """When its present attempt began."""
    attempts: int = 0
    over: bool = False
    """Whether the attempt is known to have ended."""
    host: str = ""
    role: Role | None = None
    """What it may take from others; None: it has not said so."""
    heard: float = 0.0
    """When it last said something."""
    stage: StageRef | None = None
    """The present one, or the last."""
    task: int = 0
    """Index of its task."""
    epoch: int = 0
    epochs: int = 0
    epoch_seconds: float = 0.0
    """Of the last epoch told: a second in which n tasks were trained counts 1/n."""
    training: Mapping[int, tuple[int, int]] = field(default_factory=dict[int, tuple[int, int]])
    """By index of each task that is being learned: its epochs that have ended, and all of them (0
    before the first has ended)."""
    waits: str = ""
    """What another trial makes that this one needs; empty: it is at work."""
    learned: Mapping[int, Learned] = field(default_factory=dict[int, Learned])
    """By a task's index: in what order tasks are learned is nobody's business."""
    evaluated: int = 0
    """Tasks, from the first on, that were evaluated."""
    told: int = 0
    """Tasks whose end was announced."""
    saved: float = 0.0
    """Seconds that computing what it took from other trials had taken them."""
    trained_seconds: float = 0.0
    """Seconds of this attempt in which tasks were learned."""
    values: Numbers = field(default_factory=dict[str, float])
    """The last metrics."""
    losses: Mapping[int, Mapping[int, Numbers]] = field(
        default_factory=dict[int, Mapping[int, Numbers]]
    )
    """By a task's index, numbers by epoch of tasks that are not learned yet: a repeated epoch's
    stand where they were told first."""
    load: Load | None = None

    @property
    def tasks(self) -> int:
        return len(self.trial.sequence)

    @property
    def sizes(self) -> list[int]:
        """Classes of each task."""
        return [len(task) for task in self.trial.sequence]

    @property
    def per_class(self) -> float:
        """Seconds that training takes per class, by the last epoch told; 0: none is in training."""
        if self.task not in self.training or not self.epochs:
            return 0.0
        return self.epoch_seconds * self.epochs / self.sizes[self.task]

    @property
    def fraction(self) -> float:
        """Of the trial that is done: stages that have ended, and epochs of those in work."""
        sizes = self.sizes
        trained = sum(sizes[i] for i in self.learned) + self.part(self.training)
        scored = sum(sizes[: self.evaluated])
        done = TRAINING_SHARE * trained + (1 - TRAINING_SHARE) * scored
        return min(1.0, done / sum(sizes))

    def part(self, tasks: Collection[int]) -> float:
        """Classes of those of these tasks that are in training, times the share of their epochs
        that have ended."""
        known = {index: ends for index, ends in self.training.items() if index in tasks}
        return sum(self.sizes[i] * done / max(1, epochs) for i, (done, epochs) in known.items())

    def last_epoch(self, name: str) -> tuple[int, int, Numbers] | None:
        """Of a task in training: the last epoch told, how many there are, its numbers, e.g.
        `loss`; None where none was told."""
        names = [task_name(task) for task in self.trial.sequence]
        index = names.index(name) if name in names else -1
        epoch, epochs = self.training.get(index, (0, 0))
        return (epoch, epochs, self.losses.get(index, {}).get(epoch, {})) if epochs else None

    def after(self, event: Event) -> "TrialState":
        """Its state after one more event; what speaks of a task that it lacks says nothing."""
        of_task = isinstance(event, StageStarted | StageFinished | Epoch)
        if of_task and not 0 <= event.task < self.tasks:
            return self
        now = replace(self, heard=event.time, load=event.load or self.load)
        if event.load:
            now = replace(now, host=event.load.host)
        match event:
            case Attempt():
                return now._begun(event)
            case StageStarted():
                return now._started(event)
            case StageFinished():
                return now._ended(event)
            case Epoch():
                return now._trained(event)
            case Metrics():
                return replace(now, values=event.numbers or self.values, waits="")
            case Waiting():
                return replace(now, waits=event.what)
            case Note():
                return replace(now, waits="")
            case End():
                return replace(now, over=True)

    def _begun(self, event: Attempt) -> "TrialState":
        return TrialState(
            self.trial,
            event.time,
            self.attempts + 1,
            host=event.host,
            role=event.role,
            heard=event.time,
            told=self.told,
            values=self.values,
            losses=self.losses,
        )

    def _at(self, event: StageStarted | StageFinished | Epoch) -> "TrialState":
        """At that stage, whatever it waited for."""
        return replace(self, stage=event.stage, task=event.task, epoch=0, epochs=0, waits="")

    def _started(self, event: StageStarted) -> "TrialState":
        begun = {event.task: (0, 0)} if event.stage.kind in TRAINED else {}
        return replace(self._at(event), training={**self.training, **begun})

    def _ended(self, event: StageFinished) -> "TrialState":
        at = self._at(event)
        if event.stage.kind == "evaluation":
            return replace(at, evaluated=max(self.evaluated, event.task + 1))
        at = replace(at, saved=self.saved + event.saved)
        if event.stage.kind not in TRAINED:
            return at
        source, size = event.source or "made", self.sizes[event.task]
        seconds = event.seconds if source == "made" else event.saved
        learned = Learned(source, seconds, self.role or "shared", size)
        return replace(
            at,
            learned={**self.learned, event.task: learned},
            training={i: ends for i, ends in self.training.items() if i != event.task},
            trained_seconds=self.trained_seconds + event.seconds,
            losses={i: numbers for i, numbers in self.losses.items() if i != event.task},
        )

    def _trained(self, event: Epoch) -> "TrialState":
        known = self.losses.get(event.task, {})
        numbers = {**known.get(event.epoch, {}), **event.numbers}
        return replace(
            self._at(event),
            training={**self.training, event.task: (event.epoch, event.epochs)},
            epoch=event.epoch,
            epochs=event.epochs,
            epoch_seconds=event.seconds,
            losses={**self.losses, event.task: {**known, event.epoch: numbers}},
        )
