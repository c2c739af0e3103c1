"""What `moleflow analyse` wrote of trials: numbers that follow from the tables beside a page, or
that records have, by a second way, and the page against its tables."""

import html
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestration.records.layout import StudyFolder
from orchestration.records.revision import this_moleflow
from reports.audit.analyses.analysed import (
    CLOSE,
    LINES,
    Analysed,
    Rule,
    Sentence,
    Should,
    Table,
    kept_of,
    tables_of,
)
from reports.audit.analyses.latents import dia_effect, dia_effect_says
from reports.audit.analyses.router import routing, routing_says
from reports.audit.analyses.sizes import cost, cost_says, peak
from reports.audit.analyses.small import area, area_says
from reports.audit.analyses.weights import (
    shift,
    shift_says,
    similarity,
    similarity_says,
    spectrum,
    spectrum_says,
)
from reports.audit.claim import Verdict
from reports.audit.page import PageNumbers, Row, read_page
from reports.audit.recomputed import Finding
from reports.audit.records import Records, finished, recorded
from reports.audit.writers import judged, writer

RULES: Mapping[str, tuple[Rule, Sentence]] = {
    "spectrum": (spectrum, spectrum_says),
    "similarity": (similarity, similarity_says),
    "shift": (shift, shift_says),
    "dia_effect": (dia_effect, dia_effect_says),
    "routing": (routing, routing_says),
    "cost": (cost, cost_says),
    "area": (area, area_says),
}
NOTES: Mapping[str, Sentence] = {"cost": peak}
"""Of these, one says a number of the record."""
Cell = tuple[str, int, str]
"""Table, line and column."""
NOT_OF_TABLES = (ValueError, KeyError, IndexError, ZeroDivisionError, OverflowError)
"""What a rule runs into where a table is cut, or has what no number can be."""
BY = "the page of analyses"
FACT = re.compile(r"<dt>(.*?)</dt><dd>(.*?)</dd>")
LONGEST, DIGITS = 60, 4
"""Lines of a table that a page shows, and digits of a number."""
DASH = "–"
NAMES = {
    *("class", "task", "task_a", "task_b", "most_confused_with", "picture", "defect", "group"),
    *("part", "owner", "component", "slot", "side"),
    *("of", "with", "shift", "adaptation", "coefficient"),
}
"""Columns of texts, which say what a line is of."""
PLACES = NAMES | {"block", "k"}


def pages_of(records: Records) -> dict[Path, str]:
    """Of each trial its page, or what of it another version wrote, which may be the tables of one
    analysis; with the command that writes it anew, all of the study at once where all are there."""
    own, folders, this = StudyFolder(records.folder), _folders(records), this_moleflow()
    every = {trial.key for trial in finished(records.trials)} <= {path.name for path in folders}
    found: dict[Path, str] = {}
    for folder in folders:
        files = [folder / "index.html", *_kept(folder).values()]
        stale = (file for file in files if file.is_file() and writer(file) != this)
        name = own.name if every else f"{own.name}/{folder.name}"
        found[next(stale, files[0])] = own.root.command("analyse", name)
    return found


def audit_analyses(records: Records) -> Iterator[Finding]:
    """Every trial of which there are analyses."""
    for folder in _folders(records):
        trial = recorded(records.folder, folder.name)
        if trial is None or trial.status != "finished":
            why = "tells of a trial that the ledger has no record of"
            yield Finding(f"{folder} ", Verdict.IMPOSSIBLE, why, function=BY)
            continue
        kept = {name: kept_of(path) for name, path in _kept(folder).items()}
        tables = {name: tables_of(folder, of) for name, of in kept.items()}
        every = {name: table for of in tables.values() for name, table in of.items()}
        analysed = Analysed(every, trial, records)
        for name, of in kept.items():
            said = _analysis(folder, of, analysed, tables[name])
            yield from judged(folder / f"{name}.json", said)
        page = folder / "index.html"
        if page.is_file():
            yield from judged(page, _page(page, read_page(page), kept, analysed))


def _folders(records: Records) -> list[Path]:
    return sorted(path for path in (records.folder / "analyses").glob("*") if path.is_dir())


def _kept(folder: Path) -> dict[str, Path]:
    paths = {name: folder / f"{name}.json" for name in RULES}
    return {name: path for name, path in paths.items() if path.is_file()}


def _analysis(
    folder: Path, kept: Mapping[str, Any], of: Analysed, own: Mapping[str, Table]
) -> Iterator[Finding]:
    """Its tables, what it concludes, and how many numbers nothing but the model has."""
    checked = set[Cell]()
    try:
        yield from _tables(folder, kept, of, checked)
        yield from _sentences(folder, kept, of)
    except NOT_OF_TABLES as error:
        why = f"its tables are none of {kept['name']} ({error!r})"
        yield _finding(of, f"{folder / kept['name']}.csv ", why, kept["function"])
    left = sum(
        (name, i, column) not in checked and _number(text) is not None
        for name, table in own.items()
        for i, line in enumerate(table)
        for column, text in line.items()
        if column not in PLACES
    )
    asked = Finding(str(folder.parent), Verdict.UNCHECKABLE, "", function=kept["function"])
    yield from [asked] * left


def _tables(
    folder: Path, kept: Mapping[str, Any], of: Analysed, checked: set[Cell]
) -> Iterator[Finding]:
    """Each number that follows or is recorded; these are added to `checked`."""
    same = kept.get("device") == of.trial.recorded.get("device")
    for one in RULES[kept["name"]][0](of):
        why = _wrong(one, of)
        if why and one.recorded and not same:
            continue
        checked.add((one.table, one.line, one.column))
        place = f"{folder / one.table}.csv line {one.line + 2}, {one.column}"
        yield _finding(of, place, why, kept["function"])


