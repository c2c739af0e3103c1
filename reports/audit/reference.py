"""Numbers of another table, named in a claim:
`per_class.csv: value_percent by class where method=DFM, metric=pixel_ap, class!=mean`.
"""

import csv
import re
from dataclasses import replace
from pathlib import Path

from moleflow.errors import DataError
from reports.audit.notation import Number, numbers, same_digits

_REFERENCE = re.compile(
    r"^(?P<file>[\w./-]+\.csv)\s*:\s*(?P<column>\w+)(?:\s+by\s+(?P<by>\w+))?"
    r"(?:\s+where\s+(?P<where>.+))?$"
)
_CONDITION = re.compile(r"(?P<column>\w+)\s*(?P<relation>!=|!~|=|~)\s*(?P<value>.*)")


def is_reference(text: str) -> bool:
    """Whether a part of the text names numbers of a table."""
    return re.search(r"\.csv\s*:\s*\w+\s+(by|where)\b", text) is not None


def rows_of(path: Path) -> list[dict[str, str]]:
    """The lines of a CSV file.

    Raises:
        DataError: it cannot be read.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return [dict(row) for row in csv.DictReader(file)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as a CSV file ({error})") from error


def selected(text: str, folder: Path) -> list[dict[str, str]] | None:
    """The rows that a reference names; None where the text is no reference."""
    found = _REFERENCE.match(text.strip())
    if found is None:
        return None
    path = folder / found["file"]
    chosen = fitting(rows_of(path), found["where"] or "", path)
    for name in (found["column"], found["by"] or found["column"]):
        if name not in chosen[0]:
            raise DataError(f"{path}: has no column {name!r}; it has {', '.join(chosen[0])}")
    return [
        {"value": row[found["column"]] or "", "label": row[found["by"]] if found["by"] else ""}
        for row in chosen
    ]


def fitting(rows: list[dict[str, str]], where: str, path: Path) -> list[dict[str, str]]:
    """The rows that satisfy every condition, with commas between: `method=DFM, class!=mean`.

    Raises:
        DataError: a condition cannot be read or names no column, or nothing satisfies them.
    """
    conditions = [
        _condition(part, where) for part in re.split(r",\s+(?=\w+\s*(?:!=|!~|=|~))", where) if part
    ]
    for name, _, _ in conditions:
        if rows and name not in rows[0]:
            raise DataError(f"{path}: has no column {name!r}; it has {', '.join(rows[0])}")
    chosen = [row for row in rows if all(_fits(row, *one) for one in conditions)]
    if not chosen:
        raise DataError(f"{path}: no line fits {where!r}")
    return chosen


def _condition(part: str, text: str) -> tuple[str, str, str]:
    found = _CONDITION.match(part.strip())
    if found is None:
        raise DataError(
            f"{text!r}: write conditions as column=value, column!=value, column~part, column!~part"
        )
    return found["column"], found["relation"], found["value"].strip()


def _fits(row: dict[str, str], column: str, relation: str, value: str) -> bool:
    here = row[column] or ""
    if relation in ("~", "!~"):
        return (value in here) == (relation == "~")
    return (here == value) == (relation == "=")


def listed(text: str, folder: Path) -> list[Number]:
    """The numbers of a list: those of a reference, else those in the text; all as many digits."""
    rows = selected(text, folder)
    if rows is None:
        return same_digits(numbers(text))
    found = [
        replace(numbers(row["value"])[0], label=row["label"])
        for row in rows
        if numbers(row["value"])
    ]
    if not found:
        raise DataError(f"{text!r}: the lines that fit hold no numbers")
    return same_digits(found)
