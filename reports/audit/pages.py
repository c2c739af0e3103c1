"""What stands on a report's page: each number says which function and trials it is of; numbers in
tables are those of the line's table, rounded; those in sentences are what the ledger gives."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from moleflow.metrics.catalogue import COLUMNS
from reports.audit.claim import Verdict
from reports.audit.notation import numbers
from reports.audit.page import PageNumbers, Row, Word, table_of
from reports.audit.recomputed import NAMES, Finding, Made, Shown, of_trials
from reports.audit.records import Records
from reports.audit.second_way import NOT_OF_LEDGER
from reports.audit.ways import WAYS, allowed
from reports.audit.words import CLOSE, Allowed

DASH: Final = "–"
METRIC = re.compile("|".join(sorted(map(re.escape, NAMES), key=len, reverse=True)))
TOLD = re.compile(r"[\d,]*\d of \d[\d,]*|(?<!= )(?<![\d.])[-−]?\d+\.\d+|^[a-z][a-z ]+")
"""What a text says of its line: counts, numbers with decimals, a verdict."""
SPREAD = re.compile(rf"([-−]?[\d.,]+(?:e[-−+]?\d+)?) ± ([\d.,]+(?:e[-−+]?\d+)?|{DASH})(?![\w.])")
"""A mean and its standard deviation."""
OF = re.compile(r"[\d,]*\d( to [\d,]*\d)? of \d[\d,]*")
LEAST = 0.001
"""What p-values are printed as smaller than."""
BARE = re.compile(r"[-−\d.e]+|O\d+|[\[\]\d., ]+")
"""A value of a setting, a seed, or the short name of an order."""
DIGEST = re.compile(r"[0-9a-f]{16,}")
"""Told in full or by its first digits."""
COLUMN = NAMES | {title: name for name, title in COLUMNS.items()}
"""Metrics by what heads of columns call them."""
FURTHER = "reports.further_seeds.Further.words"
"""Says what the lines of tables have, which were recomputed."""
VERDICTS = {
    *("better", "worse", "equivalent", "undecided", "different", "no-op"),
    *("no order matters", "inside the margin", "beyond the margin"),
}


def shown_on(pages: Mapping[Path, PageNumbers | None]) -> Shown:
    """What of tables is to be kept for these pages."""
    read = [(path, page) for path, page in pages.items() if page is not None]
    return Shown(frozenset(table_of(path, row.table) for path, page in read for row in page.rows))


def audit_page(
    path: Path, page: PageNumbers | None, records: Records, shown: Shown
) -> list[Finding]:
    """A page."""
    if page is None:
        return [Finding(str(path), Verdict.UNCHECKABLE, "its numbers name no sources")]
    found: list[Finding] = []
    strangers = sorted({key for _, of in page.sources for key in of} - records.keys)
    if strangers:
        why = f"names trials that the plan has not: {', '.join(strangers[:3])}"
        found.append(Finding(str(path), Verdict.IMPOSSIBLE, why))
    for text in page.unsourced:
        found.append(Finding(str(path), Verdict.IMPOSSIBLE, "a number names no source", text))
    for name in dict.fromkeys(row.table for row in page.rows):
        found += _table(path, [row for row in page.rows if row.table == name], page, shown)
    return [*found, *_words(path, page, records, shown)]


def _words(path: Path, page: PageNumbers, records: Records, shown: Shown) -> list[Finding]:
    """Numbers in sentences."""
    known: dict[tuple[int, str], Allowed | None] = {}
    found: list[Finding] = []
    for word in page.words:
        function, named = page.sources[word.source]
        metric = metric_of(word)
        if (word.source, metric) not in known and function == FURTHER:
            known[word.source, metric] = Allowed(shown.further(named, metric))
        elif (word.source, metric) not in known:
            try:
                known[word.source, metric] = allowed(function, named, records.of_metric(metric))
            except NOT_OF_LEDGER:
                known[word.source, metric] = Allowed()
        may_be = known[word.source, metric]
        fits = may_be is not None and may_be.admits(word.text)
        verdict, why = Verdict.HOLDS if fits else Verdict.IMPOSSIBLE, ""
        if not fits:
            why = f"a sentence says {word.text}, which the ledger does not give"
        if may_be is None:
            verdict, why = Verdict.UNCHECKABLE, "no second way is known to compute it"
        found.append(Finding(str(path), verdict, why, word.text, "", function))
    return found


def metric_of(word: Word) -> str:
    """The one that its paragraph named last before it; empty: none."""
    named = METRIC.findall(word.before)
    return NAMES[named[-1]] if named else ""


def _table(path: Path, rows: Sequence[Row], page: PageNumbers, shown: Shown) -> Iterator[Finding]:
    """Where a table has as many rows as lines, each in its place; else, of the lines that a row may
    be of, those that most of it fits."""
    table = table_of(path, rows[0].table)
    lines = shown.lines.get(table, [])
    yield from _labels(path, rows, page.captions.get(rows[0].table, ""), lines)
    for i, row in enumerate(rows):
        of = [[lines[i]]] if len(lines) == len(rows) else shown.of_row(table, row.texts)
        every = [_cells(path, row, page, own) for own in of]
        wrong = [sum(one.verdict is Verdict.IMPOSSIBLE for one in found) for found in every]
        yield from every[wrong.index(min(wrong))]


def _labels(
    path: Path, rows: Sequence[Row], caption: str, lines: Sequence[Made]
) -> Iterator[Finding]:
    """Metrics that a caption names alone, and that a row begins with, where no line is on them: of
    a row in its line's place, not that line."""
    named = {*METRIC.findall(caption)}
    told = [("caption", one, lines) for one in named if len(named) == 1]
    for i, row in enumerate(rows):
        began = METRIC.match(row.texts[0]) if row.texts else None
        own = [lines[i]] if len(lines) == len(rows) else lines
        told += [(row.texts[0], began[0], own)] if began else []
    for where, metric, own in told:
        known = {said for line in own for column, said in line.says if column == "metric"}
        if known and NAMES[metric] not in known:
            why = f"the page says {metric}, and the table is of {' and '.join(sorted(known))}"
            place = f"{path} {rows[0].table}, {where}"
            yield Finding(place, Verdict.IMPOSSIBLE, why, metric)