def _sentences(folder: Path, kept: Mapping[str, Any], of: Analysed) -> Iterator[Finding]:
    """What it concludes, and the note of what the record has."""
    place, name, by = folder / kept["name"], kept["name"], kept["function"]
    told = RULES[name][1](of)
    why = "" if told.fits(kept["finding"]) else f"says {kept['finding']!r}, and its tables: {told}"
    yield _finding(of, f"{place}.json finding", why, by)
    if name in NOTES:
        noted = NOTES[name](of)
        why = "" if any(map(noted.fits, kept["notes"])) else f"has no note: {noted}"
        yield _finding(of, f"{place}.json notes", why, by)


def _finding(of: Analysed, place: str, why: str, by: str = BY) -> Finding:
    """That something is wrong; empty: that it holds."""
    if why:
        return Finding(place, Verdict.IMPOSSIBLE, why, function=by)
    return Finding(str(of.records.folder / "analyses"), Verdict.HOLDS, "", function=by)


def _wrong(one: Should, of: Analysed) -> str:
    """Empty: nothing."""
    table = of.tables.get(one.table)
    if table is None:
        return "there is no such table"
    if one.column == LINES:
        many = len(table)
        return "" if many == one.value else f"{many} lines, and there should be {one.value}"
    if one.line >= len(table):
        return "there is no such line"
    text = table[one.line].get(one.column)
    if text is None:
        return "there is no such column"
    if one.value is None or isinstance(one.value, str):
        is_so = text == (one.value or "")
    else:
        found = _number(text)
        near = CLOSE * max(1.0, abs(one.value))
        is_so = found is not None and abs(found - one.value) <= near
    return "" if is_so else f"is {text or 'empty'}, and should be {one.value}"


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _page(
    path: Path, page: PageNumbers | None, kept: Mapping[str, Any], of: Analysed
) -> Iterator[Finding]:
    """Its tables line by line, its sentences, and what it says of the trial."""
    if page is None:
        yield _finding(of, f"{path} ", "keeps no sources")
        return
    for name in (name for one in kept.values() for name in one["captions"]):
        yield from _shown(path, name, [row for row in page.rows if row.table == name], of)
    said = [(page.sources[word.source][0], word.text) for word in page.words]
    for one in kept.values():
        told = sorted(text for function, text in said if function == one["function"])
        why = "" if told == sorted([one["finding"]] * 2 + [one["n"]]) else f"says {told}"
        yield _finding(of, f"{path} {one['name']}", why)
    strangers = {key for _, keys in page.sources for key in keys} - {of.trial.key}
    yield _finding(of, f"{path} ", f"names {strangers}" if strangers else "")
    yield from _facts(path, of)


def _shown(path: Path, name: str, rows: Sequence[Row], of: Analysed) -> Iterator[Finding]:
    """Lines of a table on the page; a long one is a file alone."""
    table = of.tables[name]
    many = len(table) if len(table) <= LONGEST else 0
    why = "" if len(rows) == many else f"shows {len(rows)} lines of {many}"
    yield _finding(of, f"{path} {name}", why)
    of_numbers = _of_numbers(table)
    for i, (row, line) in enumerate(zip(rows, table, strict=False), start=1):
        why = "" if _as_shown(row, line, of_numbers) else "shows other numbers than its file"
        yield _finding(of, f"{path} {name}, line {i}", why)


def _facts(path: Path, of: Analysed) -> Iterator[Finding]:
    """What it says of the trial."""
    text, record = path.read_text(encoding="utf-8"), of.trial.recorded
    said = {html.unescape(name): html.unescape(value) for name, value in FACT.findall(text)}
    for name, value in {
        "Study": record["study"],
        "Sequence": of.trial.order,
        "Seed": str(record["seed"]),
        "Data": record["data_root"],
        "Trained on": f"{record['device']}, {record['host']}",
        "Code": record["git"],
    }.items():
        why = "" if said.get(name) == value else f"is {said.get(name)}, and in the record {value}"
        yield _finding(of, f"{path} {name}", why)
    why = "" if f"<h1>{of.trial.key}</h1>" in text else "is of another trial"
    yield _finding(of, f"{path} ", why)


def _of_numbers(table: Table) -> list[str]:
    """Columns that hold numbers; names may look like some (classes of BTAD are called 01)."""
    columns = {name: [line[name] for line in table if line[name]] for name in (table or [{}])[0]}
    return [
        name
        for name, texts in columns.items()
        if name not in NAMES and texts and all(_number(text) is not None for text in texts)
    ]


def _as_shown(row: Row, line: Mapping[str, str], of_numbers: Sequence[str]) -> bool:
    """Whether texts are as they are, and numbers to four digits, in the file's order."""
    head, *_ = line
    words = {name: text for name, text in line.items() if name == head or name not in of_numbers}
    values = [text for name, text in line.items() if name not in words]
    cells = [text for text, _, _ in row.cells]
    if (len(row.texts), len(cells)) != (len(words), len(values)):
        return False
    return all(map(_shows, cells, values)) and all(
        _shows(said, text) if name in of_numbers else said == text
        for said, (name, text) in zip(row.texts, words.items(), strict=True)
    )


def _shows(said: str, text: str) -> bool:
    """Whether a cell is a number of the file, whole ones in full."""
    value, shown = _number(text), _number(said.replace("−", "-"))
    if value is None or shown is None or not math.isfinite(value):
        return said == (text or DASH)
    if value == int(value):
        return shown == value
    digit = 10.0 ** (math.floor(math.log10(abs(value))) + 1 - DIGITS)
    return abs(shown - value) <= digit / 2 * (1 + CLOSE)
