"""Tracking in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from orchestration.records.events import Event, numbers_of
from orchestration.records.layout import StudyFolder
from orchestration.records.ledger import Record
from orchestration.studies.expansion import Plan, Trial
from orchestration.tracking.tracker import Tracker, study_status

Point = tuple[str, int, float, float]
"""Name, step, time, value."""


@dataclass(frozen=True)
class MemoryTracker(Tracker):
    """Keeps points as a set, as a store does that takes the same point once."""

    points: dict[str, set[Point]] = field(default_factory=dict[str, set[Point]])
    statuses: dict[str, str] = field(default_factory=dict[str, str])
    """By trial key; the study's by its name."""
    reports: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    """Files of a study's report, by the study's name."""

    def options(self) -> tuple[str, ...]:
        return ()

    def begin(self, plan: Plan, started: float) -> None:
        self.statuses[plan.name] = "running"

    def grow(self, plan: Plan) -> None:
        """Nothing is known of a plan but its name."""

    def news(self) -> str:
        return ""

    def holds(self, trial: Trial, record: Record) -> bool:
        return self.statuses.get(trial.key) == record.status

    def log(self, trial: Trial, events: Sequence[Event]) -> None:
        self.statuses.setdefault(trial.key, "running")
        points = self.points.setdefault(trial.key, set())
        points |= set(numbers_of(events))

    def finish(self, trial: Trial, record: Record, folder: StudyFolder) -> None:
        self.statuses[trial.key] = record.status

    def interrupt(self, trial: Trial, ended: float) -> None:
        if trial.key in self.statuses:
            self.statuses[trial.key] = "killed"

    def end(self, plan: Plan, records: Sequence[Record], ended: float) -> None:
        for key, status in self.statuses.items():
            self.statuses[key] = "killed" if status == "running" else status
        self.statuses[plan.name] = study_status(plan, records)

    def keep_report(self, plan: Plan, folder: StudyFolder) -> None:
        self.reports[plan.name] = sorted(path.name for path in folder.report.rglob("*.*"))
