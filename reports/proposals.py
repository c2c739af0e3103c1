"""What a search proposed, and what became of each proposal."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from moleflow.metrics.means import mean
from orchestration.records.ledger import Record
from orchestration.records.objective import (
    mean_of,
    metric_of,
    outcome,
    trials_by_proposal,
    value_of,
)
from orchestration.studies.proposing import Told
from orchestration.studies.search import Search
from reports.evidence import Evidence


@dataclass(frozen=True)
class Proposed:
    """A proposal, and what became of it."""

    number: int
    told: Told | None
    """None: nothing can be said of it, as a trial failed."""
    values: Mapping[str, str]
    """Of the searched fields, as JSON."""
    records: tuple[Record, ...]

    @property
    def settings(self) -> str:
        return ", ".join(f"{field} = {value}" for field, value in self.values.items())

    @property
    def value(self) -> float | None:
        finished = self.told is not None and self.told.outcome == "finished"
        return self.told.value if self.told is not None and finished else None

    @property
    def outcome(self) -> str:
        return self.told.outcome if self.told is not None else "failed"


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
        values = {field: axes[field] for field in search.space if field in axes}
        own = tuple(records[trial.key] for trial in trials if trial.key in records)
        told = outcome(number, trials, records, search, value)
        found.append(Proposed(number, told, values, own))
    return found


def best(found: Sequence[Proposed]) -> Proposed | None:
    """The first of those with the largest value."""
    return max(finished(found), key=lambda one: one.value or 0.0, default=None)


def finished(found: Iterable[Proposed]) -> list[Proposed]:
    """Those of which it is known how good they are."""
    return [one for one in found if one.value is not None]


def selection_score(one: Proposed, search: Search) -> float | None:
    """Mean over its trials of what was measured on pictures that training may see; None where one
    of them has none, as in a search by the test set that holds none out."""
    values = [mean_of(record.selection, search, "step_mean") for record in one.records]
    known = [value for value in values if value is not None]
    return mean(known) if known and len(known) == len(values) else None


def on_test(evidence: Evidence, one: Proposed, metric: str) -> float | None:
    """Mean over its trials at the end, routed; None where one of them has none."""
    final = evidence.measurements.summary
    values = [final(record.key, metric, "final_mean") for record in one.records]
    known = [value for value in values if value is not None]
    return mean(known) if known and len(known) == len(values) else None
