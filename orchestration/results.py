"""The tidy results table: one line per number of every trial in a study's ledger."""

import os
import uuid
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from moleflow.errors import StoreError
from orchestration.layout import StudyFolder
from orchestration.ledger import Ledger, Record

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


def collect(folder: StudyFolder) -> pd.DataFrame:
    """The table of all trials in the ledger, as it is now.

    Trials that diverged or failed are in it with their status and what they measured before.
    """
    return tabulate(Ledger(folder).records())


def tabulate(records: Iterable[Record]) -> pd.DataFrame:
    """One line per entry of `Record.rows`, in the records' order.

    `axis.<name>` is missing where a trial lacks that axis; `class` is empty for a summary.
    """
    known = list(records)
    axes = sorted({axis for record in known for axis in record.axes})
    types = BEFORE | {f"axis.{axis}": "string" for axis in axes} | AFTER
    lines = [line for record in known for line in _lines(record, axes)]
    columns = dict(zip(types, zip(*lines, strict=True), strict=True)) if lines else {}
    return pd.DataFrame(
        {name: pd.Series(columns.get(name, ()), dtype=kind) for name, kind in types.items()}
    )


def write(folder: StudyFolder) -> Path:
    """Write `results.parquet` aside and rename it, so that a reader never sees a part of it.

    Raises:
        StoreError: the folder cannot be written.
    """
    target = folder.results
    aside = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    table = collect(folder)
    try:
        table.to_parquet(aside, engine="pyarrow", index=False)
        with aside.open("rb+") as file:
            os.fsync(file.fileno())
        aside.replace(target)
    except OSError as error:
        aside.unlink(missing_ok=True)
        reason = error.strerror or str(error)
        raise StoreError(f"{target}: cannot be written ({reason}); choose another --root") from None
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


def _lines(record: Record, axes: list[str]) -> Iterable[tuple[object, ...]]:
    before = (record.study, record.key, record.status, *(record.axes.get(axis) for axis in axes))
    whole = (*before, record.seed, record.order, record.task0)
    for row in record.rows:
        measured = (row.step, row.task, row.class_name, row.metric, row.definition, row.routing)
        yield (*whole, *measured, row.value)
