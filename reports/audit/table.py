"""A table of claims: a CSV file with the columns claim, test, inputs and printed."""

import csv
import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from moleflow.errors import DataError
from reports.audit.checks import CHECKS
from reports.audit.checks.check import Check
from reports.audit.claim import Claim, Finding, Verdict, WantsMore
from reports.audit.notation import Number, numbers

NEEDED = ("claim", "test", "inputs", "printed")
_RELATION = re.compile(r"\w\s*(<=|>=|≤|≥|<|>)\s*[-\w]")


@dataclass(frozen=True)
class Audited:
    """A claim, the kind of its check, and what came out."""

    claim: Claim
    check: Check
    finding: Finding

    @property
    def unmatched(self) -> list[str]:
        """Numbers that somebody recorded as recomputed and that did not come out here."""
        if self.finding.verdict is Verdict.UNCHECKABLE:
            return []
        known = [figure.interval for figure in self.finding.figures]
        names = " ".join(figure.name.replace(",", " ") for figure in self.finding.figures)
        given = numbers(f"{self.claim.inputs} {self.claim.printed} {self.claim.test} {names}")
        return [
            one.text
            for one in numbers(self.claim.recorded)
            if not any(_same(one, interval.low, interval.high) for interval in known)
            and not any(_same(one, other.value, other.value) for other in given)
        ]


def _same(number: Number, low: float, high: float) -> bool:
    """In size, as words say the sign; as a fraction where it is a percentage, and in thousands or
    millions."""
    size, half = abs(number.value), number.unit / 2
    ends = sorted((abs(low), abs(high)))
    if low < 0 < high:
        ends[0] = 0.0
    slack = 1e-9 * max(1.0, size)
    return any(
        ends[0] * scale - slack <= size + half and size - half <= ends[1] * scale + slack
        for scale in ((1.0, 100.0) if number.percent else (1.0, 1e-3, 1e-6))
    )


def read_claims(path: Path) -> list[Claim]:
    """The claims of a file.

    Raises:
        DataError: it cannot be read, or lacks a column or a cell; with the line and the remedy.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            header = [name.strip() for name in reader.fieldnames or ()]
            missing = [name for name in NEEDED if name not in header]
            if missing:
                raise DataError(
                    f"{path}, line 1: no column {missing[0]!r}; a table of claims has the columns "
                    f"{', '.join(NEEDED)} and, if wanted, recomputed, difference, source"
                )
            reader.fieldnames = header
            return [_claim(row, header, path, reader.line_num) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as a table of claims ({error})") from error


def _claim(row: dict[str, str], header: list[str], path: Path, line: int) -> Claim:
    if len(row) > len(header):
        raise DataError(f"{path}, line {line}: more cells than columns; quote cells with commas")
    cells = {name: (row[name] or "").strip() for name in header}
    for name in ("claim", "test"):
        if not cells[name]:
            raise DataError(f"{path}, line {line}: the cell {name!r} is empty")
    return Claim(
        cells["claim"],
        cells["test"],
        cells["inputs"],
        cells["printed"],
        cells.get("recomputed", ""),
        cells.get("difference", ""),
        cells.get("source", ""),
        line,
        path.parent,
    )


def check_of(test: str, checks: Sequence[Check] = CHECKS) -> Check | None:
    """The kind whose name, or another name of it, the text begins with; the longest fits best.
    What holds `<` or `>` between names is a relation."""
    lowered = test.lower().strip()
    found = [
        (len(name), check)
        for check in checks
        for name in (check.name, *check.also)
        if lowered == name or re.match(rf"{re.escape(name)}(?!\w)", lowered)
    ]
    if found:
        return max(found, key=lambda pair: pair[0])[1]
    if _RELATION.search(test):
        return next(check for check in checks if check.name == "relation")
    return None


def audit_claims(path: Path) -> list[Audited]:
    """Every claim of a file, checked.

    Raises:
        DataError: the file cannot be read, or a line names no kind of check.
    """
    return [audited(claim, path) for claim in read_claims(path)]


def _unknown(test: str) -> str:
    known = [check.name for check in CHECKS]
    close = difflib.get_close_matches(test.lower().partition(",")[0], known, 1)
    meant = f"; did you mean {close[0]!r}?" if close else ""
    return f"unknown kind of check {test!r}{meant} Known are {', '.join(known)}"


def audited(claim: Claim, path: Path) -> Audited:
    """One claim. What a check cannot read makes the claim not checkable, and says what it wants."""
    check = check_of(claim.test)
    if check is None:
        raise DataError(f"{path}, line {claim.line}: {_unknown(claim.test)}")
    try:
        finding = check.function(claim)
    except WantsMore as error:
        told = f"; recorded was: {claim.recorded}" if claim.recorded else ""
        finding = Finding(Verdict.UNCHECKABLE, f"{error} (this check wants {check.wants}){told}")
    except ArithmeticError as error:
        finding = Finding(Verdict.UNCHECKABLE, f"these numbers give no result ({error})")
    except DataError as error:
        raise DataError(f"{path}, line {claim.line}: {error}") from error
    return Audited(claim, check, finding)
