"""TIFF files whose pixels Pillow reads otherwise than they are meant, without a word."""

from typing import Any

import numpy as np
from PIL import TiffImagePlugin
from PIL.ExifTags import Base as Tag

TURNED = range(2, 9)
"""Values of the tag of orientation that say so, in any format."""
WHITE_IS_ZERO, PLANES, SIGNED = 0, 2, 2
"""Values of the tags PhotometricInterpretation, PlanarConfiguration and SampleFormat (TIFF 6.0)."""


def misread(image: TiffImagePlugin.TiffImageFile) -> str:
    """Why the pixels of a TIFF would not be those that were saved, and the remedy; empty if they
    are.

    Pillow turns a TIFF as its tag says, away from its mask, and mixes its rows up where it is
    mapped into memory. Of 16 bits in planes it takes every byte for a pixel, and it does not
    invert 16 bits of which 0 is white.
    """
    turned, deep = image.tag_v2.get(Tag.Orientation, 1), max(_values(image, Tag.BitsPerSample)) > 8
    if turned in TURNED:
        return (
            f"its tag of orientation ({turned}) says that it is stored turned; save it upright, "
            "without the tag, and its mask as it is seen"
        )
    if deep and len(image.getbands()) > 1 and image.tag_v2.get(Tag.PlanarConfiguration) == PLANES:
        return (
            "has 16 bits per channel and a plane for each channel, which is not read; save its "
            "channels pixel by pixel (PlanarConfiguration 1)"
        )
    if deep and image.tag_v2.get(Tag.PhotometricInterpretation) == WHITE_IS_ZERO:
        return "has 16 bits per channel, of which 0 is white; save it with 0 as black"
    return ""


def below_zero(image: TiffImagePlugin.TiffImageFile) -> bool:
    """Whether a TIFF, loaded, has signed values of 8 bits below 0, which Pillow takes for large."""
    if SIGNED not in _values(image, Tag.SampleFormat) or max(_values(image, Tag.BitsPerSample)) > 8:
        return False
    return bool((np.asarray(image) > np.iinfo(np.int8).max).any())


def _values(image: TiffImagePlugin.TiffImageFile, tag: int) -> tuple[int, ...]:
    """Of a tag with a value for each channel; 1, where it is not there."""
    found: Any = image.tag_v2.get(tag, 1)
    return found if isinstance(found, tuple) else (found,)
