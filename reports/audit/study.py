"""A study's own reports, audited: every number in `tables/*.csv` is recomputed from the ledger by a
second way, and the page names nothing that the plan does not know."""

import csv
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moleflow.errors import StoreError, StudyError
from orchestration.plain import uncelled
from reports.audit.claim import Verdict, WantsMore
from reports.audit.notation import numbers
from reports.audit.page import PageNumbers, read_page
from reports.audit.records import Records, Trial, finished, read
from reports.audit.second_way import Expected, Line, Value, by_seed, described
from reports.audit.ways import WAYS, allowed
from reports.audit.words import Allowed

CLOSE = 1e-9
"""Of a fraction of 1: what different orders of summation may do to a sum."""
SAYS_WHAT = {
    *("metric", "definition", "routing", "class", "task", "step", "name", "order", "task0"),
    *("source", "scope", "trial", "field", "fingerprint", "setting", "baseline", "other"),
    *("table", "config", "claim", "without", "part", "design", "corner", "first", "second"),
    *("factor", "other_in", "axes", "proposal", "searched", "also"),
}
"""Columns that say what a line is of."""
SETTING = re.compile(r"-setting(\d+)$")


class Shown:
    """What was recomputed of a function's lines: of each set of trials, and of all together."""

    def __init__(self) -> None:
        self._of: dict[str, list[float]] = {}
        self._of_trials: dict[tuple[str, frozenset[str]], list[float]] = {}

    def add(self, function: str, trials: Iterable[str], values: Sequence[float]) -> None:
        self._of.setdefault(function, []).extend(values)
        self._of_trials.setdefault((function, frozenset(trials)), []).extend(values)

    def of(self, function: str, trials: Sequence[str]) -> Sequence[float]:
        """What a cell of these trials may show; of none, or where no line is of just these, what
        stands in any line."""
        own = self._of_trials.get((function, frozenset(trials))) if trials else None
        return own or self._of.get(function, ())


@dataclass(frozen=True)
class Finding:
    """Of one number, or of a whole table."""

    place: str
    verdict: Verdict
    why: str
    printed: str = ""
    recomputed: str = ""
    function: str = ""


def audit_study(folder: Path) -> dict[str, Any]:
    """Every number of every table of a study's reports.

    Raises:
        StudyError: the study was not planned, or has no report.
        StoreError: the plan or a table cannot be read.
    """
    records = read(folder)
    tables = sorted((folder / "report").rglob("tables/*.csv"))
    if not tables:
        raise StudyError(
            f"study {folder.name} has no report in {folder / 'report'}; write one: moleflow report "
            f"{folder.name}"
        )
    found: list[Finding] = []
    counts: Counter[Verdict] = Counter()
    shown = Shown()
    for table in tables:
        one = _table(table, records, shown)
        found += one
        counts += _counted(one)
    for page in sorted((folder / "report").rglob("index.html")):
        one = _page(page, records, shown)
        found += one
        counts += _counted(one)
    return {
        "audited": f"study {folder.name}",
        "counts": {str(verdict): counts[verdict] for verdict in Verdict},
        "claims": [_claim(one, folder) for one in _summed(found)],
    }


def _counted(found: Iterable[Finding]) -> Counter[Verdict]:
    return Counter(one.verdict for one in found)


def _summed(found: Sequence[Finding]) -> list[Finding]:
    """What holds, and what has no second way, in one line a table; mismatches singly."""
    groups: dict[tuple[str, Verdict, str], int] = {}
    for one in found:
        if one.verdict is not Verdict.IMPOSSIBLE:
            key = (one.place.partition(" ")[0], one.verdict, one.function)
            groups[key] = groups.get(key, 0) + 1
    why = {
        Verdict.HOLDS: "recomputed from the ledger",
        Verdict.UNCHECKABLE: "no second way is known to compute them",
    }
    summed = [
        Finding(place, verdict, f"{many} numbers {why[verdict]}", function=function)
        for (place, verdict, function), many in groups.items()
    ]
    return [*summed, *(one for one in found if one.verdict is Verdict.IMPOSSIBLE)]


def _claim(one: Finding, folder: Path) -> dict[str, Any]:
    place = one.place.removeprefix(f"{folder}/")
    return {
        "line": None,
        "claim": place,
        "kind": one.function,
        "printed": one.printed,
        "verdict": str(one.verdict),
        "condition": "",
        "recomputed": one.recomputed,
        "why": one.why,
        "recorded": "",
        "recorded_but_not_recomputed": [],
        "difference": "",
        "source": one.function,
    }


