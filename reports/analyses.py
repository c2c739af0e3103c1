"""Pages of analyses of single trials, in the document model.

An analysis is made anew whenever it is asked for; the page shows all that lie in the folder.
"""

import csv
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from moleflow.drawing import to_png, to_svg
from moleflow.files import read_regular
from moleflow.settings import Settings
from orchestration.plain import cell, uncelled
from orchestration.records.files import write_atomically
from orchestration.records.ledger import Record
from orchestration.records.revision import this_moleflow
from reports.document import (
    DASH,
    Document,
    Facts,
    Figure,
    Fold,
    Layout,
    Listed,
    Number,
    Section,
    Source,
    Table,
    Written,
    table,
    write,
)

if TYPE_CHECKING:  # analyses need torch, and their pages do not
    from moleflow.analysis import Analysis

LONGEST = 60
"""Rows of a table that the page shows; a longer one is a file only."""
DIGITS = 4
NAMES = ("class", "task", "task_a", "task_b", "most_confused_with", "picture", "defect")
"""Columns of names, which may look like numbers: classes of BTAD are called 01, 02 and 03."""


class Kept(Settings):
    """`<name>.json`: what the page says of an analysis besides its files."""

    name: str
    title: str
    function: str
    """Dotted name of what made it."""
    captions: dict[str, str]
    """Of each table, by its file's name; the one to look at is the first."""
    unit: str
    n: str
    finding: str
    notes: tuple[str, ...]
    device: str = ""
    """Kind of device that it was computed on."""
    written_by: str = ""
    """Version of moleflow; the page may be of a later one."""


def write_analyses(
    record: Record, made: "Iterable[Analysis]", known: Sequence[str], folder: Path, device: str = ""
) -> Written:
    """Write analyses of a trial, then the page of all that are in the folder.

    Args:
        known: names of all analyses, in the order of the page.
        device: kind of device that these were computed on.

    Raises:
        StoreError: the folder cannot be written.
    """
    for analysis in made:
        _keep(analysis, folder, device)
    sections = tuple(_section(kept, record, folder) for kept in _present(known, folder))
    findings = [f for kept in _present(known, folder) if (f := _finding(kept, record))]
    facts = tuple(_facts(record))
    shown = Document(
        title=record.key,
        subject="Analyses of a finished trial",
        question="",
        answer=(Facts(facts), Listed(tuple(findings))),
        sections=sections,
        headline="",
    )
    return write(shown, folder, Layout(tables="", figures=""))


def _keep(analysis: "Analysis", folder: Path, device: str) -> None:
    for name, numbers in analysis.tables.items():
        safe = numbers.rename(columns=cell).map(cell)
        write_atomically(folder / f"{name}.csv", safe.to_csv(index=False, lineterminator="\n"))
    write_atomically(folder / f"{analysis.name}.svg", to_svg(analysis.figure))
    write_atomically(folder / f"{analysis.name}.png", to_png(analysis.figure))
    kept = Kept(
        name=analysis.name,
        title=analysis.title,
        function=f"moleflow.analysis.{analysis.name}.{analysis.name}",
        captions={name: analysis.captions[name] for name in analysis.tables},
        unit=analysis.unit,
        n=analysis.n,
        finding=analysis.finding,
        notes=analysis.notes,
        device=device,
        written_by=this_moleflow(),
    )
    write_atomically(folder / f"{analysis.name}.json", kept.model_dump_json(indent=1))


def _present(known: Sequence[str], folder: Path) -> Iterator[Kept]:
    for name in known:
        try:
            kept = Kept.model_validate_json(read_regular(folder / f"{name}.json"))
        except (OSError, ValueError):  # not made yet, or damaged: it is made when it is asked for
            continue
        files = [f"{name}.svg", f"{name}.png", *(f"{shown}.csv" for shown in kept.captions)]
        if kept.name == name and all((folder / file).is_file() for file in files):
            yield kept


def _section(kept: Kept, record: Record, folder: Path) -> Section:
    source = Source(kept.function, (record.key,))
    svg = (folder / f"{kept.name}.svg").read_text(encoding="utf-8")
    png = (folder / f"{kept.name}.png").read_bytes()
    words = (Number(kept.finding, source),)
    n = (Number(kept.n, source),)
    figure = Figure(kept.name, kept.title, kept.unit, n, words, svg, png)
    first, *others = (
        _table(folder / f"{name}.csv", name, caption, source)
        for name, caption in kept.captions.items()
    )
    more = (Fold("More tables", tuple(others)),) if others else ()
    return Section(kept.title, (figure, Listed(kept.notes, "note"), first, *more))


def _finding(kept: Kept, record: Record) -> tuple[str | Number, ...]:
    source = Source(kept.function, (record.key,))
    return (f"{kept.title}: ", Number(kept.finding, source))


def _facts(record: Record) -> Iterator[tuple[str, str]]:
    yield "Study", record.study
    yield "Sequence", record.order
    yield "Seed", str(record.seed)
    yield "Data", record.data_root
    yield "Trained on", f"{record.device}, {record.host}"
    yield "Code", record.git


def _table(path: Path, name: str, caption: str, source: Source) -> Table:
    """A CSV file of ours, numbers shortened; a file only where it is too long to be shown."""
    with path.open(newline="", encoding="utf-8") as file:
        header, *lines = [list(map(uncelled, line)) for line in csv.reader(file)]
    columns = [[line[i] for line in lines] for i in range(len(header))]
    numeric = [
        i for i, column in enumerate(columns) if header[i] not in NAMES and _is_number(column)
    ]
    rows = [
        [short(text) if i in numeric else text for i, text in enumerate(line)] for line in lines
    ]
    heads = [head.replace("_", " ") for head in header]
    if len(lines) > LONGEST:
        heads, rows = [], []
    kept = [
        {head: text if text else None for head, text in zip(header, line, strict=True)}
        for line in lines
    ]
    texts = [i for i in range(len(header)) if i not in numeric]
    return table(name, caption, heads, rows, kept, source, texts, header)


def _is_number(column: Sequence[str]) -> bool:
    return all(_as_float(text) is not None for text in column if text) and any(column)


def _as_float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def short(text: str) -> str:
    """A number with four significant digits, whole ones in full; an empty cell is a dash."""
    value = _as_float(text)
    if value is None or not math.isfinite(value):
        return text or DASH
    shown = f"{value:.0f}" if value == int(value) else f"{value:.{DIGITS}g}"
    return shown.replace("-", "−")
