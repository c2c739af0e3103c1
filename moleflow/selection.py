"""Pictures that settings may be chosen by: training pictures held out of training, and defects
drawn on them. Nothing of a test set has a part in it (docs/search.md)."""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from moleflow.config import Config
from moleflow.data.catalog import ClassData
from moleflow.data.decoding import FULL_DEPTH
from moleflow.data.defects import KINDS, drawn_defect
from moleflow.data.fraction import held_out
from moleflow.data.images import square_mask, square_pixels
from moleflow.features.backbone import Backbone
from moleflow.features.cache import EXTRACTION_BATCH, ClassFeatures, Features, image_features
from moleflow.metrics.regions import regions_of
from moleflow.streams import numpy_stream
from moleflow.truth import Truth
from moleflow.types import Tensor

FILE = "defects.safetensors"


def write_defects(
    data: ClassData,
    config: Config,
    backbone: Backbone,
    device: torch.device,
    bits: int | None,
    folder: Path,
) -> None:
    """Draw one defect of each kind on each held-out picture of a class, and write features and
    masks.

    Raises:
        DataError: a picture cannot be read.
    """
    backbone = backbone.to(device)
    places = sorted(held_out(len(data.train), config.data, data.name))
    found: dict[str, list[Tensor]] = {"patches": [], "means": [], "masks": []}
    pending: list[Tensor] = []
    for number, (place, kind) in enumerate((p, k) for p in places for k in KINDS):
        image = config.image
        pixels = square_pixels(data.train[place].path, image.size, image.resize, bits or FULL_DEPTH)
        stream = numpy_stream("defects", config.data.seed, data.name, place, kind)
        changed, mask = drawn_defect(kind, pixels.numpy(), stream)
        pending.append(torch.from_numpy(changed))
        found["masks"].append(torch.from_numpy(mask))
        if len(pending) == EXTRACTION_BATCH or number == len(places) * len(KINDS) - 1:
            patches, means = image_features(torch.stack(pending), config, backbone, device)
            found["patches"].append(patches)
            found["means"].append(means)
            pending = []
    masks = torch.stack(found.pop("masks"))
    tensors = {name: torch.cat(parts) for name, parts in found.items()} | {"masks": masks}
    save_file(tensors, folder / FILE)


def selection_features(
    name: str, features: ClassFeatures, config: Config, folder: Path
) -> tuple[Features, Truth]:
    """Of a class: of its held-out pictures, then of the defects drawn on them.

    Args:
        features: of the class, of all its training pictures.
        folder: that `write_defects` wrote.
    """
    drawn = load_file(folder / FILE)
    train, count = features.train, len(features.train.means)
    places = torch.tensor(sorted(held_out(count, config.data, name)))
    size = config.map_size
    defects = [square_mask(mask, size) for mask in drawn["masks"].numpy()]
    masks = np.stack([np.zeros((size, size), dtype=bool)] * len(places) + defects)
    labels = np.arange(len(masks)) >= len(places)
    return (
        Features(
            torch.cat([train.patches[places], drawn["patches"]]),
            torch.cat([train.means[places], drawn["means"]]),
        ),
        Truth(labels, regions_of(masks)),
    )
