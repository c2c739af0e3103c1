"""A strip of a trial's own anomaly maps: people look before they read."""

import io
from collections.abc import Iterable

from orchestration.records.ledger import Record
from orchestration.records.map_sheets import ShownPicture, pictures_on
from reports.document import Block, Number, Picture, Strip, Text, computed
from reports.evidence import Evidence, classes_of

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
            rows = tuple((name, tuple(map(_shown, pictures))) for name, pictures in found)
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
    return Text(
        "No finished trial kept anomaly maps that can be read where this report was made.", "note"
    )


def _shown(one: ShownPicture) -> Picture:
    file = io.BytesIO()
    one.image.save(file, format="PNG", optimize=True)
    above = f"{100 * one.above:.0f} %"
    return Picture(f"{NAMES[one.why]}: {one.picture}, above {above}", file.getvalue())
