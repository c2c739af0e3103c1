"""The tidy results table: one line per number of every trial in a study's ledger."""

# pyarrow has no annotations of its own.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportMissingTypeStubs=false

import itertools
import os
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from moleflow.errors import StoreError
from moleflow.files import put_in_place
from orchestration.records.layout import StudyFolder
from orchestration.records.ledger import Ledger, Record
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
    target, ledger = folder.results, Ledger(folder)
    aside = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    # Of drivers that were killed while they wrote; only one drives a study at a time.
    for left in target.parent.glob(f".{target.name}.*"):
        left.unlink(missing_ok=True)
    briefs = _briefs(ledger)
    axes = _axes(briefs)
    schema = pa.Schema.from_pandas(tabulate((), axes), preserve_index=False)
    schema = schema.with_metadata({**(schema.metadata or {}), LEDGER: _state(briefs)})
    records = ledger.records()
    try:
        with pq.ParquetWriter(aside, schema) as writer:
            while chunk := list(itertools.islice(records, CHUNK)):
                table = tabulate(chunk, axes)
                writer.write_table(pa.Table.from_pandas(table, schema, preserve_index=False))
        with aside.open("rb+") as file:
            os.fsync(file.fileno())
        put_in_place(aside, target)
    except OSError as error:
        reason = error.strerror or str(error)
        raise StoreError(f"{target}: cannot be written ({reason}); choose another --root") from None
    finally:
        aside.unlink(missing_ok=True)
    return target


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
    ledger = Ledger(folder)
    briefs = _briefs(ledger)
    if folder.results.exists():
        try:
            metadata = pq.read_schema(folder.results).metadata or {}
        except (OSError, pa.ArrowInvalid):  # it is derived
            metadata = {}
        if metadata.get(LEDGER) == _state(briefs):
            return read(folder)
    return tabulate(ledger.records(), _axes(briefs))


def _briefs(ledger: Ledger) -> list[Record]:
    found = map(ledger.read_brief, ledger.keys())
    return [brief for brief in found if brief is not None]


def _axes(briefs: Iterable[Record]) -> list[str]:
    return sorted({axis for brief in briefs for axis in brief.axes})


def _state(briefs: Iterable[Record]) -> bytes:
    """Tells a ledger from what it was before."""
    return digest([[brief.key, brief.status, brief.ended] for brief in briefs]).encode()


def _lines(record: Record, axes: Sequence[str]) -> Iterable[tuple[object, ...]]:
    before = (record.study, record.key, record.status, *(record.axes.get(axis) for axis in axes))
    whole = (*before, record.seed, record.order, record.task0)
    for row in record.rows:
        measured = (row.step, row.task, row.class_name, row.metric, row.definition, row.routing)
        yield (*whole, *measured, row.value)
