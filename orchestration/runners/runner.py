"""What every runner shares: what runs a trial, and how a lost trial is recorded."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable

from moleflow.errors import StoreAwayError
from moleflow.files import has_stumbled
from orchestration.records.events import (
    Attempt,
    Epoch,
    Event,
    StageFinished,
    StageStarted,
    read_events,
)
from orchestration.records.files import write_atomically
from orchestration.records.history import history
from orchestration.records.layout import Root, StudyFolder
from orchestration.records.ledger import Failure, Ledger, Record
from orchestration.records.stages import StageRef
from orchestration.sharing.schedule import Schedule, Start
from orchestration.studies.expansion import Plan, Trial
from orchestration.studies.terms import Resources, Terms
from orchestration.studies.versions import result_versions

FIRST_PAUSE, LONGER, LONGEST_PAUSE = 3.0, 5, 60.0
"""Seconds before another attempt, how much longer before the one after it, and at most."""

TrialFunction = Callable[[Trial, Root, Terms], str]
"""Runs one trial in the present process, publishes its record and returns the record's status.
It raises only what another attempt can cure. A module's function, so that workers can import it."""


def run_trial(trial: Trial, root: Root, terms: Terms) -> str:
    """The trial function of real studies. Torch is imported here: in workers, not in the driver."""
    from orchestration.trial import sequence

    return sequence.run_trial(trial, root, terms)


class Runner(ABC):
    """Runs trials of one study until each has a ledger record."""

    def __init__(self, root: Root, terms: Terms, warn: Callable[[str], None] | None = None):
        """Args:
        terms: of every trial; the schedule decides each one's role.
        warn: told what the user should know while trials run.
        """
        self.root = root
        self.terms = terms
        self.warn = warn or _unheard

    @property
    def resources(self) -> Resources:
        return self.terms.resources

    @abstractmethod
    def check(self) -> None:
        """Look for a place for trials, before there is a plan.

        Raises:
            StudyError: there is none for any that is left to run.
        """

    @abstractmethod
    def run(self, plan: Plan, schedule: Schedule, function: TrialFunction = run_trial) -> None:
        """Run what the schedule hands out, until it has nothing left.

        A trial whose attempts all failed gets a record with status `failed`, so the others go on.

        Raises:
            StudyError: no machine has what a trial asks for; nothing was started.
            KeyboardInterrupt: SIGINT or SIGTERM; every worker has ended.
        """


def _unheard(text: str) -> None:
    """Nobody listens."""


def hand_out(schedule: Schedule, folder: StudyFolder) -> Start | None:
    """What may start now, written where its worker reads it: a worker must not read a whole plan.

    Raises:
        StoreError: the folder cannot be written.
    """
    start = schedule.next()
    if start is not None:
        write_atomically(folder.asked_of(start.trial.key), start.trial.model_dump_json())
    return start


def left_to_run(plan: Plan, root: Root) -> list[Trial]:
    """Plan minus ledger, in the plan's order."""
    ledger = Ledger(root.study(plan.name))
    done = set(ledger.keys()) - {one.path.stem for one in ledger.misfits()}
    return [trial for trial in plan.trials if trial.key not in done]


def describe_failure(trial: Trial, failure: Failure, folder: StudyFolder, started: float) -> Record:
    """The record of a trial that could not write one itself. What only its worker knew is empty;
    where it was, and its last numbers, are what its events say."""
    events = _events(folder, trial.key)
    known = history(events)
    ended = time.time()
    if failure.kind and failure.stage is None:
        failure = failure.model_copy(update=_last_words(events, failure.message))
    return Record(
        **dict(trial),
        status="failed",
        failure=failure,
        data={},
        result_versions=result_versions(trial.config),
        versions={},
        git="unknown",
        device="",
        threads=0,
        host="",
        started=known.spans[0].started if known.spans else started,
        ended=ended,
        attempts=max(1, len(known.spans)),
        spans=known.spans,
        seconds=known.seconds,
    )


def pause_after(error: Exception, folder: StudyFolder, key: str) -> None:
    """Wait before a trial's next attempt where a file system or a store was away: asked again at
    once, it still is. Longer each time."""
    if isinstance(error, StoreAwayError) or has_stumbled(error):
        attempts = sum(isinstance(event, Attempt) for event in _events(folder, key))
        time.sleep(min(FIRST_PAUSE * LONGER ** max(0, attempts - 1), LONGEST_PAUSE))


def whereabouts(folder: StudyFolder, key: str) -> str:
    """Where a trial's present attempt is, e.g. `adapter cookie, epoch 3 of 40`; may be empty."""
    return _told(*_position(_events(folder, key)))


def _events(folder: StudyFolder, key: str) -> list[Event]:
    """A file that cannot be read, which may be why a trial failed, says nothing."""
    try:
        return list(read_events(folder.events(key)))
    except OSError:
        return []


def _last_words(events: list[Event], message: str) -> dict[str, object]:
    stage, numbers = _position(events)
    if stage is None:
        return {}
    told = f"{message}; it was in {_told(stage, numbers)}"
    return {"stage": stage, "numbers": numbers, "message": told}


def _position(events: list[Event]) -> tuple[StageRef | None, dict[str, float]]:
    """The stage that the last attempt told of last, and its last numbers."""
    begun = max((i for i, e in enumerate(events) if isinstance(e, Attempt)), default=0)
    told = [e for e in events[begun:] if isinstance(e, StageStarted | StageFinished | Epoch)]
    if not told:
        return None, {}
    last, numbers = told[-1], dict[str, float]()
    if isinstance(last, Epoch):
        numbers |= {"epoch": last.epoch, "epochs": last.epochs}
        # A repeated epoch's losses stand where they were told first.
        for event in events:
            if isinstance(event, Epoch) and (event.stage, event.epoch) == (last.stage, last.epoch):
                numbers |= event.numbers
    return last.stage, numbers


def _told(stage: StageRef | None, numbers: dict[str, float]) -> str:
    parts = [] if stage is None else [str(stage)]
    if "epoch" in numbers:
        parts.append(f"epoch {numbers['epoch']:g} of {numbers['epochs']:g}")
        parts += [f"{k} {v:.4g}" for k, v in numbers.items() if k not in ("epoch", "epochs")]
    return ", ".join(parts)


def last_of(attempts: int, message: str) -> str:
    return f"{message} (last of {attempts} attempts)" if attempts > 1 else message
