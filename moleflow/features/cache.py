"""Features of one class on disk, memory-mapped, so that all trials of a node share one copy.

Features are constants: the backbone is frozen and there is no augmentation (docs/method.md, 1).
They are extracted once per (data, backbone, patch settings) and read from then on.
"""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from moleflow.config import Config
from moleflow.config_parts import DataConfig
from moleflow.data.ahead import done_ahead
from moleflow.data.catalog import ClassData, Picture
from moleflow.data.decoding import FULL_DEPTH
from moleflow.data.depth import class_depth
from moleflow.data.fraction import drawn
from moleflow.data.images import normalised, square_pixels
from moleflow.errors import ConfigError
from moleflow.features.backbone import Backbone
from moleflow.features.patches import patch_grid, patch_vectors, raw_maps
from moleflow.layers.precision import check_precision
from moleflow.types import Float, Tensor, UInt8

EXTRACTION_BATCH = 16
GPU_EXTRACTION_BATCH = 64
"""Pictures that go through the backbone together."""
SPLITS = ("train", "test")


@dataclass(frozen=True)
class Features:
    """Features of one split of one class."""

    patches: Float[Tensor, "n h w c"]
    """Patch vectors (and raw maps, where used), in the stored number format, memory-mapped."""
    means: Float[Tensor, "n d"]
    """Mean over the grid, float32, taken before rounding to the stored format: for routing."""


@dataclass(frozen=True)
class ClassFeatures:
    """Features of one class."""

    train: Features
    test: Features
    bits: int | None = None
    """Bits that values of its 16-bit pictures were read with; None if it is trained on none."""

    def drawn(self, config: DataConfig, name: str) -> "ClassFeatures":
        """With the training pictures that are used only: copied to memory, if not all are."""
        if config.fraction == 1.0 and not config.held_out:
            return self
        places = torch.tensor(drawn(len(self.train.means), config, name))
        train = Features(self.train.patches[places], self.train.means[places])
        return replace(self, train=train)


def extract_features(
    data: ClassData,
    config: Config,
    backbone: Backbone,
    device: torch.device,
    folder: Path,
    advance: Callable[[int], None] = lambda count: None,
) -> None:
    """Run the backbone over a class and write `train.safetensors` and `test.safetensors`, the
    latter with no pictures for a class that has none."""
    backbone, bits = backbone.to(device), class_depth(data.train, config.image)
    metadata = {} if bits is None else {"bits": str(bits)}
    none: dict[str, Tensor] = {}
    for split, pictures in zip(SPLITS, (data.train, data.test), strict=True):
        tensors = none
        if pictures:
            found = picture_features(pictures, config, backbone, device, bits, advance)
            tensors = {"patches": found.patches, "means": found.means}
        none = {name: tensor[:0].clone() for name, tensor in tensors.items()}
        save_file(tensors, folder / f"{split}.safetensors", metadata)


def picture_features(
    pictures: Sequence[Picture],
    config: Config,
    backbone: Backbone,
    device: torch.device,
    bits: int | None,
    advance: Callable[[int], None] = lambda count: None,
) -> Features:
    """Features of pictures, in their order, in memory.

    Args:
        bits: that values of 16-bit files use; None: all.

    Raises:
        DataError: a picture cannot be read.
    """
    size = GPU_EXTRACTION_BATCH if device.type == "cuda" else EXTRACTION_BATCH
    patches: list[Tensor] = []
    means: list[Tensor] = []

    def pixels_of(picture: Picture) -> UInt8[Tensor, "s s 3"]:
        image = config.image
        return square_pixels(picture.path, image.size, image.resize, bits or FULL_DEPTH)

    decoded = done_ahead(pixels_of, pictures, 2 * size)
    with closing(decoded):
        while batch := list(islice(decoded, size)):
            stored, mean = image_features(torch.stack(batch), config, backbone, device)
            patches.append(stored)
            means.append(mean)
            advance(len(batch))
    return Features(torch.cat(patches), torch.cat(means))


def image_features(
    pixels: UInt8[Tensor, "b s s 3"], config: Config, backbone: Backbone, device: torch.device
) -> tuple[Float[Tensor, "b h w c"], Float[Tensor, "b d"]]:
    """What is kept of pictures: patch vectors in the stored format, and their mean for routing.

    With multi-scale context the raw maps' channels follow the D channels of a patch.

    Raises:
        ConfigError: the device does not multiply as `backbone.precision` asks, or features do not
            fit the stored format.
    """
    check_precision(config.backbone.precision, device, "backbone.precision")
    there = pixels if device.type == "cpu" else pixels.pin_memory().to(device, non_blocking=True)
    maps = backbone(normalised(there))
    vectors = patch_vectors(maps, config.patches)
    means = vectors.mean(dim=(1, 2)).cpu()
    if config.multiscale != "off":
        raw = raw_maps(maps, patch_grid(maps, config.patches))
        vectors = torch.cat([vectors, raw], dim=-1)
    dtype = torch.float16 if config.patches.dtype == "float16" else torch.float32
    return _stored(vectors, dtype).cpu(), means


def _stored(vectors: Tensor, dtype: torch.dtype) -> Tensor:
    """Raises:
    ConfigError: a value is too large for the format.
    """
    stored = vectors.to(dtype)
    if not bool(torch.isfinite(stored).all()):
        raise ConfigError(
            f"patches.dtype: features up to {float(vectors.abs().max()):.3g} do not fit {dtype}; "
            "use --set patches.dtype=float32"
        )
    return stored


def open_features(folder: Path) -> ClassFeatures:
    """Map the files of a class into memory; nothing is read until it is used."""
    train, test = (folder / f"{split}.safetensors" for split in SPLITS)
    with safe_open(train, framework="pt") as file:
        bits = (file.metadata() or {}).get("bits")
    return ClassFeatures(_open(train), _open(test), None if bits is None else int(bits))


def _open(path: Path) -> Features:
    with safe_open(path, framework="pt") as file:
        return Features(patches=file.get_tensor("patches"), means=file.get_tensor("means"))
