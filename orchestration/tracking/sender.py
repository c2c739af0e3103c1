"""What the tracking store lacks of a study, and sending it. Knows no threads."""

import time
from collections.abc import Callable

from moleflow.errors import StoreError
from orchestration.records.events import read_events_from, told_first
from orchestration.records.layout import StudyFolder
from orchestration.records.ledger import Ledger, Record
from orchestration.records.watch import News, Warn
from orchestration.studies.expansion import Plan, Trial
from orchestration.tracking.address import sync_command
from orchestration.tracking.tracker import Tracker, TrackerAway, TrackerRefused, TrackingError


class Sender:
    """Keeps for each trial how far its event file was sent; the events themselves stay on disk,
    so that a store that is away for days costs no memory.

    `keep` may be called from another thread than the rest.
    """

    def __init__(self, plan: Plan, folder: StudyFolder, tracker: Tracker, tell: Warn):
        self._plan = plan
        self._folder = folder
        self._tracker = tracker
        self._tell = tell
        self._waiting: dict[str, Trial] = {}
        self._in_hand: dict[str, Trial] = {}
        self._offsets: dict[str, int] = {}
        self._measured: dict[str, set[tuple[str, int]]] = {}
        """Of trials in work, what was sent, by name and step."""
        self._records: dict[str, Record] = {}
        self._open: dict[str, tuple[Trial, float]] = {}
        self._first, self._last = float("inf"), 0.0
        self._begun, self._ended = False, False
        self._news = False
        """Whether a trial has ended since the study's answer was sent."""
        self._refused: dict[str, Trial] = {}
        self._told: set[type[Exception]] = set()
        self.away = False
        """Whether the last call found the store away."""

    @property
    def complete(self) -> bool:
        """Whether the store holds all that was kept here so far."""
        return self._begun and not (self._lacking or self._news or self.away)

    @property
    def _lacking(self) -> dict[str, Trial]:
        return self._waiting | self._in_hand | self._refused

    def grow(self, plan: Plan) -> None:
        """The plan has come to hold more trials."""
        self._plan = plan
        self._tracker.grow(plan)

    def keep(self, news: News) -> None:
        """Note that a trial has something new on disk."""
        key, times = news.trial.key, [event.time for event in news.events]
        if news.record is None:
            self._open[key] = (news.trial, times[-1])
        else:
            self._records[key], self._news = news.record, True
            self._open.pop(key, None)
            times += [news.record.started, news.record.ended]
        self._first, self._last = min(self._first, *times), max(self._last, *times)
        self._waiting[key] = news.trial

    def send(self, leave: Callable[[], bool] = lambda: False) -> None:
        """Send what is waiting until the store is away, or `leave` says so between two trials."""
        self.away = False
        if not self._begun:
            started = min(self._first, time.time())
            self._begun = self._guarded(lambda: self._tracker.begin(self._plan, started))
            if self._begun:
                if news := self._tracker.news():
                    self._tell(news)
                self._keep_strays()
        for trial in list(self._waiting.values()):
            if self.away or not self._begun or leave():
                return
            self._in_hand = {trial.key: self._waiting.pop(trial.key)}
            if self._guarded(lambda trial=trial: self._send_one(trial)):
                self._refused.pop(trial.key, None)
            else:
                lacking = self._waiting if self.away else self._refused
                lacking[trial.key] = trial  # at the end: one bad trial must not hold up the others
            self._in_hand = {}
        if self._news and self._begun and not self.away:
            self._news = False  # before it is looked what is new: more may come meanwhile
            if not self._guarded(self._send_answer):
                self._news = True

    def end(self) -> None:
        """Send the end of the study, unless the store is away."""
        if self._begun and not self.away:
            self._ended = self._guarded(self._send_end)

    def tell_missing(self) -> None:
        """Say what the store lacks and how it gets it, if it lacks anything. This is the last word,
        also where a call was given up that may fail later."""
        if self.complete and self._ended:
            return
        lacking = len(self._lacking)
        trials = f"parts of {lacking} trial{'s' if lacking > 1 else ''} and " if lacking else ""
        command = sync_command(self._plan.name, self._tracker.options())
        # The same command again does not mend what was refused.
        first = "mend what is said above, then " if TrackerRefused in self._told else ""
        self._told |= {TrackerAway, TrackerRefused}
        self._tell(
            f"tracking is incomplete: the store may lack {trials}the study's end; "
            f"{first}bring it up to date with: {command}"
        )

    def _keep_strays(self) -> None:
        """Trials of earlier plans are kept as well; this plan's numbers do not count them."""
        ledger = Ledger(self._folder)
        for key in set(ledger.keys()) - {trial.key for trial in self._plan.trials}:
            try:
                record = ledger.read_brief(key)
            except StoreError as error:
                self._tell(str(error))
                continue
            if record is not None:
                self._records[key] = record
                self._waiting[key] = record.trial

    def _send_one(self, trial: Trial) -> None:
        record = self._records.get(trial.key)
        if record is not None and self._tracker.holds(trial, record):
            return
        path, start = self._folder.events(trial.key), self._offsets.get(trial.key, 0)
        try:
            events, offset = read_events_from(path, start)
        except OSError as error:
            raise TrackerAway(f"{path}: {error.strerror}") from error
        told = set(self._measured.get(trial.key, ()))
        self._tracker.log(trial, list(told_first(events, told)))
        self._offsets[trial.key], self._measured[trial.key] = offset, told
        if record is not None:
            self._tracker.finish(trial, record, self._folder)
            del self._measured[trial.key]

    def _send_end(self) -> None:
        for trial, last in list(self._open.values()):
            self._tracker.interrupt(trial, last)
        self._send_answer()
        self._tracker.end(self._plan, self._planned, self._last or time.time())

    def _send_answer(self) -> None:
        self._tracker.answer(self._plan, self._planned)

    @property
    def _planned(self) -> list[Record]:
        """Records of the plan's trials."""
        planned = [trial.key for trial in self._plan.trials]
        return [self._records[key] for key in planned if key in self._records]

    def _guarded(self, call: Callable[[], None]) -> bool:
        """Whether the store took it. The first failure of each kind is told, the others are not."""
        try:
            call()
        except TrackerAway as error:
            self.away = True
            self._tell_once(error, "is away")
        except TrackerRefused as error:
            self._tell_once(error, "refused something")
        else:
            return True
        return False

    def _tell_once(self, error: TrackingError, what: str) -> None:
        if type(error) not in self._told:
            self._tell(f"tracking store {what}, the study goes on: {error}")
            self._told.add(type(error))
