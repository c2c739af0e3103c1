"""Pixels of a file to what the method sees of them, whatever their mode.

EXIF orientation is not applied: masks are drawn on the stored pixels, and those are not rotated.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt16
from PIL import Image, ImageChops

from moleflow.data.opening import STRIP, Pixels, open_pixels
from moleflow.errors import DataError

FULL_DEPTH = 16
"""Bits of a value in a 16-bit file, where all are used."""
MOST_KINDS = 127
"""Highest value that may be the number of a kind of defect, where no value was lost."""
MOST_SHADES = 16
"""Values of a mask beyond which they are shades of its edges; in a lossy file, the highest value
that has none."""
RANGELESS_MODES = ("I", "F")
ALPHA_MODES = ("LA", "La", "PA", "RGBA", "RGBa")
MODE_NAMES = {"1": "1-bit", "L": "grey", "P": "palette", "LA": "grey+alpha", "PA": "palette+alpha"}


@dataclass(frozen=True)
class Mask:
    """What a mask marks as anomalous, and whether its edges are grey, so that a half had to be
    chosen: as JPEG saves them, or as resizing leaves them."""

    marked: Bool[np.ndarray, "h w"]
    soft: bool


def decode_mask(path: Path) -> Bool[np.ndarray, "h w"]:
    """Anomalous pixels of a mask; see `read_mask`."""
    return read_mask(path).marked


def read_mask(path: Path) -> Mask:
    """A mask's pixels above 0 in any channel, alpha not counted; some data sets number their kinds
    of defects, or the defects. Of a mask with grey edges, those above half of its highest value.

    Raises:
        DataError: as `open_pixels`.
    """
    pixels = open_pixels(path)
    levels = _levels(pixels)
    soft = _has_grey_edges(levels, lossy=pixels.lossy)
    return Mask(levels > (levels.max() / 2 if soft else 0), soft)


def decode_masks(files: Sequence[Path]) -> Bool[np.ndarray, "h w"]:
    """What any of the masks of one picture marks.

    Raises:
        DataError: as `decode_mask`, or they differ in size.
    """
    return joined(files, [decode_mask(file) for file in files])


def joined(
    files: Sequence[Path], masks: Sequence[Bool[np.ndarray, "_ _"]]
) -> Bool[np.ndarray, "h w"]:
    """What any of several masks of one picture marks.

    Raises:
        DataError: they differ in size.
    """
    for file, mask in zip(files, masks, strict=True):
        if mask.shape != masks[0].shape:
            raise DataError(
                f"{file}: is of another size than {files[0]}, a mask of the same picture; make "
                "them the same size"
            )
    return masks[0] if len(masks) == 1 else np.logical_or.reduce(masks)


def _has_grey_edges(levels: np.ndarray, lossy: bool) -> bool:
    if lossy:
        return bool(levels.max() > MOST_SHADES) and _shades(levels) > 1
    many = bool(levels.max() > MOST_KINDS) and _shades(levels) > MOST_SHADES
    return many and not _even(levels)


def _even(levels: np.ndarray) -> bool:
    """Whether most pixels between 0 and the highest value have that of the pixels to their right
    and below: areas with numbers do, and edges do not, in whatever direction they run."""
    inner = levels[:-1, :-1]
    between = (inner > 0) & (inner < levels.max())
    same = (inner == levels[:-1, 1:]) & (inner == levels[1:, :-1])
    return bool(2 * np.count_nonzero(between & same) > np.count_nonzero(between))


def _shades(levels: np.ndarray) -> int:
    """How many values above 0 there are."""
    if levels.dtype in (np.uint8, np.uint16):
        return int(np.count_nonzero(np.bincount(levels.ravel())[1:]))
    return len(np.unique(levels[levels > 0]))


def _levels(pixels: Pixels) -> np.ndarray:
    """The highest channel of every pixel of a mask, (height, width)."""
    image = pixels.image
    if pixels.deep is not None:
        return pixels.deep if pixels.deep.ndim == 2 else pixels.deep.max(axis=-1)
    if image.mode in ("L", "1", *RANGELESS_MODES):
        return np.asarray(image)
    if image.mode == "P":
        colours = np.zeros((256, 3), np.uint8)
        named = np.asarray(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
        colours[: len(named)] = named
        return colours.max(axis=-1)[np.asarray(image)]
    if image.mode not in ("RGB", "RGBA", "LA"):
        image = image.convert("RGBA" if image.mode in ALPHA_MODES else "RGB")
    first, *others = (c for c in image.getbands() if c != "A")
    highest = image.getchannel(first)
    for other in others:
        highest = ImageChops.lighter(highest, image.getchannel(other))
    return np.asarray(highest)


def eight_bit(pixels: Pixels, path: Path, bits: int | None = FULL_DEPTH) -> Image.Image:
    """Grey or RGB with 8 bits per channel; palettes and CMYK are converted, an alpha channel is
    dropped, not composited.

    Args:
        bits: that values of a 16-bit file use; the highest 8 of them are kept, larger values are
            white. None: they are not known.

    Raises:
        DataError: the pixels of the image have no known range or no RGB form; names its `path`.
    """
    image = pixels.image
    if image.mode in RANGELESS_MODES:
        raise DataError(
            f"{path}: pixels are 32-bit ({image.mode}) and their range is unknown; "
            "save the picture with 8 or 16 bits per channel"
        )
    if pixels.deep is not None:
        return Image.fromarray(_highest_bits(pixels.deep, path, bits))
    if image.mode in ALPHA_MODES or "transparency" in image.info:
        image = image.convert("RGBA")
    if image.mode in ("L", "1"):
        return image.convert("L")
    try:
        return image.convert("RGB")
    except ValueError:
        raise DataError(
            f"{path}: mode {image.mode} has no RGB form; save it as RGB or grey"
        ) from None


def mode_name(pixels: Pixels) -> str:
    """What a person calls the mode of a file's pixels: grey, RGB, 16-bit grey ..."""
    mode = pixels.image.mode
    if pixels.deep is not None:
        return "16-bit grey" if pixels.deep.ndim == 2 else f"16-bit {mode}"
    if mode in RANGELESS_MODES:
        return "32-bit grey"
    return MODE_NAMES.get(mode, mode)


def _highest_bits(deep: UInt16[np.ndarray, "..."], path: Path, bits: int | None) -> np.ndarray:
    if bits is None:
        raise DataError(
            f"{path}: has 16 bits per channel, and classes of this model use different ranges of "
            "them; name the task with --task, or train with image.bits"
        )
    found = np.empty(deep.shape, np.uint8)
    for top in range(0, len(deep), STRIP):
        rows = slice(top, top + STRIP)
        found[rows] = np.minimum(deep[rows] >> (bits - 8), 255)
    return found
