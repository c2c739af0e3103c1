"""How a trial's model comes by a task: from the store, or by training it and putting it there."""

import time
from collections.abc import Mapping
from pathlib import Path

import torch

from moleflow.data.sequences import task_name
from moleflow.features.cache import ClassFeatures
from moleflow.model import MoLEFlow
from moleflow.training.stages import EpochEnd, train_task
from moleflow.training.steps import Bench
from orchestration.ledger import StageSource
from orchestration.stage import StageKeys
from orchestration.store.shelf import Shelf
from orchestration.study import Trial
from orchestration.terms import Terms
from orchestration.trial.diary import Diary
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
    """Gives a model the tasks of a trial, one at a time."""

    def __init__(
        self,
        trial: Trial,
        terms: Terms,
        keys: StageKeys,
        shelf: Shelf,
        diary: Diary,
        features: Mapping[str, ClassFeatures],
        device: torch.device,
    ):
        self._trial = trial
        self._terms = terms
        self._keys = keys
        self._shelf = shelf
        self._diary = diary
        self._features = features
        self._device = device
        self._bench = Bench(diary.note)
        self.entries: list[Path] = []
        """Folders of the store that the tasks came from."""

    def learn(self, model: MoLEFlow, index: int) -> StageSource | None:
        """Give the model a task; returns where it comes from, or None while another trains it.

        Raises:
            DivergedError: a loss or gradient is not finite.
            SharingError: the lot fell on a stage from the store, and training gives another result.
        """
        task, key, kind = (
            self._trial.sequence[index],
            self._keys.task(index),
            self._keys.kind(index),
        )
        name = task_name(task)
        made: TrainedStage | None = None

        def make(folder: Path) -> None:
            nonlocal made
            self._diary.begin(kind, name, index)
            start = time.perf_counter()
            made = describe(kind, model, task, self._train(model, index))
            write_trained(folder, made, model)
            seconds = time.perf_counter() - start
            origin(self._trial, self._terms, self._device, seconds).write(folder)

        folder = self._shelf.offer(kind, key, make)
        if folder is None:
            return None
        self.entries.append(folder)
        source = source_of(self._trial, kind, key, folder, made is not None)
        stage = made or read_trained(folder)
        verified = False
        if made is None:
            self._diary.begin(kind, name, index)
            verified = self._take(folder, stage, source, model, index)
        proof = {"after": stage.after, "result": stage.result, "verified": verified}
        source = source.model_copy(update=proof)
        self._diary.end(kind, name, index, source)
        return source

    def _take(
        self, folder: Path, stage: TrainedStage, source: StageSource, model: MoLEFlow, index: int
    ) -> bool:
        """Take a task from the store; returns whether it was trained again and compared."""
        if source.source == "shared" and drawn(self._trial, source.key, self._terms.verify):
            self._train(model, index)
            if result_of(model, stage.classes, stage.kind) != stage.result:
                raise differs(stage.kind, task_name(stage.classes), source.key)
            return True
        load_trained(folder, stage, model)
        for epoch in stage.epochs:
            self._diary.epoch(self._keys.kind(index), index, EpochEnd(**epoch.model_dump()))
        return False

    def _train(self, model: MoLEFlow, index: int) -> list[EpochEnd]:
        task = self._trial.sequence[index]
        ends: list[EpochEnd] = []
        patches = [self._features[c].train.patches for c in task]
        for end in train_task(model, task, patches, self._bench):
            self._diary.epoch(self._keys.kind(index), index, end)
            ends.append(end)
        return ends
