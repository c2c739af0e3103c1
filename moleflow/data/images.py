"""From a file to a square tensor or mask (METHOD 1.1). Pictures and masks share one geometry."""

from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from PIL import Image
from torch import Tensor

from moleflow.data.decoding import decode_mask, eight_bit
from moleflow.data.opening import open_pixels

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

Resize = Literal["squash", "crop"]
Box = tuple[float, float, float, float]


def open_square(path: Path, size: int, resize: Resize) -> Image.Image:
    """A picture as RGB, resized bilinearly with antialias.

    `squash` stretches it to s x s; `crop` resizes the short side to s and cuts out the centre.

    Raises:
        DataError: the file cannot be read as a picture.
    """
    image = eight_bit(open_pixels(path), path)
    square = image.resize(
        (size, size), Image.Resampling.BILINEAR, box=_kept(image.width, image.height, resize)
    )
    return square.convert("RGB")  # after it was made small: grey is a quarter of RGB


def load_picture(path: Path, size: int, resize: Resize) -> Float[Tensor, "3 s s"]:
    """`open_square` as a tensor, with ImageNet mean and variance removed.

    Raises:
        DataError: the file cannot be read as a picture.
    """
    pixels = (
        torch.from_numpy(np.array(open_square(path, size, resize)))
        .permute(2, 0, 1)
        .float()
        .div_(255)
    )
    mean = torch.tensor(IMAGENET_MEAN).view(3, 1, 1)
    std = torch.tensor(IMAGENET_STD).view(3, 1, 1)
    return pixels.sub_(mean).div_(std).contiguous()


def load_mask(path: Path | None, size: int, resize: Resize) -> Bool[np.ndarray, "s s"]:
    """A mask resized to the nearest pixel, laid out as `load_picture` lays out its picture.

    Without a file nothing is anomalous.

    Raises:
        DataError: the file cannot be read as an image.
    """
    if path is None:
        return np.zeros((size, size), dtype=bool)
    mask = Image.fromarray(decode_mask(path).astype(np.uint8))
    square = mask.resize(
        (size, size), Image.Resampling.NEAREST, box=_kept(mask.width, mask.height, resize)
    )
    return np.asarray(square) > 0


def _kept(width: int, height: int, resize: Resize) -> Box:
    """The part of the picture that becomes the square, as (left, top, right, bottom)."""
    if resize == "squash":
        return 0.0, 0.0, float(width), float(height)
    if resize != "crop":
        raise ValueError(f"resize: {resize!r} is neither 'squash' nor 'crop'")
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side
