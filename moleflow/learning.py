"""How a model learns a sequence of tasks: one loop for trials, `moleflow train` and `learn`."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from moleflow.data.sequences import Task
from moleflow.features.cache import Features
from moleflow.model import MoLEFlow
from moleflow.router import Prototype, task_prototype
from moleflow.training.clock import Share, SharedClock
from moleflow.training.lanes import Bench
from moleflow.training.train import EpochEnd, Parts, train_tasks


@dataclass(frozen=True)
class Learned:
    """What there is to say of a task when the model has learned it."""

    epochs: tuple[EpochEnd, ...]
    share: Share
    """Of the time that passed since its training began, but for what was done between epochs."""
    after: tuple[Task, ...]
    """Tasks that the model knew before, in the order in which it came to know them."""


@dataclass(frozen=True)
class Epoch:
    """A pass over a task's training images."""

    task: Task
    end: EpochEnd
    learned: Learned | None
    """With the last one, the task is learned."""


class SequenceLearner:
    """Teaches a model tasks, and knows which it has."""

    def __init__(
        self, model: MoLEFlow, features: Mapping[str, Features], bench: Bench | None = None
    ):
        """Args:
        features: of the training pictures of every class that is to be learned.
        bench: of this model; none: one that trains as many tasks at once as pay.
        """
        self._model = model
        self._features = features
        self._bench = bench or Bench()
        self._known: list[Task] = []

    def knows(self, task: Task) -> None:
        """The model was given a task that is not to be trained."""
        self._known.append(task)

    def learn(self, tasks: Iterable[Task]) -> Iterator[Epoch]:
        """Train tasks in this order, several side by side where that pays (`train_tasks`).

        Args:
            tasks: one is taken when its training begins, and not before.

        Raises:
            DivergedError: a loss or gradient is not finite.
            FrozenStateError: a frozen byte changed.
        """
        clock, after = SharedClock(), dict[Task, tuple[Task, ...]]()
        ends: dict[Task, list[EpochEnd]] = {}

        def begun() -> Iterator[tuple[Task, Parts]]:
            for task in tasks:
                clock.begin(task)
                after[task], ends[task] = tuple(self._known), []
                yield task, [self._features[name].patches for name in task]

        for task, end in train_tasks(self._model, begun(), self._bench):
            ends[task].append(end)
            learned = None
            if end.last:
                learned = Learned(tuple(ends[task]), clock.end(task), after[task])
                self._known.append(task)
            clock.stop()
            yield Epoch(task, end, learned)
            clock.go_on()

    def prototype(self, task: Task) -> Prototype:
        """What the router learns of a task."""
        means = [self._features[name].means for name in task]
        return task_prototype(means, self._model.config.router)
