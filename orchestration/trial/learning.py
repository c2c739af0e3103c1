"""How a trial's model comes by a task: from the store, or by training it and putting it there."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path

import torch

from moleflow.data.sequences import Task, task_name
from moleflow.errors import DivergedError
from moleflow.features.cache import ClassFeatures
from moleflow.model import MoLEFlow
from moleflow.training.lanes import Bench
from moleflow.training.train import EpochEnd, Parts, train_tasks
from orchestration.sharing.keys import StageKeys
from orchestration.store.stage_store import StageStore
from orchestration.studies.expansion import Trial
from orchestration.studies.terms import Terms
from orchestration.trial.attempt_log import AttemptLog
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


class Learner:
    """Gives a model the tasks of a trial."""

    def __init__(
        self,
        trial: Trial,
        terms: Terms,
        keys: StageKeys,
        stage_store: StageStore,
        log: AttemptLog,
        features: Mapping[str, ClassFeatures],
        device: torch.device,
        at_once: int,
    ):
        """Args:
        at_once: most tasks that are trained side by side; 0: as many as pay.
        """
        self._trial = trial
        self._terms = terms
        self._keys = keys
        self._stage_store = stage_store
        self._log = log
        self._features = features
        self._device = device
        self._bench = Bench(log.note, at_once)
        self._learned: list[str] = []
        self.entries: list[Path] = []
        """Folders of the store that the tasks came from."""

    def learn(self, model: MoLEFlow, ready: Sequence[int]) -> Generator[int]:
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
                self._take(folder, model, index)
                yield index
        yield from self._train(model, missing)

    def _train(self, model: MoLEFlow, missing: Sequence[int]) -> Iterator[int]:
        places = {self._trial.sequence[index]: index for index in missing}
        after: dict[Task, tuple[str, ...]] = {}
        ends: dict[Task, list[EpochEnd]] = {}
        try:
            for task, end in train_tasks(model, self._claimed(missing, after), self._bench):
                index = places[task]
                self._log.epoch(self._keys.stage(index), index, end)
                ends.setdefault(task, []).append(end)
                if end.last:
                    kind = self._keys.kind(index)
                    self._put(model, index, describe(kind, model, task, after[task], ends[task]))
                    yield index
        except DivergedError as error:
            stages = map(self._keys.stage, places.values())
            self._log.stage = next(s for s in stages if s.task == error.numbers["task"])
            raise
        finally:
            for index in missing:
                self._stage_store.give_up(self._keys.kind(index), self._keys.task(index))

    def _claimed(
        self, missing: Sequence[int], after: dict[Task, tuple[str, ...]]
    ) -> Iterator[tuple[Task, Parts]]:
        """Tasks that nobody else is training, each claimed when there is a lane for it.

        Args:
            after: filled with the names of the tasks that were learned before each.
        """
        for index in missing:
            task = self._trial.sequence[index]
            if self._stage_store.claim(self._keys.kind(index), self._keys.task(index)):
                self._log.begin(self._keys.stage(index), index)
                after[task] = tuple(self._learned)
                yield task, self._parts(task)

    def _put(self, model: MoLEFlow, index: int, stage: TrainedStage) -> None:
        """Publish what was trained."""

        def make(folder: Path) -> None:
            write_trained(folder, stage, model)
            share = self._log.share(self._keys.stage(index))
            made = origin(self._trial, self._terms, self._device, share.seconds, share.at_once)
            made.write(folder)

        folder = self._stage_store.put(self._keys.kind(index), self._keys.task(index), make)
        self._has(index, stage, folder, made=True, verified=False)

    def _take(self, folder: Path, model: MoLEFlow, index: int) -> None:
        """Take a task from the store; if the lot falls on it, it is trained again and compared."""
        stage, kind = read_trained(folder), self._keys.kind(index)
        self._log.begin(self._keys.stage(index), index)
        source = source_of(self._trial, kind, self._keys.task(index), folder, False)
        verified = source.source == "shared" and drawn(self._trial, source.key, self._terms.verify)
        if verified:
            self._train_again(model, index, stage)
        else:
            load_trained(folder, stage, model)
            for epoch in stage.epochs:
                self._log.epoch(self._keys.stage(index), index, EpochEnd(**epoch.model_dump()))
        self._has(index, stage, folder, made=False, verified=verified)

    def _train_again(self, model: MoLEFlow, index: int, stage: TrainedStage) -> None:
        task = self._trial.sequence[index]
        for _, end in train_tasks(model, [(task, self._parts(task))], self._bench):
            self._log.epoch(self._keys.stage(index), index, end)
        if result_of(model, stage.classes, stage.kind) != stage.result:
            raise differs(stage.kind, task_name(task), self._keys.task(index))

    def _has(
        self, index: int, stage: TrainedStage, folder: Path, made: bool, verified: bool
    ) -> None:
        """Put on record that the model has a task."""
        kind, key = self._keys.kind(index), self._keys.task(index)
        source = source_of(self._trial, kind, key, folder, made)
        proof = {"after": stage.after, "result": stage.result, "verified": verified}
        self._log.end(self._keys.stage(index), index, source.model_copy(update=proof))
        self.entries.append(folder)
        self._learned.append(task_name(stage.classes))

    def _parts(self, task: Task) -> Parts:
        return [self._features[name].train.patches for name in task]
