"""How numbers are shown, and how they stand in files."""

import math
from collections.abc import Callable, Iterable, Sequence

from moleflow.wording import counted, grouped
from reports.document import DASH, Value
from reports.statistics import MOST_SEEDS, Contrast, Needed, Summary

MOST_LISTED = 6
"""Values that a line names."""
MOST_NAMED = 5
"""Trials that a sentence names."""
MOST_TOLD = 1000
"""Seeds; more are told as more than these."""
SAYS_NOTHING = 100
"""How many times the fewest seeds the most are, where the number between says nothing."""
OF_NOISE = (
    "How many more seeds would most likely (80 %) give a verdict supposes the difference that was "
    "seen; from the fewest to the most is what a 95 % interval of the noise leaves open. Two seeds "
    "know their noise to a factor of 72, three of 12, five of 5 and ten of 3, and seeds go with "
    "its square."
)


def percent(value: float | None, digits: int = 2) -> str:
    """A fraction in percent; a dash for a missing number."""
    if value is None:
        return DASH
    text = f"{100 * value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", "−")


def good_and_anomalous(good: int, anomalous: int) -> str:
    """How many pictures: `465 good and 1,260 anomalous`."""
    return f"{grouped(good)} good and {grouped(anomalous)} anomalous"


def listed(values: Sequence[str], joined_by: str = ", ", most: int = MOST_LISTED) -> str:
    """The first few of them, and how many more there are."""
    more = len(values) - most
    return joined_by.join(values[:most]) + (f" and {more} more" if more > 0 else "")


def some(names: Sequence[str], most: int = MOST_NAMED) -> str:
    """The first few of them."""
    return ", ".join(names[:most]) + (", and others" if len(names) > most else "")


def left_out(many: int, what: str) -> str:
    """What a number goes without; empty where nothing is left out."""
    return f"{counted(many, what)} of incomplete seeds left out" if many else ""


def plus_minus(summary: Summary | None) -> str:
    """Mean ± sample standard deviation in percent; `± –` where n = 1."""
    if summary is None:
        return DASH
    return f"{percent(summary.mean)} ± {percent(summary.sd)}"


def low_to_high(summary: Summary | None) -> str:
    """Smallest to largest in percent."""
    return f"{percent(summary.low)} to {percent(summary.high)}" if summary else DASH


def seconds(summary: Summary) -> str:
    """Mean ± sample standard deviation; `± –` where n = 1."""
    return f"{summary.mean:,.1f} ± {DASH if summary.sd is None else f'{summary.sd:,.1f}'}"


def span(counts: Iterable[int]) -> str:
    """Smallest to largest of whole numbers, or the one that all of them are."""
    found = sorted(counts)
    low, high = (grouped(found[end]) for end in (0, -1))
    return low if low == high else f"{low} to {high}"


def bracketed(interval: tuple[float, float] | None) -> str:
    """An interval in percent; a dash where there is none."""
    return f"[{', '.join(map(percent, interval))}]" if interval else DASH


def numbers(summary: Summary | None) -> dict[str, Value]:
    """A summary's fields for a CSV file."""
    if summary is None:
        return {"n": 0, "mean": None, "sd": None, "min": None, "max": None}
    return {
        "n": summary.n,
        "mean": summary.mean,
        "sd": summary.sd,
        "min": summary.low,
        "max": summary.high,
    }


def ends(interval: tuple[float, float] | None) -> dict[str, Value]:
    """An interval's fields for a CSV file."""
    low, high = interval or (None, None)
    return {"interval_low": low, "interval_high": high}


def contrasted(result: Contrast | None) -> dict[str, Value]:
    """Fields for a CSV file of what is said of a contrast among those of its table."""
    return {
        "difference": result.difference if result else None,
        **ends(result.interval if result else None),
        "p": result.p if result else None,
        "p_holm": result.p_holm if result else None,
        "p_equivalence_holm": result.p_equivalence_holm if result else None,
        "verdict": result.verdict if result else None,
        "seeds_to_decide": result.seeds_to_decide if result else None,
        **needed("seeds_to_decide", result.seeds_to_decide_range if result else None),
    }


def needed(what: str, seeds: Needed | None) -> dict[str, Value]:
    """Fields for a CSV file of the fewest and the most."""
    low, high = seeds or (None, None)
    return {f"{what}_low": low, f"{what}_high": high}


def at_work(seconds: float) -> str:
    """How long something takes, in whole units that leave two digits or three."""
    if seconds < 120:
        return f"{max(1, round(seconds))} s"
    minutes = seconds / 60
    return f"{round(minutes)} min" if minutes < 120 else f"{grouped(round(minutes / 60))} h"


def says_nothing(low: int | None, high: int | None) -> bool:
    """Whether the ends of a number of seeds lie too far apart for one between them."""
    most = MOST_SEEDS if high is None else high
    return low is not None and most > SAYS_NOTHING * max(1, low)


def from_to(low: int | None, high: int | None) -> str:
    """Ends of a number of seeds, rounded outwards."""
    return f"from {rounded(low, math.floor)} to {rounded(high, math.ceil)}"


def rounded(seeds: int | None, how: Callable[[float], int]) -> str:
    """Two digits of a number of seeds; none of what is more than anyone runs."""
    if seeds is None or seeds > MOST_TOLD:
        return f"over {grouped(MOST_TOLD)}"
    unit = 10 ** max(0, len(str(seeds)) - 2)
    return grouped(how(seeds / unit) * unit)


def p_value(p: float | None) -> str:
    """Three digits; a dash where there is none."""
    return DASH if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"
