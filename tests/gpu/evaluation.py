"""Evaluation on a device: the numbers of the CPU, and what 15 classes of MVTec AD's sizes take."""

import dataclasses
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from sklearn.metrics import average_precision_score, roc_auc_score
from torch.nn import functional as F

from moleflow import profiles
from moleflow.config import Config
from moleflow.config_parts import ScoringConfig
from moleflow.data.pictures import GOOD, ClassData, Picture
from moleflow.evaluation import SequenceEvaluation
from moleflow.features.backbone import load_backbone
from moleflow.features.cache import Features, image_features
from moleflow.metrics.contributions import contributions
from moleflow.metrics.detection import detection_metrics
from moleflow.metrics.regions import regions_of
from moleflow.model import MoLEFlow
from moleflow.router import Prototype, task_prototype
from moleflow.scoring import anomaly_maps, image_scores, patch_scores
from moleflow.streams import numpy_stream
from moleflow.truth import read_truth
from moleflow.types import Tensor
from tests.gpu.findings import Check, Figure, Finding, Skipped, within
from tests.gpu.place import Place

MVTEC_TEST = (
    *((20, 63), (58, 92), (23, 109), (28, 89), (21, 57), (40, 70), (32, 92), (22, 93)),
    *((26, 141), (41, 119), (33, 84), (12, 30), (60, 40), (19, 60), (32, 119)),
)
"""Good and anomalous test pictures of the 15 classes of MVTec AD: 467 and 1,258."""
LIMITS = {"maps": 2e-7, "metrics": 1e-9, "float32": 5e-4, "tf32": 5e-2, "bfloat16": 0.5}
"""Most that may differ from the CPU: maps, relative; metrics of the same scores; metrics of a whole
evaluation in a precision, for which ranks may change with roundings."""


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How large the evaluation is."""

    classes: tuple[tuple[int, int], ...] = MVTEC_TEST
    """Good and anomalous test pictures of each class."""
    side: int = 28
    """Patches on a side."""
    dim: int = 768
    pixels: int = 224
    """On a side of maps and masks."""
    changes: Mapping[str, Any] = dataclasses.field(default_factory=dict[str, Any])
    """Config fields other than `main`'s."""

    def config(self, precision: str) -> Config:
        fields = {"patches.dim": self.dim, "image.size": self.pixels}
        return profiles.main().updated(fields | {"compute.precision": precision} | self.changes)


TINY = Sizes(((4, 3), (3, 4), (5, 5)), 4, 16, 32, {"flow.blocks": 2, "lora.rank": 2})


def maps_differ(device: torch.device, sizes: Sizes, images: int = 20) -> dict[str, float]:
    """A device's maps against the CPU's and scipy's: largest relative differences, and the share
    of pixels that are not the CPU's to the last bit."""
    patches = 700 + 50 * torch.randn(images, sizes.side, sizes.side)
    found = anomaly_maps(patches.to(device), sizes.pixels, ScoringConfig()).cpu()
    on_cpu = anomaly_maps(patches, sizes.pixels, ScoringConfig())
    square = (sizes.pixels, sizes.pixels)
    large = F.interpolate(patches.double().unsqueeze(1), square, mode="bilinear")
    by_scipy = torch.from_numpy(gaussian_filter(large.squeeze(1).numpy(), (0, 4, 4)))
    return {
        "from CPU": float(((found - on_cpu) / on_cpu).abs().max()),
        "from scipy": float(((found - by_scipy) / by_scipy).abs().max()),
        "share of bits": float((found != on_cpu).float().mean()),
    }


def metrics_differ(device: torch.device, sizes: Sizes, images: int = 80) -> dict[str, float]:
    """Largest difference of a device's metrics, and of what pictures contribute to them, from the
    CPU's on the same scores (distinct ones, tied ones, and float64), and of AUROC and AP from
    scikit-learn's."""
    draws = numpy_stream("gpu metrics")
    regions = regions_of(discs(images, sizes.pixels))
    labels, scores = regions.masks.any(axis=(1, 2)), draws.normal(size=images)
    smooth = gaussian_filter(draws.normal(size=regions.tags.shape) * 8 + regions.masks, (0, 4, 4))
    maps = torch.from_numpy(smooth)
    differences: dict[str, float] = {}
    for name, kind in {
        "distinct": maps.float(),
        "tied": (maps.float() * 8).round(),
        "float64": maps,
    }.items():
        one = detection_metrics(labels, scores, regions, kind, 0.3)
        other = detection_metrics(labels, scores, regions, kind.to(device), 0.3)
        differences[name] = max(abs(one[key] - other[key]) for key in one)
        here, there = (contributions(regions, of, 0.3) for of in (kind, kind.to(device)))
        differences[f"{name}, by picture"] = max(float(abs(here[m] - there[m]).max()) for m in here)
    flat, truth = smooth.astype(np.float32).ravel(), regions.masks.ravel()
    ours = detection_metrics(labels, scores, regions, maps.float().to(device), 0.3)
    differences["scikit-learn"] = max(
        abs(roc_auc_score(truth, flat) - ours["pixel_auroc"]),
        abs(average_precision_score(truth, flat) - ours["pixel_ap"]),
    )
    return differences


