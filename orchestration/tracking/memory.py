"""Tracking in memory, for tests."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from orchestration.events import Event
from orchestration.layout import StudyFolder
from orchestration.ledger import Record
from orchestration.study import Plan, Trial
from orchestration.tracking.base import Tracker, study_status

Point = tuple[str, int, float, float]
"""Name, step, time, value."""


@dataclass(frozen=True)
class MemoryTracker(Tracker):
    """Keeps points as a set, as a store does that takes the same point once."""

    points: dict[str, set[Point]] = field(default_factory=dict[str, set[Point]])
    statuses: dict[str, str] = field(default_factory=dict[str, str])
    """By trial key; the study's by its name."""

    def begin(self, plan: Plan, started: float) -> None:
        self.statuses[plan.name] = "running"

    def log(self, trial: Trial, events: Sequence[Event]) -> None:
        self.statuses.setdefault(trial.key, "running")
        points = self.points.setdefault(trial.key, set())
        points |= {(n, e.step, e.time, v) for e in events for n, v in e.values.items()}

    def finish(self, trial: Trial, record: Record, folder: StudyFolder) -> None:
        self.statuses[trial.key] = record.status

    def interrupt(self, trial: Trial, ended: float) -> None:
        if trial.key in self.statuses:
            self.statuses[trial.key] = "killed"

    def end(self, plan: Plan, records: Sequence[Record], ended: float) -> None:
        self.statuses[plan.name] = study_status(plan, records)
