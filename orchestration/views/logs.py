"""What a trial said: who ran it, its events as lines, and what its processes printed."""

import re
import time
from collections.abc import Generator, Iterable
from pathlib import Path

from moleflow.errors import StudyError
from moleflow.wording import counted
from orchestration.plain import one_line
from orchestration.records.events import (
    Attempt,
    End,
    Epoch,
    Event,
    Metrics,
    Note,
    StageFinished,
    StageStarted,
    Waiting,
    read_events_from,
)
from orchestration.records.layout import Root, StudyFolder, not_one_trial
from orchestration.records.ledger import Ledger, MisfitError
from orchestration.records.worker import read_worker
from orchestration.views.progress import duration

PERIOD = 0.5
"""Seconds between two looks at a trial that is followed."""
MEAN = "/mean"
KEY = re.compile(r"\w+")
"""What a trial's key is made of: nothing else below `trials/` is one."""


def find_trial(asked: str, root: Root) -> tuple[StudyFolder, str]:
    """The study folder and key of a trial that was begun.

    Args:
        asked: the beginning of a trial's key, or STUDY/ and that.

    Raises:
        StudyError: none begins so, several do, or nothing is asked.
    """
    if not asked:
        raise StudyError("no trial is named: give the beginning of its key, or STUDY/ and that")
    study, _, prefix = asked.rpartition("/")
    names = [name for name in root.study_names() if study in ("", name)]
    found = [
        (name, key) for name in names for key in _keys(root.study(name)) if key.startswith(prefix)
    ]
    if not names:
        known = ", ".join(root.study_names())
        hint = f"its studies are {known}" if known else "no study has been run there"
        raise StudyError(f"{asked}: no study {study!r} in {root.path}: {hint}")
    if not found:
        raise StudyError(
            f"{asked!r}: no trial in {root.path} that was begun has a key that begins so; "
            f"keys are shown by `{root.command('status', 'STUDY')}`"
        )
    if len(found) > 1:
        raise not_one_trial(asked, found)
    name, key = found[0]
    return root.study(name), key


def _keys(folder: StudyFolder) -> list[str]:
    try:
        names = {path.name.removesuffix(".json") for path in folder.trials.iterdir()}
    except OSError:
        return []
    return sorted(name for name in names if KEY.fullmatch(name))


def head(folder: StudyFolder, key: str) -> str:
    """One line: trial, study, status, attempts, hosts."""
    events, _ = read_events_from(folder.events(key), 0)
    attempts = [event for event in events if isinstance(event, Attempt)]
    worker = read_worker(folder, key)
    # Files cannot tell a trial in work from one that was interrupted.
    record, status = None, "begun, no record yet"
    try:
        record = Ledger(folder).read(key)
        status = record.status if record else status
    except MisfitError as error:
        status = f"its record cannot be used ({error})"
    host = f"{worker.host} (process {worker.pid})" if worker else (record.host if record else "")
    parts = [f"trial {key}", f"study {folder.name}", status, f"attempts {len(attempts)}"]
    return ", ".join([*parts, f"last on {host}"] if host else parts)


def event_lines(events: Iterable[Event], epochs: bool = False) -> Generator[str]:
    """Events as a person reads them.

    Args:
        epochs: every epoch too.
    """
    for event in events:
        text = _line(event)
        if text and (epochs or not isinstance(event, Epoch)):
            moment = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(event.time))
            yield f"{moment}  {one_line(text)}"


def _line(event: Event) -> str:
    match event:
        case Attempt():
            return " ".join(["attempt", event.host, event.device, event.role or ""]).strip()
        case StageFinished():
            source = f", {event.source}" if event.source else ""
            return f"{event.stage} finished in {_taken(event.seconds)}{source}"
        case StageStarted():
            return f"{event.stage} started"
        case Epoch():
            return f"{event.stage}, epoch {event.epoch} of {event.epochs}{_numbers(event.numbers)}"
        case Metrics():
            means = {name: v for name, v in event.numbers.items() if name.endswith(MEAN)}
            return f"after {counted(event.step, 'task')}{_numbers(means)}"
        case Waiting():
            return f"waits for {event.what}"
        case Note():
            return event.note
        case End():
            return f"end: {event.status}"


def _numbers(values: dict[str, float]) -> str:
    return "".join(f", {name} {value:.4g}" for name, value in values.items())


def printed(folder: StudyFolder, key: str) -> str:
    """All that the trial's processes printed; empty where they printed nothing."""
    return _rest(folder.log(key), 0).decode(errors="replace")


def follow(folder: StudyFolder, key: str, epochs: bool = False) -> Generator[str]:
    """Lines of events, and what is printed, as they come; all that is there first. Ends with the
    trial's record."""
    told = read = 0
    while True:
        # A record that is there before the last look was made after the last line.
        ended = folder.record(key).exists()
        events, told = read_events_from(folder.events(key), told)
        yield from event_lines(events, epochs)
        rest = _rest(folder.log(key), read)
        whole = rest if ended else rest[: rest.rfind(b"\n") + 1]
        read += len(whole)
        yield from whole.decode(errors="replace").splitlines()
        if ended:
            return
        time.sleep(PERIOD)


def _rest(path: Path, offset: int) -> bytes:
    """What a file holds from a byte on; nothing where there is no file."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read()
    except (FileNotFoundError, IsADirectoryError):
        return b""


def _taken(seconds: float) -> str:
    """To three digits where `duration` would round up to whole seconds."""
    return f"{seconds:.3g} s" if seconds < 60 else duration(seconds)
