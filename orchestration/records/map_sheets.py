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
CHANGED = "changed"
"""Why a picture is on the sheet that later tasks changed most, where it is none of `SHOWN`."""
TILES = ("photograph", "map", "mask")
EARLIER = "map_when_learned"
"""The tile of the map right after the class was learned, where any map of the class was another one
then."""
Places = Mapping[tuple[str, str], Mapping[str, str]]
"""Lines of a sheet's list, by class and by why a picture is on it."""


@dataclass(frozen=True)
class ShownPicture:
    """A test picture of a class."""

    why: str
    """Of `SHOWN`, or `CHANGED`."""
    picture: str
    above: float
    """Share of the class's good pictures that score lower."""
    image: Image.Image
    """Photograph, map and mask beside each other."""
    earlier: Image.Image | None
    """The same with the map as it was right after the class was learned; None where that is the
    same map, or the trial did not keep it."""


def pictures_on(
    folder: Path, classes: Sequence[str], which: Sequence[str] = SHOWN
) -> list[tuple[str, tuple[ShownPicture, ...]]] | None:
    """These pictures of each class that has any; None where the sheet is not there or not
    whole: trials keep maps where they ran, and may lose them."""
    try:
        places = places_in(folder)
        with Image.open(folder / SHEET, formats=("PNG",)) as opened:
            sheet = opened.convert("RGB")
        return pictures_of(sheet, places, classes, which)
    except (OSError, SyntaxError, ValueError, KeyError, csv.Error):
        return None


def pictures_of(
    sheet: Image.Image, places: Places, classes: Sequence[str], which: Sequence[str]
) -> list[tuple[str, tuple[ShownPicture, ...]]]:
    """These pictures of each class that has any.

    Raises:
        ValueError, KeyError: the places are not those of a sheet of that size.
    """
    rows = [(name, tuple(_pictures(sheet, places, name, which))) for name in classes]
    return [(name, pictures) for name, pictures in rows if pictures]


def places_in(folder: Path) -> Places:
    """Raises:
    OSError, ValueError, csv.Error: they cannot be read, or not whole.
    """
    path = folder / PLACES
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if any(None in {*row, *row.values()} for row in rows):
        raise ValueError(f"{path}: a line has more or fewer cells than the first")
    return {(row["class"], row["why"]): row for row in rows}


def _pictures(
    sheet: Image.Image, places: Places, name: str, which: Sequence[str]
) -> Iterator[ShownPicture]:
    for why in which:
        if (name, why) in places:
            place = places[name, why]
            above, earlier = float(place["above_good"]), None
            if not 0 <= above <= 1:
                raise ValueError(f"a share of {above}")
            if place.get(EARLIER):
                earlier = _cut(sheet, place, ("photograph", EARLIER, "mask"))
            yield ShownPicture(why, place["picture"], above, _cut(sheet, place, TILES), earlier)


def _cut(sheet: Image.Image, place: Mapping[str, str], tiles: Sequence[str]) -> Image.Image:
    size, left = int(place["size"]), int(place["left"])
    if not 0 < size <= sheet.width:
        raise ValueError(f"{size} px of a sheet of {sheet.width}")
    beside = Image.new("RGB", (len(tiles) * size, size))
    for i, tile in enumerate(tiles):
        top = int(place[tile])
        beside.paste(sheet.crop((left, top, left + size, top + size)), (i * size, 0))
    return beside
