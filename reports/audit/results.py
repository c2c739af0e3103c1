"""The table of results that lies beside the records, row by row: what it says of a trial, and each
of its numbers, must stand in the trial's record."""

# pyarrow has no annotations of its own.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false

import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from operator import itemgetter
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet

from moleflow.files import read_regular
from moleflow.sealed import LENGTH
from reports.audit.claim import Verdict
from reports.audit.recomputed import Finding
from reports.audit.records import Place, Records, Trial, recorded

BY = "the table of results"
MADE_OF = b"moleflow.ledger"
"""In the table's file: the digest of the records that it was made of."""
ROWS = 1 << 16
"""In memory at a time."""
OF_ROW = ("step", "task", "class", "metric", "definition", "routing", "value")
AXIS = "axis."
Row = Mapping[str, Any]
Told = tuple[str, object, object]
"""What it is, what the table has, and what the record has."""


def audit_results(records: Records) -> Iterator[Finding]:
    """Each trial of the table: its first number that is not the record's, or that none is. Nothing
    where there is no table.

    Where records came after the table was written, only trials that had finished are compared.
    """
    path = records.folder / "results.parquet"
    try:
        with parquet.ParquetFile(path) as file:
            current = (file.schema_arrow.metadata or {}).get(MADE_OF) == _state(records.folder)
            planned = {trial.key: trial for trial in records.trials}
            seen: set[str] = set()
            for key, rows in _trials(file):
                seen.add(key)
                trial = planned.get(key) or recorded(records.folder, key)
                status = trial.status if trial else ""
                if current or rows[0]["status"] == status == "finished":
                    yield _of_trial(records, path, key, trial, rows)
    except FileNotFoundError:
        return
    except (OSError, ValueError, KeyError) as error:  # damage is a ValueError of Arrow's, too
        yield Finding(f"{path} ", Verdict.IMPOSSIBLE, f"cannot be read ({error})", function=BY)
        return
    lost = [t for t in records.trials if t.numbers and t.key not in seen] if current else []
    for trial in lost:
        yield _wrong(path, trial.key, ("rows", 0, len(trial.numbers)), 0)


def _end(record: Path) -> str:
    with suppress(OSError):
        return read_regular(record)[-LENGTH:].hex()
    return ""


def _state(folder: Path) -> bytes:
    """Of the records as they are now: the checksums that they end with."""
    ends = [
        [path.stem, _end(path)]
        for path in sorted((folder / "trials").glob("*.json"), key=lambda one: one.stem)
    ]
    text = json.dumps(ends, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:20].encode()


def _trials(file: parquet.ParquetFile) -> Iterator[tuple[str, list[Row]]]:
    """Rows of each trial, which stand one after the other."""
    batches = (batch.to_pylist() for batch in file.iter_batches(ROWS))
    every = itertools.chain.from_iterable(batches)
    for key, rows in itertools.groupby(every, itemgetter("trial")):
        yield str(key), list(rows)


def _of_trial(
    records: Records, path: Path, key: str, trial: Trial | None, rows: Sequence[Row]
) -> Finding:
    wrong: list[Told] = [("rows", len(rows), "none")]
    if trial is not None and trial.recorded:
        wrong = list(_apart(records, trial, rows))
    if wrong:
        return _wrong(path, key, wrong[0], len(wrong) - 1)
    return Finding(str(path), Verdict.HOLDS, "", function=BY)


def _wrong(path: Path, key: str, told: Told, further: int) -> Finding:
    what, said, found = told
    more = f" (and {further} more of this trial)" if further else ""
    why = f"the table has {said}, and the record has {found}{more}"
    place = f"{path} {key} {what}"
    return Finding(place, Verdict.IMPOSSIBLE, why, str(said), str(found), BY)


def _apart(records: Records, trial: Trial, rows: Sequence[Row]) -> Iterator[Told]:
    """What rows of a trial say, and its record does not."""
    own = {name: i for i, task in enumerate(trial.sequence) for name in task}
    known: dict[str, object] = {"study": records.folder.name, "status": trial.status}
    known |= {"seed": trial.seed, "order": trial.order, "task0": trial.task0}
    axes = trial.recorded["axes"]
    names = [name for name in rows[0] if name.startswith(AXIS)]
    known |= {name: axes.get(name.removeprefix(AXIS)) for name in names}
    told = {tuple(row[name] for name in known) for row in rows}
    for one in told - {tuple(known.values())}:
        pairs = zip(known.items(), one, strict=True)
        yield from ((name, said, found) for (name, found), said in pairs if said != found)
    for row in rows:
        step, task, name, *what, value = (row[column] for column in OF_ROW)
        place = Place(step, name, *what)
        recorded = trial.numbers.get(place)
        if (value, task) != (recorded, own.get(name, -1)):
            said = value if value != recorded else f"task {task}"
            yield place.told, said, recorded if value != recorded else own.get(name, -1)
    if len(rows) != len(trial.numbers):
        yield "rows", len(rows), len(trial.numbers)
