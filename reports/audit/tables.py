"""Files of a report's tables: what made each line, and each of its numbers by a second way."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from reports.audit.claim import Verdict, WantsMore
from reports.audit.lines import lines_of, sources_of
from reports.audit.notation import numbers
from reports.audit.recomputed import SAYS_WHAT, Finding, Made, Shown
from reports.audit.records import Records, Trial, finished
from reports.audit.second_way import (
    NOT_OF_LEDGER,
    Expected,
    Line,
    Value,
    by_seed,
    described,
    short_name,
)
from reports.audit.seeds_told import seeds_told
from reports.audit.ways import WAYS
from reports.audit.words import whole_units

CLOSE = 1e-9
"""Of a fraction of 1: what different orders of summation may do to a sum."""
KINDS = {"good", "anomalous"}
SETTING = re.compile(r"-setting(\d+)$")


def audit_table(path: Path, records: Records, shown: Shown) -> list[Finding]:
    """The numbers of one table; what is recomputed of each function is added to `shown`."""
    rows, sources = lines_of(path), sources_of(path)
    if sources is None:
        return [Finding(str(path), Verdict.UNCHECKABLE, "names no sources")] if rows else []
    if len(sources) != len(rows):
        why = f"{len(rows)} lines and sources of {len(sources)}"
        return [Finding(str(path), Verdict.IMPOSSIBLE, why)]
    setting = _setting(path, records)
    found: list[Finding] = []
    for number, (cells, (function, named)) in enumerate(zip(rows, sources, strict=True), start=2):
        line = Line(cells, function, named, setting, records)
        place = f"{path} line {number}"
        strangers = sorted(set(named) - records.keys)
        if strangers:
            why = f"names trials that the plan has not: {', '.join(strangers[:3])}"
            found.append(Finding(place, Verdict.IMPOSSIBLE, why, function=function))
        expected = _expected(line)
        if isinstance(expected, Expected):
            if path in shown.on_pages:
                shown.add(path, _made(line, expected))
            found += _line(line, place, expected)
        else:
            why = f"is no line of {function} ({expected!r})"
            found.append(Finding(place, Verdict.IMPOSSIBLE, why, function=function))
    return [*found, *_left_out(path, rows, sources, setting)]


def _setting(path: Path, records: Records) -> tuple[Any, ...]:
    """The trials that a table is of: its name ends with the setting's number, if there are some."""
    named = SETTING.search(path.stem)
    settings = records.settings
    if named and 0 < int(named[1]) <= len(settings):
        return settings[int(named[1]) - 1]
    return records.trials


def has_numbers(text: str) -> bool:
    """A hash such as 09505e793505 reads as a number that none is, and is none."""
    try:
        return bool(numbers(text))
    except WantsMore:
        return False


def _expected(line: Line) -> Expected | Exception:
    """What should stand in a line; the error where it is none of its function."""
    way = WAYS.get(line.function)
    try:
        return way(line) if way else _by_columns(line)
    except NOT_OF_LEDGER as error:
        return error


def _made(line: Line, expected: Expected) -> Made:
    says = frozenset((column, line.cells[column]) for column in SAYS_WHAT & line.cells.keys())
    known = {**line.cells, **expected.numbers}
    values = [float(value) for value in known.values() if isinstance(value, (int, float))]
    # A page tells the pictures of both kinds together, and seeds beyond all that are looked for.
    values += [sum(float(known[kind] or 0) for kind in KINDS)] if known.keys() >= KINDS else []
    beyond = any(name.startswith("seeds_to_") and known[name] is None for name in known)
    values += [math.inf] if beyond else []
    values += _in_two_digits(known)
    texts = {value for value in expected.numbers.values() if isinstance(value, str)}
    texts |= {text for _, text in says} | {short_name(line), _time(known)}
    further = frozenset(seeds_told(known))
    named = frozenset(line.named)
    found = Made(line.function, named, says, tuple(values), frozenset(texts), known, further)
    unchecked = {column: numbers(text)[0].value for column, text in _unchecked(line, expected)}
    return replace(found, unchecked=unchecked)


def _unchecked(line: Line, expected: Expected) -> Iterator[tuple[str, str]]:
    """Columns with numbers that no second way computes."""
    for column, text in line.cells.items():
        if column not in SAYS_WHAT and column not in expected.numbers and has_numbers(text):
            yield column, text