def evaluations_differ(device: torch.device, sizes: Sizes, precision: str) -> dict[str, float]:
    """Largest difference, over all measurements of a sequence, of a device from the CPU's float32;
    the same on the device twice must be 0."""
    small = dataclasses.replace(sizes, classes=((6, 10), (8, 12)))
    with scene(torch.device("cpu"), small, "float32") as on_cpu:
        wanted = measured(on_cpu)
    with scene(device, small, precision) as there:
        found, again = measured(there), measured(there)
    return {
        "from CPU": max(abs(found[key] - wanted[key]) for key in wanted),
        "from itself": max(abs(found[key] - again[key]) for key in found),
    }


def halves_when_memory_is_short(device: torch.device, sizes: Sizes) -> list[str]:
    """What is noted of an evaluation to which the device gives little memory; its numbers must be
    the others'. CUDA alone."""
    notes: list[str] = []
    with scene(device, dataclasses.replace(sizes, classes=sizes.classes[:1]), "float32") as one:
        wanted = measured(one)
        torch.cuda.empty_cache()
        total = torch.cuda.get_device_properties(device).total_memory
        # Enough for some pictures of a batch: a tenth of what a whole one took.
        little = torch.cuda.memory_allocated(device) + 2**30
        torch.cuda.set_per_process_memory_fraction(little / total)
        try:
            found = measured(dataclasses.replace(one, note=notes.append))
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)
    notes.append(f"differs by {max(abs(found[key] - wanted[key]) for key in wanted):.3g}")
    return notes


def evaluation_takes(device: torch.device, sizes: Sizes, precision: str) -> dict[str, float]:
    """Seconds of the evaluation of a whole sequence, as a trial does it after each task, and of its
    parts done one after another."""
    with scene(device, sizes, precision) as stage:
        parts: dict[str, float] = {}
        evaluation, scoring = stage.evaluation(), stage.model.config.scoring
        for task, (name,) in enumerate(stage.sequence):
            clock = Clock(device, parts)
            likelihoods = evaluation._likelihoods(name, (name,))
            scores = patch_scores(likelihoods.log_p, likelihoods.logdet, scoring)
            images = image_scores(scores, scoring).numpy()
            clock.stop("likelihoods")
            truth = read_truth(stage.data[name], stage.model.config)
            clock.stop("masks and regions")
            maps = anomaly_maps(scores.to(device), sizes.pixels, scoring)
            clock.stop("maps")
            detection_metrics(truth.labels, images, truth.regions, maps, 0.3)
            clock.stop("metrics")
            contributions(truth.regions, maps, 0.3)
            clock.stop("contributions")
            evaluation.learn(stage.prototypes[task])
            evaluation.routing(name)
            clock.stop("routing")
        clock = Clock(device, parts)
        measured(stage)
        clock.stop("whole")
    if device.type == "cuda":
        parts["peak GB"] = torch.cuda.max_memory_allocated(device) / 1e9
    return parts


def extraction_takes(
    device: torch.device, precision: str, name: str, pixels: int, batch: int, last: bool
) -> dict[str, float]:
    """Pictures per second of an untrained backbone, from bytes in memory to stored patches.

    Args:
        last: whether channels are the last axis in memory.
    """
    config = profiles.main().updated({"image.size": pixels, "backbone.weights": "random"})
    config = config.updated({"backbone.name": name, "backbone.precision": precision})
    backbone = load_backbone(config.backbone).to(device)
    if last:
        backbone._layout = torch.channels_last
        backbone._model.to(memory_format=torch.channels_last)
    images = torch.randint(256, (batch, pixels, pixels, 3), dtype=torch.uint8)
    found: dict[str, float] = {}
    for _ in range(2):
        clock = Clock(device, found)
        image_features(images, config, backbone, device)
        found.clear()
        clock.stop("seconds")
    return {"pictures/s": batch / found["seconds"]}


class Clock:
    """Adds up what parts take, until the device has done them."""

    def __init__(self, device: torch.device, parts: dict[str, float]):
        self._wait: Callable[[], object] = (
            torch.cuda.synchronize if device.type == "cuda" else lambda: None
        )
        self._parts = parts
        self._since = time.perf_counter()

    def stop(self, part: str) -> None:
        self._wait()
        now = time.perf_counter()
        self._parts[part] = self._parts.get(part, 0.0) + now - self._since
        self._since = now


@dataclasses.dataclass(frozen=True)
class Scene:
    """A model that knows all classes, and what it is to be evaluated on."""

    model: MoLEFlow
    sequence: tuple[tuple[str], ...]
    data: dict[str, ClassData]
    tests: dict[str, Features]
    prototypes: list[Prototype]
    note: Callable[[str], None] = lambda text: None

    def evaluation(self) -> SequenceEvaluation:
        return SequenceEvaluation(self.model, self.sequence, self.data, self.tests, note=self.note)


