"""The tidy results table: one line per number of every trial in a study's ledger."""

# pyarrow has no annotations of its own.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportMissingTypeStubs=false

import itertools
import os
import uuid
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from moleflow.errors import StoreError
from moleflow.files import flush, open_regular, put_in_place
from moleflow.sealed import LENGTH
from orchestration.records.files import unwritable
from orchestration.records.layout import StudyFolder
from orchestration.records.ledger import Ledger, MisfitError, Record
from orchestration.studies.trial_keys import digest

BEFORE = {"study": "string", "trial": "string", "status": "string"}
AFTER = {
    "seed": "int64",
    "order": "string",
    "task0": "string",
    "step": "int32",
    "task": "int32",
    "class": "string",
    "metric": "string",
    "definition": "string",
    "routing": "string",
    "value": "float64",
}
"""Columns before and after the axes, with their types. Fractions of 1, never percent."""
LEDGER = b"moleflow.ledger"
"""In the table's file: the state of the ledger that it was made of."""
NAME = ("class", "metric", "definition", "routing")
Name: TypeAlias = tuple[str, str, str, str]
CHUNK = 50
"""Records in memory at a time; one of 15 tasks takes some 3 MB."""


def tabulate(records: Iterable[Record], axes: Sequence[str]) -> pd.DataFrame:
    """One line per entry of `Record.rows`, in the records' order.

    Trials that diverged or failed are in it with their status and what they measured before.
    `axis.<name>` is missing where a trial lacks that axis; `class` is empty for a summary.
    """
    types = BEFORE | {f"axis.{axis}": "string" for axis in axes} | AFTER
    lines = [line for record in records for line in _lines(record, axes)]
    columns = dict(zip(types, zip(*lines, strict=True), strict=True)) if lines else {}
    return pd.DataFrame(
        {name: pd.Series(columns.get(name, ()), dtype=kind) for name, kind in types.items()}
    )


def write(folder: StudyFolder) -> Path:
    """Write `results.parquet`, of all trials in the ledger as it is now, aside and rename it, so
    that a reader never sees a part of it. A few records are in memory at a time.

    Raises:
        StoreError: the folder cannot be written, or a record is damaged.
    """
    target, ledger, state = folder.results, Ledger(folder), _state(folder)
    aside = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    # Of drivers that were killed while they wrote; only one drives a study at a time.
    for left in target.parent.glob(f".{target.name}.*"):
        left.unlink(missing_ok=True)
    axes = _axes(_briefs(ledger))
    schema = pa.Schema.from_pandas(tabulate((), axes), preserve_index=False)
    schema = schema.with_metadata({**(schema.metadata or {}), LEDGER: state})
    records = ledger.records()
    try:
        with pq.ParquetWriter(aside, schema) as writer:
            while chunk := list(itertools.islice(records, CHUNK)):
                table = tabulate(chunk, axes)
                writer.write_table(pa.Table.from_pandas(table, schema, preserve_index=False))
        flush(aside)
        put_in_place(aside, target)
    except OSError as error:
        raise unwritable(target, error) from None
    finally:
        aside.unlink(missing_ok=True)
    return target


def mend(folder: StudyFolder) -> None:
    """Write the table again where it cannot be read.

    Raises:
        StoreError: a record is damaged, or the table cannot be written.
    """
    if folder.results.exists() and _known_of(folder) is None:
        write(folder)


def read(folder: StudyFolder) -> pd.DataFrame:
    """The table as it was last written.

    Raises:
        StoreError: it has not been written yet, or is damaged.
    """
    remedy = "run the study again: finished trials are kept, and the table is made from them"
    if not folder.results.exists():
        raise StoreError(f"{folder.results}: there is no results table yet; {remedy}")
    try:
        return pd.read_parquet(folder.results, engine="pyarrow")
    except (OSError, ValueError) as error:
        raise StoreError(f"{folder.results}: not a results table ({error}); {remedy}") from None


def current(folder: StudyFolder) -> pd.DataFrame:
    """The table of the ledger as it is now: the one that was written, where it is that, else made
    from the records. Nothing is written.

    Raises:
        StoreError: a record, or the table, is damaged.
    """
    if _is_current(folder):
        return read(folder)
    ledger = Ledger(folder)
    return tabulate(ledger.records(), _axes(_briefs(ledger)))


def measured(
    folder: StudyFolder, wanted: Collection[str], misfits: list[MisfitError]
) -> Iterator[tuple[str, "Rows"]]:
    """What trials have measured, one after the other: of the table, of which some fifty trials are
    in memory at a time, where it is that of the ledger as it is now; else of the records.

    Args:
        misfits: records that turn out not to be whole are added, and passed over.
    """
    if _is_current(folder):
        yield from (one for one in _in_table(folder) if one[0] in wanted)
        return
    ledger = Ledger(folder)
    for key in sorted(wanted):
        try:
            record = ledger.read(key)
        except MisfitError as error:
            misfits.append(error)
            continue
        if record is not None:
            yield key, _rows_of(record)


