"""Text that other programs take for text: terminals, spreadsheets, LaTeX.

Names of classes, files and trials come from folders that anybody may have filled.
"""

import re
from collections.abc import Mapping

_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb]"
)
"""What moves a cursor, changes a terminal's state, or lets text run backwards; line ends and tabs
are none of them."""
_FORMULA = re.compile(r"[\s\x00'\"]*[=+\-@\uff1d\uff0b\uff0d\uff20\t\r\n]")
"""How a cell begins that a spreadsheet would compute, blanks and quotes before it included."""
_GUARD = "'"
"""Before a cell: a spreadsheet takes the rest for text."""


def visible(text: str) -> str:
    """Control characters as signs that show them: `␛[31m` instead of red."""
    return _CONTROL.sub(_sign, text)


def one_line(text: str) -> str:
    """Visible, and without line ends, so that a name cannot look like two lines."""
    return visible(" ".join(text.splitlines()))


def cell(value: object) -> object:
    """A value for a CSV file. Numbers stay as they are, negative ones and those in words too."""
    if not isinstance(value, str) or not _FORMULA.match(value) or _is_number(value):
        return value
    return _GUARD + value


def cells(line: Mapping[str, object]) -> dict[object, object]:
    """A line of a CSV file, by its header."""
    return {cell(name): cell(value) for name, value in line.items()}


def uncelled(text: str) -> str:
    """What `cell` was given, for our own pages."""
    guarded = text.startswith(_GUARD) and cell(text[1:]) == text
    return text[1:] if guarded else text


def path_cell(path: str) -> str:
    """A path for a CSV file: still a path of the same file."""
    return f"./{path}" if _FORMULA.match(path) else path


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|nan)", text) is not None


def _sign(found: re.Match[str]) -> str:
    number = ord(found[0])
    if number < 0x20:
        return chr(0x2400 + number)
    return "\u2421" if number == 0x7F else "\N{REPLACEMENT CHARACTER}"
