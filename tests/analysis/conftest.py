"""Finished sequences, trained for real on small pictures."""

import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from moleflow import profiles
from moleflow.analysis.subject import Subject
from moleflow.config import Config
from moleflow.data.catalog import open_catalog
from moleflow.features.backbone import load_backbone
from moleflow.features.cache import ClassFeatures, extract_features, open_features
from moleflow.router import task_prototype
from moleflow.saved import new_model
from moleflow.streams import numpy_stream
from moleflow.training.train import train_task

Make = Callable[..., Subject]


def drawn_class(root: Path, name: str, level: int, without_masks: bool) -> None:
    """Noise around a grey level; anomalous pictures have a bright spot, each of another size."""
    draws = numpy_stream("analysis pictures", name)
    for split, defect, count in (("train", "good", 6), ("test", "good", 4), ("test", "spot", 4)):
        folder = root / name / split / defect
        folder.mkdir(parents=True)
        for i in range(count):
            pixels = draws.normal(level, 20, size=(64, 64, 3))
            mask = np.zeros((64, 64), dtype=np.uint8)
            if defect == "spot":
                side = 4 + 8 * i
                mask[16 : 16 + side, 20 : 20 + side] = 255
                pixels[mask > 0] += 70
                truth = root / name / "ground_truth" / defect
                if not without_masks:
                    truth.mkdir(parents=True, exist_ok=True)
                    Image.fromarray(mask).save(truth / f"{i}_mask.png")
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{i}.png")


def smallest() -> Config:
    return profiles.main().updated(
        {
            "image.size": 64,
            "backbone.name": "resnet18",
            "backbone.weights": "random",
            "backbone.stages": ["layer1", "layer2"],
            "patches.dim": 16,
            "patches.grid": "last",
            "flow.blocks": 2,
            "flow.context_kernel": 3,
            "flow.train_global_affine": True,
            "lora.rank": 4,
            "training.epochs": 4,
            "training.batch_size": 4,
            "training.lr": 5e-3,
            "scoring.smoothing": 1.0,
        }
    )


@pytest.fixture(scope="session")
def draw_class() -> Callable[..., None]:
    """Writes the pictures of a class: (root, name, grey level, without_masks)."""
    return drawn_class


@pytest.fixture(scope="session")
def small_config() -> Config:
    """Every part of the method, on a grid on which texture can be measured."""
    return smallest()


@pytest.fixture(scope="session")
def make_subject(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Trains a sequence of tasks; equal arguments give the same finished sequence."""

    @cache
    def pictures(classes: tuple[str, ...], without_masks: bool) -> Path:
        root = tmp_path_factory.mktemp("pictures")
        for i, name in enumerate(classes):
            drawn_class(root, name, 50 + 140 * i // max(1, len(classes) - 1), without_masks)
        return root

    @cache
    def features(root: Path, config: Config) -> dict[str, ClassFeatures]:
        found: dict[str, ClassFeatures] = {}
        backbone = load_backbone(config.backbone)
        for name, data in open_catalog(root).items():
            folder = Path(tempfile.mkdtemp(dir=root.parent))
            extract_features(data, config, backbone, torch.device("cpu"), folder)
            found[name] = open_features(folder)
        return found

    @cache
    def train(
        sequence: tuple[tuple[str, ...], ...], config: Config, without_masks: bool
    ) -> Subject:
        root = pictures(tuple(sorted(name for task in sequence for name in task)), without_masks)
        parts = {"image", "backbone", "patches", "multiscale"}
        found = features(root, Config(**{part: getattr(config, part) for part in parts}))
        model = new_model(config, found, 0, sequence[0])
        for task in sequence:
            list(train_task(model, task, [found[name].train.patches for name in task]))
        means = [[found[name].train.means for name in task] for task in sequence]
        return Subject(
            model=model,
            sequence=sequence,
            features=found,
            data=open_catalog(root),
            prototypes=tuple(task_prototype(m, config.router) for m in means),
            seconds={("base", sequence[0][0]): 12.5},
            peak_memory=300 * 2**20,
        )

    def make(
        classes: Sequence[str] = ("bottle", "cable", "wood"),
        without_masks: bool = False,
        tasks: Sequence[Sequence[str]] = (),
        **settings: object,
    ) -> Subject:
        fields = {name.replace("__", "."): value for name, value in settings.items()}
        sequence = tuple(map(tuple, tasks)) or tuple((name,) for name in classes)
        return train(sequence, smallest().updated(fields), without_masks)

    return make


@pytest.fixture
def subject(make_subject: Make) -> Subject:
    """Three tasks of one class each, every part of the method."""
    return make_subject()
