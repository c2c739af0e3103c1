"""What a page says outside of the numbers that name their sources."""

import ast
import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

BLOCKS = {"p", "li", "dd", "dt", "figcaption", "summary", "h1", "h2", "h3", "h4", "h5", "h6"}
BLOCKS |= {"th", "td", "small", "pre", "title"}
SILENT = {"script", "style", "svg", "nav"}
FILE = re.compile(r"\.(csv|json|tex|svg|png)$")
HELD = "\u25a1"
"""Stands for a number that names its source."""
NUMBER = re.compile(r"\d+(?:[.,\u202f]\d+)*")


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, str]] = []
        """Kind and words of each block."""
        self._open: list[list[str]] = [[]]
        self._depth: dict[str, int] = {"silent": 0, "sourced": 0}
        self._until: list[tuple[str, str]] = []
        self._section = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        silent = (
            tag in SILENT or named.get("class") == "files" or FILE.search(named.get("href") or "")
        )
        what = "silent" if silent else "sourced" if named.get("data-source") else ""
        self._until.append((tag, what))
        if tag in ("img", "meta", "br", "link"):
            self._until.pop()
            return
        if what == "sourced" and not self._depth["sourced"]:
            self._open[-1].append(HELD)
        if what:
            self._depth[what] += 1
        if tag in BLOCKS:
            self._open.append([])

    def handle_endtag(self, tag: str) -> None:
        opened, what = self._until.pop()
        assert opened == tag, (opened, tag)
        if tag in BLOCKS:
            said = " ".join("".join(self._open.pop()).split())
            if said:
                self.found.append((tag, said))
        if what:
            self._depth[what] -= 1

    def handle_data(self, data: str) -> None:
        if not any(self._depth.values()):
            self._open[-1].append(data)


BESIDE = 6
"""Letters on one side of a number by which it is known as a constant of the code."""
LEAST = 4
"""So many there must be."""


def plain_words(page: str) -> list[str]:
    """Of each block, the words between numbers that name their sources, as far as there are numbers
    in them."""
    reader = _Reader()
    reader.feed(page)
    parts = [f"{tag}: {part}" for tag, said in reader.found for part in said.split(HELD)]
    return [one for one in parts if NUMBER.search(one.partition(": ")[2])]


def numbers_in(block: str, named: re.Pattern[str]) -> tuple[str, tuple[str, ...]]:
    """A block's words without its numbers, and those numbers that neither are of a name nor stand
    so in the code."""
    tag, _, said = named.sub("NAME", block).partition(": ")
    numbers = tuple(one[0] for one in NUMBER.finditer(said) if not _of_the_code(said, one))
    return f"{tag}: {NUMBER.sub('#', said)}", numbers


def _of_the_code(said: str, one: re.Match[str]) -> bool:
    """Whether a number stands so, with what is before or after it, in a text of the code."""
    before = said[max(0, one.start() - BESIDE) : one.end()]
    after = said[one.start() : one.end() + BESIDE]
    both = said[max(0, one.start() - BESIDE) : one.end() + BESIDE]
    texts = (text.strip() for text in (before, after, both))
    return any(len(text) >= len(one[0]) + LEAST and text in constants() for text in texts)


@cache
def constants() -> str:
    """Every text that stands in the code of reports, words of one space apart."""
    texts: list[str] = []
    for path in sorted(Path("reports").rglob("*.py")):
        if "audit" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(" ".join(node.value.split()))
    return "\n".join(texts)
