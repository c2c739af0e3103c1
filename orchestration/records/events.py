"""What a running trial says: one JSON line per event, appended beside its results.

The driver tails these files for the live view and for tracking. A measurement, i.e. (name, step),
is written once in a trial's life: a restarted trial repeats its numbers to the bit, so it keeps the
first line with its time, and sending everything twice changes nothing in the tracking store.

Nothing rests on these files: a line that cannot be read, or is another trial's, is passed over.
"""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from moleflow.files import read_regular, room_for_file
from moleflow.settings import Settings

LATEST = 1e11
"""Seconds since 1970 of which calendars know."""
WAITS = "waits for "
"""How a note begins that is a sign of life, and nothing to be told."""


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


class Event(Settings):
    """One line of a trial's event file."""

    time: Annotated[float, Field(ge=0, le=LATEST)]
    """Seconds since 1970, UTC."""
    trial: str = ""
    """Its key, by which its folder is named; another one's lines are not read."""
    kind: Literal["attempt", "stage", "epoch", "metrics", "note", "end"]
    """`attempt`: a worker starts; `stage`: a stage begins or ends; `epoch`: one pass over a task's
    training images; `metrics`: numbers after a task; `note`: something to be told, or a sign of
    life; `end`: the trial's record has been written."""
    stage: str = ""
    """`features`, `base`, `adapter`, `evaluation` (for `stage` and `epoch`)."""
    name: str = ""
    """The class or task concerned, classes joined by `+`."""
    state: Literal["", "started", "finished"] = ""
    task: int = 0
    """Index of the task in the sequence, from 0."""
    tasks: int = 0
    """Tasks in the sequence."""
    epoch: int = 0
    """From 1 (for `epoch`)."""
    epochs: int = 0
    step: int = 0
    """Step of `values` in tracking: the epoch for losses, the number of tasks seen for metrics."""
    values: dict[str, float] = Field(default_factory=dict[str, float])
    """Measurements by tracking name, e.g. `loss/bottle` or `image_auroc/mean`."""
    seconds: float = 0.0
    """How long the stage or epoch took."""
    source: Literal["", "made", "resumed", "shared"] = ""
    """Of a stage that ended: computed now, by an earlier attempt, or by another trial."""
    saved: float = 0.0
    """Of a shared stage that ended: seconds that computing it took the trial that did."""
    note: str = ""
    """Host, device and role of an attempt; status of an end; text of a note."""
    load: Load | None = None
    """What the process uses, told now and then."""


class EventLog:
    """Appends events of one trial; opened by the worker that runs it."""

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        room_for_file(path)
        self._path = path
        _drop_torn_line(path)
        self._written = {(name, event.step) for event in read_events(path) for name in event.values}

    def add(self, kind: str, **fields: Any) -> None:
        """Write one event now; measurements that were written before are left out."""
        values: Mapping[str, float] = fields.pop("values", {})
        step = fields.get("step", 0)
        new = {name: float(v) for name, v in values.items() if (name, step) not in self._written}
        self._written |= {(name, step) for name in new}
        about = {"time": time.time(), "trial": self._path.parent.name, "kind": kind}
        tree = {**about, **fields, "values": new}
        event = Event.model_validate_json(json.dumps(tree))
        line = event.model_dump_json(exclude_defaults=True) + "\n"
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line)
            file.flush()
            if kind in ("metrics", "end"):
                os.fsync(file.fileno())


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
        event = Event.model_validate_json(line)
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
