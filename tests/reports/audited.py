"""What the audit of a study finds, and a table one number of which is changed."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from orchestration.records.layout import StudyFolder
from reports.audit.claim import Verdict
from reports.audit.study import audit_study


def impossible(audit: Mapping[str, Any]) -> list[str]:
    """Claims that cannot be true, and why."""
    claims = audit["claims"]
    return [f"{c['claim']}: {c['why']}" for c in claims if c["verdict"] == Verdict.IMPOSSIBLE]


def unchecked(audit: Mapping[str, Any]) -> list[str]:
    """Claims without a second way, and what made them."""
    claims = audit["claims"]
    return [f"{c['claim']}: {c['kind']}" for c in claims if c["verdict"] == Verdict.UNCHECKABLE]


def wrong(folder: StudyFolder) -> list[str]:
    """Those of a study's reports that cannot be true, or of which nobody can tell."""
    found = audit_study(folder.path)
    return impossible(found) + unchecked(found)


@contextmanager
def changed(path: Path, line: int, column: str, change: Callable[[float], float]) -> Iterator[str]:
    """A table with another number in a line of its file, until it is left: the place of it."""
    whole = path.read_bytes()
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    table.loc[line - 2, column] = repr(change(float(table.loc[line - 2, column])))
    table.to_csv(path, index=False)
    try:
        yield f"{path.name} line {line}, {column}"
    finally:
        path.write_bytes(whole)
