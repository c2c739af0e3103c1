"""From tables and figures to files: HTML, Markdown, CSV, LaTeX, SVG, PNG."""
# pyright: reportUnknownMemberType=false

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from orchestration.records.files import write_atomically
from reports.figures import Figure
from reports.tables import Table, markdown_text, to_csv, to_latex, to_markdown


@dataclass(frozen=True)
class Report:
    """What was written."""

    html: Path
    """One page that needs no other file and no network."""
    markdown: Path
    headline: str
    """The main table as plain text for a terminal, at most 100 columns wide."""


def write_pages(folder: Path, name: str, content: dict[str, Any], headline: str) -> Report:
    """Fill the templates `<name>.html.j2` and `<name>.md.j2` and write the pages.

    Raises:
        StoreError: the folder cannot be written.
    """
    pages = Environment(
        loader=PackageLoader("reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters["inline"] = _inline
    plain = pages.overlay(autoescape=False)
    plain.filters["md"] = markdown_text
    plain.filters["pipes"] = to_markdown
    html, markdown = folder / "index.html", folder / "report.md"
    write_atomically(html, pages.get_template(f"{name}.html.j2").render(content).encode())
    write_atomically(markdown, plain.get_template(f"{name}.md.j2").render(content).encode())
    return Report(html, markdown, headline)


def write_tables(folder: Path, tables: Iterable[Table]) -> None:
    """`tables/<name>.csv`, and `.tex` where the table is one to be shown."""
    for shown in tables:
        write_atomically(folder / "tables" / f"{shown.name}.csv", to_csv(shown).encode())
        if shown.header:
            write_atomically(folder / "tables" / f"{shown.name}.tex", to_latex(shown).encode())


def write_figures(folder: Path, figures: Iterable[Figure]) -> None:
    """`figures/<name>.svg` and `.png`."""
    for figure in figures:
        write_atomically(folder / "figures" / f"{figure.name}.svg", figure.svg.encode())
        write_atomically(folder / "figures" / f"{figure.name}.png", figure.png)


def _inline(figure: Figure) -> Markup:
    # The SVG was drawn here, with every letter as a path, so nothing in it comes from a user.
    return Markup(figure.inline)
