"""A claim as it is printed, and what came out of recomputing it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from reports.audit.interval import Interval


class Verdict(StrEnum):
    """Of one claim."""

    HOLDS = "holds"
    IMPOSSIBLE = "cannot be true"
    CONDITIONAL = "holds only if"
    UNCHECKABLE = "not checkable"
    DIFFERS = "differs"
    """In a report that another version wrote: false, or said in other words."""


@dataclass(frozen=True)
class Claim:
    """One line of a table of claims."""

    name: str
    test: str
    """The kind of check; after it, with commas between, what it needs to know (`n=3+3`)."""
    inputs: str
    printed: str
    recorded: str = ""
    """What somebody recomputed before, in words."""
    difference: str = ""
    """Why what is recomputed here differs from that."""
    source: str = ""
    line: int = 0
    folder: Path = field(default_factory=Path)
    """Where other tables that the inputs name are looked for."""


@dataclass(frozen=True)
class Figure:
    """A recomputed number, with all that rounding of the printed ones leaves possible."""

    name: str
    interval: Interval

    def __str__(self) -> str:
        shown = show(self.interval.value)
        if self.interval.low == self.interval.high:
            return f"{self.name} {shown}".strip()
        ends = f"[{show(self.interval.low)}, {show(self.interval.high)}]"
        return f"{self.name} {shown} {ends}".strip()


def show(value: float) -> str:
    """Four digits, or all of a whole number."""
    if value == int(value) if abs(value) < 1e15 else False:
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:.4g}"


@dataclass(frozen=True)
class Finding:
    """What came out."""

    verdict: Verdict
    why: str
    """One sentence."""
    figures: tuple[Figure, ...] = ()
    condition: str = ""
    """Under which the claim holds; empty for other verdicts."""

    @property
    def recomputed(self) -> str:
        return "; ".join(str(figure) for figure in self.figures)


@dataclass(frozen=True)
class Reading:
    """One way to understand a claim, and the number that it gives."""

    name: str
    interval: Interval
    usual: bool = True
    """Whether nobody would have to say so; otherwise the claim holds only if this is meant."""


class WantsMore(Exception):
    """The inputs are words, or lack what a check needs; the claim is not checkable."""


def judged(
    what: str, printed: Interval, readings: Sequence[Reading], figures: Sequence[Figure] = ()
) -> Finding:
    """A printed number against what each reading of the claim gives."""
    shown = (*figures, *(Figure(f"{what} ({r.name})", r.interval) for r in readings if r.usual))
    stated = show(printed.value)
    for reading in readings:
        if not printed.meets(reading.interval):
            continue
        others = (Figure(f"{what} ({reading.name})", reading.interval),)
        if reading.usual:
            why = f"{what} {stated} agrees with {reading.name}"
            return Finding(Verdict.HOLDS, why, shown)
        why = f"{what} {stated} agrees with {reading.name}, and with nothing more usual"
        return Finding(Verdict.CONDITIONAL, why, (*shown, *others), reading.name)
    nearest = min(readings, key=lambda r: abs(r.interval.value - printed.value))
    why = (
        f"{what} is printed as {stated}, and is {show(readings[0].interval.value)} by "
        f"{readings[0].name}"
    )
    if nearest is not readings[0]:
        why += f"; the nearest other reading, {nearest.name}, gives {show(nearest.interval.value)}"
    return Finding(Verdict.IMPOSSIBLE, why, shown)


SEVERITY = (Verdict.HOLDS, Verdict.UNCHECKABLE, Verdict.CONDITIONAL, Verdict.IMPOSSIBLE)


def joined(findings: Sequence[Finding]) -> Finding:
    """Of a claim with several numbers: as bad as its worst."""
    worst = max(findings, key=lambda f: SEVERITY.index(f.verdict))
    same = [f for f in findings if f.verdict is worst.verdict]
    figures: dict[str, Figure] = {}
    for finding in findings:
        figures.update({str(figure): figure for figure in finding.figures})
    conditions = dict.fromkeys(f.condition for f in same if f.condition)
    return Finding(
        worst.verdict,
        "; ".join(dict.fromkeys(f.why for f in same)),
        tuple(figures.values()),
        "; and ".join(conditions),
    )
