"""A strip of a trial's own anomaly maps: people look before they read."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from PIL import Image

from orchestration.records.ledger import Record
from reports.document import Block, Number, Picture, Strip, Text, computed
from reports.evidence import Evidence, classes_of

SHEET, PLACES = "anomaly_maps.png", "anomaly_maps.csv"
SHOWN = ("best", "median", "worst", "good")
"""Which pictures of a class, in this order: of the anomalous ones by their score, and the good
one that scores highest."""
NAMES = {
    "best": "highest score",
    "median": "median score",
    "worst": "lowest score",
    "good": "good, highest score",
}
TILES = ("photograph", "map", "mask")
Places = Mapping[tuple[str, str], Mapping[str, str]]
"""Lines of a sheet's list, by class and by why a picture is on it."""


def strip(evidence: Evidence, records: Iterable[Record]) -> Block:
    """Per class the anomalous pictures that score highest, in the middle and lowest, and the worst
    good one: photograph, map, mask. Of the first of these trials that kept maps."""
    for record in records:
        folder = evidence.folder.artifacts(record.key)
        rows = _rows(folder, classes_of(record))
        if rows:
            source = computed(strip, (record.key,))
            caption = (
                "Photograph, anomaly map and mask of test pictures of each class; colours run from "
                "the median of its good pictures to its highest score. Trial ",
                Number(record.key, source),
                f", seed {record.seed}, after the last task, each picture by the bank that the "
                "router chose. Under a picture: the share of the class’s good pictures that score "
                "lower.",
            )
            return Strip("maps", "The best, the median and the worst picture", caption, rows)
    return Text("No finished trial kept anomaly maps where this report was made.", "note")


def _rows(
    folder: Path, classes: Sequence[str]
) -> tuple[tuple[str, tuple[Picture, ...]], ...] | None:
    try:
        places = _places(folder / PLACES)
        with Image.open(folder / SHEET, formats=("PNG",)) as opened:
            sheet = opened.convert("RGB")
        rows = [(name, tuple(_pictures(sheet, places, name))) for name in classes]
    except (
        OSError,
        SyntaxError,
        ValueError,
        KeyError,
        csv.Error,
    ):  # trials keep maps where they ran, and may lose them
        return None
    return tuple((name, pictures) for name, pictures in rows if pictures)


def _places(path: Path) -> Places:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if any(None in {*row, *row.values()} for row in rows):
        raise ValueError(f"{path}: a line has more or fewer cells than the first")
    return {(row["class"], row["why"]): row for row in rows}


def _pictures(sheet: Image.Image, places: Places, name: str) -> Iterable[Picture]:
    for why in SHOWN:
        if (name, why) in places:
            place = places[name, why]
            above = f"{100 * float(place['above_good']):.0f} %"
            yield Picture(f"{NAMES[why]}: {place['picture']}, above {above}", _cut(sheet, place))


def _cut(sheet: Image.Image, place: Mapping[str, str]) -> bytes:
    """Photograph, map and mask beside each other, as PNG."""
    size, left = int(place["size"]), int(place["left"])
    if not 0 < size <= sheet.width:
        raise ValueError(f"{size} px of a sheet of {sheet.width}")
    beside = Image.new("RGB", (len(TILES) * size, size))
    for i, tile in enumerate(TILES):
        top = int(place[tile])
        beside.paste(sheet.crop((left, top, left + size, top + size)), (i * size, 0))
    file = io.BytesIO()
    beside.save(file, format="PNG", optimize=True)
    return file.getvalue()
