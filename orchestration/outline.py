"""What the views need of a record. Read without its rows, which are nearly all of its bytes: a
record of 15 tasks takes 15 ms to read whole and a thirtieth of that so."""

import math
from dataclasses import dataclass, field
from typing import Any

from pydantic import ConfigDict, Field

from moleflow.data.sequences import task_name
from moleflow.errors import StoreError
from moleflow.settings import Settings
from orchestration.certificate import TRAINED
from orchestration.layout import StudyFolder
from orchestration.ledger import FORMAT, Failure, Record, Row, StageSource, Status, without_rows
from orchestration.terms import Role


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


@dataclass(frozen=True)
class Outline:
    """A record in brief."""

    key: str
    status: Status
    failure: Failure | None
    role: Role
    host: str
    adopted_from: str
    started: float
    ended: float
    attempts: int
    learned: tuple[Learned, ...]
    saved: float
    """Seconds that computing what it took from other trials had taken them."""
    besides: float
    """Seconds that the last attempt spent on other things than training."""
    values: dict[str, float] = field(default_factory=dict[str, float])
    """Means over classes after the last task, routed, e.g. of `image_auroc/mean`."""

    @property
    def trains(self) -> bool:
        """Whether it trained a task."""
        return any(learned.source != "shared" for learned in self.learned)

    @property
    def duration(self) -> float:
        return self.ended - self.started


class _Brief(Settings):
    """The fields of a record that an outline is made of."""

    model_config = ConfigDict(extra="ignore")

    format: int = 0
    key: str
    status: Status
    failure: Failure | None = None
    sequence: tuple[tuple[str, ...], ...]
    host: str
    started: float
    ended: float
    attempts: int = 1
    role: Role = "shared"
    adopted_from: str = ""
    stages: dict[str, StageSource] = Field(default_factory=dict[str, StageSource])
    seconds: dict[str, float] = Field(default_factory=dict[str, float])
    rows: tuple[Row, ...] = ()


def outline(record: Record) -> Outline:
    """Of a record that was read whole."""
    fields: dict[str, Any] = {name: getattr(record, name) for name in _Brief.model_fields}
    return _outline(_Brief.model_construct(**fields))


def read_outline(folder: StudyFolder, key: str) -> Outline | None:
    """Of a record on disk; None where there is none.

    Raises:
        StoreError: the file holds no record.
    """
    path = folder.record(key)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        brief = _Brief.model_validate_json(without_rows(content))
    except ValueError as error:
        raise StoreError(
            f"{path}: not a record of format {FORMAT} ({str(error).splitlines()[0]}); "
            "move the file away and run the study again to make it anew"
        ) from None
    return _outline(brief)


def _outline(brief: _Brief) -> Outline:
    sizes = {task_name(task): len(task) for task in brief.sequence}
    trained = [name for name, stage in brief.stages.items() if stage.kind in TRAINED]
    stages = brief.stages.values()
    return Outline(
        key=brief.key,
        status=brief.status,
        failure=brief.failure,
        role=brief.role,
        host=brief.host,
        adopted_from=brief.adopted_from,
        started=brief.started,
        ended=brief.ended,
        attempts=brief.attempts,
        learned=tuple(
            Learned(
                source=brief.stages[name].source,
                seconds=brief.stages[name].seconds,
                role=brief.role,
                classes=sizes.get(name.split(" ", 1)[1], 1),
            )
            for name in trained
        ),
        saved=math.fsum(stage.seconds for stage in stages if stage.source == "shared"),
        besides=max(
            0.0,
            brief.ended - brief.started - math.fsum(brief.seconds.get(n, 0.0) for n in trained),
        ),
        values={
            f"{row.metric}/mean": row.value
            for row in brief.rows
            if row.definition == "final_mean" and row.routing == "routed"
        },
    )
