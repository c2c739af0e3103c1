"""The sheet of anomaly maps that a trial leaves, read picture by picture."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

SHEET, PLACES = "anomaly_maps.png", "anomaly_maps.csv"
SHOWN = ("best", "median", "worst", "good")
"""Which pictures of a class, in this order: of the anomalous ones by their score, and the good
one that scores highest."""
TILES = ("photograph", "map", "mask")
Places = Mapping[tuple[str, str], Mapping[str, str]]
"""Lines of a sheet's list, by class and by why a picture is on it."""


@dataclass(frozen=True)
class ShownPicture:
    """A test picture of a class."""

    why: str
    """Of `SHOWN`."""
    picture: str
    above: float
    """Share of the class's good pictures that score lower."""
    image: Image.Image
    """Photograph, map and mask beside each other."""


def pictures_on(
    folder: Path, classes: Sequence[str]
) -> list[tuple[str, tuple[ShownPicture, ...]]] | None:
    """The pictures of `SHOWN` of each class that has any; None where the sheet is not there or not
    whole: trials keep maps where they ran, and may lose them."""
    try:
        places = _places(folder / PLACES)
        with Image.open(folder / SHEET, formats=("PNG",)) as opened:
            sheet = opened.convert("RGB")
        rows = [(name, tuple(_pictures(sheet, places, name))) for name in classes]
    except (OSError, SyntaxError, ValueError, KeyError, csv.Error):
        return None
    return [(name, pictures) for name, pictures in rows if pictures]


def _places(path: Path) -> Places:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if any(None in {*row, *row.values()} for row in rows):
        raise ValueError(f"{path}: a line has more or fewer cells than the first")
    return {(row["class"], row["why"]): row for row in rows}


def _pictures(sheet: Image.Image, places: Places, name: str) -> Iterator[ShownPicture]:
    for why in SHOWN:
        if (name, why) in places:
            place = places[name, why]
            above = float(place["above_good"])
            yield ShownPicture(why, place["picture"], above, _cut(sheet, place))


def _cut(sheet: Image.Image, place: Mapping[str, str]) -> Image.Image:
    size, left = int(place["size"]), int(place["left"])
    if not 0 < size <= sheet.width:
        raise ValueError(f"{size} px of a sheet of {sheet.width}")
    beside = Image.new("RGB", (len(TILES) * size, size))
    for i, tile in enumerate(TILES):
        top = int(place[tile])
        beside.paste(sheet.crop((left, top, left + size, top + size)), (i * size, 0))
    return beside
