"""A strip of a trial's own anomaly maps: people look before they read."""

import csv
import io
import os
from collections.abc import Iterable
from pathlib import Path

from orchestration.records.ledger import Record
from orchestration.records.map_sheets import PLACES, SHEET, ShownPicture, pictures_on, places_in
from reports.digits import some
from reports.document import Block, Number, Picture, Source, Strip, Text, computed
from reports.evidence import Evidence, classes_of

PNG_END = b"\0\0\0\0IEND\xaeB`\x82"
NAMES = {
    "best": "highest score",
    "median": "median score",
    "worst": "lowest score",
    "good": "good, highest score",
}


def strip(evidence: Evidence, records: Iterable[Record]) -> Block:
    """Per class the anomalous pictures that score highest, in the middle and lowest, and the worst
    good one: photograph, map, mask. Of the first of these trials that kept maps."""
    for record in records:
        found = pictures_on(evidence.folder.artifacts(record.key), classes_of(record))
        if found:
            share = computed(_shown, (record.key,))
            rows = tuple((n, tuple(_shown(one, share) for one in of)) for n, of in found)
            source = computed(strip, (record.key,))
            caption = (
                "Photograph, anomaly map and mask of test pictures of each class; colours run from "
                "the median of its good pictures to its highest score. Trial ",
                Number(record.key, source),
                ", seed ",
                Number(str(record.seed), source),
                ", after the last task, each picture by the bank that the "
                "router chose. Under a picture: the share of the class’s good pictures that score "
                "lower.",
                _damaged(evidence),
            )
            return Strip("maps", "The best, the median and the worst picture", caption, rows)
    none = "No finished trial kept anomaly maps that can be read where this report was made."
    return Text(none + _damaged(evidence), "note")


def _damaged(evidence: Evidence) -> str:
    """Names trials whose maps are there and not whole."""
    lost = [r.key for r in evidence.finished if not _whole(evidence.folder.artifacts(r.key))]
    return f" Maps that cannot be read: {some(lost)}." if lost else ""


def _whole(folder: Path) -> bool:
    """Whether the sheet is not cut off and its list can be read, or neither was kept."""
    sheet = folder / SHEET
    if not sheet.exists() and not (folder / PLACES).exists():
        return True
    try:
        places_in(folder)
        with sheet.open("rb") as file:
            file.seek(-len(PNG_END), os.SEEK_END)
            return file.read() == PNG_END
    except (OSError, ValueError, KeyError, csv.Error):
        return False


def _shown(one: ShownPicture, share: Source) -> Picture:
    file = io.BytesIO()
    one.image.save(file, format="PNG", optimize=True)
    above = Number(f"{100 * one.above:.0f} %", share)
    return Picture((f"{NAMES[one.why]}: {one.picture}, above ", above), file.getvalue())
