"""One thread of the driver that carries events and records to the tracking store, in batches."""

import time
from collections.abc import Callable, Sequence

from orchestration.layout import StudyFolder
from orchestration.ledger import Record
from orchestration.study import Plan, Trial
from orchestration.tracking.base import Tracker, TrackerAway, TrackerRefused
from orchestration.watch import Follower, News, Warn

PERIOD = 2.0
"""Seconds between two batches: a call per batch is what a store is slow at."""
LONGEST_PAUSE = 60.0


class Exporter(Follower):
    """Sends what is new while a `with` block lasts; what a store that is away missed is sent later.

    Another process, later, sends everything again, which changes nothing in the store.
    """

    def __init__(
        self,
        plan: Plan,
        folder: StudyFolder,
        tracker: Tracker,
        warn: Warn,
        period: float = PERIOD,
    ):
        super().__init__(plan, folder, warn, period)
        self._tracker = tracker
        self._tell = warn
        self._begun = False
        self._waiting: dict[str, News] = {}
        self._records: dict[str, Record] = {}
        self._open: dict[str, tuple[Trial, float]] = {}
        self._last = 0.0
        self._refused = False
        self._away = False
        self._told_away = False
        self._pause = period
        self._next_try = 0.0

    @property
    def complete(self) -> bool:
        """Whether the store holds all that is on disk."""
        return self._begun and not self._waiting and not self._refused and not self._away

    def handle(self, news: Sequence[News]) -> None:
        for item in news:
            self._keep(item)
        if time.monotonic() >= self._next_try:
            self._send()

    def finish(self, interrupted: bool) -> None:
        self._send()
        if not self._away:
            self._guarded(self._end)
        if not self.complete:
            self._tell(
                f"tracking is incomplete; bring it up to date with: moleflow sync {self.plan.name}"
            )

    def _keep(self, item: News) -> None:
        key = item.trial.key
        earlier = self._waiting.get(key, News(item.trial))
        self._waiting[key] = News(item.trial, earlier.events + item.events, item.record)
        if item.record is None:
            self._open[key] = (item.trial, item.events[-1].time)
            self._last = max(self._last, item.events[-1].time)
        else:
            self._records[key] = item.record
            self._last = max(self._last, item.record.ended)
            self._open.pop(key, None)

    def _send(self) -> None:
        self._away = False
        if not self._begun and not self._refused:
            self._begun = self._guarded(lambda: self._tracker.begin(self.plan, self._first()))
        for key, item in list(self._waiting.items()):
            if self._away or not self._begun:
                return
            self._guarded(lambda item=item: self._send_one(item))
            if not self._away:
                del self._waiting[key]
        self._pause = self._period

    def _first(self) -> float:
        times = [event.time for item in self._waiting.values() for event in item.events]
        times += [record.started for record in self._records.values()]
        return min(times, default=time.time())

    def _send_one(self, item: News) -> None:
        self._tracker.log(item.trial, item.events)
        if item.record is not None:
            self._tracker.finish(item.trial, item.record, self.folder)

    def _end(self) -> None:
        for trial, last in self._open.values():
            self._tracker.interrupt(trial, last)
        self._tracker.end(self.plan, list(self._records.values()), self._last or time.time())

    def _guarded(self, call: Callable[[], None]) -> bool:
        """Whether the store took it. The first failure of each kind is told, the others are not."""
        try:
            call()
        except TrackerAway as error:
            if not self._told_away:
                self._tell(f"tracking store is away, the study goes on: {error}")
            self._told_away = True
            self._away = True
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
            self._next_try = time.monotonic() + self._pause
            return False
        except TrackerRefused as error:
            if not self._refused:
                self._tell(f"tracking store refused something, the study goes on: {error}")
            self._refused = True
            return False
        return True


def sync(plan: Plan, folder: StudyFolder, tracker: Tracker, warn: Warn) -> bool:
    """Send everything that is on disk, again or for the first time; trials without a record count
    as interrupted. Returns whether the store took all of it."""
    exporter = Exporter(plan, folder, tracker, warn)
    exporter.handle(exporter.watcher.look())
    exporter.finish(interrupted=False)
    return exporter.complete