def _cells(path: Path, row: Row, page: PageNumbers, lines: Sequence[Made]) -> list[Finding]:
    """What stands in a row that these lines of its table are to give."""
    place, found = f"{path} {row.table}, {' '.join(row.texts[:1])}", list[Finding]()
    sourced = [(text, *page.sources[source], head) for text, source, head in row.cells]
    by_all = lines[0].function if lines else ""
    # A name may have numbers of its own.
    told = [(one, by_all, (), "") for text in row.texts[1:] for one in _counts(text)]
    for text, by, named, head in (*told, *sourced):
        own = _of_metric(of_trials(lines, by, named), head)
        for said, fits in _said(text, own):
            verdict = Verdict.HOLDS if fits else Verdict.IMPOSSIBLE
            why = "" if fits else f"the page shows {said}, which {by} has nowhere"
            if by not in WAYS or (not fits and said in _unchecked(text, own)):
                verdict, why = Verdict.UNCHECKABLE, "no second way is known to compute it"
            found.append(Finding(place, verdict, why, text, "", by))
    return found


def _unchecked(text: str, lines: Sequence[Made]) -> list[str]:
    """What the table's file has of a cell, where it has numbers that no second way computes."""
    printed = [line.as_printed for line in lines if line.unchecked]
    return [said for said, stands in _said(text, printed) if stands] if printed else []


def _of_metric(lines: Sequence[Made], head: str) -> Sequence[Made]:
    """Those on the metric that a column is called by; all where it is called otherwise."""
    own = [line for line in lines if ("metric", COLUMN.get(head, "")) in line.says]
    return own or lines


def _counts(text: str) -> list[str]:
    """What a text says of its line."""
    whole = BARE.fullmatch(text) or DIGEST.fullmatch(text)
    return [text] if whole else TOLD.findall(text)


def _said(text: str, lines: Sequence[Made]) -> Iterator[tuple[str, bool]]:
    """Numbers and verdicts of a cell, and whether one of the lines has each."""
    spread = SPREAD.match(text)
    pairs = [pair for line in lines for pair in line.spreads]
    if spread and pairs:
        yield spread[0], any(_rounds(spread[1], a) and _rounds(spread[2], b) for a, b in pairs)
        text = text[spread.end() :]
    told = {said for line in lines for said in line.texts}
    if DIGEST.fullmatch(text):
        yield text, any(said.startswith(text) for said in told)
        return
    verdict = next((one for one in VERDICTS if re.match(rf"{one}\b", text)), "")
    if verdict and told & VERDICTS:
        yield verdict, verdict in told
    if re.fullmatch(r"O\d+", text) or (OF.fullmatch(text) and any(map(OF.fullmatch, told))):
        yield text, text in told
    found = numbers(text)
    counts = not any(number.whole and number.percent for number in found)
    for number in found:
        low, high = number.rounded.low - CLOSE, number.rounded.high + CLOSE
        before = text[: text.index(number.text)]
        low = -math.inf if before.endswith(("<", "< ")) else low
        high = math.inf if before.endswith("over ") else high
        fits = _is_among(lines, low, high, number.whole and counts)
        fits = fits and (low > -math.inf or number.value == LEAST)
        fits = fits or text in told or any(number.text in line.words for line in lines)
        yield number.text, fits or not (lines or number.value)


def _rounds(text: str, value: object) -> bool:
    """Whether a value is printed so, or in percent; nothing as a dash."""
    if not isinstance(value, (int, float)):
        return text == DASH
    (number,) = numbers(text) or [None]
    if number is None:
        return False
    low, high = number.rounded.low - CLOSE, number.rounded.high + CLOSE
    return any(low <= scale * value <= high for scale in (1, 100))


def _is_among(lines: Iterable[Made], low: float, high: float, counts: bool) -> bool:
    """Whether one of their values lies there, or its percents; of counts, none that is rounded."""
    values = [value for line in lines for value in line.values]
    if counts:
        values = [value for value in values if not math.isfinite(value) or value.is_integer()]
        return any(low <= value <= high for value in values)
    return any(
        low <= value <= high or (_is_share(value) and low <= 100 * value <= high)
        for value in values
    )


def _is_share(value: float) -> bool:
    """What may stand in percent; counts do not."""
    return abs(value) <= 1 or not value.is_integer()