def _table(path: Path, records: Records, shown: Shown) -> list[Finding]:
    """The numbers of one table; what is recomputed of each function is added to `shown`."""
    rows, sources = _rows(path), _sources(path)
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
        found += _line(line, place, shown)
    return [*found, *_left_out(path, rows, sources, setting)]


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return [
                {name: uncelled(value or "") for name, value in row.items()}
                for row in csv.DictReader(file)
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise StoreError(f"{path}: cannot be read ({error})") from error


def _sources(path: Path) -> list[tuple[str, tuple[str, ...]]] | None:
    """What made each line, and of which trials; None where nothing says so."""
    beside = path.with_name(f"{path.stem}.sources.json")
    try:
        found = json.loads(beside.read_text(encoding="utf-8"))
        functions, trials = found["functions"], found["trials"]
        return [(functions[by], tuple(trials[of])) for by, of in found["lines"]]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise StoreError(
            f"{beside}: cannot be read ({error!r}); write the report anew: moleflow report"
        ) from error


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


def _line(line: Line, place: str, shown: Shown) -> list[Finding]:
    way = WAYS.get(line.function)
    try:
        expected = way(line) if way else _by_columns(line)
    except (KeyError, ValueError, IndexError) as error:
        why = f"is no line of {line.function} ({error!r})"
        return [Finding(place, Verdict.IMPOSSIBLE, why, function=line.function)]
    found: list[Finding] = []
    if expected.trials is not None and expected.trials != frozenset(line.named):
        why = f"names {len(line.named)} trials and rests on {len(expected.trials)} others"
        found.append(Finding(place, Verdict.IMPOSSIBLE, why, function=line.function))
    known = (expected.numbers.get(column) for column in line.cells)
    values = [float(value) for value in known if isinstance(value, (int, float))]
    shown.add(line.function, line.named, values)
    for column, text in line.cells.items():
        if column in expected.numbers:
            value = expected.numbers[column]
            where = f"{place}, {column}"
            found.append(_compared(where, text, value, line.function, expected.close))
        elif column not in SAYS_WHAT and has_numbers(text):
            why = "no second way is known to compute it"
            found.append(
                Finding(f"{place}, {column}", Verdict.UNCHECKABLE, why, text, "", line.function)
            )
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
    every = {
        "class": {c for trial in trials for c in trial.classes if _measured(trials, c, metrics)},
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


def _page(path: Path, records: Records, shown: Shown) -> list[Finding]:
    """What stands on a page: each number says which function and trials it is of, and numbers in
    tables are among those that were recomputed for that function, rounded."""
    page = read_page(path)
    if page is None:
        return [Finding(str(path), Verdict.UNCHECKABLE, "its numbers name no sources")]
    found: list[Finding] = []
    strangers = sorted({key for _, of in page.sources for key in of} - records.keys)
    if strangers:
        why = f"names trials that the plan has not: {', '.join(strangers[:3])}"
        found.append(Finding(str(path), Verdict.IMPOSSIBLE, why))
    for text in page.unsourced:
        found.append(Finding(str(path), Verdict.IMPOSSIBLE, "a number names no source", text))
    return [*found, *_cells(path, page, shown), *_words(path, page, records)]


def _words(path: Path, page: PageNumbers, records: Records) -> list[Finding]:
    """Numbers in sentences."""
    known: dict[int, Allowed | None] = {}
    found: list[Finding] = []
    for text, source in page.words:
        function, named = page.sources[source]
        if source not in known:
            known[source] = allowed(function, named, records)
        may_be = known[source]
        fits = may_be is not None and may_be.admits(text)
        verdict, why = Verdict.HOLDS if fits else Verdict.IMPOSSIBLE, ""
        if not fits:
            why = f"a sentence says {text}, which the ledger does not give"
        if may_be is None:
            verdict, why = Verdict.UNCHECKABLE, "no second way is known to compute it"
        found.append(Finding(str(path), verdict, why, text, "", function))
    return found


def _cells(path: Path, page: PageNumbers, shown: Shown) -> list[Finding]:
    """Only numbers with decimals: others may count anything."""
    known: dict[int, Sequence[float]] = {}
    found: list[Finding] = []
    for text, source in page.cells:
        function, named = page.sources[source]
        if source not in known:
            known[source] = shown.of(function, named) if function in WAYS else ()
        for number in numbers(text):
            if number.whole:
                continue
            if not known[source]:
                why = "no second way is known to compute it"
                found.append(Finding(str(path), Verdict.UNCHECKABLE, why, text, "", function))
                continue
            low = -math.inf if text.startswith("<") else number.rounded.low - CLOSE
            fits = _is_among(known[source], low, number.rounded.high + CLOSE)
            verdict = Verdict.HOLDS if fits else Verdict.IMPOSSIBLE
            why = f"the page shows {number.text}, which {function} has nowhere"
            found.append(Finding(str(path), verdict, "" if fits else why, text, "", function))
    return found


def _is_among(values: Iterable[float], low: float, high: float) -> bool:
    """Whether one of them, or its percents, lies there."""
    return any(low <= scale * value <= high for value in values for scale in (100.0, 1.0))
