"""Regions of masks: what AUPRO weighs alike, whatever their areas (docs/method.md, 8.2)."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Integer
from scipy import ndimage
from torch import Tensor

EIGHT_CONNECTED_WITHIN_AN_IMAGE = np.stack(
    [np.zeros((3, 3), bool), np.ones((3, 3), bool), np.zeros((3, 3), bool)]
)


@dataclass(frozen=True)
class Regions:
    """The anomalous regions of a class's test pictures."""

    tags: Integer[Tensor, "n h w"]
    """Number of each pixel's region, 0 where it is normal; in the smallest format that holds it."""
    areas: Integer[np.ndarray, " tags"]
    """Pixels of each number."""

    @property
    def masks(self) -> Bool[np.ndarray, "n h w"]:
        """What they are the regions of."""
        return (self.tags != 0).numpy()


def regions_of(masks: Bool[np.ndarray, "n h w"]) -> Regions:
    """The 8-connected regions of masks.

    Raises:
        ValueError: the masks are not those of several images.
    """
    masks = np.asarray(masks)
    if masks.ndim != 3:
        raise ValueError(f"masks have shape {masks.shape}; expected (images, height, width)")
    tags = np.empty(masks.shape, np.int32)
    ndimage.label(masks, structure=EIGHT_CONNECTED_WITHIN_AN_IMAGE, output=tags)
    areas = np.bincount(tags.ravel())
    small = tags.astype(np.int16) if len(areas) <= 2**15 else tags
    return Regions(torch.from_numpy(small), areas)
