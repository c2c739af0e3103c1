"""What a running trial says: one JSON line per event, appended beside its results.

The driver tails these files for the live view and for tracking. A measurement, i.e. (name, step),
is written once in a trial's life: a restarted trial repeats its numbers to the bit, so it keeps the
first line with its time, and sending everything twice changes nothing in the tracking store.

Nothing rests on these files: a line that cannot be read, or is another trial's, is passed over.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias

from pydantic import Field, TypeAdapter

from moleflow.files import read_regular, room_for_file
from moleflow.settings import Settings
from orchestration.records.ledger import Status
from orchestration.records.stages import StageRef
from orchestration.studies.terms import Role

LATEST = 1e11
"""Seconds since 1970 of which calendars know."""


class Load(Settings):
    """What the process of a trial uses of its machine."""

    host: str
    cores: float
    """CPU cores kept busy, on average since the last time that it said so."""
    given: int
    """Threads that it computes with."""
    memory: int
    """Resident bytes of its own; what it maps from files (features, libraries) is shared with
    others and not counted. 0: the system does not tell."""
    host_cores: int
    host_memory: int
    """Bytes; 0: the system does not tell."""
    gpu: str = ""
    """Which one, where there is one."""
    gpu_memory: int = 0
    """Bytes that torch holds of it in this process."""
    gpu_used: int = 0
    """Bytes that all processes together use of it."""
    gpu_total: int = 0


class _Said(Settings):
    """What all events of a trial have."""

    time: Annotated[float, Field(ge=0, le=LATEST)] = 0.0
    """Seconds since 1970, UTC."""
    trial: str = ""
    """Its key, by which its folder is named; another one's lines are not read."""
    load: Load | None = None
    """What the process uses, told now and then."""


class Attempt(_Said):
    """A worker starts."""

    kind: Literal["attempt"] = "attempt"
    host: str = ""
    device: str = ""
    """Kind of device, e.g. `cpu:avx512`."""
    role: Role | None = None
    """What the trial may take from others; None: it has not said so."""


class StageStarted(_Said):
    kind: Literal["stage started"] = "stage started"
    stage: StageRef
    task: int = 0
    """Index of the task in the sequence, from 0."""


class StageFinished(_Said):
    kind: Literal["stage finished"] = "stage finished"
    stage: StageRef
    task: int = 0
    """Index of the task in the sequence, from 0."""
    seconds: float = 0.0
    """How long the stage took."""
    source: Literal["made", "resumed", "shared"] | None = None
    """Where its result comes from (`StageSource`); None of an evaluation."""
    saved: float = 0.0
    """Of a shared stage: seconds that computing it took the trial that did."""


class Epoch(_Said):
    """One pass over a task's training images has ended, now or when the stage was made."""

    kind: Literal["epoch"] = "epoch"
    stage: StageRef
    task: int = 0
    """Index of the task in the sequence, from 0."""
    epoch: int
    """From 1."""
    epochs: int
    seconds: float = 0.0
    numbers: dict[str, float] = Field(default_factory=dict[str, float])
    """By name: `loss`, `grad_norm`, `lr`."""

    @property
    def step(self) -> int:
        return self.epoch

    def tracked(self, name: str) -> str:
        """What a number is called among those of a trial, e.g. `loss/bottle`."""
        return f"{name}/{self.stage.task}"


class Metrics(_Said):
    """Numbers after a task."""

    kind: Literal["metrics"] = "metrics"
    step: int
    """Tasks seen."""
    numbers: dict[str, float] = Field(default_factory=dict[str, float])
    """E.g. `image_auroc/mean`; `trial.recording.told_values` has all names."""

    def tracked(self, name: str) -> str:
        """What a number is called among those of a trial."""
        return name


class Waiting(_Said):
    """A sign of life: another trial makes what this one needs."""

    kind: Literal["waiting"] = "waiting"
    what: str
    """Kind of stage, or name of a task."""


class Note(_Said):
    """Something to be told."""

    kind: Literal["note"] = "note"
    note: str


