"""Values written short: lists, and ranges that are as exact as decimal arithmetic.

`0,0.3,0.7` · `0:4` (whole numbers, both ends) · `0.1:0.5:0.1` (with a step) · `1e-5:1e-3:log3`
(three values, evenly spaced in their logarithm).
"""

import json
import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation, localcontext
from typing import Any

from moleflow.errors import StudyError

MOST_VALUES = 100_000
"""Of one field: more are a slip."""
DIGITS = 12
"""Significant digits of a value between the ends of a logarithmic range."""
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_RANGE = re.compile(rf"\s*({_NUMBER})\s*:\s*({_NUMBER})\s*(?::\s*(log\d+|{_NUMBER})\s*)?")
_WHOLE = re.compile(r"[+-]?\d+")


def read_values(text: str, what: str) -> tuple[Any, ...]:
    """Values that are separated by commas, each a range, JSON, or text.

    Args:
        what: the field, for errors.

    Raises:
        StudyError: there are none or too many, or a range goes nowhere.
    """
    values: list[Any] = []
    for item in _items(text):
        if not item.strip():
            raise StudyError(f"{what}: {text!r} has an empty value; write e.g. 0,0.3,0.7 or 0:4")
        read = _RANGE.fullmatch(item)
        values += _range(item.strip(), read, what) if read else [_plain(item.strip())]
        if len(values) > MOST_VALUES:
            raise StudyError(f"{what}: {text} are too many values; give at most {MOST_VALUES}")
    return tuple(values)


def _items(text: str) -> Iterator[str]:
    """Split at commas that stand in no brackets and no quotes."""
    depth, quoted, item = 0, False, ""
    for letter in text:
        quoted ^= letter == '"'
        depth += 0 if quoted else (letter in "[{") - (letter in "]}")
        if letter == "," and not depth and not quoted:
            yield item
            item = ""
        else:
            item += letter
    yield item


def _plain(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _range(text: str, read: re.Match[str], what: str) -> list[Any]:
    first, last, step = read[1], read[2], read[3]
    low, high = Decimal(first), Decimal(last)
    if step is not None and step.startswith("log"):
        return _logarithmic(text, low, high, int(step[3:]), what)
    whole = all(_WHOLE.fullmatch(part) for part in (first, last, step or "1"))
    if step is None and not whole:
        raise StudyError(f"{what}: range {text} needs a step; write e.g. {text}:0.1 or {text}:log5")
    by = Decimal(step or "1")
    if not by or (high - low) * by <= 0:
        remedy = f"write {first}:{last}:-1" if step is None else "turn its ends or its step round"
        raise StudyError(f"{what}: range {text} goes nowhere; {remedy}")
    try:
        count = int((high - low) // by) + 1
    except InvalidOperation:  # more than decimal arithmetic has digits for
        count = MOST_VALUES + 1
    if count > MOST_VALUES:
        raise StudyError(
            f"{what}: range {text} has more than {MOST_VALUES} values; take a wider step"
        )
    return [int(v) if whole else float(v) for v in (low + by * i for i in range(count))]


def _logarithmic(text: str, low: Decimal, high: Decimal, count: int, what: str) -> list[Any]:
    if low <= 0 or high <= 0 or low == high or not 2 <= count <= MOST_VALUES:
        raise StudyError(
            f"{what}: range {text} goes nowhere; write FIRST:LAST:logN with two positive numbers "
            f"that differ and 2 or more values, e.g. 1e-5:1e-3:log3"
        )
    with localcontext(prec=50):
        step = (high.ln() - low.ln()) / (count - 1)
        between = [(low.ln() + step * i).exp() for i in range(1, count - 1)]
    return [float(low), *(float(f"{value:.{DIGITS - 1}e}") for value in between), float(high)]
