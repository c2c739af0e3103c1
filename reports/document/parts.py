"""What a report is made of: a document of sections, and in them texts, tables, figures and notes.

A report says what there is to say; how it looks on a page, in Markdown, LaTeX or a terminal is
decided once, in this package, for all of them.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeAlias

DASH = "–"
"""Stands where there is no number; never 0."""

Value: TypeAlias = str | int | float | None


@dataclass(frozen=True)
class Source:
    """Where numbers come from: what computed them, and the trials whose records it read."""

    function: str
    """Dotted name, e.g. `reports.performance.main_table`."""
    trials: tuple[str, ...] = ()
    """Keys, sorted; none for what is known of the plan alone."""


def computed(by: Callable[..., Any], trials: Iterable[str] = ()) -> Source:
    """What a function computed from these trials' records."""
    return Source(f"{by.__module__}.{by.__qualname__}", tuple(sorted(set(trials))))


@dataclass(frozen=True)
class Number:
    """A number within a text, as it is shown, with its unit."""

    text: str
    source: Source


Words: TypeAlias = str | tuple[str | Number, ...]
"""Plain words, or words with numbers among them that say where they come from."""


def plain(words: Words) -> str:
    """The words alone."""
    parts = (words,) if isinstance(words, str) else words
    return "".join(part if isinstance(part, str) else part.text for part in parts)


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    kind: ClassVar = "text"
    words: Words
    tone: Literal["plain", "note", "bad"] = "plain"
    """`note`: how to read what stands beside it; `bad`: what must not be overlooked."""


def note(words: Words) -> Text:
    """How to read what stands beside it."""
    return Text(words, "note")


@dataclass(frozen=True)
class Listed:
    """Paragraphs as a list of points."""

    kind: ClassVar = "listed"
    points: tuple[Words, ...]
    tone: Literal["plain", "note"] = "plain"


@dataclass(frozen=True)
class Facts:
    """Names and what is to be said of each."""

    kind: ClassVar = "facts"
    items: tuple[tuple[str, Words], ...]


@dataclass(frozen=True)
class Code:
    """Text as it is, line by line, e.g. a traceback."""

    kind: ClassVar = "code"
    text: str


@dataclass(frozen=True)
class Cell:
    """What is shown in one place of a table."""

    text: str
    note: str = ""
    """Smaller, below the text; may have several lines."""
    source: Source | None = None
    """Where it differs from that of the whole table."""
    address: str = ""
    """Relative, of a page that the text leads to."""


@dataclass(frozen=True)
class Line:
    """A line of a table's file, of which only these trials were read."""

    values: Mapping[str, Value]
    source: Source


class Lines(Sequence[Line]):
    """Lines that are made anew whenever they are gone through: hundreds of thousands of them are
    written to a file, and never all in memory."""

    def __init__(self, make: Callable[[], Iterable[Line]]):
        self._make = make
        self._count: int | None = None

    def __iter__(self) -> Iterator[Line]:
        count = 0
        for count, line in enumerate(self._make(), start=1):  # noqa: B007
            yield line
        self._count = count

    def __len__(self) -> int:
        if self._count is None:
            self._count = sum(1 for _ in self._make())
        return self._count

    def __getitem__(self, at: Any) -> Any:
        every: Any = tuple(self)
        return every[at]


@dataclass(frozen=True)
class Table:
    """What is shown, and the same numbers in full for other programs."""

    kind: ClassVar = "table"
    name: str
    """File name below `tables/`, without its ending."""
    caption: Words
    header: tuple[str, ...]
    """None for a table that is a file only, too long to be shown."""
    rows: tuple[tuple[Cell, ...], ...]
    lines: Sequence[Line]
    """Tidy, for the CSV file, at full precision, fractions of 1."""
    source: Source
    fields: tuple[str, ...]
    """Columns of the CSV file."""
    text_columns: frozenset[int] = frozenset({0})
    """Those that hold text; the others hold numbers and are aligned right."""

    def source_of(self, cell: Cell) -> Source:
        """Where the number in a cell of this table comes from."""
        return cell.source or self.source


