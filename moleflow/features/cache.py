"""Features of one class on disk, memory-mapped, so that all trials of a node share one copy.

Features are constants: the backbone is frozen and there is no augmentation (METHOD 1). They are
extracted once per (data, backbone, patch settings) and read from then on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from moleflow.config import Config
from moleflow.data.catalog import ClassData, Picture
from moleflow.data.images import load_picture
from moleflow.features.backbone import Backbone
from moleflow.features.patches import patch_vectors
from moleflow.types import Float, Tensor

EXTRACTION_BATCH = 16
SPLITS = ("train", "test")


@dataclass(frozen=True)
class Features:
    """Features of one split of one class."""

    patches: Float[Tensor, "n h w d"]
    """Patch vectors, in the stored number format, memory-mapped."""
    means: Float[Tensor, "n d"]
    """Mean over the grid, float32, taken before rounding to the stored format: for routing."""


@dataclass(frozen=True)
class ClassFeatures:
    """Features of one class."""

    train: Features
    test: Features


def extract_features(
    data: ClassData,
    config: Config,
    backbone: Backbone,
    device: torch.device,
    folder: Path,
    advance: Callable[[int], None] = lambda count: None,
) -> None:
    """Run the backbone over a class and write `train.safetensors` and `test.safetensors`."""
    backbone = backbone.to(device)
    dtype = torch.float16 if config.patches.dtype == "float16" else torch.float32
    for split, pictures in zip(SPLITS, (data.train, data.test), strict=True):
        patches: list[Tensor] = []
        means: list[Tensor] = []
        for start in range(0, len(pictures), EXTRACTION_BATCH):
            batch = pictures[start : start + EXTRACTION_BATCH]
            vectors = _vectors(batch, config, backbone, device)
            patches.append(vectors.to(dtype))
            means.append(vectors.mean(dim=(1, 2)))
            advance(len(batch))
        tensors = {"patches": torch.cat(patches), "means": torch.cat(means)}
        save_file(tensors, folder / f"{split}.safetensors")


def _vectors(
    pictures: tuple[Picture, ...], config: Config, backbone: Backbone, device: torch.device
) -> Float[Tensor, "b h w d"]:
    images = torch.stack(
        [load_picture(p.path, config.image.size, config.image.resize) for p in pictures]
    )
    return patch_vectors(backbone(images.to(device)), config.patches).cpu()


def open_features(folder: Path) -> ClassFeatures:
    """Map the files of a class into memory; nothing is read until it is used."""
    return ClassFeatures(*(_open(folder / f"{split}.safetensors") for split in SPLITS))


def _open(path: Path) -> Features:
    with safe_open(path, framework="pt") as file:
        return Features(patches=file.get_tensor("patches"), means=file.get_tensor("means"))
