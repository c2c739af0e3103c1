"""One sequence trained and saved, outside of any study: what `moleflow train` does."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from moleflow.config import Config
from moleflow.data.catalog import ClassData
from moleflow.data.sequences import Task, task_name
from moleflow.features.backbone import weights_identity
from moleflow.features.cache import ClassFeatures, open_features
from moleflow.learning import SequenceLearner
from moleflow.saved import new_model, save_model
from moleflow.training.lanes import Bench
from moleflow.training.train import EpochEnd
from orchestration.records.provenance import device_kind
from orchestration.sharing.keys import features_keys
from orchestration.store.features import Extraction
from orchestration.store.store import Store
from orchestration.studies.trial_keys import trial_key

Report = Callable[[str, EpochEnd], None]


@dataclass(frozen=True)
class SequenceTraining:
    """What is to be trained."""

    config: Config
    sequence: tuple[Task, ...]
    seed: int
    data: Mapping[str, ClassData]
    fingerprints: Mapping[str, str]
    store: Store
    device: torch.device

    @cached_property
    def weights(self) -> str:
        """Identity of the backbone's weights."""
        return weights_identity(self.config.backbone)

    @property
    def key(self) -> str:
        """Hash of all that the trained numbers depend on."""
        return trial_key(self.config, self.sequence, self.seed, self.fingerprints, self.weights)

    def run(
        self,
        folder: Path,
        report: Report,
        stage: Callable[[str, float], None],
        note: Callable[[str], None],
    ) -> None:
        """Train every task and write the model.

        Args:
            report: called after every epoch with the task's name.
            stage: called after every stage with its name and its wall time in seconds, of which
                each task that was trained beside others has its share.
            note: told what is slower than it could be.

        Raises:
            DivergedError: a loss or gradient is not finite; nothing is written.
            StoreError: the folder cannot be written.
        """
        start = time.perf_counter()
        features = self._features()
        stage("features", time.perf_counter() - start)
        model = new_model(self.config, features, self.seed, self.sequence[0]).to(self.device)
        train = {name: found.train for name, found in features.items()}
        learner = SequenceLearner(model, train, Bench(note))
        for epoch in learner.learn(self.sequence):
            report(task_name(epoch.task), epoch.end)
            if epoch.learned is not None:
                stage(task_name(epoch.task), epoch.learned.share.seconds)
        model.arrange(self.sequence)
        prototypes = [learner.prototype(task) for task in self.sequence]
        bits = {name: found.bits for name, found in features.items()}
        save_model(folder, model, prototypes, self.weights, self.fingerprints, bits)

    def _features(self) -> dict[str, ClassFeatures]:
        """Of every class, from the store or made and put there."""
        extraction = Extraction(self.config, self.weights, self.device)
        kind, found = device_kind(self.device), dict[str, ClassFeatures]()
        keys = features_keys(self.config, self.fingerprints, self.weights, kind)
        for name, data in self.data.items():
            make = extraction.of(data, self.fingerprints[name])
            folder, _ = self.store.get_or_make("features", keys[name], make)
            found[name] = open_features(folder).drawn(self.config.data, name)
        return found
