"""What the views need of a record."""

import math
from dataclasses import dataclass, field

from moleflow.data.sequences import task_name
from orchestration.records.layout import StudyFolder
from orchestration.records.ledger import Failure, Ledger, Record, Status
from orchestration.records.stages import TRAINED, StageRef
from orchestration.sharing.no_effect import Outcome, outcome_of
from orchestration.studies.terms import Role


@dataclass(frozen=True)
class Learned:
    """A task that a trial has learned."""

    source: str
    """`made` now, `resumed` from an earlier attempt, or `shared`: made by another trial."""
    seconds: float
    """How long training it took, whichever trial did; 0 where nobody knows."""
    role: Role
    """Of the trial that has learned it."""
    classes: int = 1
    task: str = ""
    """Its name."""


@dataclass(frozen=True)
class RecordBrief:
    """A record in record."""

    key: str
    status: Status
    failure: Failure | None
    role: Role
    host: str
    adopted_from: str
    started: float
    ended: float
    duration: float
    """Seconds at work, in all attempts."""
    attempts: int
    learned: tuple[Learned, ...]
    saved: float
    """Seconds that computing what it took from other trials had taken them."""
    besides: float
    """Seconds that the last attempt spent on other things than learning tasks."""
    outcome: Outcome
    """To be compared with that of other settings."""
    values: dict[str, float] = field(default_factory=dict[str, float])
    """Means over classes after the last task, routed, e.g. of `image_auroc/mean`."""

    @property
    def trains(self) -> bool:
        """Whether it trained a task."""
        return any(learned.source != "shared" for learned in self.learned)


def read_brief(folder: StudyFolder, key: str) -> RecordBrief | None:
    """Of a record on disk; None where there is none.

    Raises:
        StoreError: the file holds no record.
    """
    record = Ledger(folder).read_brief(key)
    return None if record is None else brief(record)


def brief(record: Record) -> RecordBrief:
    """Of a record that was read whole or in brief."""
    sizes = {task_name(task): len(task) for task in record.sequence}
    trained = [stage for stage in record.stages if stage.kind in TRAINED]
    return RecordBrief(
        key=record.key,
        status=record.status,
        failure=record.failure,
        role=record.role,
        host=record.host,
        adopted_from=record.adopted_from,
        started=record.started,
        ended=record.ended,
        duration=record.working_seconds,
        attempts=record.attempts,
        learned=tuple(
            Learned(
                source=record.stages[stage].source,
                seconds=record.stages[stage].seconds,
                role=record.role,
                classes=sizes.get(stage.task, 1),
                task=stage.task,
            )
            for stage in trained
        ),
        saved=record.saved_seconds,
        besides=max(0.0, _last(record) - math.fsum(_learning(record, n) for n in trained)),
        outcome=outcome_of(record),
        values={
            f"{row.metric}/mean": row.value
            for row in record.rows
            if row.definition == "final_mean" and row.routing == "routed"
        },
    )


def _last(record: Record) -> float:
    """Seconds that the last attempt took."""
    if not record.spans:
        return record.ended - record.started
    return record.spans[-1].ended - record.spans[-1].started


def _learning(record: Record, stage: StageRef) -> float:
    """Seconds of the last attempt in which a task was learned; next to none where it was made
    before."""
    source = record.stages[stage]
    if source.source == "resumed":
        return 0.0
    return source.seconds if source.source == "made" else record.seconds.get(stage, 0.0)
