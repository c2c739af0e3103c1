"""One picture and its mask, decoded completely: what they are, and what is wrong with them."""

import hashlib
from dataclasses import dataclass

from moleflow.data.decoding import as_rgb, decode_mask, mode_name, open_image
from moleflow.data.pictures import Picture
from moleflow.errors import DataError


@dataclass(frozen=True)
class Examined:
    """A picture after decoding; its size, mode and digest are None if it cannot be read.

    `size` is (width, height). `digest` is of size and pixels as RGB: it is the same for two files
    exactly if the method cannot tell them apart.
    """

    picture: Picture
    problems: tuple[str, ...]
    size: tuple[int, int] | None = None
    mode: str | None = None
    digest: str | None = None


def examine(picture: Picture) -> Examined:
    """Decode a picture and its mask; problems name the file and the remedy."""
    try:
        image = open_image(picture.path)
    except DataError as error:
        return Examined(picture, (str(error), *_mask_problems(picture, None)))
    problems, digest = _mask_problems(picture, image.size), None
    try:
        pixels = as_rgb(image, picture.path).tobytes()
        digest = hashlib.sha256(f"{image.size}".encode() + pixels).hexdigest()
    except DataError as error:
        problems = [str(error), *problems]
    return Examined(picture, tuple(problems), image.size, mode_name(image), digest)


def _mask_problems(picture: Picture, size: tuple[int, int] | None) -> list[str]:
    if picture.mask is None:
        return []
    try:
        mask = decode_mask(picture.mask)
    except DataError as error:
        return [str(error)]
    problems: list[str] = []
    if not mask.any():
        problems.append(f"{picture.mask}: marks no pixel as anomalous; redraw or remove it")
    height, width = mask.shape
    if size is not None and size != (width, height):
        problems.append(
            f"{picture.mask}: is {width} x {height} pixels but its picture {picture.path} is "
            f"{size[0]} x {size[1]}; make them the same size"
        )
    return problems
