"""Tails the event files and the ledger of a study: what the live view and tracking are fed with.

A driver that follows a study opens no connection to its trials: files on the file system that all
nodes see are enough, and a driver that starts later reads the same.
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from moleflow.errors import StoreError
from orchestration.records.events import Event, read_events_from
from orchestration.records.layout import StudyFolder
from orchestration.records.ledger import Ledger, Record
from orchestration.studies.expansion import Plan, Trial

PERIOD = 0.5
"""Seconds between two looks."""

Warn = Callable[[str], None]
"""Tells the person at the terminal something that does not end the study."""


@dataclass(frozen=True)
class News:
    """What one look found of one trial. The record comes once, with or after the last events."""

    trial: Trial
    events: tuple[Event, ...] = ()
    record: Record | None = None


@dataclass(frozen=True)
class _Position:
    offset: int = 0
    ended: bool = False


class Watcher:
    """Finds what is new since the last look; the first look finds everything that is on disk."""

    def __init__(
        self, plan: Plan, folder: StudyFolder, warn: Warn, known: Collection[str] = frozenset()
    ):
        """Args:
        known: keys of trials whose records the caller has read: they have no news.
        """
        self._folder = folder
        self._ledger = Ledger(folder)
        self._warn = warn
        self._known = frozenset(known)
        self._trials = {t.key: t for t in plan.trials if t.key not in known}
        self._positions = {key: _Position() for key in self._trials}
        self._told: set[Path] = set()

    def grow(self, plan: Plan) -> None:
        """The plan has come to hold more trials."""
        for trial in plan.trials:
            if trial.key not in self._trials and trial.key not in self._known:
                self._trials[trial.key] = trial
                self._positions[trial.key] = _Position()

    def look(self) -> list[News]:
        """News of all trials that have any, in the plan's order.

        A file that cannot be read just now (a shared file system may stumble) is read next time.
        """
        found = self._names()
        news: list[News] = []
        for key, trial in self._trials.items():
            position, recorded = self._positions[key], f"{key}.json" in found
            if position.ended or not (recorded or key in found):
                continue
            try:
                item, self._positions[key] = self._news(trial, position, recorded)
            except OSError:
                continue
            if item.events or item.record:
                news.append(item)
        return news

    def _names(self) -> set[str]:
        try:
            return {path.name for path in self._folder.trials.iterdir()}
        except OSError:
            return set()

    def _news(self, trial: Trial, position: _Position, recorded: bool) -> tuple[News, _Position]:
        # That a record exists was known before the events are read: no measurement can follow it.
        path = self._folder.events(trial.key)
        events, offset = read_events_from(
            path, position.offset, lambda text: self._tell(path, text)
        )
        record = self._record(trial.key) if recorded else None
        return News(trial, tuple(events), record), _Position(offset, recorded)

    def _tell(self, path: Path, text: str) -> None:
        """Once of each file."""
        if path not in self._told:
            self._told.add(path)
            self._warn(text)

    def _record(self, key: str) -> Record | None:
        try:
            return self._ledger.read_brief(key)
        except StoreError as error:
            self._warn(str(error))
            return None


class Follower(ABC):
    """A thread that looks every `period` seconds and handles what it found, while a block lasts.

    An error in `handle` ends the thread, never the study; it is raised when the block ends, unless
    the block ends by another one.
    """

    def __init__(
        self,
        plan: Plan,
        folder: StudyFolder,
        warn: Warn,
        period: float = PERIOD,
        known: Collection[str] = frozenset(),
    ):
        self.plan = plan
        self.folder = folder
        self.watcher = Watcher(plan, folder, warn, known)
        self._period = period
        self._leaving = threading.Event()
        self._error: Exception | None = None
        self._grown: list[Plan] = []
        self._thread = threading.Thread(target=self._follow, name=type(self).__name__, daemon=True)

    def grow(self, plan: Plan) -> None:
        """The plan has come to hold more trials; may be called from any thread."""
        self._grown.append(plan)

    def take_plan(self, plan: Plan) -> None:
        """Follow a longer plan from now on."""
        self.plan = plan
        self.watcher.grow(plan)

    @abstractmethod
    def handle(self, news: Sequence[News]) -> None:
        """Called after every look, also when there is nothing new."""

    @abstractmethod
    def finish(self, interrupted: bool) -> None:
        """Called once at the end, in the caller's thread, after the last look."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.look_last()
        self.finish(interrupted=kind is not None)
        if self._error is not None and kind is None:
            raise self._error

    def look_last(self) -> None:
        """Look once more, and handle what is found, when nothing more can come."""
        if self._leaving.is_set():
            return
        self._leaving.set()
        self._thread.join()
        if self._error is None:
            self._round()

    def _follow(self) -> None:
        while self._error is None and not self._leaving.is_set():
            self._round()
            self._leaving.wait(self._period)

    def _round(self) -> None:
        try:
            while self._grown:
                self.take_plan(self._grown.pop(0))
            self.handle(self.watcher.look())
        except Exception as error:
            self._error = error
