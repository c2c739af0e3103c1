"""The second way to the page of all studies of a root folder: what came of their trials, hours, and
verdicts of their reports, from plain records and the tables as they lie there."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Final

from moleflow.errors import MoleflowError
from moleflow.wording import counted
from reports.audit.claim import Verdict
from reports.audit.lines import lines_of, sources_of
from reports.audit.page import PageNumbers, Row
from reports.audit.recomputed import Finding
from reports.audit.records import Records, Trial, finished, read
from reports.audit.second_way import Expected, Line, Numbers
from reports.audit.words import Allowed

BY = "reports.roots.studies_table"
DASH: Final = "–"
OPEN: Final = "undecided"
STUDIES, NO_REPORT = "studies", " no report yet"
STATES = ("finished", "stopped", "diverged", "failed")
JUDGED = {
    "reports.contrasts.contrast_table",
    "reports.crossing.interaction_table",
    "reports.first_task.verdicts_table",
    "reports.order_causes.measured_table",
}
"""What makes lines with verdicts on differences of their own."""


def of_root(root: Path) -> Records:
    """Trials of all studies, which are known by their names; of a damaged plan, none."""
    known: dict[str, Records] = {}
    for plan in sorted((root / "studies").glob("*/study.json")):
        try:
            known[plan.parent.name] = read(plan.parent)
        except MoleflowError:
            continue
    trials = tuple(trial for of in known.values() for trial in of.trials)
    return Records(trials, "", {}, {}, root, {STUDIES: known})


def studies(line: Line) -> Expected:
    """A study, of all its planned trials."""
    own: Records = line.records.known[STUDIES][line.cells["study"]]
    told = _verdicts(own)
    numbers: Numbers = {"planned": len(own.trials), "hours": _hours(own.trials)}
    numbers |= {state: sum(t.status == state for t in own.trials) for state in STATES}
    numbers |= {"not_run": sum(not trial.status for trial in own.trials)}
    numbers |= {"verdicts": sum(told.values()), "undecided": told[OPEN]}
    numbers |= {"on the page": _verdicts_told(told)}
    return Expected(numbers, frozenset(trial.key for trial in own.trials if trial.status))


def _hours(trials: Iterable[Trial]) -> float:
    """At work, from each start to the next end."""
    spans = (span for t in trials if t.status for span in t.recorded.get("spans") or [t.recorded])
    return sum(span["ended"] - span["started"] for span in spans) / 3600


def _verdicts(of: Records) -> Counter[str]:
    """In tables of its reports, by what made their lines; a table that two reports have, once."""
    tables = {path.name: path for path in sorted((of.folder / "report").rglob("tables/*.csv"))}
    found: Counter[str] = Counter()
    for path in tables.values():
        sources = sources_of(path) or []
        if any(function in JUDGED for function, _ in sources):
            found.update(line["verdict"] for line in lines_of(path) if line.get("verdict"))
    return found


def sentence(trials: Sequence[Trial], records: Records) -> Allowed:
    """How many studies and trials there are, and how many have finished."""
    many, done = len(records.known[STUDIES]), len(finished(records.trials))
    texts = {f"{many} {'study asks' if many == 1 else 'studies ask'}"}
    texts |= {counted(len(records.trials), "trial")}
    texts |= {f"{done} {'has' if done == 1 else 'have'} finished"}
    return Allowed(frozenset(texts))


def audit_rows(path: Path, page: PageNumbers, records: Records) -> Iterator[Finding]:
    """Each line of the page letter by letter, and where it leads to."""
    rows = {row.texts[0].removesuffix(NO_REPORT): row for row in page.rows if row.table == STUDIES}
    for name, of in records.known[STUDIES].items():
        if name not in rows:
            yield Finding(f"{path} ", Verdict.IMPOSSIBLE, f"has no line of {name}", function=BY)
            continue
        for said, stands in zip_longest(_said(rows[name]), _row(of), fillvalue="nothing"):
            why = f"the page shows {said}, and the ledger gives {stands}" if said != stands else ""
            verdict = Verdict.IMPOSSIBLE if why else Verdict.HOLDS
            yield Finding(f"{path} {STUDIES}, {name}", verdict, why, said, stands, BY)


def _said(row: Row) -> list[str]:
    return [*row.texts, *(text for text, _, _ in row.cells), *row.links]


def _row(of: Records) -> list[str]:
    """What stands in a study's line, and the address that it leads to, if it has a report."""
    trials = of.trials
    kinds = ", ".join(of.study["reports"]).replace("_", " ")
    name, report = of.folder.name, (of.folder / "report" / "index.html").is_file()
    found = [name if report else name + NO_REPORT, f"{of.study['question']} {kinds}"]
    found += [str(len(trials)), *(str(sum(t.status == s for t in trials)) for s in (*STATES, ""))]
    found += [f"{_hours(trials):.2f}", _verdicts_told(_verdicts(of))]
    return [*found, f"../studies/{name}/report/index.html"] if report else found


def _verdicts_told(told: Mapping[str, int]) -> str:
    """What is undecided, and below it what is not."""
    decided = [f"{many} {verdict}" for verdict, many in sorted(told.items()) if verdict != OPEN]
    every = f"{told.get(OPEN, 0)} of {sum(told.values())} {', '.join(decided)}"
    return every.strip() if told else DASH


WAYS: Mapping[str, Callable[[Line], Expected]] = {BY: studies}
RULES: Mapping[str, Callable[[Sequence[Trial], Records], Allowed]] = {BY: sentence}
