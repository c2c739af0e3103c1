"""Evaluation of a sequence: after every task, all classes so far, routed and under the true task.

A score is a function of (test pictures, base, bank). Base and banks are frozen after their task, so
a score is computed once and kept under the hash of the bytes that made it; were a byte to change,
it would be computed anew. This is why R costs T evaluations of a class and not T^2 / 2.

Scores, maps and metrics are computed on the model's device; masks are read by threads meanwhile.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch

from moleflow.data.catalog import ClassData
from moleflow.data.sequences import Task, task_name
from moleflow.device import fitting
from moleflow.errors import DivergedError
from moleflow.features.cache import Features
from moleflow.measurement import ChosenBy, Measurement
from moleflow.metrics.continual import continual_summary
from moleflow.metrics.contributions import contributions
from moleflow.metrics.detection import detection_metrics
from moleflow.metrics.means import mean
from moleflow.model import MoLEFlow
from moleflow.router import Prototype
from moleflow.scoring import anomaly_maps, image_scores, patch_scores
from moleflow.tasks.freeze import Digests, tensors_digest
from moleflow.truth import ReadTruths, Truths
from moleflow.types import Float, Int, RoutingFeatures, Tensor

SCORING_BATCH = 16
GPU_SCORING_BATCH = 64
"""Pictures scored together; fewer where a GPU's memory is short."""


@dataclass(frozen=True)
class Likelihoods:
    """What the flow says of a class's test pictures under one bank, before any scoring."""

    log_p: Float[Tensor, "n h w"]
    logdet: Float[Tensor, "n h w"]


Contributions: TypeAlias = dict[str, Float[np.ndarray, " n"]]
"""Pseudo-values of a class's test pictures, by metric."""


class EvaluationMemory(ABC):
    """Where results of evaluations are kept beyond one sequence."""

    @abstractmethod
    def likelihoods(
        self, name: str, task: int, step: int, compute: Callable[[], Likelihoods]
    ) -> Likelihoods:
        """Of a class under the bank of the task of this index, after `step` tasks."""

    @abstractmethod
    def metrics(
        self, name: str, chosen: np.ndarray, step: int, compute: Callable[[], dict[str, float]]
    ) -> dict[str, float]:
        """Of a class whose picture i is scored by the bank of task chosen[i], after `step`."""

    @abstractmethod
    def contributions(
        self, name: str, chosen: np.ndarray, step: int, compute: Callable[[], Contributions]
    ) -> Contributions:
        """Of its pictures to these metrics."""


class NoMemory(EvaluationMemory):
    """Computes everything."""

    def likelihoods(
        self, name: str, task: int, step: int, compute: Callable[[], Likelihoods]
    ) -> Likelihoods:
        return compute()

    def metrics(
        self, name: str, chosen: np.ndarray, step: int, compute: Callable[[], dict[str, float]]
    ) -> dict[str, float]:
        return compute()

    def contributions(
        self, name: str, chosen: np.ndarray, step: int, compute: Callable[[], Contributions]
    ) -> Contributions:
        return compute()


@dataclass(frozen=True)
class ClassScores:
    """Scores of a class's test pictures under one bank."""

    patches: Float[Tensor, "n h w"]
    images: Float[np.ndarray, " n"]


@dataclass(frozen=True)
class RoutedScores:
    """Scores of a class's test pictures at one moment, each under the bank chosen for it."""

    chosen: Int[np.ndarray, " n"]
    """Indices of tasks."""
    banks: Mapping[int, ClassScores]
    """Of every task chosen, of all pictures."""

    @property
    def patches(self) -> Float[Tensor, "n h w"]:
        together = torch.empty_like(self.banks[int(self.chosen[0])].patches)
        for t, scores in self.banks.items():
            which = torch.from_numpy(self.chosen == t)
            together[which] = scores.patches[which]
        return together

    @property
    def images(self) -> Float[np.ndarray, " n"]:
        together = np.empty(len(self.chosen), dtype=np.float32)
        for t, scores in self.banks.items():
            together[self.chosen == t] = scores.images[self.chosen == t]
        return together


