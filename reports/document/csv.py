"""A table for other programs: CSV, where its numbers come from, and columns for a terminal."""

import csv
import json
from functools import lru_cache
from typing import TextIO

from moleflow.settings import Settings
from orchestration.plain import cell, one_line
from reports.document.parts import Source, Table


class _Sources(Settings):
    """A file of sources: functions and sets of trials once, lines name them by their place."""

    lines: tuple[tuple[int, int], ...]
    functions: tuple[str, ...]
    trials: tuple[tuple[str, ...], ...]


def write_csv(shown: Table, out: TextIO, sources: TextIO) -> None:
    """The table's lines; a missing number is an empty field, and no text is a formula. And, as
    JSON, of each line what computed it and of which trials.

    Both at once, line by line: lines may be made anew whenever they are gone through.
    """
    safe = lru_cache(1 << 12)(cell)
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(map(cell, shown.fields))
    functions: dict[str, int] = {}
    trials: dict[tuple[str, ...], int] = {}
    sources.write('{"lines":[')
    before, place, between = None, "", ""
    for line in shown.lines:
        found = map(line.values.get, shown.fields)
        writer.writerow([safe(v) if type(v) is str else v for v in found])
        if line.source is not before:  # most lines have that of the one before
            before = line.source
            by = functions.setdefault(before.function, len(functions))
            place = f"[{by},{trials.setdefault(before.trials, len(trials))}]"
        sources.write(between + place)
        between = ","
    for name, known in (("functions", functions), ("trials", trials)):
        every = json.dumps([*known], ensure_ascii=False, separators=(",", ":"))
        sources.write(f'{"]" if name == "functions" else ""},"{name}":{every}')
    sources.write("}\n")


def sources_in(text: str) -> list[Source]:
    """Of every line of a table's CSV file, from the file of its sources."""
    kept = _Sources.model_validate_json(text)
    return [Source(kept.functions[by], kept.trials[of]) for by, of in kept.lines]


def to_text(shown: Table) -> str:
    """Aligned columns for a terminal."""
    rows = [list(shown.header), *[[one_line(part.text) for part in row] for row in shown.rows]]
    widths = [max(len(row[i]) for row in rows) for i in range(len(shown.header))]
    lines = [
        "  ".join(
            text.ljust(width) if i in shown.text_columns else text.rjust(width)
            for i, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])
