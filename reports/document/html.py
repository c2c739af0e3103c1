"""The one HTML page: it needs no other file and no network."""

import base64
import json
import re
from collections.abc import Callable
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from moleflow.drawing import INK
from moleflow.wording import counted
from orchestration.records.revision import this_moleflow
from reports.document.parts import (
    Block,
    Document,
    Figure,
    Number,
    Picture,
    Section,
    Source,
    Table,
    Words,
    anchor,
    plain,
)

DENSE, VERY_DENSE = 9, 14
"""Columns beyond which a table is set in smaller letters, and in smaller ones still."""


def to_html(shown: Document, place: Callable[[Block], str]) -> str:
    """The page.

    Args:
        place: relative address of the file of a table or figure, without its ending.
    """
    # Everything is escaped but what is marked as markup below.
    pages = Environment(
        loader=PackageLoader("reports.document", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    anchors, numbers = _Anchors(shown), _Sources()
    filters: dict[str, Any] = {
        "anchor": anchors.of,
        "classes": _classes,
        "embedded": _embedded,
        "inline": inline,
        "inner": _inner,
        "lower_first": _lower_first,
        "number": numbers.number,
        "parts": _parts,
        "place": place,
        "plain": plain,
        "said": said,
    }
    pages.filters.update(filters)  # pyright: ignore[reportUnknownMemberType]
    # The list of sources stands last on the page, when all that it names has been seen.
    page = pages.get_template("page.html.j2")
    return page.render(document=shown, sources=numbers.json, written_by=this_moleflow())


class _Anchors:
    """An address for each section, unique on the page."""

    def __init__(self, shown: Document):
        self._known: dict[int, str] = {}
        taken: dict[str, int] = {}
        for part in shown.parts():
            if isinstance(part, Section):
                name = anchor(part.title)
                taken[name] = taken.get(name, 0) + 1
                again = f"-{taken[name]}" if taken[name] > 1 else ""
                self._known[id(part)] = f"section-{name}{again}"

    def of(self, section: Section) -> str:
        return self._known[id(section)]


class _Sources:
    """Every source that the page names, each once."""

    def __init__(self) -> None:
        self._functions: dict[str, int] = {}
        self._trials: dict[tuple[str, ...], int] = {}
        self._pairs: dict[tuple[int, int], int] = {}

    def number(self, source: Source) -> int:
        by = self._functions.setdefault(source.function, len(self._functions))
        of = self._trials.setdefault(source.trials, len(self._trials))
        return self._pairs.setdefault((by, of), len(self._pairs))

    def json(self) -> Markup:
        """Safe within a script element."""
        tree = {"functions": [*self._functions], "trials": [*self._trials], "pairs": [*self._pairs]}
        return Markup(json.dumps(tree, separators=(",", ":")).replace("<", "\\u003c"))


def said(source: Source) -> str:
    """In short; the page's script knows the keys."""
    n = len(source.trials)
    from_ = f"of {counted(n, 'trial')}" if n else "of the plan"
    return f"{from_}, by {source.function}"


def inline(figure: Figure) -> Markup:
    """The SVG element alone: text in the page's colour, no links, ids of its own.

    It was drawn here, with every letter as a path, so nothing in it comes from a user.
    """
    body = figure.svg[figure.svg.index("<svg") :]
    body = re.sub(r"<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r' xmlns(:xlink)?="[^"]*"', "", body)
    body = body.replace(INK, "currentColor")
    body = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{figure.name}-", body)
    body = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", body, count=1)
    body = re.sub(r'(<svg[^>]*?) width="([\d.]+)pt"', r'\1 style="width:\2pt"', body, count=1)
    return Markup(body)


def _embedded(picture: Picture) -> str:
    return f"data:image/png;base64,{base64.b64encode(picture.png).decode()}"


def _classes(shown: Table) -> str:
    """How a table looks, by its size: wide ones must still fit the page."""
    columns = len(shown.header)
    dense = ["dense"] if columns > DENSE else []
    dense += ["very"] if columns > VERY_DENSE else []
    return " ".join(["sortable", *dense] if len(shown.rows) > 1 else dense)


def _inner(section: Section) -> list[Section]:
    """Sections right below one."""
    return [part for part in section.blocks if isinstance(part, Section)]


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]


def _parts(words: Words) -> tuple[str | Number, ...]:
    return (words,) if isinstance(words, str) else words
