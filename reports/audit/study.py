"""A study's own reports, audited: every number in `tables/*.csv` is recomputed from the ledger by a
second way, and the page names nothing that the plan does not know."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from moleflow.errors import StudyError
from moleflow.wording import counted
from orchestration.records.layout import StudyFolder
from reports.audit import against
from reports.audit.analyses.pages import audit_analyses, pages_of
from reports.audit.certificates import audit_certificates
from reports.audit.claim import Verdict
from reports.audit.kept_files import audit_files, audit_scores
from reports.audit.ledger import audit_ledger
from reports.audit.page import PageNumbers, read_page
from reports.audit.pages import audit_page, shown_on
from reports.audit.recomputed import Finding
from reports.audit.records import Records, read
from reports.audit.results import audit_results
from reports.audit.tables import audit_table
from reports.audit.writers import by_others, command, judged

BESIDE = (audit_ledger, audit_results, audit_certificates, audit_files, audit_scores)
"""Of what lies beside reports."""


def audit_study(folder: Path) -> dict[str, Any]:
    """Every number of every table of a study's reports.

    Raises:
        StudyError: the study was not planned, or has no report.
        StoreError: the plan or a table cannot be read.
    """
    records = read(folder)
    tables = sorted((folder / "report").rglob("tables/*.csv"))
    if not tables:
        anew = StudyFolder(folder).root.command("report", folder.name)
        raise StudyError(
            f"study {folder.name} has no report in {folder / 'report'}; write one: {anew}"
        )
    pages = {page: read_page(page) for page in sorted((folder / "report").rglob("index.html"))}
    found, shown = list[Finding](), shown_on(pages)
    for table in tables:
        found += judged(table.parent.with_name("index.html"), audit_table(table, records, shown))
    for path, page in pages.items():
        found += judged(path, audit_page(path, page, records, shown))
    found += [one for audit in BESIDE for one in audit(records)]
    compared = {place / "index.html": both for place, both in against.pages(records)}
    for path, both in compared.items():
        found += judged(path, _against(path, both))
    found += audit_analyses(records)
    commands = {path: command(path.parent, records) for path in (*pages, *compared)}
    commands |= pages_of(records)
    return told(f"study {folder.name}", folder, found, by_others(folder.parent.parent, commands))


def told(
    what: str, folder: Path, found: Sequence[Finding], others: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """An audit as plain data.

    Args:
        folder: places of findings are told as they are seen from there.
        others: of `by_others`.
    """
    counts = Counter(one.verdict for one in found)
    return {
        "audited": what,
        "by_others": [*others],
        "counts": {str(verdict): counts[verdict] for verdict in Verdict},
        "claims": [_claim(one, folder) for one in _summed(found)],
    }


def _against(path: Path, both: Records | None) -> Iterator[Finding]:
    """Of a page that sets the study against another."""
    if both is None:
        why = "the other study cannot be read"
        yield Finding(str(path.parent), Verdict.UNCHECKABLE, why)
        return
    yield from audit_alone(path, read_page(path), both)


def audit_alone(path: Path, page: PageNumbers | None, records: Records) -> Iterator[Finding]:
    """Of a page, and of the tables that are its own."""
    shown = shown_on({path: page})
    for table in sorted(path.parent.glob("tables/*.csv")):
        yield from audit_table(table, records, shown)
    yield from audit_page(path, page, records, shown)


def _summed(found: Sequence[Finding]) -> list[Finding]:
    """Mismatches singly, those of other versions first; what holds, and what has no second way, in
    one line a table."""
    why = {
        Verdict.HOLDS: "recomputed from the ledger",
        Verdict.UNCHECKABLE: "no second way is known to compute them",
    }
    groups: dict[tuple[str, Verdict, str], int] = {}
    for one in found:
        if one.verdict in why:
            key = (one.place.partition(" ")[0], one.verdict, one.function)
            groups[key] = groups.get(key, 0) + 1
    summed = [
        Finding(place, verdict, f"{counted(many, 'number')} {why[verdict]}", function=function)
        for (place, verdict, function), many in groups.items()
    ]
    differ, wrong = (
        [one for one in found if one.verdict is verdict]
        for verdict in (Verdict.DIFFERS, Verdict.IMPOSSIBLE)
    )
    return [*differ, *summed, *wrong]


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
