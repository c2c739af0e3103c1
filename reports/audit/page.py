"""The numbers of a report's page, with the sources that they name."""

import json
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

from moleflow.errors import StoreError
from reports.audit.notation import numbers

BLOCKS = ("p", "li", "dd", "figcaption", "summary")
"""What a sentence stands in."""
DRAWN = re.compile(r"<svg\b.*?</svg>", re.DOTALL)
"""A figure: most of a page's letters, and none of its numbers name a source."""
TABLE = "table-"
"""Begins the address of a table."""


@dataclass(frozen=True)
class Word:
    """A number in a sentence."""

    text: str
    source: int
    """Its place among the sources."""
    before: str
    """What its paragraph says up to it."""


@dataclass(frozen=True)
class Row:
    """A line of a table."""

    table: str
    """Its name, which is that of its file."""
    texts: list[str] = field(default_factory=list[str])
    """What says what the line is of, and what is said of it."""
    cells: list[tuple[str, int, str]] = field(default_factory=list[tuple[str, int, str]])
    """Text of each number, the place of its source, and the head of its column."""
    links: list[str] = field(default_factory=list[str])
    """Addresses that its texts lead to."""


@dataclass(frozen=True)
class PageNumbers:
    """What stands in the places of numbers."""

    sources: list[tuple[str, tuple[str, ...]]]
    """Function and trials."""
    rows: list[Row]
    words: list[Word]
    unsourced: list[str]
    """Numbers of tables that name none."""
    captions: dict[str, str]
    """By table."""


def table_of(page: Path, name: str) -> Path:
    """The file of a page's table."""
    return page.with_name("tables") / f"{name}.csv"


def read_page(path: Path) -> PageNumbers | None:
    """None where the page keeps no sources.

    Raises:
        StoreError: it cannot be read.
    """
    try:
        reader = _Reader()
        reader.feed(DRAWN.sub("", path.read_text(encoding="utf-8")))
        if not reader.json:
            return None
        kept = json.loads("".join(reader.json))
        functions, trials = kept["functions"], kept["trials"]
        sources = [(functions[by], tuple(trials[of])) for by, of in kept["pairs"]]
        named = [source for row in reader.rows for _, source, _ in row.cells]
        if any(n >= len(sources) for n in (*named, *(word.source for word in reader.words))):
            raise ValueError("a number names a source that is not there")
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise StoreError(
            f"{path}: cannot be read ({error!r}); write the report anew: moleflow report"
        ) from error
    return PageNumbers(sources, reader.rows, reader.words, reader.unsourced, reader.captions)


@dataclass
class _Open:
    """What is being read."""

    source: int | None = None
    number: bool = False
    text: list[str] = field(default_factory=list[str])

    @property
    def said(self) -> str:
        return "".join(self.text)


class _Reader(HTMLParser):
    """Lines of tables, numbers in sentences, and the list of sources."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.json: list[str] = []
        self.rows: list[Row] = []
        self.words: list[Word] = []
        self.unsourced: list[str] = []
        self.captions: dict[str, str] = {}
        self._table = ""
        self._block = _Open()
        self._word: _Open | None = None
        self._cell: _Open | None = None
        self._heads: list[str] = []
        self._column = 0
        self._in_sources = self._in_head = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        if tag == "script" and named.get("id") == "sources":
            self._in_sources = True
        elif tag == "figure" and named.get("id", "").startswith(TABLE):
            self._table = named["id"].removeprefix(TABLE)
        elif tag == "thead":
            self._in_head, self._heads = True, []
        elif tag == "tr" and not self._in_head:
            self.rows.append(Row(self._table))
            self._column = 0
        elif tag == "th" and self._in_head:
            self._heads.append("")
        elif tag in ("td", "th") and not self._in_head:
            source = named.get("data-source")
            number = tag == "td" and "number" in named.get("class", "").split()
            self._cell = _Open(int(source) if source else None, number)
        elif tag == "span" and named.get("data-source"):
            self._word = _Open(int(named["data-source"]))
        elif tag == "a" and self._cell is not None:
            self.rows[-1].links.append(named.get("href", ""))
        elif tag == "small" and self._cell is not None:
            self._cell.text.append(" ")
        elif tag in BLOCKS:
            self._block = _Open()

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._in_sources = False
        elif tag == "thead":
            self._in_head = False
        elif tag in ("td", "th") and self._cell is not None:
            self._end_of_cell(self._cell)
            self._cell, self._column = None, self._column + 1
        elif tag == "figcaption":
            self.captions.setdefault(self._table, self._block.said)
        elif tag == "span" and self._word is not None:
            said = self._word.said
            self.words.append(Word(said, self._word.source or 0, self._block.said[: -len(said)]))
            self._word = None

    def _end_of_cell(self, cell: _Open) -> None:
        if not cell.number:
            self.rows[-1].texts.append(cell.said)
        elif cell.source is not None:
            head = self._heads[self._column] if self._column < len(self._heads) else ""
            self.rows[-1].cells.append((cell.said, cell.source, head))
        elif numbers(cell.said):
            self.unsourced.append(cell.said)

    def handle_data(self, data: str) -> None:
        if self._in_sources:
            self.json.append(data)
            return
        if self._in_head and self._heads:
            self._heads[-1] += data
        for reading in (self._cell, self._word, self._block):
            if reading is not None:
                reading.text.append(data)
