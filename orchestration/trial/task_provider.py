"""How a trial's model comes by a task: from the store, or by training it and putting it there."""

import time
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

from moleflow.data.sequences import Task, task_name
from moleflow.errors import DivergedError
from moleflow.learning import Learned, SequenceLearner
from moleflow.model import MoLEFlow
from moleflow.training.train import EpochEnd
from orchestration.trial.context import TrialContext
from orchestration.trial.origin import origin, source_of
from orchestration.trial.trained import (
    TrainedStage,
    describe,
    load_trained,
    read_trained,
    result_of,
    write_trained,
)
from orchestration.trial.verification import differs, drawn


class TaskProvider:
    """Gives a model the tasks of a trial."""

    def __init__(self, context: TrialContext, model: MoLEFlow, learner: SequenceLearner):
        """Args:
        learner: of that model.
        """
        self._trial = context.trial
        self._context = context
        self._keys, self._stage_store, self._log = context.keys, context.stage_store, context.log
        self._model = model
        self._learner = learner
        self.entries: list[Path] = []
        """Folders of the store that the tasks came from."""

    def learn(self, ready: Sequence[int]) -> Generator[int]:
        """Give the model tasks that are ready to be learned: first those that the store has; then
        others are trained, several side by side where that pays. One that another trial is training
        is passed over. Yields each when the model has it, in the store too.

        Raises:
            DivergedError: a loss or gradient is not finite.
            SharingError: the lot fell on a stage from the store, and training gives another result.
        """
        missing: list[int] = []
        for index in ready:
            folder = self._stage_store.find(self._keys.kind(index), self._keys.task(index))
            if folder is None:
                missing.append(index)
            else:
                self._take(folder, index)
                yield index
        yield from self._train(missing)

    def _train(self, missing: Sequence[int]) -> Iterator[int]:
        places = {self._trial.sequence[index]: index for index in missing}
        try:
            for epoch in self._learner.learn(self._claimed(missing)):
                index = places[epoch.task]
                self._log.epoch(self._keys.stage(index), index, epoch.end)
                if epoch.learned is not None:
                    self._put(index, epoch.learned)
                    yield index
        except DivergedError as error:
            stages = map(self._keys.stage, places.values())
            self._log.stage = next(s for s in stages if s.task == error.numbers["task"])
            raise
        finally:
            for index in missing:
                self._stage_store.give_up(self._keys.kind(index), self._keys.task(index))

    def _claimed(self, missing: Sequence[int]) -> Iterator[Task]:
        """Tasks that nobody else is training, each claimed when there is a lane for it."""
        for index in missing:
            if self._stage_store.claim(self._keys.kind(index), self._keys.task(index)):
                self._log.begin(self._keys.stage(index), index)
                yield self._trial.sequence[index]

    def _put(self, index: int, learned: Learned) -> None:
        """Publish what was trained."""
        start, share, context = time.perf_counter(), learned.share, self._context
        stage = describe(self._keys.kind(index), self._model, self._trial.sequence[index], learned)

        def make(folder: Path) -> None:
            write_trained(folder, stage, self._model)
            made = origin(self._trial, context.terms, context.device, share.seconds, share.at_once)
            made.write(folder)

        folder = self._stage_store.put(self._keys.kind(index), self._keys.task(index), make)
        taken = share.seconds + time.perf_counter() - start
        self._has(index, stage, folder, made=True, verified=False, seconds=taken)

    def _take(self, folder: Path, index: int) -> None:
        """Take a task from the store; if the lot falls on it, it is trained again and compared."""
        stage, kind = read_trained(folder), self._keys.kind(index)
        self._log.begin(self._keys.stage(index), index)
        source = source_of(self._trial, kind, self._keys.task(index), folder, False)
        share = self._context.terms.verify
        verified = source.source == "shared" and drawn(self._trial, source.key, share)
        if verified:
            self._train_again(index, stage)
        else:
            load_trained(folder, stage, self._model)
            self._learner.knows(stage.classes)
            for epoch in stage.epochs:
                self._log.epoch(self._keys.stage(index), index, EpochEnd(**epoch.model_dump()))
        self._has(index, stage, folder, made=False, verified=verified)

    def _train_again(self, index: int, stage: TrainedStage) -> None:
        task = self._trial.sequence[index]
        for epoch in self._learner.learn([task]):
            self._log.epoch(self._keys.stage(index), index, epoch.end)
        if result_of(self._model, stage.classes, stage.kind) != stage.result:
            raise differs(stage.kind, task_name(task), self._keys.task(index))

    def _has(
        self,
        index: int,
        stage: TrainedStage,
        folder: Path,
        *,
        made: bool,
        verified: bool,
        seconds: float | None = None,
    ) -> None:
        """Put on record that the model has a task."""
        kind, key = self._keys.kind(index), self._keys.task(index)
        source = source_of(self._trial, kind, key, folder, made)
        proof = {"after": stage.after, "result": stage.result, "verified": verified}
        known = source.model_copy(update=proof)
        self._log.end(self._keys.stage(index), index, known, seconds)
        self.entries.append(folder)