class End(_Said):
    """The trial's record has been written."""

    kind: Literal["end"] = "end"
    status: Status


Event: TypeAlias = Attempt | StageStarted | StageFinished | Epoch | Metrics | Waiting | Note | End
EVENT: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="kind")])


class Number(NamedTuple):
    """One number that a trial has told."""

    name: str
    step: int
    time: float
    value: float


def numbers_of(events: Iterable[Event]) -> Iterator[Number]:
    """All numbers that events tell; most events tell none."""
    for event in events:
        if isinstance(event, Epoch | Metrics):
            for name, value in event.numbers.items():
                yield Number(event.tracked(name), event.step, event.time, value)


def told_first(events: Iterable[Event], told: set[tuple[str, int]]) -> Iterator[Event]:
    """Events without measurements that were told before: two processes may have been at one trial,
    where one of them seemed dead and was not.

    Args:
        told: what was told so far, by name and step; what is new is added.
    """
    for event in events:
        if not isinstance(event, Epoch | Metrics):
            yield event
            continue
        names = {name: (event.tracked(name), event.step) for name in event.numbers}
        new = {name: v for name, v in event.numbers.items() if names[name] not in told}
        told.update(names.values())
        yield event.model_copy(update={"numbers": new})


class EventLog:
    """Appends events of one trial; opened by the worker that runs it."""

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        room_for_file(path)
        self._path = path
        _drop_torn_line(path)
        self._written = {(one.name, one.step) for one in numbers_of(read_events(path))}

    def add(self, event: Event) -> None:
        """Write one event now; measurements that were written before are left out."""
        told: dict[str, Any] = {"time": time.time(), "trial": self._path.parent.name}
        if isinstance(event, Epoch | Metrics):
            told["numbers"] = self._new(event)
        said = event.model_copy(update=told)
        line = said.model_dump_json(exclude_none=True) + "\n"
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line)
            file.flush()
            if isinstance(event, Metrics | End):
                os.fsync(file.fileno())

    def _new(self, event: Epoch | Metrics) -> dict[str, float]:
        names = {name: (event.tracked(name), event.step) for name in event.numbers}
        new = {n: float(v) for n, v in event.numbers.items() if names[n] not in self._written}
        self._written |= {names[name] for name in new}
        return new


def read_events(path: Path, tell: Callable[[str], None] | None = None) -> Iterator[Event]:
    """All complete lines of a file; a last line without its end is not there yet."""
    events, _ = read_events_from(path, 0, tell)
    return iter(events)


def read_events_from(
    path: Path, offset: int, tell: Callable[[str], None] | None = None
) -> tuple[list[Event], int]:
    """Complete lines from a byte offset on, and the offset where the next read begins.

    Args:
        tell: told, if anything, how much cannot be read.
    """
    try:
        data = read_regular(path)[offset:]
    except FileNotFoundError:
        return [], offset
    except OSError as error:
        if path.is_file():
            raise
        _tell(tell, f"{path}: {error.strerror}; what the trial said is not known")
        return [], offset
    complete = data[: data.rfind(b"\n") + 1]
    lines = complete.splitlines()
    found = [event for line in lines if (event := _event(line, path.parent.name)) is not None]
    if lost := len(lines) - len(found):
        what = "1 line is" if lost == 1 else f"{lost} lines are"
        _tell(tell, f"{path}: {what} no event of this trial, and passed over; nothing rests on it")
    return found, offset + len(complete)


def _event(line: bytes, trial: str) -> Event | None:
    try:
        event = EVENT.validate_json(line)
    except ValueError:
        return None
    return event if event.trial == trial else None


def _tell(tell: Callable[[str], None] | None, text: str) -> None:
    if tell is not None:
        tell(text)


def _drop_torn_line(path: Path) -> None:
    """A killed worker may leave half a line; what follows must start on a new one."""
    if path.exists():
        data = path.read_bytes()
        end = data.rfind(b"\n") + 1
        if end != len(data):
            os.truncate(path, end)
