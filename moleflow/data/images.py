"""From a file to a square tensor or mask (docs/method.md, 1.1), pictures and masks alike."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int32, UInt8
from PIL import Image
from scipy import ndimage
from torch import Tensor

from moleflow.data.decoding import FULL_DEPTH, decode_masks, eight_bit
from moleflow.data.geometry import Resize, kept
from moleflow.data.opening import open_pixels

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def open_square(
    path: Path, size: int, resize: Resize, bits: int | None = FULL_DEPTH
) -> Image.Image:
    """A picture as RGB, resized bilinearly with antialias.

    `squash` stretches it to s x s; `crop` resizes the short side to s and cuts out the centre.

    Args:
        bits: see `eight_bit`.

    Raises:
        DataError: the file cannot be read as a picture.
    """
    image = eight_bit(open_pixels(path), path, bits)
    square = image.resize(
        (size, size), Image.Resampling.BILINEAR, box=kept(image.width, image.height, resize)
    )
    return square.convert("RGB")  # after it was made small: grey is a quarter of RGB


def square_pixels(
    path: Path, size: int, resize: Resize, bits: int | None = FULL_DEPTH
) -> UInt8[Tensor, "s s 3"]:
    """`open_square` as bytes.

    Raises:
        DataError: the file cannot be read as a picture.
    """
    return torch.from_numpy(np.array(open_square(path, size, resize, bits)))


def normalised(pixels: UInt8[Tensor, "b s s 3"]) -> Float[Tensor, "b 3 s s"]:
    """Pictures with ImageNet mean and variance removed."""
    images = pixels.permute(0, 3, 1, 2).float().div_(255)
    mean = torch.tensor(IMAGENET_MEAN, device=pixels.device).view(3, 1, 1)
    std = torch.tensor(IMAGENET_STD, device=pixels.device).view(3, 1, 1)
    return images.sub_(mean).div_(std).contiguous()


def load_mask(
    mask: Path | Sequence[Path] | None, size: int, resize: Resize
) -> Bool[np.ndarray, "s s"]:
    """A mask, or several of one picture, laid out as `open_square` lays out the picture.

    Resized to the nearest pixel; of a marked region that would vanish, every cell with a marked
    pixel counts. Without a file nothing is anomalous.

    Raises:
        DataError: a file cannot be read as an image, or they differ in size.
    """
    files = [mask] if isinstance(mask, Path) else list(mask or ())
    if not files:
        return np.zeros((size, size), dtype=bool)
    return square_mask(decode_masks(files), size, resize)


def square_mask(
    marked: Bool[np.ndarray, "h w"], size: int, resize: Resize = "squash"
) -> Bool[np.ndarray, "s s"]:
    """What is marked, as `load_mask` lays it out."""
    box = kept(marked.shape[1], marked.shape[0], resize)
    regions = _regions(marked)
    nearest = Image.fromarray(regions).resize((size, size), Image.Resampling.NEAREST, box=box)
    seen = np.asarray(nearest)
    square = seen > 0
    lost = np.ones(int(regions.max()) + 1, dtype=bool)
    lost[0], lost[seen] = False, False
    if lost.any():
        scale = size / np.array([box[3] - box[1], box[2] - box[0]])
        pixels = np.argwhere(lost[regions])
        cells = np.floor((pixels + 0.5 - (box[1], box[0])) * scale).astype(int)
        rows, columns = cells[((cells >= 0) & (cells < size)).all(axis=1)].T
        square[rows, columns] = True
    return square


def _regions(marked: Bool[np.ndarray, "h w"]) -> Int32[np.ndarray, "h w"]:
    """The number of each pixel's 8-connected region, 0 where nothing is marked."""
    regions = np.zeros(marked.shape, np.int32)
    (rows,), (columns,) = np.nonzero(marked.any(axis=1)), np.nonzero(marked.any(axis=0))
    if rows.size:
        part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        ndimage.label(marked[part], structure=np.ones((3, 3)), output=regions[part])
    return regions
