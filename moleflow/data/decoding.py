"""Image files to pixels, whatever their mode. Every failure is a DataError that names the file.

EXIF orientation is not applied: masks are drawn on the stored pixels, and those are not rotated.
"""

import struct
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from moleflow.errors import DataError

HIGH_BIT_MODES = ("I;16", "I;16L", "I;16B", "I;16N")
RANGELESS_MODES = ("I", "F")
ALPHA_MODES = ("LA", "La", "PA", "RGBA", "RGBa")
MODE_NAMES = {"1": "1-bit", "L": "grey", "P": "palette", "LA": "grey+alpha", "PA": "palette+alpha"}


def decode_picture(path: Path) -> Image.Image:
    """All pixels of a picture as 8-bit RGB.

    Raises:
        DataError: as `open_image` and `as_rgb`.
    """
    return as_rgb(open_image(path), path)


def decode_mask(path: Path) -> np.ndarray:
    """Anomalous pixels of a mask, bool (height, width): any channel above 0, alpha not counted.

    Raises:
        DataError: as `open_image`.
    """
    image = open_image(path)
    if image.mode in (*HIGH_BIT_MODES, *RANGELESS_MODES, "L"):
        return np.asarray(image) > 0
    if image.mode in ALPHA_MODES or "transparency" in image.info:
        image = image.convert("RGBA")
    return np.asarray(image.convert("RGB")).max(axis=-1) > 0


def as_rgb(image: Image.Image, path: Path) -> Image.Image:
    """Grey is replicated; 16-bit grey keeps its high byte, as Pillow does for 48-bit colour; an
    alpha channel is dropped, not composited; palettes and CMYK are converted.

    Raises:
        DataError: the pixels of the image have no known range or no RGB form; names its `path`.
    """
    if image.mode in RANGELESS_MODES:
        raise DataError(
            f"{path}: pixels are 32-bit ({image.mode}) and their range is unknown; "
            "save the picture with 8 or 16 bits per channel"
        )
    if image.mode in HIGH_BIT_MODES:
        high_byte = (np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8)
        image = Image.fromarray(high_byte)
    if image.mode in ALPHA_MODES or "transparency" in image.info:
        image = image.convert("RGBA")
    try:
        return image.convert("RGB")
    except ValueError:
        raise DataError(
            f"{path}: mode {image.mode} has no RGB form; save it as RGB or grey"
        ) from None


def mode_name(image: Image.Image) -> str:
    """What a person calls the mode of a file's pixels: grey, RGB, 16-bit grey ..."""
    if image.mode in HIGH_BIT_MODES:
        return "16-bit grey"
    if image.mode in RANGELESS_MODES:
        return "32-bit grey"
    return MODE_NAMES.get(image.mode, image.mode)


def open_image(path: Path) -> Image.Image:
    """All pixels of an image file in the file's own mode.

    Raises:
        DataError: the file is missing, damaged or too large.
    """
    try:
        with warnings.catch_warnings():
            # Pillow warns about large pictures and odd metadata; damage to pixels raises instead.
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                image.load()
                return image
    except FileNotFoundError:
        raise DataError(f"{path}: the image is gone; restore it or remove its class") from None
    except Image.DecompressionBombError:
        raise DataError(f"{path}: the image is too large for Pillow to open; shrink it") from None
    except UnidentifiedImageError:
        raise DataError(
            f"{path}: is not an image that Pillow can read; replace or remove it"
        ) from None
    except (OSError, SyntaxError, ValueError, EOFError, struct.error) as error:
        raise DataError(f"{path}: the image is damaged ({error}); replace or remove it") from None