def measured(stage: Scene) -> dict[tuple[Any, ...], float]:
    """All measurements, taken after each task as a trial takes them."""
    evaluation = stage.evaluation()
    for prototype in stage.prototypes:
        evaluation.learn(prototype)
        evaluation.measure()
    evaluation.finish()
    return {
        (m.step, m.class_name, m.metric, m.definition, m.routing): m.value
        for m in evaluation.measurements
    }


@contextmanager
def scene(device: torch.device, sizes: Sizes, precision: str) -> Iterator[Scene]:
    """Untrained banks, features drawn by class, and masks in files."""
    config = sizes.config(precision)
    names = [f"class{i:02}" for i in range(len(sizes.classes))]
    sequence = tuple((name,) for name in names)
    model = MoLEFlow(config, (sizes.side, sizes.side), 0, sequence[0]).to(device)
    tests: dict[str, Features] = {}
    prototypes: list[Prototype] = []
    with tempfile.TemporaryDirectory() as folder:
        data = {
            name: class_of(name, Path(folder), sizes.classes[i], sizes.pixels)
            for i, name in enumerate(names)
        }
        for name in names:
            model.new_bank((name,))
            tests[name], train = features_of(name, data[name], sizes)
            prototypes.append(task_prototype([train], config.router))
        yield Scene(model, sequence, data, tests, prototypes)


def class_of(name: str, folder: Path, counts: tuple[int, int], pixels: int) -> ClassData:
    """Test pictures that need not exist, since features are given, and their masks."""
    good, bad = counts
    pictures = [Picture(folder / f"{name}_{i}.png", GOOD) for i in range(good)]
    for i, mask in enumerate(discs(bad, pixels, every=1)):
        path = folder / f"{name}_{i}_mask.png"
        Image.fromarray(mask).save(path)
        pictures.append(Picture(folder / f"{name}_{good + i}.png", "disc", path))
    return ClassData(name, (), tuple(pictures))


def features_of(name: str, data: ClassData, sizes: Sizes) -> tuple[Features, Tensor]:
    """Test features about a centre of the class's own, further from it where a picture is
    anomalous; and means of training pictures."""
    draws = torch.Generator().manual_seed(int(name[5:]))
    centre = torch.randn(sizes.dim, generator=draws)
    few = torch.randn(8, sizes.side, sizes.side, sizes.dim, generator=draws)
    patches = torch.empty(len(data.test), *few.shape[1:], dtype=torch.float16)
    for i, picture in enumerate(data.test):
        patches[i] = few[i % len(few)].roll(i, 0) * (1.3 if picture.anomalous else 1.0) + centre
    train = centre + 0.1 * torch.randn(200, sizes.dim, generator=draws)
    return Features(patches, patches.float().mean(dim=(1, 2))), train


def discs(images: int, pixels: int, every: int = 4) -> np.ndarray:
    """Masks with two discs each; of every so many, one is left empty."""
    draws = numpy_stream("discs", images)
    rows, columns = np.mgrid[:pixels, :pixels]
    masks = np.zeros((images, pixels, pixels), dtype=bool)
    for i, mask in enumerate(masks):
        if every > 1 and i % every == 0:
            continue
        for y, x in draws.integers(pixels // 10, pixels - pixels // 10, (2, 2)):
            mask |= (rows - y) ** 2 + (columns - x) ** 2 < (pixels / 16) ** 2
    return masks


def evaluation(place: Place) -> Iterator[Finding]:
    """Every check and every time, one after another."""
    device, sizes = place.device, TINY if place.tiny else Sizes()
    for what, differ in (("maps", maps_differ), ("metrics", metrics_differ)):
        for name, found in differ(device, sizes).items():
            yield within(f"{what} of the same scores, {name}", found, LIMITS[what])
    few = TINY if place.tiny else dataclasses.replace(sizes, classes=sizes.classes[:2])
    for each in place.precisions:
        for name, found in evaluations_differ(device, few, each).items():
            limit = LIMITS[each] if name == "from CPU" else 0.0
            yield within(f"metrics of an evaluation in {each}, {name}", found, limit)
    if place.cuda:
        said = halves_when_memory_is_short(device, few)
        yield Check("little memory halves a batch", bool(said), "; ".join(said), "said so")
    else:
        yield Skipped("little memory halves a batch")
    precision = place.precisions[-1]
    yield Figure(f"evaluation, main, {precision}, s", evaluation_takes(device, sizes, precision))
    name, batch = ("wide_resnet50_2", 64) if place.cuda else ("resnet18", 2)
    for each in place.precisions:
        for last in (False, True):
            speed = extraction_takes(device, each, name, sizes.pixels, batch, last)
            yield Figure(f"extraction, {name}, {each}{', channels last' if last else ''}", speed)
