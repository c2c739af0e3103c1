"""From a document to files: pages, tables and figures."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from orchestration.records.files import written_together
from reports.document.csv import write_csv
from reports.document.html import to_html
from reports.document.latex import to_latex
from reports.document.markdown import to_markdown
from reports.document.parts import Block, Document, Figure, Strip, Table

DAY = 24 * 3600


@dataclass(frozen=True)
class Written:
    """What was written."""

    html: Path
    """One page that needs no other file and no network."""
    markdown: Path
    headline: str
    """The answer as plain text for a terminal, at most 100 columns wide."""


@dataclass(frozen=True)
class Layout:
    """Where files stand below a report's folder."""

    tables: str = "tables/"
    figures: str = "figures/"

    def place(self, block: Block) -> str:
        """Relative address of a block's file, without its ending."""
        assert isinstance(block, (Table, Figure, Strip))
        return (self.tables if isinstance(block, Table) else self.figures) + block.name


def write(shown: Document, folder: Path, layout: Layout | None = None) -> Written:
    """Write `index.html`, `report.md`, and below it each table as CSV with its sources and LaTeX,
    each figure as SVG and PNG. In folders of tables and figures nothing stays of a report before.

    Raises:
        StoreError: the folder cannot be written.
    """
    layout = layout or Layout()
    html, markdown = folder / "index.html", folder / "report.md"
    with written_together() as opened:
        files = _Files(folder, opened)
        for block in shown.parts():
            _write_block(block, layout, files)
        files.write("index.html", to_html(shown, layout.place))
        files.write("report.md", to_markdown(shown, layout.place))
    for place in {layout.tables, layout.figures} - {""}:
        for old in sorted((folder / place).glob("*")):
            if f"{place}{old.name}" not in files.known and _is_left(old):
                old.unlink(missing_ok=True)
    return Written(html, markdown, shown.headline)


class _Files:
    """Those of a report, each written as it is made."""

    def __init__(self, folder: Path, opened: Callable[[Path], AbstractContextManager[TextIO]]):
        self._folder = folder
        self._opened = opened
        self.known: set[str] = set()
        """Relative paths."""

    def open(self, path: str) -> AbstractContextManager[TextIO]:
        assert path not in self.known, f"two parts of one report have one file: {path}"
        self.known.add(path)
        return self._opened(self._folder / path)

    def write(self, path: str, content: str | bytes) -> None:
        with self.open(path) as file:
            file.buffer.write(content.encode() if isinstance(content, str) else content)


def _write_block(block: Block, layout: Layout, files: _Files) -> None:
    """What stands beside the pages."""
    if isinstance(block, Table):
        place = layout.place(block)
        with files.open(f"{place}.csv") as lines, files.open(f"{place}.sources.json") as sources:
            write_csv(block, lines, sources)
        if block.header:
            files.write(f"{place}.tex", to_latex(block))
    elif isinstance(block, Figure):
        files.write(f"{layout.place(block)}.svg", block.svg)
        files.write(f"{layout.place(block)}.png", block.png)
    elif isinstance(block, Strip):
        folder = layout.place(block).removesuffix(block.name)
        for name, _, picture in block.files():
            files.write(f"{folder}{name}.png", picture.png)


def _is_left(path: Path) -> bool:
    """Of a report before; not a folder, nor what another process writes at this moment."""
    try:
        young = time.time() - path.lstat().st_mtime < DAY
        return not path.is_dir() and not (path.name.startswith(".") and young)
    except OSError:  # another process was faster
        return False
