"""Real PNG files of three small classes, and a sequence trained on two of them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from moleflow import profiles
from moleflow.config import Config
from moleflow.streams import numpy_stream

LEVELS = {"bottle": 60, "cable": 160, "wood": 110}


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MVTec layout: 8 normal pictures to train on, 4 normal and 4 anomalous ones to test."""
    root = tmp_path_factory.mktemp("pictures")
    for name, level in LEVELS.items():
        draws = numpy_stream("models", name)
        for split, defect, count in (
            ("train", "good", 8),
            ("test", "good", 4),
            ("test", "hole", 4),
        ):
            for i in range(count):
                noise = draws.normal(level, 25, size=(64, 80, 3))
                mask = np.zeros((64, 80), dtype=np.uint8)
                if defect == "hole":
                    mask[20:36, 30:50] = 255
                    noise[mask > 0] += 60
                    _save(mask, root / name / "ground_truth" / defect / f"{i}_mask.png")
                _save(
                    noise.clip(0, 255).astype(np.uint8), root / name / split / defect / f"{i}.png"
                )
    return root


def _save(pixels: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture(scope="session")
def small() -> Config:
    """Seconds to train, from the pictures on."""
    return profiles.quick().updated(
        {
            "image.size": 64,
            "backbone.weights": "random",
            "patches.dim": 16,
            "flow.blocks": 2,
            "lora.rank": 2,
            "position": "none",
            "training.epochs": 4,
            "training.batch_size": 4,
            "scoring.smoothing": 1.0,
        }
    )


@pytest.fixture(scope="session")
def settings(small: Config) -> list[str]:
    """The same at the command line; sums differ in their last bits with the number of threads."""
    quick = profiles.quick().flat()
    changed = {k: v for k, v in small.flat().items() if quick[k] != v}
    return [
        *("--threads", "1", "--profile", "quick"),
        *("--set", *(f"{k}={v}" for k, v in changed.items())),
    ]