@dataclass(frozen=True)
class Routing:
    """Where the router sent a class's test pictures."""

    distances: Float[np.ndarray, "n t"]
    """Squared distance to each task seen; of the oracle, 0 to the true task and 1 to others."""
    chosen: np.ndarray
    """Index of the nearest task, (N,)."""


class SequenceEvaluation:
    """Collects the measurements of one sequence as its tasks are learned."""

    def __init__(
        self,
        model: MoLEFlow,
        sequence: tuple[Task, ...],
        data: Mapping[str, ClassData],
        tests: Mapping[str, Features],
        memory: EvaluationMemory | None = None,
        note: Callable[[str], None] = lambda text: None,
        truths: Truths | None = None,
    ):
        """Args:
        data: the classes to be measured: those of the sequence, or some of them.
        tests: features of their test pictures.
        memory: none computes everything.
        note: told when a GPU's memory is too short for a batch, or pictures for `scoring.top_k`.
        truths: what is anomalous in the pictures, where they are not the test pictures.
        """
        self._model = model
        self._sequence = sequence
        self._data = data
        self._tests = tests
        self._memory = memory or NoMemory()
        self._prototypes: list[Prototype] = []
        self._scores: dict[tuple[str, ...], ClassScores] = {}
        self._metrics: dict[tuple[str, ...], dict[str, float]] = {}
        self._truths = truths or ReadTruths(data, model.config)
        self._note = note
        on_gpu = model.device.type == "cuda"
        self._batch = GPU_SCORING_BATCH if on_gpu else SCORING_BATCH
        self._ahead = 1 if on_gpu else 0  # processors that train have no time for later classes
        self.digests = Digests()
        self._routings: dict[str, Routing] = {}
        self._bytes: dict[Task, str] = {}
        self.measurements: list[Measurement] = []
        scoring, patches = model.config.scoring, math.prod(model.grid)
        if scoring.aggregation == "top_k" and scoring.top_k > patches:
            note(
                f"scoring.top_k is {scoring.top_k}, and pictures have {patches} patches: all count"
            )

    def learn(self, prototype: Prototype) -> None:
        """The router learns the next task of the sequence."""
        self._prototypes.append(prototype)

    def _digests(self) -> dict[Task, str]:
        """What scores of each task rest on, now: its base and its bank."""
        bases = {t: self.digests.of(b) for t, b in self._model.bases.items()}
        shared = bases[self._model.first]
        return {t: bases.get(t, shared) + self.digests.of(b) for t, b in self._model.banks.items()}

    def measure(self) -> list[Measurement]:
        """Measure all classes of the tasks learned so far; returns the new measurements.

        Raises:
            DivergedError: a score is not finite.
        """
        step = len(self._prototypes)
        self._begin(step)
        self._bytes = self._digests()
        new = [
            Measurement(step, j, name, metric, "step", routing, value)
            for j, seen in enumerate(self._sequence[:step])
            for name in seen
            if name in self._data
            for routing, values in self._measure(name, j).items()
            for metric, value in values.items()
        ]
        new += _step_means(new, step)
        self.measurements += new
        return new

    def finish(self) -> list[Measurement]:
        """Summaries of the whole sequence by every named definition."""
        new = _summaries(self.measurements, self._sequence)
        self.measurements += new
        return new

    def scores(self, name: str, task: Task) -> ClassScores:
        """Scores of a class's test pictures under a task's bank, as it is now."""
        key = (name, self._bytes[task])
        if key not in self._scores:
            self._scores[key] = self._compute_scores(name, task)
        return self._scores[key]

    def routed(self, name: str) -> RoutedScores:
        """A class's scores as router and banks are now."""
        return self._scores_under(name, self.routing(name).chosen)

    def maps(self, name: str, chosen: Int[np.ndarray, " n"]) -> Float[np.ndarray, "n s s"]:
        """Anomaly maps of a class's test pictures, picture i by the bank of task chosen[i]."""
        return self.maps_of(self._scores_under(name, chosen).patches)

    def maps_of(self, patches: Float[Tensor, "n h w"]) -> Float[np.ndarray, "n s s"]:
        """Anomaly maps of pictures whose patches have these scores."""
        return self._maps(patches).cpu().numpy()

    @property
    def prototypes(self) -> tuple[Prototype, ...]:
        """What the router knows of each task seen."""
        return tuple(self._prototypes)

    def routing(self, name: str) -> Routing:
        """Distances of a class's test pictures to the tasks seen, and the choices."""
        known = self._routings.get(name)
        done = 0 if known is None else known.distances.shape[1]
        means = self._tests[name].means.double()
        columns = [self._distance(name, means, t) for t in range(done, len(self._prototypes))]
        if known is None or columns:
            earlier = [] if known is None else [known.distances]
            stacked = [np.stack(columns, axis=1)] if columns else []
            distances = np.concatenate(earlier + stacked, axis=1)
            known = Routing(distances, distances.argmin(axis=1))
            self._routings[name] = known
        return known

    def score_digest(self, name: str, task: Task) -> str:
        """Hash of a class's patch scores under its own bank."""
        return tensors_digest([(name, self.scores(name, task).patches)])

    def truth(self, name: str) -> tuple[np.ndarray, np.ndarray | None]:
        """Which test pictures are anomalous (N,), and masks (N, S, S) where the class has any."""
        known = self._truths.of(name)
        return known.labels, None if known.regions is None else known.regions.masks

    def _begin(self, step: int) -> None:
        """Have the masks of all classes seen, and on a GPU of the next task's, read meanwhile."""
        near = [name for task in self._sequence[: step + self._ahead] for name in task]
        self._truths.begin(name for name in near if name in self._data)

    def _measure(self, name: str, own: int) -> dict[ChosenBy, dict[str, float]]:
        chosen = self.routing(name).chosen
        routed = self.metrics_under(name, chosen)
        routed = routed | {"routing_accuracy": float((chosen == own).mean())}
        return {"routed": routed, "oracle": self.metrics_under(name, np.full_like(chosen, own))}

    def metrics_under(self, name: str, chosen: np.ndarray) -> dict[str, float]:
        """Metrics of a class when picture i is scored by the bank of task chosen[i]."""
        tasks = sorted(set(chosen.tolist()))
        banks = [self._bytes[self._sequence[t]] for t in tasks]
        key = (name, *banks, chosen.tobytes().hex())
        if key not in self._metrics:
            self._metrics[key] = self._memory.metrics(
                name, chosen, len(self._prototypes), lambda: self._compute_metrics(name, chosen)
            )
        return self._metrics[key]

    def image_metrics_under(self, name: str, chosen: np.ndarray) -> dict[str, float]:
        """Those of `metrics_under` that need no masks: they cost next to nothing, and are not kept
        beyond this sequence."""
        limit = self._model.config.scoring.aupro_limit
        labels = self._truths.of(name).labels
        images = self._scores_under(name, chosen).images
        return detection_metrics(labels, images, None, None, limit)

    def contributions(self, name: str) -> Contributions:
        """What each test picture of a class contributes to its pixel metrics, as router and banks
        are now; empty for a class without masks."""
        if self._truths.of(name).regions is None:
            return {}
        chosen = self.routing(name).chosen
        return self._memory.contributions(
            name, chosen, len(self._prototypes), lambda: self._compute_contributions(name, chosen)
        )

    def _compute_contributions(self, name: str, chosen: np.ndarray) -> Contributions:
        regions = self._truths.of(name).regions
        assert regions is not None, "a class without masks has none"
        maps = self._maps(self._scores_under(name, chosen).patches)
        return contributions(regions, maps, self._model.config.scoring.aupro_limit)

    def _compute_metrics(self, name: str, chosen: np.ndarray) -> dict[str, float]:
        limit = self._model.config.scoring.aupro_limit
        known = self._truths.of(name)
        scores = self._scores_under(name, chosen)
        maps = None if known.regions is None else self._maps(scores.patches)
        return detection_metrics(known.labels, scores.images, known.regions, maps, limit)

    def _scores_under(self, name: str, chosen: Int[np.ndarray, " n"]) -> RoutedScores:
        """Of a class, picture i by the bank of task chosen[i]."""
        tasks = sorted(set(chosen.tolist()))
        return RoutedScores(chosen, {t: self.scores(name, self._sequence[t]) for t in tasks})

    def _maps(self, patches: Float[Tensor, "n h w"]) -> Float[Tensor, "n s s"]:
        config = self._model.config
        return anomaly_maps(patches.to(self._model.device), config.map_size, config.scoring)

    def _compute_scores(self, name: str, task: Task) -> ClassScores:
        scoring = self._model.config.scoring
        found = self._memory.likelihoods(
            name,
            self._sequence.index(task),
            len(self._prototypes),
            lambda: self._likelihoods(name, task),
        )
        patches = patch_scores(found.log_p, found.logdet, scoring)
        if not bool(torch.isfinite(patches).all()):
            bad = int((~torch.isfinite(patches)).flatten(1).any(dim=1).sum())
            raise DivergedError(
                f"scores of {name} under the bank of {task_name(task)} are not finite "
                f"for {bad} of {len(patches)} pictures",
                {"task": task_name(task), "class": name, "pictures": bad},
            )
        return ClassScores(patches, image_scores(patches, scoring).numpy())

    def _likelihoods(self, name: str, task: Task) -> Likelihoods:
        stored = self._tests[name].patches
        found, size = fitting(lambda size: self._in_batches(stored, size, task), self._batch)
        if size < self._batch:
            self._note(f"the GPU's memory is short: pictures are scored {size} at a time")
            self._batch = size
        return found

    @torch.inference_mode()
    def _in_batches(self, stored: Tensor, size: int, task: Task) -> Likelihoods:
        parts: list[tuple[Tensor, Tensor]] = []
        for batch in stored.split(size):
            there = batch.to(self._model.device)  # in the stored format, which is half as long
            parts.append(self._model.log_likelihood(there.float(), task))
        return Likelihoods(*(torch.cat(both).cpu() for both in zip(*parts, strict=True)))

    def _distance(self, name: str, means: RoutingFeatures, task: int) -> Float[np.ndarray, " n"]:
        if self._model.config.router.distance == "oracle":
            return np.full(len(means), 0.0 if name in self._sequence[task] else 1.0)
        return self._prototypes[task].squared_distance(means).numpy()


