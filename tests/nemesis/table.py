"""`docs/faults.md`: what each kind of fault cost, as a run of the nemesis has measured it."""

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.nemesis.aftermath import Report
from tests.nemesis.faults import SETTINGS

WHERE = {
    "inline": "one process, without Ray (`--runner inline`)",
    "rivals": "two such processes at once, whose studies share all stages",
    "ray": "Ray on this machine, two workers",
    "usurped": "a study that is driven twice: its first driver was taken for dead",
    "nodes": "a Ray cluster of a head and three nodes",
    "tracker": "an MLflow server, behind a proxy of ours",
    "bucket": "the store in a bucket (S3), behind a proxy of ours",
}
COLUMNS = (
    "kind of fault",
    "tries",
    "work lost, s",
    "time to recover, s",
    "stages recomputed",
    "MLflow doubles",
    "bytes left",
    "not as undisturbed",
)


@dataclass(frozen=True)
class Try:
    """A fault that came to pass, and what came of it."""

    setting: str
    seed: int
    kind: str
    lost: float
    recovery: float
    recomputed: int
    doubles: int
    """In all of its schedule."""
    left: int
    """In all of its schedule."""
    wrong: bool
    """Whether anything of its schedule was."""


def tries(setting: str, seed: int, report: Report) -> list[Try]:
    return [
        Try(
            setting,
            seed,
            cost.fault.name,
            round(cost.lost, 2),
            round(cost.recovery, 2),
            cost.recomputed,
            report.doubles,
            report.left,
            bool(report.wrong),
        )
        for cost in report.costs
    ]


def keep(path: Path, found: Iterable[Try]) -> None:
    """Append to a file of JSON lines: a table may be made of several runs."""
    with path.open("a", encoding="utf-8") as file:
        for one in found:
            file.write(json.dumps(asdict(one)) + "\n")


def kept(path: Path) -> list[Try]:
    return [Try(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


TEXT = Path(__file__).with_name("page.md")
"""Of the document, with places for what was measured."""


def page(found: Sequence[Try], machine: str) -> str:
    """The document."""
    sections: list[str] = []
    for setting, kinds in SETTINGS.items():
        mine = [one for one in found if one.setting == setting]
        lines = [f"| {' | '.join(COLUMNS)} |", f"|{'---|' * len(COLUMNS)}"]
        lines += [_line(kind, [one for one in mine if one.kind == kind]) for kind in kinds]
        sections.append(f"## {title(setting)}\n")
        sections.append("\n".join(lines) + "\n")
        sections.append(f"Seeds: {_listed({one.seed for one in mine}) or 'none'}.\n")
    schedules = {(one.setting, one.seed): one.wrong for one in found}
    return TEXT.read_text(encoding="utf-8").format(
        machine=machine,
        sections="\n".join(sections),
        tries=len(found),
        schedules=len(schedules),
        wrong=sum(schedules.values()) or "none",
    )


def title(setting: str) -> str:
    """Of the section on a setting."""
    return f"{WHERE[setting][0].upper()}{WHERE[setting][1:]}"


def _listed(seeds: Iterable[int]) -> str:
    """In their order, those that follow each other as `first to last`."""
    runs: list[list[int]] = []
    for seed in sorted(seeds):
        if runs and seed == runs[-1][-1] + 1:
            runs[-1].append(seed)
        else:
            runs.append([seed])
    return ", ".join(f"{r[0]} to {r[-1]}" if len(r) > 1 else str(r[0]) for r in runs)


def _line(kind: str, found: Sequence[Try]) -> str:
    if not found:
        return f"| {kind} | 0 |{' – |' * (len(COLUMNS) - 2)}"
    cells = [
        kind,
        str(len(found)),
        _spread([one.lost for one in found]),
        _spread([one.recovery for one in found]),
        _spread([float(one.recomputed) for one in found]),
        str(max(one.doubles for one in found)),
        str(max(one.left for one in found)),
        str(sum(one.wrong for one in found)),
    ]
    return f"| {' | '.join(cells)} |"


def _spread(values: Sequence[float]) -> str:
    if not any(values):
        return "0"
    return f"{statistics.fmean(values):.1f} ({max(values):.1f})"


def kinds_in(text: str) -> dict[str, list[str]]:
    """By title of a section, the kinds that a document lists."""
    found: dict[str, list[str]] = {}
    for section in text.split("\n## ")[1:]:
        title, *lines = section.splitlines()
        rows = [line for line in lines if line.startswith("| ")][1:]
        found[title] = [row.split("|")[1].strip() for row in rows]
    return found