def table(
    name: str,
    caption: Words,
    header: Sequence[str],
    rows: Sequence[Sequence[Cell | str]],
    lines: Sequence[Mapping[str, Value] | Line],
    source: Source,
    text_columns: int | Iterable[int] = 1,
    fields: Sequence[str] = (),
) -> Table:
    """A table from cells or plain texts, and lines for its file.

    Args:
        source: where numbers come from; cells and lines may name trials of their own.
        text_columns: how many leading columns hold text, or which.
        fields: columns of the file, where there may be no line that has them.
    """
    cells = tuple(tuple(c if isinstance(c, Cell) else Cell(c) for c in row) for row in rows)
    kept: Sequence[Line] = (
        lines
        if isinstance(lines, Lines)
        else tuple(line if isinstance(line, Line) else Line(line, source) for line in lines)
    )
    which = range(text_columns) if isinstance(text_columns, int) else text_columns
    found = tuple(fields) or tuple(dict.fromkeys(key for line in kept for key in line.values))
    return Table(name, caption, tuple(header), cells, kept, source, found, frozenset(which))


@dataclass(frozen=True)
class Figure:
    """A drawn figure with the words under it."""

    kind: ClassVar = "figure"
    name: str
    """File name below `figures/`, without its ending."""
    title: str
    unit: str
    """Of what is drawn, e.g. `%`."""
    n: Words
    """How many of what, e.g. `12 trials`."""
    caption: Words
    """What is to be seen, and what was found."""
    svg: str
    png: bytes

    @property
    def heading(self) -> str:
        """Title, unit and n, as they stand under the figure."""
        return f"{self.title} [{self.unit}], n = {plain(self.n)}."


@dataclass(frozen=True)
class Gallery:
    """Figures beside each other, where the page is wide enough."""

    kind: ClassVar = "gallery"
    figures: tuple[Figure, ...]


@dataclass(frozen=True)
class Picture:
    """One picture of a strip."""

    label: Words
    png: bytes


@dataclass(frozen=True)
class Strip:
    """Pictures in rows, e.g. anomaly maps of a class in each."""

    kind: ClassVar = "strip"
    name: str
    title: str
    caption: Words
    rows: tuple[tuple[str, tuple[Picture, ...]], ...]
    """A name and its pictures."""

    def files(self) -> Iterator[tuple[str, str, Picture]]:
        """File name without ending, row and picture of each."""
        for i, (row, pictures) in enumerate(self.rows, start=1):
            for j, picture in enumerate(pictures, start=1):
                yield f"{self.name}-{i}-{j}", row, picture


@dataclass(frozen=True)
class Fold:
    """What is there for whoever opens it."""

    kind: ClassVar = "fold"
    title: str
    blocks: tuple["Block", ...]


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it, sections included."""

    kind: ClassVar = "section"
    title: str
    blocks: tuple["Block", ...]


Block: TypeAlias = Text | Listed | Facts | Code | Table | Figure | Gallery | Strip | Fold | Section


@dataclass(frozen=True)
class Document:
    """A report."""

    title: str
    subject: str
    """What kind of report this is."""
    question: str
    answer: tuple[Block, ...]
    """What a tired reader finds in ten seconds."""
    sections: tuple[Section, ...]
    headline: str
    """The answer as plain text for a terminal, at most 100 columns wide."""
    warnings: tuple[str, ...] = ()
    """What a reader must know before any number."""
    end: Words = ""
    beside: tuple[tuple[str, str], ...] = field(default=())
    """Titles and relative addresses of other reports of the same study."""

    def parts(self) -> Iterator["Block"]:
        """Every block, in reading order, at any depth."""
        return _all((*self.answer, *self.sections))

    @property
    def tables(self) -> tuple[Table, ...]:
        return tuple(part for part in self.parts() if isinstance(part, Table))

    @property
    def figures(self) -> tuple[Figure, ...]:
        return tuple(part for part in self.parts() if isinstance(part, Figure))


def _all(blocks: Iterable["Block"]) -> Iterator["Block"]:
    for block in blocks:
        yield block
        if isinstance(block, (Fold, Section)):
            yield from _all(block.blocks)
        elif isinstance(block, Gallery):
            yield from block.figures


def anchor(title: str) -> str:
    """A section's address within its page, as far as its title alone can give it."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "section"
