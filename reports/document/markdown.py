"""The one Markdown page."""

import re
from collections.abc import Callable, Iterable, Iterator

from orchestration.plain import one_line, visible
from orchestration.records.revision import this_moleflow
from reports.document.parts import (
    Block,
    Cell,
    Code,
    Document,
    Facts,
    Figure,
    Fold,
    Gallery,
    Listed,
    Section,
    Strip,
    Table,
    Text,
    Words,
    plain,
)

_SIGNS = {"&": "&amp;", "<": "&lt;", "\n": " "} | {mark: "\\" + mark for mark in "\\|*`[]_#~"}
_STARTS = re.compile(r"([-+>]|\d+(?=[.)]))")
"""What begins a list or a quotation, where a paragraph begins."""
_DEEPEST = 6


def to_markdown(shown: Document, place: Callable[[Block], str]) -> str:
    """The page; text from the study cannot become markup.

    Args:
        place: relative address of the file of a table, figure or strip, without its ending.
    """
    found = [f"> **{markdown_text(said)}**" for said in shown.warnings]
    found += [f"# {markdown_text(f'{shown.title}: {shown.subject}')}"]
    found += [_words(shown.question)] if shown.question else []
    for title, address in shown.beside:
        found.append(f"[{markdown_text(title)}](<{address}>)")
    found += _blocks(shown.answer, place, 2)
    for section in shown.sections:
        found += _blocks((section,), place, 2)
    found += [_words(shown.end)] if shown.end else []
    found.append(f"Written by {this_moleflow()}.")
    return "\n\n".join(found) + "\n"


def _blocks(blocks: Iterable[Block], place: Callable[[Block], str], level: int) -> Iterator[str]:
    for block in blocks:
        yield from _block(block, place, level)


def _block(block: Block, place: Callable[[Block], str], level: int) -> Iterator[str]:
    match block:
        case Text():
            said = _words(block.words)
            yield f"**{said}**" if block.tone == "bad" else said
        case Listed():
            yield "\n".join(f"- {_words(point)}" for point in block.points)
        case Facts():
            yield "\n".join(f"- {markdown_text(k)}: {_words(v)}" for k, v in block.items)
        case Code():
            yield "\n".join("    " + visible(line) for line in block.text.splitlines())
        case Table():
            yield from _table(block, place(block))
        case Figure():
            yield from _drawn(block.heading, block.caption, place(block))
        case Gallery():
            yield from _blocks(block.figures, place, level)
        case Strip():
            yield from _strip(block, place(block))
        case Fold() | Section():
            title = markdown_text(block.title)
            yield f"{'#' * min(level, _DEEPEST)} {title}"
            yield from _blocks(block.blocks, place, level + 1)


def _table(shown: Table, address: str) -> Iterator[str]:
    if not shown.header:
        yield f"{markdown_text(plain(shown.caption))}: `{address}.csv`."
        return
    if not shown.rows:
        yield f"{markdown_text(plain(shown.caption))}: none."
        return
    yield f"**{markdown_text(plain(shown.caption))}.** (`{address}.csv`)"
    yield to_pipes(shown)


def _drawn(heading: str, caption: Words, address: str) -> Iterator[str]:
    yield f"![{markdown_text(heading)}](<{address}.png>)"
    yield f"**{markdown_text(heading)}** {_words(caption)}"


def _strip(shown: Strip, address: str) -> Iterator[str]:
    folder = address.removesuffix(shown.name)
    for name, row, picture in shown.files():
        label = markdown_text(f"{row}, {plain(picture.label)}")
        yield f"![{label}](<{folder}{name}.png>)"
    yield f"**{markdown_text(shown.title)}.** {_words(shown.caption)}"


def to_pipes(shown: Table) -> str:
    """A pipe table; text from the study cannot become markup."""
    total = len(shown.header)
    lines = [_pipe(markdown_text(h) for h in shown.header)]
    lines.append(_pipe(":--" if i in shown.text_columns else "--:" for i in range(total)))
    for row in shown.rows:
        notes = (cell.note.replace("\n", "; ") for cell in row)
        lines.append(_pipe(_cell(cell, note) for cell, note in zip(row, notes, strict=True)))
    return "\n".join(lines)


def _cell(cell: Cell, note: str) -> str:
    text = markdown_text(cell.text)
    shown = f"[{text}](<{cell.address}>)" if cell.address else text
    return f"{shown} ({markdown_text(note)})" if note else shown


def markdown_text(text: str) -> str:
    """Text that Markdown and the HTML within it leave as it is, on one line."""
    return "".join(_SIGNS.get(mark, mark) for mark in one_line(text))


def _words(words: Words) -> str:
    said = markdown_text(plain(words))
    begun = _STARTS.match(said)
    if begun is None:
        return said
    sign, rest = begun[0], said[begun.end() :]
    return f"{sign}\\{rest}" if sign.isdigit() else f"\\{sign}{rest}"


def _pipe(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
