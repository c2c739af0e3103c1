"""Scores and metrics of a trial's evaluation in the store: shared by trials that score alike."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from safetensors import numpy as arrays
from safetensors.torch import load, save

from moleflow.evaluation import Contributions, EvaluationMemory, Likelihoods
from orchestration.sharing.keys import StageKeys
from orchestration.store.stage_store import StageStore
from orchestration.studies.trial_keys import digest
from orchestration.trial.verification import differs, drawn

SCORES, METRICS = "scores.safetensors", "metrics.json"
CONTRIBUTIONS = "contributions.safetensors"


class StoredEvaluation(EvaluationMemory):
    """Keeps likelihoods under each (class, bank), and metrics and what pictures contribute to them
    under each (class, choice of banks).

    Neither depends on where the bank's task stands in the order.
    """

    def __init__(
        self, stage_store: StageStore, keys: StageKeys, verify: float, *, selection: bool = False
    ):
        """Args:
        verify: share of the likelihoods found in the store that are computed again and compared.
        selection: of the pictures that settings may be chosen by, not of test pictures.
        """
        self._selection = selection
        self._stage_store = stage_store
        self._keys = keys
        self._verify = verify
        self._own: set[str] = set()
        """Keys of likelihoods that this process made or has checked."""

    def likelihoods(
        self, name: str, task: int, step: int, compute: Callable[[], Likelihoods]
    ) -> Likelihoods:
        key = self._keys.scores(name, task, step, selection=self._selection)

        def make(folder: Path) -> None:
            found = compute()
            (folder / SCORES).write_bytes(save(vars(found)))
            self._own.add(key)

        folder = self._stage_store.get("scores", key, make)
        found = Likelihoods(**load((folder / SCORES).read_bytes()))
        if key not in self._own:
            self._own.add(key)
            self._check(name, key, found, compute)
        return found

    def metrics(
        self, name: str, chosen: np.ndarray, step: int, compute: Callable[[], dict[str, float]]
    ) -> dict[str, float]:
        def make(folder: Path) -> None:
            (folder / METRICS).write_text(json.dumps(compute()), encoding="utf-8")

        folder = self._of_choice("metrics", name, chosen, step, make)
        return json.loads((folder / METRICS).read_text(encoding="utf-8"))

    def contributions(
        self, name: str, chosen: np.ndarray, step: int, compute: Callable[[], Contributions]
    ) -> Contributions:
        def make(folder: Path) -> None:
            (folder / CONTRIBUTIONS).write_bytes(arrays.save(compute()))

        folder = self._of_choice("contributions", name, chosen, step, make)
        return arrays.load((folder / CONTRIBUTIONS).read_bytes())

    def _of_choice(
        self,
        result: Literal["metrics", "contributions"],
        name: str,
        chosen: np.ndarray,
        step: int,
        make: Callable[[Path], None],
    ) -> Path:
        by_task = {
            t: self._keys.scores(name, t, step, selection=self._selection)
            for t in set(chosen.tolist())
        }
        used = tuple(sorted(by_task.values()))
        ranks = [used.index(by_task[t]) for t in chosen.tolist()]
        key = self._keys.metrics(used, name, digest(ranks), result)
        return self._stage_store.get(result, key, make)

    def _check(
        self, name: str, key: str, found: Likelihoods, compute: Callable[[], Likelihoods]
    ) -> None:
        if not drawn(self._keys.trial, key, self._verify):
            return
        again = compute()
        if not (torch.equal(again.log_p, found.log_p) and torch.equal(again.logdet, found.logdet)):
            raise differs("scores", name, key)
