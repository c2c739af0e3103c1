"""A table for other programs: CSV, where its numbers come from, and columns for a terminal."""

import csv
import io
from functools import lru_cache

from moleflow.settings import Settings
from orchestration.plain import cell, one_line
from reports.document.parts import Source, Table


class _Sources(Settings):
    """A file of sources: functions and sets of trials once, lines name them by their place."""

    functions: tuple[str, ...]
    trials: tuple[tuple[str, ...], ...]
    lines: tuple[tuple[int, int], ...]


def to_csv(shown: Table) -> tuple[str, str]:
    """The table's lines; a missing number is an empty field, and no text is a formula. And, as
    JSON, of each line what computed it and of which trials.

    Both at once: lines may be made anew whenever they are gone through.
    """
    out, safe = io.StringIO(), lru_cache(1 << 12)(cell)
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(map(cell, shown.fields))
    functions: dict[str, int] = {}
    trials: dict[tuple[str, ...], int] = {}
    places: list[tuple[int, int]] = []
    for line in shown.lines:
        found = map(line.values.get, shown.fields)
        writer.writerow([safe(v) if isinstance(v, str) else "" if v is None else v for v in found])
        by = functions.setdefault(line.source.function, len(functions))
        places.append((by, trials.setdefault(line.source.trials, len(trials))))
    kept = _Sources(functions=tuple(functions), trials=tuple(trials), lines=tuple(places))
    return out.getvalue(), kept.model_dump_json() + "\n"


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