def _step_means(rows: list[Measurement], step: int) -> list[Measurement]:
    """Unweighted mean over the classes that have the metric."""
    groups: dict[tuple[str, ChosenBy], list[float]] = {}
    for row in rows:
        groups.setdefault((row.metric, row.routing), []).append(row.value)
    return [
        Measurement(step, -1, "", metric, "step_mean", routing, mean(values))
        for (metric, routing), values in groups.items()
    ]


def _summaries(rows: list[Measurement], sequence: tuple[Task, ...]) -> list[Measurement]:
    """Summaries of R for every metric and routing."""
    classes = [name for task in sequence for name in task]
    own = np.array([j for j, task in enumerate(sequence) for _ in task])
    found: list[Measurement] = []
    steps = [row for row in rows if row.definition == "step"]
    kinds: dict[tuple[str, ChosenBy], None] = {(row.metric, row.routing): None for row in steps}
    for metric, routing in kinds:
        matrix = np.full((len(sequence), len(classes)), np.nan)
        for row in steps:
            if (row.metric, row.routing) == (metric, routing):
                matrix[row.step - 1, classes.index(row.class_name)] = row.value
        found += [
            Measurement(len(sequence), -1, "", metric, definition, routing, value)
            for definition, value in continual_summary(matrix, own).items()
        ]
    return found
