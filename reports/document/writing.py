"""From a document to files: pages, tables and figures."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from orchestration.records.ledger import write_atomically
from reports.document.csv import to_csv
from reports.document.html import to_html
from reports.document.latex import to_latex
from reports.document.markdown import to_markdown
from reports.document.parts import Block, Document, Figure, Strip, Table


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
    files = _files(shown, layout.place)
    for path, content in files.items():
        write_atomically(folder / path, content)
    for place in {layout.tables, layout.figures} - {""}:
        for old in sorted((folder / place).glob("*")):
            if f"{place}{old.name}" not in files and not old.is_dir():  # nor what is none of ours
                old.unlink(missing_ok=True)
    html, markdown = folder / "index.html", folder / "report.md"
    write_atomically(html, to_html(shown, layout.place))
    write_atomically(markdown, to_markdown(shown, layout.place))
    return Written(html, markdown, shown.headline)


def _files(shown: Document, place: Callable[[Block], str]) -> dict[str, str | bytes]:
    """Content of every file beside the pages, by its relative path."""
    found: list[tuple[str, str | bytes]] = []
    for block in shown.parts():
        if isinstance(block, Table):
            lines, sources = to_csv(block)
            found.append((f"{place(block)}.csv", lines))
            found.append((f"{place(block)}.sources.json", sources))
            found += [(f"{place(block)}.tex", to_latex(block))] if block.header else []
        elif isinstance(block, Figure):
            found.append((f"{place(block)}.svg", block.svg))
            found.append((f"{place(block)}.png", block.png))
        elif isinstance(block, Strip):
            folder = place(block).removesuffix(block.name)
            found += [(f"{folder}{name}.png", picture.png) for name, _, picture in block.files()]
    twice = [path for path, n in Counter(path for path, _ in found).items() if n > 1]
    assert not twice, f"two parts of one report have one file: {', '.join(twice)}"
    return dict(found)