@dataclass(frozen=True)
class Rows:
    """Numbers of one trial, by columns."""

    known: Sequence[Name]
    """Class (empty for a summary), metric, definition, routing."""
    names: np.ndarray
    """Of each number, the place of its name among those known."""
    steps: np.ndarray
    values: np.ndarray


def _rows_of(record: Record) -> Rows:
    places: dict[Name, int] = {}
    names = [
        places.setdefault((r.class_name, r.metric, r.definition, r.routing), len(places))
        for r in record.rows
    ]
    steps = [row.step for row in record.rows]
    values = [row.value for row in record.rows]
    return Rows(tuple(places), np.array(names, np.int64), np.array(steps, np.int64),
                np.array(values, np.float64))  # fmt: skip


def _in_table(folder: StudyFolder) -> Iterator[tuple[str, Rows]]:
    """Trials stand one after the other; one may begin in a group of rows and end in the next."""
    known: dict[Name, int] = {}
    begun, parts = "", list[Rows]()
    with pq.ParquetFile(folder.results, read_dictionary=["trial", *NAME]) as file:
        for group in range(file.num_row_groups):
            columns = file.read_row_group(group, columns=["trial", *NAME, "step", "value"])
            if not len(columns):  # no trial has measured anything
                continue
            trials = columns["trial"].combine_chunks()
            found = _rows(columns, known)
            changes = np.flatnonzero(np.diff(trials.indices.to_numpy())) + 1
            for start, end in itertools.pairwise([0, *changes.tolist(), len(trials)]):
                trial = str(trials[start])
                if parts and trial != begun:
                    yield begun, _joined(parts)
                    parts = []
                begun, part = trial, slice(start, end)
                parts.append(
                    Rows(found.known, found.names[part], found.steps[part], found.values[part])
                )
    if parts:
        yield begun, _joined(parts)


def _rows(columns: Any, known: dict[Name, int]) -> Rows:
    """Args:
    known: every name that was met, with its place; new ones are added.
    """
    parts = [columns[name].combine_chunks() for name in NAME]
    code = np.zeros(len(columns), np.int64)
    for part in parts:
        code = code * (len(part.dictionary) + 1) + part.indices.to_numpy()
    _, first, place = np.unique(code, return_index=True, return_inverse=True)
    names = [(str(a[i]), str(b[i]), str(c[i]), str(d[i])) for i in first.tolist()
             for a, b, c, d in [parts]]  # fmt: skip
    every = np.array([known.setdefault(name, len(known)) for name in names], np.int64)
    steps = columns["step"].to_numpy().astype(np.int64)
    return Rows(tuple(known), every[place], steps, columns["value"].to_numpy())


def _joined(parts: Sequence[Rows]) -> Rows:
    if len(parts) == 1:
        return parts[0]
    names, steps, values = (
        np.concatenate([getattr(part, field) for part in parts])
        for field in ("names", "steps", "values")
    )
    return Rows(parts[-1].known, names, steps, values)


def _is_current(folder: StudyFolder) -> bool:
    """Whether the table that was written is that of the ledger as it is now."""
    known = _known_of(folder)
    return known is not None and known.get(LEDGER) == _state(folder)


def _known_of(folder: StudyFolder) -> dict[bytes, bytes] | None:
    """What the table's file says of itself; None of one that cannot be read: it is derived."""
    try:
        return pq.read_schema(folder.results).metadata or {}
    except (OSError, pa.ArrowInvalid):
        return None


def _briefs(ledger: Ledger) -> list[Record]:
    found = map(ledger.read_brief, ledger.keys())
    return [brief for brief in found if brief is not None]


def _axes(briefs: Iterable[Record]) -> list[str]:
    return sorted({axis for brief in briefs for axis in brief.axes})


def _state(folder: StudyFolder) -> bytes:
    """Tells a ledger from what it was before: its records' checksums."""
    keys = Ledger(folder).keys()
    return digest([[key, _checksum(folder.record(key))] for key in keys]).encode()


def _checksum(record: Path) -> str:
    """That a record ends with, if it can be read; a reader says whether it is right."""
    with suppress(OSError), open_regular(record) as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - LENGTH))
        return file.read().hex()
    return ""


def _lines(record: Record, axes: Sequence[str]) -> Iterable[tuple[object, ...]]:
    before = (record.study, record.key, record.status, *(record.axes.get(axis) for axis in axes))
    whole = (*before, record.seed, record.order, record.task0)
    for row in record.rows:
        measured = (row.step, row.task, row.class_name, row.metric, row.definition, row.routing)
        yield (*whole, *measured, row.value)
