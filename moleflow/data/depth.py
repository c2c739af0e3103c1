"""How many bits the values of 16-bit files use: cameras of 10, 12 and 14 bits write such files.

The training pictures of a class decide for all of its pictures, those to be tested never.
"""

from collections.abc import Sequence

from moleflow.config_parts import ImageConfig
from moleflow.data.opening import is_deep, open_pixels
from moleflow.data.pictures import Picture

DEPTHS = (8, 10, 12, 14, 16)


def depth_of(highest: int) -> int:
    """The fewest bits of a camera that hold a value."""
    return next(bits for bits in DEPTHS if highest < 2**bits)


def class_depth(train: Sequence[Picture], config: ImageConfig) -> int | None:
    """Bits that values of a class's 16-bit files use; None if it is trained on no such file.

    Raises:
        DataError: a picture cannot be read.
    """
    if config.bits != "auto":
        return config.bits
    highest = [
        int(deep.max())
        for picture in train
        if is_deep(picture.path) and (deep := open_pixels(picture.path).deep) is not None
    ]
    return depth_of(max(highest)) if highest else None
