"""How a sentence tells further seeds, by the recomputed line of a table that has them in full."""

import math
from collections.abc import Callable, Mapping

from moleflow.wording import counted, grouped

PREFIXES = ("seeds_to_decide", "seeds_to_settle", "seeds_to_settle_both")
MOST_TOLD, MOST_LOOKED_AT, TOO_FAR = 1000, 10_000, 100
"""Seeds that are told at most, that are looked at at most, and how many times the fewest seeds the
most may be before the number between them is left out."""


def seeds_told(line: Mapping[str, object]) -> set[str]:
    """Every phrase that may stand in a sentence on what further seeds would tell."""
    found: set[str] = set()
    for prefix in PREFIXES:
        if f"{prefix}_low" in line:
            more, low, high = (_number(line.get(f"{prefix}{end}")) for end in ("", "_low", "_high"))
            found |= _told(_number(line.get("seeds")) or 0, more, low, high)
    return found


def _told(have: int, more: int | None, low: int | None, high: int | None) -> set[str]:
    if low is None or low > MOST_TOLD:
        return {f"over {grouped(MOST_TOLD)} more seeds", f"over {grouped(MOST_TOLD)}"}
    ends = "" if low == high else f"from {_cut(low, math.floor)} to {_cut(high, math.ceil)}"
    if (high or MOST_LOOKED_AT) > TOO_FAR * max(1, low):
        return {f"{have} seeds", ends}
    number = _cut(more, round)
    exact = more is not None and more <= MOST_TOLD
    many = "1 more seed" if more == 1 else f"{'about ' * exact}{number} more seeds"
    many = counted(low, "more seed") if low == high else many
    return {many, ends, ", ".join(filter(None, (number, ends)))} - {""}


def _cut(seeds: int | None, how: Callable[[float], int]) -> str:
    """Two digits of it."""
    if seeds is None or seeds > MOST_TOLD:
        return f"over {grouped(MOST_TOLD)}"
    unit = 10 ** max(0, len(str(seeds)) - 2)
    return grouped(how(seeds / unit) * unit)


def _number(value: object) -> int | None:
    """A whole number, if there is one."""
    text = str(value if value is not None else "")
    return int(text) if text.isdigit() else None
