"""Using a trained sequence: score new pictures, measure it on labelled ones, teach it a product.

`moleflow.load(folder).predict(images)` is the whole of it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool

from moleflow.config import Config
from moleflow.data.catalog import (
    ClassData,
    Picture,
    classes_in,
    fingerprint,
    open_catalog,
    open_training,
)
from moleflow.data.decoding import FULL_DEPTH
from moleflow.data.depth import class_depth
from moleflow.data.findings import said_of_cut_off
from moleflow.data.fraction import drawn
from moleflow.data.images import square_pixels
from moleflow.data.sequences import check_class_name, task_name
from moleflow.errors import ConfigError, DataError, DivergedError, ModelError, WeightsError
from moleflow.evaluation import SequenceEvaluation
from moleflow.features.backbone import Backbone, load_backbone, weights_identity
from moleflow.features.cache import Features, image_features, picture_features
from moleflow.learning import SequenceLearner
from moleflow.measurement import Measurement
from moleflow.saved import SavedModel, load_model, save_added_task
from moleflow.scoring import anomaly_maps, image_scores, patch_scores
from moleflow.training.train import EpochEnd
from moleflow.types import Float, Int, Tensor

BATCH = 16


@dataclass(frozen=True)
class Prediction:
    """What the model says of one picture."""

    image: Path
    score: float
    """Higher is more anomalous; comparable within one task only."""
    task: str
    """The task whose bank scored it: the router's choice, or the one that was asked for."""
    distances: dict[str, float]
    """Squared distance to every task, by name; empty where the task was asked for."""
    patches: Float[np.ndarray, "h w"]
    """Score of every patch, float32."""
    config: Config
    """The model's, which says how a map is made of them."""
    bits: int | None
    """That values of the picture were read with, were it a 16-bit one."""

    @property
    def map(self) -> Float[np.ndarray, "s s"]:
        """Anomaly map, float32, laid over the picture as `image.resize` cuts it."""
        return map_of(self.patches, self.config)


def map_of(patches: Float[np.ndarray, "h w"], config: Config) -> Float[np.ndarray, "s s"]:
    """The anomaly map of one picture's patch scores."""
    one = torch.from_numpy(patches).unsqueeze(0)
    return anomaly_maps(one, config.map_size, config.scoring)[0].numpy()


@dataclass(frozen=True)
class Unreadable:
    """A picture that could not be scored, and why."""

    image: Path
    reason: str