def _time(known: Mapping[str, object]) -> str:
    """How a page tells what one more seed takes."""
    seconds = known.get("seconds_per_seed")
    return whole_units(seconds) if isinstance(seconds, (int, float)) else ""


def _in_two_digits(known: Mapping[str, object]) -> list[float]:
    """Numbers of seeds as a page rounds them, outwards where they are ends."""
    found: list[float] = []
    for name, value in known.items():
        if name.startswith("seeds_to_") and str(value).isdigit():
            seeds, unit = int(str(value)), 10 ** max(0, len(str(value)) - 2)
            found += [float(unit * how(seeds / unit)) for how in (math.floor, round, math.ceil)]
    return found


def _line(line: Line, place: str, expected: Expected) -> list[Finding]:
    found: list[Finding] = []
    if expected.trials is not None and expected.trials != frozenset(line.named):
        why = f"names {len(line.named)} trials and rests on {len(expected.trials)} others"
        found.append(Finding(place, Verdict.IMPOSSIBLE, why, function=line.function))
    for column, value in expected.numbers.items():
        if column in line.cells:
            text, where = line.cells[column], f"{place}, {column}"
            found.append(_compared(where, text, value, line.function, expected.close))
    for column, text in _unchecked(line, expected):
        where, why = f"{place}, {column}", "no second way is known to compute it"
        found.append(Finding(where, Verdict.UNCHECKABLE, why, text, "", line.function))
    return found


def _by_columns(line: Line) -> Expected:
    """Of a function that is not known: n, mean, sd, min and max of what its columns name, over the
    trials that it names, or over their seeds where n says so."""
    if "metric" not in line.cells or not {"mean", "value"} & set(line.cells):
        return Expected({})
    named = [trial for trial in finished(line.records.trials) if trial.key in line.named]
    values = line.measured(named)
    if "value" in line.cells:
        return Expected({"value": next(iter(values.values()))} if len(values) == 1 else {})
    of_seeds, _ = by_seed(named, values)
    n = line.cells.get("n", "")
    for one in (list(values.values()), of_seeds):
        if n == str(len(one)):
            return Expected(described(one))
    return Expected({})


def _compared(place: str, text: str, value: Value, function: str, close: float) -> Finding:
    if _equal(text, value, close):
        return Finding(place, Verdict.HOLDS, "", text, function=function)
    told = "nothing" if value is None else str(value)
    why = f"the table has {text or 'nothing'}, and the ledger gives {told}"
    return Finding(place, Verdict.IMPOSSIBLE, why, text, told, function)


def _equal(text: str, value: Value, close: float) -> bool:
    if value is None or isinstance(value, str):
        return text == (value or "")
    try:
        return abs(float(text) - value) <= close * max(1.0, abs(value))
    except ValueError:
        return False


def _left_out(
    path: Path,
    rows: Sequence[Mapping[str, str]],
    sources: Sequence[tuple[str, tuple[str, ...]]],
    setting: Sequence[Any],
) -> list[Finding]:
    """Classes, orders and task 0s of finished trials of which a table of them has no line."""
    made_by = sources[0][0] if sources else ""
    column = {"class_table": "class", "order_table": "order", "task0_table": "task0"}.get(
        made_by.rpartition(".")[2]
    )
    if column is None or made_by not in WAYS:
        return []
    trials = finished(setting)
    metrics = {row.get("metric", "") for row in rows}
    classes = {name for trial in trials for name in trial.classes}
    every = {
        "class": {c for c in classes if _measured(trials, c, metrics)},
        "order": {trial.order for trial in trials},
        "task0": {trial.task0 for trial in trials},
    }[column]
    missing = sorted(every - {row[column] for row in rows})
    if not missing:
        return []
    why = f"has no line of {', '.join(missing)}"
    return [Finding(str(path), Verdict.IMPOSSIBLE, why, function=made_by)]


def _measured(trials: Sequence[Trial], name: str, metrics: Iterable[str]) -> bool:
    """Whether every trial of a class has one of these metrics: without masks it has none of
    pixels."""
    own = [trial for trial in trials if name in trial.classes]
    return any(
        all(t.value(metric, "step", "routed", name, len(t.sequence)) is not None for t in own)
        for metric in metrics
    )
