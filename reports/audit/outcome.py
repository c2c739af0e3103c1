"""An audit as plain data, for the command line, JSON and CSV."""

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reports.audit.claim import Figure, Verdict
from reports.audit.table import Audited, audit_claims

DEMONSTRATION = Path(__file__).resolve().parent.parent / "published" / "claims.csv"
"""Claims of published papers, with what somebody recomputed by hand."""


def audit_table(file: Path | None) -> dict[str, Any]:
    """Every claim of a table with its verdict; of the demonstration where no table is named.

    Raises:
        DataError: the table cannot be read, or a line names no kind of check.
    """
    path = DEMONSTRATION if file is None else file
    return outcome(str(path), audit_claims(path))


def outcome(what: str, found: Sequence[Audited]) -> dict[str, Any]:
    """Verdicts by number, and a line for each claim."""
    counts = Counter(one.finding.verdict for one in found)
    return {
        "audited": what,
        "counts": {str(verdict): counts[verdict] for verdict in Verdict},
        "claims": [_line(one) for one in found],
    }


def _line(one: Audited) -> dict[str, Any]:
    claim, finding = one.claim, one.finding
    return {
        "line": claim.line,
        "claim": claim.name,
        "kind": one.check.name,
        "test": claim.test,
        "inputs": claim.inputs,
        "printed": claim.printed,
        "verdict": str(finding.verdict),
        "condition": finding.condition,
        "recomputed": finding.recomputed,
        "why": finding.why,
        "figures": [_figure(figure) for figure in finding.figures],
        "recorded": claim.recorded,
        "recorded_but_not_recomputed": one.unmatched,
        "difference": claim.difference,
        "source": claim.source,
    }


def _figure(figure: Figure) -> dict[str, Any]:
    ends = figure.interval
    values = {"value": ends.value, "low": ends.low, "high": ends.high}
    finite = {name: value if math.isfinite(value) else None for name, value in values.items()}
    return {"name": figure.name, **finite}
