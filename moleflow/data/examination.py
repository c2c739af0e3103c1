"""One picture and its mask, decoded completely: what they are, and what is wrong with them."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from moleflow.data.decoding import decode_mask, eight_bit, mode_name
from moleflow.data.opening import STRIP, Pixels, open_pixels
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
    problems: list[str] = []
    size = mode = digest = None
    try:
        pixels = open_pixels(picture.path)
        size, mode = pixels.image.size, mode_name(pixels)
        digest = _digest(pixels, picture.path)
        del pixels  # before the mask is there too
    except DataError as error:
        problems.append(str(error))
    problems += _mask_problems(picture, size)
    return Examined(picture, tuple(problems), size, mode, digest)


def _digest(pixels: Pixels, path: Path) -> str:
    image, found = eight_bit(pixels, path), hashlib.sha256(f"{pixels.image.size}".encode())
    for top in range(0, image.height, STRIP):
        if pixels.deep is not None:
            found.update(pixels.deep[top : top + STRIP].tobytes())
        strip = image.crop((0, top, image.width, min(top + STRIP, image.height)))
        found.update(strip.convert("RGB").tobytes())
    return found.hexdigest()


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
