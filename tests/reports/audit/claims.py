"""Claims in a line, for tests."""

from pathlib import Path

from reports.audit.claim import Claim, Finding
from reports.audit.table import audited


def checked(test: str, inputs: str, printed: str, recorded: str = "") -> Finding:
    """What the audit says of one claim."""
    claim = Claim("a claim", test, inputs, printed, recorded, line=2)
    return audited(claim, Path("claims.csv")).finding


def verdict(test: str, inputs: str, printed: str) -> str:
    """Its verdict alone."""
    return str(checked(test, inputs, printed).verdict)


def value(test: str, inputs: str, printed: str, name: str) -> float:
    """One recomputed figure, by the beginning of its name."""
    figures = checked(test, inputs, printed).figures
    return next(f.interval.value for f in figures if f.name.startswith(name))
