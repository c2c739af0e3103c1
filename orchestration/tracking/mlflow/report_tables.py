"""What the tables of a study's reports conclude, line by line: numbers, and words to find runs
by."""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestration.plain import uncelled
from orchestration.records.layout import StudyFolder
from orchestration.studies.named_settings import BASE
from orchestration.tracking.mlflow.naming import called
from orchestration.tracking.tracker import TrackerRefused

NUMBERED = re.compile(r"-setting(\d+)$")
"""How the file of a setting's table ends, where a study has several."""
WORDS = ("verdict", "leader")
"""Columns that become tags."""


@dataclass(frozen=True)
class Kind:
    """Tables of one kind, and what of them runs show."""

    tables: str
    """Pattern of their files."""
    section: str
    """Of the charts."""
    about: tuple[str, ...]
    """Columns that say what a line is about, beside its metric."""
    numbers: tuple[tuple[str, ...], ...]
    """Columns in groups: where there is room for few, the first are shown."""


CONTRASTS = Kind(
    "contrasts-*.csv",
    "against_baseline",
    (),
    (("difference", "interval_low", "interval_high", "p_holm", "seeds"),),
)
KINDS = (
    Kind(
        "interactions-*.csv",
        "interactions",
        ("definition", "design"),
        (("difference",), ("interval_low", "interval_high"), ("p_holm", "seeds")),
    ),
    Kind(
        "task0_verdicts*.csv",
        "first_task",
        (),
        (("range", "upper", "p", "p_equivalence", "probability_best", "seeds"),),
    ),
    Kind("order_spread*.csv", "orders", ("quantity",), (("largest_range", "sd"),)),
    Kind(
        "order_measured*.csv",
        "orders",
        ("quantity", "task0"),
        (("range", "upper"), ("p", "seeds")),
    ),
    Kind(
        "task0_effects-*.csv",
        "first_task",
        ("task0",),
        (("effect",), ("effect_low", "effect_high")),
    ),
    CONTRASTS,
)
"""What matters most first."""


@dataclass(frozen=True)
class Finding:
    """What a line of a table says."""

    kind: Kind
    setting: str | None
    """Whose it is; None: the whole study's."""
    subject: str
    """The metric, and what else the line is about, as names of metrics have it."""
    numbers: Mapping[str, float]
    """Those that it has, by their columns."""
    words: Mapping[str, str]
    """Those of `WORDS` that it has."""


def findings_in(
    folder: StudyFolder, reports: Sequence[str], settings: Sequence[str]
) -> list[Finding]:
    """What these reports of a study say, the first of which stands above the others.

    Args:
        settings: names of the plan's, in its order, by which tables number them.

    Raises:
        TrackerRefused: a table is none of ours.
    """
    found: dict[tuple[str, str | None, str], Finding] = {}
    for place in (folder.report, *(folder.report / kind for kind in reports[1:])):
        for kind in KINDS:
            for path in sorted((place / "tables").glob(kind.tables)):
                try:
                    lines = list(_read(path, kind, settings))
                except (KeyError, ValueError, IndexError, csv.Error) as error:
                    raise TrackerRefused(
                        f"{path}: no table of a report ({type(error).__name__}: {error}); write "
                        f"it anew with: {folder.root.command('report', folder.name)}"
                    ) from None
                found |= {(kind.tables, one.setting, one.subject): one for one in lines}
    return list(found.values())


def _read(path: Path, kind: Kind, settings: Sequence[str]) -> Iterator[Finding]:
    with path.open(newline="", encoding="utf-8") as file:
        for line in csv.DictReader(file):
            if line.get("verdict") == "":  # no pair of trials has finished
                continue
            about = (called(uncelled(line[column])) for column in kind.about)
            subject = [line["metric"], *about]
            columns = [column for group in kind.numbers for column in group]
            numbers = {column: float(line[column]) for column in columns if line[column]}
            words = {word: uncelled(line[word]) for word in WORDS if line.get(word)}
            of = _setting(path, line, settings)
            yield Finding(kind, of, " ".join(subject), numbers, words)


def _setting(path: Path, line: Mapping[str, str], settings: Sequence[str]) -> str | None:
    """Said by a column; else by the file's number; a design of two factors is a study's."""
    if "setting" in line:
        return uncelled(line["setting"]) or BASE
    if "design" in line:
        return None
    number = NUMBERED.search(path.stem)
    return settings[int(number[1]) - 1] if number else BASE
