"""What was proposed, what was chosen, and on what?"""

from collections.abc import Sequence
from dataclasses import dataclass

from moleflow.metrics.catalogue import TITLES
from moleflow.metrics.means import mean
from orchestration.records.ledger import Record
from orchestration.records.objective import metric_of, outcome, trials_by_proposal, value_of
from orchestration.studies.proposing import Told
from orchestration.studies.search import Search
from reports import made
from reports.digits import DASH, percent
from reports.document import (
    Block,
    Document,
    Number,
    Section,
    Table,
    Text,
    Words,
    computed,
    note,
    table,
)
from reports.document.parts import Value
from reports.evidence import Evidence, keys

SUBJECT = "Search"
OPTIMISM = (
    "The largest of several noisy numbers is larger than what it is a number of: that of what was "
    "chosen is too good, on what it was chosen by. "
)
ON_TEST = "It was chosen on the test set, so its test metrics are too good, and no evidence."
NOT_ON_TEST = "Its test metrics had no part in the choice."


@dataclass(frozen=True)
class Proposed:
    """A proposal, and what became of it."""

    number: int
    told: Told | None
    """None: nothing can be said of it, as a trial failed."""
    settings: str
    records: tuple[Record, ...]

    @property
    def value(self) -> float | None:
        finished = self.told is not None and self.told.outcome == "finished"
        return self.told.value if self.told is not None and finished else None

    @property
    def outcome(self) -> str:
        return self.told.outcome if self.told is not None else "failed"


def document(evidence: Evidence) -> Document:
    """The report of a study with a Search."""
    search = evidence.plan.study.search_axis
    if search is None:
        told = "The study has no Search axis, so there is nothing to say here."
        return made.report(evidence, SUBJECT, [Text(told)], [], [told])
    found = proposed(evidence, search)
    chosen = best(found)
    words = sentence(chosen, found, search)
    answer: list[Block] = [Text(words)]
    if chosen is not None:
        bad = Text(OPTIMISM + ON_TEST, "bad")
        answer.append(bad if search.on_test else note(OPTIMISM + NOT_ON_TEST))
    section = Section("Proposals", (proposals_table(evidence, found, search),))
    return made.report(evidence, SUBJECT, answer, [section], [words])


def proposed(evidence: Evidence, search: Search) -> list[Proposed]:
    """All proposals, in their order."""
    records = {record.key: record for record in evidence.records}
    found: list[Proposed] = []

    def value(record: Record, search: Search) -> float | None:
        if not search.on_test:
            return value_of(record, search)
        return evidence.measurements.summary(record.key, metric_of(search), "final_mean")

    for number, trials in trials_by_proposal(evidence.plan).items():
        axes = trials[0].axes if trials else {}
        settings = ", ".join(f"{field} = {axes[field]}" for field in search.space if field in axes)
        own = tuple(records[trial.key] for trial in trials if trial.key in records)
        told = outcome(number, trials, records, search, value)
        found.append(Proposed(number, told, settings, own))
    return found


def best(found: Sequence[Proposed]) -> Proposed | None:
    """The first of those with the largest value."""
    done = [one for one in found if one.value is not None]
    return max(done, key=lambda one: one.value or 0.0, default=None)


def sentence(chosen: Proposed | None, found: Sequence[Proposed], search: Search) -> Words:
    metric = TITLES[metric_of(search)]
    on = "the test set" if search.on_test else "held-out normal pictures and drawn defects"
    if chosen is None:
        return f"No proposal has finished yet, of {search.trials}."
    done = sum(one.value is not None for one in found)
    source = computed(sentence, keys(chosen.records))
    all_of_them = computed(sentence, keys([r for one in found for r in one.records]))
    return (
        f"Chosen is proposal {chosen.number} ({chosen.settings}) of ",
        Number(f"{done} that finished", all_of_them),
        f", by the largest {metric} on {on}: ",
        Number(f"{percent(chosen.value)} %", source),
        ".",
    )


def proposals_table(evidence: Evidence, found: Sequence[Proposed], search: Search) -> Table:
    """What each was measured as, and the best so far."""
    source = computed(proposals_table, keys(evidence.records))
    metric = metric_of(search)
    rows: list[tuple[str, ...]] = []
    lines: list[dict[str, Value]] = []
    so_far: float | None = None
    for one in found:
        if one.value is not None:
            so_far = max(one.value, so_far or 0.0)
        on_test = [
            evidence.measurements.summary(record.key, metric, "final_mean")
            for record in one.records
        ]
        known = [value for value in on_test if value is not None]
        test = mean(known) if known and len(known) == len(on_test) else None
        cells = (percent(one.value), percent(so_far), percent(test))
        rows.append((str(one.number), one.settings or DASH, one.outcome, *cells))
        lines.append(
            {
                "proposal": one.number,
                "settings": one.settings,
                "outcome": one.outcome,
                "value": one.value,
                "best_so_far": so_far,
                "test": test,
            }
        )
    title = TITLES[metric]
    by = "on the test set" if search.on_test else "for selection"
    header = ("Proposal", "Settings", "Outcome", f"{title} {by}", "Best so far", f"{title} on test")
    caption = "Proposals in order, in percent: mean over classes and replicates, routed, at the end"
    fields = ("proposal", "settings", "outcome", "value", "best_so_far", "test")
    return table("proposals", caption, header, rows, lines, source, 3, fields)
