"""Training of tasks: a generator that yields after every epoch (docs/method.md, 5 and 6)."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from torch import nn

from moleflow.config_parts import TrainingConfig
from moleflow.data.sequences import Task, task_name
from moleflow.device import room_for_patches
from moleflow.errors import DivergedError
from moleflow.layers.precision import check_precision
from moleflow.model import MoLEFlow
from moleflow.streams import torch_stream
from moleflow.tasks.freeze import Frozen
from moleflow.training.clock import SharedClock
from moleflow.training.lanes import Bench, Lane, independent
from moleflow.training.optimizer import learning_rate
from moleflow.training.step_numbers import BadStep, StepNumbers
from moleflow.training.task_patches import task_patches
from moleflow.types import Float, Tensor

Parts = Sequence[Float[Tensor, "_ h w c"]]
"""Stored patches of each of a task's classes, in the task's order."""


@dataclass(frozen=True)
class EpochEnd:
    """Numbers of one pass over a task's training images."""

    epoch: int
    """From 1."""
    epochs: int
    loss: float
    """Mean over the images."""
    grad_norm: float
    """Largest norm before clipping."""
    lr: float
    seconds: float
    """A second in which n tasks were trained counts 1/n."""

    @property
    def last(self) -> bool:
        """Whether the task is learned now."""
        return self.epoch == self.epochs


def train_task(
    model: MoLEFlow, task: Task, parts: Parts, bench: Bench | None = None
) -> Iterator[EpochEnd]:
    """`train_tasks` of one task."""
    for _, end in train_tasks(model, [(task, parts)], bench):
        yield end


def train_tasks(
    model: MoLEFlow, tasks: Iterable[tuple[Task, Parts]], bench: Bench | None = None
) -> Iterator[tuple[Task, EpochEnd]]:
    """Train new tasks: the first with its base, later ones by the config's rule.

    A later task trains its bank alone, unless `freeze_base` is false (then the base too) or
    `separate` is true (then a whole flow of its own). All else keeps its bytes.

    Tasks that depend on nothing but the base are trained side by side, as many as the bench has
    lanes for. What a task comes to does not depend on that. A task is learned, its bank whole and
    all frozen bytes compared, when its last epoch is yielded.

    Where a task diverges, those that come after it are not begun, or abandoned and forgotten;
    those before it are trained to their end. So the error is that of the first task that diverges,
    as if they were trained one after the other.

    Args:
        tasks: one is taken when there is a lane for it, and not before.
        bench: of this model, for all of its tasks; none: one for these alone.

    Raises:
        ConfigError: the device does not multiply as `compute.precision` asks.
        DivergedError: a loss or gradient is not finite.
        FrozenStateError: a frozen byte changed.
    """
    check_precision(model.config.compute.precision, model.device)
    with Frozen() as frozen:
        yield from _SideBySide(model, tasks, bench or Bench(), frozen).ends()


@dataclass(frozen=True)
class _Course:
    """The training of a task, in a lane."""

    task: Task
    place: int
    """How many tasks were begun before."""
    turns: Generator[StepNumbers | EpochEnd | None]
    """One step each: None; at the end of an epoch what to wait for, and then the epoch's end."""


