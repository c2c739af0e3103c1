"""One picture and its masks, decoded completely: what they are, and what is wrong with them."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from moleflow.data.decoding import eight_bit, joined, mode_name, read_mask
from moleflow.data.geometry import cut_off
from moleflow.data.opening import STRIP, Pixels, is_turned, open_pixels, pages
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
    highest: int | None = None
    """Of the values of a 16-bit picture."""
    flat: bool = False
    """Whether it has no more than two colours, as masks do and photographs do not."""
    paged: tuple[Path, ...] = ()
    """Of the picture's file and its masks', those that hold several pictures."""
    turned: bool = False
    """Whether a tag says that it is stored turned; it is used as it is stored."""
    soft: bool = False
    """Whether a mask has grey edges."""
    inverted: bool = False
    """Whether the masks mark all but a part inside of the picture."""
    whole: bool = False
    """Whether the masks mark all of the picture."""
    cut_off: bool = False
    """Whether all that is marked lies outside of the centre that `image.resize=crop` keeps."""


def examine(picture: Picture) -> Examined:
    """Decode a picture and its masks; problems name the file and the remedy."""
    found = Examined(picture, ())
    try:
        pixels = open_pixels(picture.path)
        found = replace(
            found,
            size=pixels.image.size,
            mode=mode_name(pixels),
            highest=None if pixels.deep is None else int(pixels.deep.max()),
            paged=_paged(picture.path),
            turned=is_turned(pixels),
        )
        found = replace(found, digest=_digest(pixels, picture.path), flat=_flat(pixels))
        del pixels  # before the mask is there too
    except DataError as error:
        found = replace(found, problems=(str(error),))
    return _with_masks(found) if picture.masks else found


def _digest(pixels: Pixels, path: Path) -> str:
    image, found = eight_bit(pixels, path), hashlib.sha256(f"{pixels.image.size}".encode())
    for top in range(0, image.height, STRIP):
        if pixels.deep is not None:
            found.update(pixels.deep[top : top + STRIP].tobytes())
        strip = image.crop((0, top, image.width, min(top + STRIP, image.height)))
        found.update(strip.convert("RGB").tobytes())
    return found.hexdigest()


def _flat(pixels: Pixels) -> bool:
    return pixels.deep is None and pixels.image.getcolors(2) is not None


def _with_masks(found: Examined) -> Examined:
    files = found.picture.masks
    try:
        masks = [read_mask(file) for file in files]
        marked = joined(files, [mask.marked for mask in masks])
    except DataError as error:
        return replace(found, problems=(*found.problems, str(error)))
    problems = [
        f"{file}: marks no pixel as anomalous; redraw or remove it"
        for file, mask in zip(files, masks, strict=True)
        if not mask.marked.any()
    ]
    height, width = marked.shape
    if found.size is not None and found.size != (width, height):
        problems.append(
            f"{files[0]}: is {width} x {height} pixels but its picture {found.picture.path} is "
            f"{found.size[0]} x {found.size[1]}; make them the same size"
        )
    return replace(
        found,
        problems=(*found.problems, *problems),
        paged=(*found.paged, *_paged(*files)),
        soft=any(mask.soft for mask in masks),
        inverted=_inverted(marked),
        whole=bool(marked.all()),
        cut_off=cut_off(marked),
    )


def _paged(*files: Path) -> tuple[Path, ...]:
    return tuple(file for file in files if pages(file) > 1)


def _inverted(marked: Bool[np.ndarray, "h w"]) -> bool:
    edge = (marked[0], marked[-1], marked[:, 0], marked[:, -1])
    return all(side.all() for side in edge) and 0.5 < float(marked.mean()) < 1
