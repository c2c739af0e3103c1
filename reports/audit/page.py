"""The numbers of a report's page, with the sources that they name."""

import json
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

from moleflow.errors import StoreError
from reports.audit.notation import numbers


@dataclass(frozen=True)
class PageNumbers:
    """What stands in the places of numbers."""

    sources: list[tuple[str, tuple[str, ...]]]
    """Function and trials."""
    cells: list[tuple[str, int]]
    """Text of each number of a table, and the place of its source."""
    words: list[tuple[str, int]]
    """The same of each number in a sentence."""
    unsourced: list[str]
    """Numbers of tables that name none."""


def read_page(path: Path) -> PageNumbers | None:
    """None where the page keeps no sources.

    Raises:
        StoreError: it cannot be read.
    """
    try:
        reader = _Reader()
        reader.feed(path.read_text(encoding="utf-8"))
        if not reader.json:
            return None
        kept = json.loads("".join(reader.json))
        functions, trials = kept["functions"], kept["trials"]
        sources = [(functions[by], tuple(trials[of])) for by, of in kept["pairs"]]
        if any(source >= len(sources) for _, source in (*reader.cells, *reader.words)):
            raise ValueError("a number names a source that is not there")
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise StoreError(
            f"{path}: cannot be read ({error!r}); write the report anew: moleflow report"
        ) from error
    return PageNumbers(sources, reader.cells, reader.words, reader.unsourced)


@dataclass
class _Open:
    """A cell that is being read."""

    source: int | None
    text: list[str] = field(default_factory=list[str])


class _Reader(HTMLParser):
    """Cells of class `number`, numbers in sentences, and the list of sources."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.json: list[str] = []
        self.cells: list[tuple[str, int]] = []
        self.words: list[tuple[str, int]] = []
        self.unsourced: list[str] = []
        self._word: _Open | None = None
        self._cell: _Open | None = None
        self._in_sources = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag == "script" and named.get("id") == "sources":
            self._in_sources = True
        elif tag == "td" and "number" in (named.get("class") or "").split():
            source = named.get("data-source")
            self._cell = _Open(int(source) if source else None)
        elif tag == "span" and named.get("data-source"):
            self._word = _Open(int(named["data-source"] or 0))
        elif tag == "small" and self._cell is not None:
            self._cell.text.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._in_sources = False
        elif tag == "td" and self._cell is not None:
            text = "".join(self._cell.text)
            if self._cell.source is not None:
                self.cells.append((text, self._cell.source))
            elif numbers(text):
                self.unsourced.append(text)
            self._cell = None

        elif tag == "span" and self._word is not None:
            self.words.append(("".join(self._word.text), self._word.source or 0))
            self._word = None

    def handle_data(self, data: str) -> None:
        if self._in_sources:
            self.json.append(data)
        for reading in (self._cell, self._word):
            if reading is not None and not self._in_sources:
                reading.text.append(data)