class _SideBySide:
    """Tasks in lanes, a step of each in turn."""

    def __init__(
        self, model: MoLEFlow, tasks: Iterable[tuple[Task, Parts]], bench: Bench, frozen: Frozen
    ):
        self._model = model
        self._coming = iter(tasks)
        self._bench = bench
        self._frozen = frozen
        self._clock = SharedClock()
        self._courses: dict[Lane, _Course] = {}
        self._waits: dict[Lane, StepNumbers] = {}
        self._begun = 0
        self._diverged: tuple[int, DivergedError] | None = None

    def ends(self) -> Iterator[tuple[Task, EpochEnd]]:
        try:
            while True:
                self._fill()
                if not self._courses:
                    break
                for task, end in self._one_turn():
                    self._clock.stop()
                    yield task, end
                    self._clock.go_on()
        finally:
            for lane in tuple(self._courses):
                self._abandon(lane)
        if self._diverged is not None:
            raise self._diverged[1]

    def _fill(self) -> None:
        """Give every lane a task, before any of them goes on: to capture steps stops them all."""
        while self._diverged is None and self._may_begin():
            lane = self._bench.free_lane(self._model, self._courses.keys())
            item = next(self._coming, None) if lane is not None else None
            if lane is None or item is None:
                return
            self._begin(lane, *item)

    def _may_begin(self) -> bool:
        """Whether no task in work has to end before the next begins."""
        first = self._model.first
        learned = first in self._model.banks and first not in self._training
        return not self._courses or (learned and independent(self._model))

    def _begin(self, lane: Lane, task: Task, parts: Parts) -> None:
        model = self._model
        whole = not model.banks or model.config.separate
        self._freeze_learned()
        model.new_bank(task)
        base = model.base_of(task) if whole or not model.config.freeze_base else None
        turns = _turns(model, task, parts, base, self._bench, lane, self._clock, not whole)
        self._courses[lane] = _Course(task, self._begun, turns)
        self._clock.begin(task)
        lane.begin()
        try:
            with lane.turn():
                next(turns)
        except torch.OutOfMemoryError:
            self._abandon(lane)
            if not self._bench.full(self._courses.keys()):
                raise
            self._coming = chain([(task, parts)], self._coming)
            return
        self._begun += 1

    def _freeze_learned(self) -> None:
        model = self._model
        learned = [task for task in model.banks if task not in self._training]
        self._frozen.add({f"bank {task_name(task)}": model.banks[task] for task in learned})
        if learned and model.config.freeze_base:
            self._frozen.add({f"base {task_name(t)}": base for t, base in model.bases.items()})

    @property
    def _training(self) -> set[Task]:
        return {course.task for course in self._courses.values()}

    def _one_turn(self) -> Iterator[tuple[Task, EpochEnd]]:
        """Each lane goes on by a step, but those whose epoch's numbers are not here yet."""
        if len(self._waits) == len(self._courses):
            next(iter(self._waits.values())).wait()
        for lane, course in tuple(self._courses.items()):
            if lane not in self._courses or not self._goes_on(lane):
                continue
            try:
                with lane.turn():
                    found = next(course.turns)
            except DivergedError as error:
                self._stop_after(course, error)
                continue
            if isinstance(found, StepNumbers):
                self._waits[lane] = found
            elif found is not None:
                if found.last:
                    self._end(lane)
                yield course.task, found

    def _goes_on(self, lane: Lane) -> bool:
        waits = self._waits.get(lane)
        if waits is not None and not waits.arrived:
            return False
        self._waits.pop(lane, None)
        return True

    def _end(self, lane: Lane) -> None:
        lane.end()
        self._clock.end(self._courses.pop(lane).task)
        self._frozen.check()
        if self._courses:
            self._freeze_learned()

    def _stop_after(self, course: _Course, error: DivergedError) -> None:
        """Of the tasks in work, only those before this one go on."""
        self._diverged = course.place, error
        for lane, other in tuple(self._courses.items()):
            if other.place >= course.place:
                self._abandon(lane)

    def _abandon(self, lane: Lane) -> None:
        """The model no longer knows the lane's task."""
        course = self._courses.pop(lane)
        self._waits.pop(lane, None)
        course.turns.close()
        lane.end()
        self._clock.end(course.task)
        self._model.forget(course.task)


def _turns(
    model: MoLEFlow,
    task: Task,
    parts: Parts,
    base: nn.Module | None,
    bench: Bench,
    lane: Lane,
    clock: SharedClock,
    warm_up: bool,
) -> Generator[StepNumbers | EpochEnd | None]:
    config, bank = model.config.training, model.banks[task]
    patches = task_patches(parts, model.device, room_for_patches(model.device))
    sizes = batch_sizes(len(patches), config)
    steps = bench.steps(model, task, base, (parts[0][:1], sizes), lane)
    order = torch_stream(*model.stream(task, "batches"))
    steps.begin(bank)
    yield None
    for epoch in range(config.epochs):
        start = clock.so_far(task).seconds
        rate = learning_rate(config, epoch, warm_up)
        steps.optimizer.set_rate(rate)
        steps.progress.begin_epoch()
        shuffled = torch.randperm(len(patches), generator=order)
        for batch in patches.batches(shuffled, config.batch_size):
            steps.run(batch)
            yield None
        steps.progress.send()
        yield steps.progress
        numbers = steps.progress.read()
        if numbers.bad:
            raise _diverged(task, epoch + 1, numbers.bad)
        if epoch + 1 == config.epochs:
            steps.end(bank)
        mean, seconds = numbers.total / len(patches), clock.so_far(task).seconds - start
        yield EpochEnd(epoch + 1, config.epochs, mean, numbers.grad_norm, rate, seconds)


def batch_sizes(images: int, config: TrainingConfig) -> tuple[int, ...]:
    """Numbers of images that a task's batches have: of the full ones, and of the last one."""
    full = min(images, config.batch_size)
    return (full, images % full) if images % full else (full,)


def _diverged(task: Task, epoch: int, bad: BadStep) -> DivergedError:
    name, loss, norm = task_name(task), repr(bad.loss), repr(bad.grad_norm)
    return DivergedError(
        f"training of {name} diverged in epoch {epoch}, step {bad.step}: loss {loss}, "
        f"gradient norm {norm}",
        {"task": name, "epoch": epoch, "step": bad.step, "loss": loss, "grad_norm": norm},
    )
