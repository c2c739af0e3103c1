"""Anomaly maps of a trial as images with steps, encoded as a tracking store shows them.

The trial encodes them, on its own processors, and keeps them beside its sheet, of which they are
made: a driver that has many trials only carries them.
"""

import io
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

from moleflow.data.sequences import Task
from moleflow.files import read_regular
from orchestration.records.map_sheets import (
    CHANGED,
    SHOWN,
    TILES,
    ShownPicture,
    pictures_of,
    pictures_on,
    places_in,
)

IMAGES = "anomaly_maps.zip"
QUICK = 3
"""A third of the time that the best compression takes, for a tenth more bytes."""
SMALL = 256
"""Side of what a view shows first, in pixels."""
LARGEST = 1 << 28
"""Bytes of all images of a trial."""
FULL, LITTLE = "png", "webp"
KINDS = (*SHOWN, CHANGED)


@dataclass(frozen=True)
class MapImage:
    """Pictures of a class below each other, each with its map and mask, after some task."""

    class_name: str
    step: int
    """Tasks learned; 0: before the first."""
    full: bytes
    """PNG."""
    small: bytes
    """WebP."""


def write_images(folder: Path, sheet: Image.Image, sequence: Sequence[Task]) -> None:
    """Those of a sheet, beside its list of places."""
    names = _classes(sequence)
    found = pictures_of(sheet, places_in(folder), names, KINDS)
    with zipfile.ZipFile(folder / IMAGES, "w", zipfile.ZIP_STORED) as kept:
        for one in _encoded(found, sequence):
            stem = f"{names.index(one.class_name)}-{one.step}"
            # A time of its own would make each of two same trials other bytes.
            kept.writestr(zipfile.ZipInfo(f"{stem}.{FULL}"), one.full)
            kept.writestr(zipfile.ZipInfo(f"{stem}.{LITTLE}"), one.small)


def images_in(folder: Path, sequence: Sequence[Task]) -> list[MapImage]:
    """One of each class at the step of the last task. Where later tasks changed a map, one at the
    step of its own task too, and one without maps at step 0, where a view with a slider begins.
    None where the trial kept no maps that can be shown.

    Trials of before kept a sheet alone, and what was kept may be damaged: both are made anew.
    """
    kept = _kept(folder, _classes(sequence))
    if kept is not None:
        return kept
    found = pictures_on(folder, _classes(sequence), KINDS)
    return list(_encoded(found or [], sequence))


def _classes(sequence: Sequence[Task]) -> list[str]:
    return [name for task in sequence for name in task]


def _kept(folder: Path, classes: Sequence[str]) -> list[MapImage] | None:
    """As they were written; None where they are not there or not whole."""
    try:
        with zipfile.ZipFile(io.BytesIO(read_regular(folder / IMAGES, most=LARGEST))) as kept:
            if any(one.compress_type != zipfile.ZIP_STORED for one in kept.infolist()):
                return None
            stems = [name.removesuffix(f".{FULL}") for name in kept.namelist()[::2]]
            return [_read(kept, stem, classes) for stem in stems]
    except (OSError, ValueError, LookupError, EOFError, RuntimeError, zipfile.BadZipFile):
        return None


def _read(kept: zipfile.ZipFile, stem: str, classes: Sequence[str]) -> MapImage:
    """Raises where it does not have the bytes that it was written with."""
    number, _, step = stem.partition("-")
    full, small = kept.read(f"{stem}.{FULL}"), kept.read(f"{stem}.{LITTLE}")
    return MapImage(classes[int(number)], int(step), full, small)


def _encoded(
    found: Iterable[tuple[str, Sequence[ShownPicture]]], sequence: Sequence[Task]
) -> Iterator[MapImage]:
    learned = {name: i for i, task in enumerate(sequence, start=1) for name in task}
    tiles = dict[int, Image.Image]()
    for name, pictures in found:
        now = [one.image for one in pictures]
        yield _image(name, len(sequence), now)
        if learned[name] < len(sequence) and any(one.earlier for one in pictures):
            yield _image(name, learned[name], [one.earlier or one.image for one in pictures])
            side = now[0].height
            if side not in tiles:  # a font takes a millisecond to load
                tiles[side] = _not_learned(side)
            yield _image(name, 0, [_with_map(one, tiles[side]) for one in now])


def _image(name: str, step: int, images: Sequence[Image.Image]) -> MapImage:
    """In full, with as many colours as a map of colours has, and small."""
    every = _below_each_other(images)
    full, small = io.BytesIO(), io.BytesIO()
    plain = every.quantize(256, Image.Quantize.FASTOCTREE)
    plain.save(full, format="PNG", compress_level=QUICK)
    share = SMALL / max(every.size)
    size = (max(1, int(every.width * share)), max(1, int(every.height * share)))
    every.resize(size, reducing_gap=1.0).save(small, format="WEBP", method=0)
    return MapImage(name, step, full.getvalue(), small.getvalue())


def _below_each_other(images: Sequence[Image.Image]) -> Image.Image:
    width, height = images[0].size
    every = Image.new("RGB", (width, height * len(images)))
    for i, one in enumerate(images):
        every.paste(one, (0, i * height))
    return every


def _not_learned(side: int) -> Image.Image:
    """In place of a map before the class was learned."""
    tile = Image.new("RGB", (side, side), "lightgrey")
    middle = (side / 2, side / 2)
    text = "not learned yet"
    ImageDraw.Draw(tile).text(middle, text, "black", anchor="mm", font_size=side / 10)
    return tile


def _with_map(image: Image.Image, tile: Image.Image) -> Image.Image:
    other = image.copy()
    other.paste(tile, (TILES.index("map") * tile.width, 0))
    return other