class Predictor:
    """A trained sequence, its backbone and a device."""

    def __init__(self, folder: Path, saved: SavedModel, weights: str | None, device: str):
        """Args:
        weights: where the backbone's weights lie now; None: where they lay.
        """
        self.folder = folder
        self.saved = saved
        self.device = torch_device(device)
        backbone = saved.model.config.backbone
        self._backbone_config = (
            backbone if weights is None else backbone.model_copy(update={"weights": weights})
        )
        saved.model.to(self.device)

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks, in the order in which they were learned."""
        return tuple(task_name(task) for task in self.saved.sequence)

    def predict(
        self, images: Sequence[str | Path], task: str | None = None
    ) -> Iterator[Prediction | Unreadable]:
        """Score pictures in their order, a batch at a time; one that cannot be read is reported.

        Nothing is kept of a picture once the next batch is asked for.

        Args:
            task: name of the task to score under; None lets the router choose for each picture.

        Raises:
            ModelError: the model has no such task, or its router is the oracle and none is named.
        """
        index = None if task is None else self._index(task)
        if index is None and self.saved.model.config.router.distance == "oracle":
            raise ModelError(
                "this model has no router (router.distance is oracle): name the task, "
                f"one of {', '.join(self.tasks)}"
            )
        return self._predictions([Path(image) for image in images], index)

    def _predictions(
        self, paths: Sequence[Path], index: int | None
    ) -> Iterator[Prediction | Unreadable]:
        for start in range(0, len(paths), BATCH):
            yield from self._predict_batch(paths[start : start + BATCH], index)

    def evaluate(
        self,
        data: str | Path,
        classes: Sequence[str] = (),
        say: Callable[[str], None] = lambda line: None,
    ) -> list[Measurement]:
        """Metrics of the classes of a labelled folder, routed and under the true task.

        Args:
            classes: to measure; none means all that the model has learned and the folder holds.
            say: told what is left out of the numbers.

        Raises:
            DataError, ModelError: the folder holds none of the model's classes, or lacks a named
                one; a class was not learned.
            DivergedError: a score is not finite.
        """
        known = [name for task in self.saved.sequence for name in task]
        foreign = [name for name in classes if name not in known]
        if foreign:
            raise ModelError(f"classes {', '.join(foreign)} were not learned; {self._known()}")
        catalog = open_catalog(Path(data), classes or self._learned(Path(data), say), say)
        found = {name: catalog[name] for name in known if name in catalog}
        tests = {name: self._features(data.test, self._bits(name)) for name, data in found.items()}
        saved = self.saved
        evaluation = SequenceEvaluation(saved.model, saved.sequence, found, tests)
        for prototype in saved.prototypes:
            evaluation.learn(prototype)
        measured = evaluation.measure()
        for name, one in found.items():
            cut = said_of_cut_off(_cut_off(one, evaluation.truth(name)[1]), one.masks)
            if cut:
                say(f"{name}: {cut}")
        return measured

    def _learned(self, data: Path, say: Callable[[str], None]) -> list[str]:
        """The classes of a folder that the model has learned.

        Raises:
            DataError: there is none.
        """
        known = [name for task in self.saved.sequence for name in task]
        there = classes_in(data)
        if not set(there).intersection(known):
            raise DataError(
                f"{data}: holds none of the model's classes ({', '.join(known)}); "
                "name the folder that holds them with --data"
            )
        for names, why in (
            ([name for name in there if name not in known], "not learned by this model"),
            ([name for name in known if name not in there], f"learned, and not in {data}"),
        ):
            if names:
                say(f"left out: {', '.join(names)} ({why})")
        return [name for name in there if name in known]

    def learn(self, data: str | Path, classes: Sequence[str]) -> Iterator[EpochEnd]:
        """Train a bank for a new task on a folder's pictures and add it to the model's folder.

        Nothing else changes a byte. With a frozen base the bank is the one that it would have been
        in the training sequence.

        Raises:
            ModelError: a class is known already, or the base is not frozen, so that learning would
                change what was learned.
            StudyError: a class's name could stand for something else.
            DataError: a class is missing or has too few pictures.
            DivergedError: a loss or gradient is not finite; the folder stays as it was.
            StoreError: the folder cannot be written; it stays as it was.
        """
        model, task = self.saved.model, tuple(sorted(classes))
        known = [name for t in self.saved.sequence for name in t if name in task]
        if known:
            raise ModelError(f"{', '.join(known)}: learned already; {self._known()}")
        if not model.config.freeze_base:
            raise ModelError(
                "freeze_base is false: learning a task would change the base under earlier banks; "
                "train the longer sequence anew"
            )
        for name in task:
            check_class_name(name)
        if task_name(task) in self.tasks:
            raise ModelError(f"{task_name(task)}: another task of this model has that name")
        catalog = open_training(Path(data), task)
        bits = {name: class_depth(catalog[name].train, model.config.image) for name in task}
        used = {name: drawn(len(catalog[name].train), model.config.data, name) for name in task}
        pictures = {name: [catalog[name].train[i] for i in used[name]] for name in task}
        learner = SequenceLearner(
            model, {name: self._features(pictures[name], bits[name]) for name in task}
        )
        try:
            yield from (epoch.end for epoch in learner.learn([task]))
            prototype = learner.prototype(task)
            prints = {name: fingerprint(catalog[name]) for name in task}
            self.saved = save_added_task(self.folder, self.saved, task, prototype, prints, bits)
        except BaseException:
            model.forget(task)
            raise

    @cached_property
    def _backbone(self) -> Backbone:
        found = weights_identity(self._backbone_config)
        if found != self.saved.manifest.weights:
            raise WeightsError(
                f"backbone.weights: {self._backbone_config.weights} is {found}, but the model was "
                f"trained with {self.saved.manifest.weights}; name that file with --weights"
            )
        return load_backbone(self._backbone_config).to(self.device)

    def _features(self, pictures: Sequence[Picture], bits: int | None) -> Features:
        config = self.saved.model.config
        found = picture_features(pictures, config, self._backbone, self.device, bits)
        self._check_shape(found.patches)
        return found

    def _check_shape(self, stored: Float[Tensor, "b h w c"]) -> None:
        """Raises:
        ModelError: pictures give other patches than the model was made for.
        """
        model = self.saved.model
        made = (*model.grid, model.config.patches.dim + model.channels)
        if tuple(stored.shape[1:]) != made:
            found = " x ".join(map(str, stored.shape[1:]))
            raise ModelError(
                f"{self.folder}: is for {made[0]} x {made[1]} patches of {made[2]} channels, but "
                f"its backbone makes {found} of a picture; restore the model from a copy"
            )

    def _bits(self, name: str) -> int | None:
        """That values of a class's 16-bit pictures use; None if it was trained on none."""
        found = {k: v for task in self.saved.manifest.tasks for k, v in task.bits.items()}
        return found.get(name)

    def _common_bits(self, index: int | None) -> int | None:
        """Those of a picture that may be of any class of a task, or of all; None if they differ."""
        tasks = self.saved.manifest.tasks if index is None else (self.saved.manifest.tasks[index],)
        found = {bits for task in tasks for bits in task.bits.values()} or {FULL_DEPTH}
        return found.pop() if len(found) == 1 else None

    def _index(self, task: str) -> int:
        if task not in self.tasks:
            raise ModelError(f"no task {task!r}; {self._known()}")
        return self.tasks.index(task)

    def _known(self) -> str:
        return f"this model's tasks are {', '.join(self.tasks)}"

    def _predict_batch(
        self, paths: Sequence[Path], index: int | None
    ) -> list[Prediction | Unreadable]:
        config = self.saved.model.config
        bits = self._common_bits(index)
        pictures: dict[int, Tensor] = {}
        answers: dict[int, Prediction | Unreadable] = {}
        for i, path in enumerate(paths):
            try:
                pictures[i] = square_pixels(path, config.image.size, config.image.resize, bits)
            except DataError as error:
                answers[i] = Unreadable(path, str(error))
        if pictures:
            scored = self._score([paths[i] for i in pictures], list(pictures.values()), index, bits)
            answers |= dict(zip(pictures, scored, strict=True))
        return [answers[i] for i in range(len(paths))]

    @torch.inference_mode()
    def _score(
        self, paths: list[Path], pictures: list[Tensor], index: int | None, bits: int | None
    ) -> list[Prediction]:
        saved, config = self.saved, self.saved.model.config
        stored, means = image_features(torch.stack(pictures), config, self._backbone, self.device)
        self._check_shape(stored)
        distances = None
        chosen = torch.full((len(paths),), -1 if index is None else index)
        if index is None:
            distances = torch.stack(
                [prototype.squared_distance(means.double()) for prototype in saved.prototypes],
                dim=1,
            )
            chosen = distances.argmin(dim=1)
        patches = self._patch_scores(stored, chosen)
        if not bool(torch.isfinite(patches).all()):
            raise DivergedError("scores are not finite; was the training sound?", {})
        images = image_scores(patches, config.scoring)
        return [
            Prediction(
                path,
                float(images[i]),
                self.tasks[int(chosen[i])],
                {}
                if distances is None
                else dict(zip(self.tasks, distances[i].tolist(), strict=True)),
                patches[i].numpy(),
                config,
                bits,
            )
            for i, path in enumerate(paths)
        ]

    def _patch_scores(
        self, stored: Float[Tensor, "b h w c"], chosen: Int[Tensor, " b"]
    ) -> Float[Tensor, "b h w"]:
        """Scores of each picture's patches under its task's bank."""
        model = self.saved.model
        scores = torch.empty(stored.shape[:-1])
        for t in chosen.unique().tolist():
            batch = stored[chosen == t].to(self.device, torch.float32)
            log_p, logdet = model.log_likelihood(batch, self.saved.sequence[t])
            scores[chosen == t] = patch_scores(log_p, logdet, model.config.scoring).cpu()
        return scores


def _cut_off(data: ClassData, masks: Bool[np.ndarray, "n s s"] | None) -> list[Picture]:
    """Pictures whose mask marks nothing in the square."""
    if masks is None:
        return [picture for picture in data.test if picture.mask is not None and data.has_masks]
    pairs = zip(data.test, masks, strict=True)
    return [picture for picture, mask in pairs if picture.mask is not None and not mask.any()]


def load(folder: str | Path, weights: str | None = None, device: str = "cpu") -> Predictor:
    """A saved model, ready for use.

    Args:
        weights: where the backbone's weights lie now; None: where they lay at training.
        device: `cpu` or `cuda`.

    Raises:
        ModelError: no model there, another format, or a damaged file.
        ConfigError: no such device.
    """
    return Predictor(Path(folder), load_model(Path(folder)), weights, device)


def torch_device(name: str) -> torch.device:
    """The device of that name.

    Raises:
        ConfigError: neither `cpu` nor `cuda`, or there is no GPU.
    """
    if name not in ("cpu", "cuda"):
        raise ConfigError(f"device {name!r}: choose cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device cuda: this machine has no GPU that torch can use; choose cpu")
    return torch.device(name)
