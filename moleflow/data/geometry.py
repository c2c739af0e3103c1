"""What part of a picture becomes the square that the method sees, for pictures and masks alike."""

from typing import Literal

import numpy as np
from jaxtyping import Bool

Resize = Literal["squash", "crop"]
Box = tuple[float, float, float, float]


def kept(width: int, height: int, resize: Resize) -> Box:
    """The part of the picture that becomes the square, as (left, top, right, bottom)."""
    if resize == "squash":
        return 0.0, 0.0, float(width), float(height)
    if resize != "crop":
        raise ValueError(f"resize: {resize!r} is neither 'squash' nor 'crop'")
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


def cut_off(marked: Bool[np.ndarray, "h w"]) -> bool:
    """Whether all that a mask marks lies outside of the centre that `crop` keeps."""
    height, width = marked.shape
    left, top, right, bottom = (round(side) for side in kept(width, height, "crop"))
    return bool(marked.any()) and not marked[top:bottom, left:right].any()
