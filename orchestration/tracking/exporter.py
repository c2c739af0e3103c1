"""One thread of the driver that carries events and records to the tracking store, in batches."""

import threading
import time
from collections.abc import Sequence
from typing import Self

from orchestration.records.layout import StudyFolder
from orchestration.records.watch import Follower, News, Warn, Watcher
from orchestration.studies.expansion import Plan
from orchestration.tracking.sender import Sender
from orchestration.tracking.tracker import Tracker, TrackerAway, TrackerRefused

PERIOD = 2.0
"""Seconds between two batches: a call per batch is what a store is slow at."""
SHARE, STRETCH = 0.01, 5.0
"""Part of a core that sending may take; batches come up to that many times rarer to keep to it."""
LONGEST_PAUSE = 60.0
"""Seconds between two tries while the store is away."""
LAST_SENDING = 60.0
"""Seconds that a study may have to wait, at its end, for a store that takes things slowly. One
that does not answer at all is asked once more and given up."""
LAST_AFTER_INTERRUPT = 15.0
SILENCE = 30.0
"""Seconds after which `sync` says that it waits: a server may send each answer byte by byte."""


class Exporter(Follower):
    """Sends what is new while a `with` block lasts; what a store that is away missed is sent later.

    A store may take as long as it likes without holding up the study: it has a thread of its own.
    Another process, later, sends what this one could not, which changes nothing else in the store.
    """

    def __init__(
        self,
        plan: Plan,
        folder: StudyFolder,
        tracker: Tracker,
        warn: Warn,
        period: float = PERIOD,
        longest_end: float = LAST_SENDING,
    ):
        super().__init__(plan, folder, warn, period)
        self._tell = warn
        self._sender = Sender(plan, folder, tracker, warn)
        self._longest_end = longest_end
        self._over = threading.Event()
        self._given_up = threading.Event()
        self._delivery = threading.Thread(target=self._deliver, name="tracking", daemon=True)

    @property
    def complete(self) -> bool:
        """Whether the store holds all that is on disk."""
        return self._sender.complete

    def __enter__(self) -> Self:
        self._delivery.start()
        return super().__enter__()

    def take_plan(self, plan: Plan) -> None:
        super().take_plan(plan)
        self._sender.grow(plan)

    def handle(self, news: Sequence[News]) -> None:
        for item in news:
            self._sender.keep(item)

    def no_more(self) -> None:
        """Every trial has ended: what is left is sent from now on, while the caller does something
        else. The end of the block waits for it."""
        self.look_last()
        self._over.set()

    def finish(self, interrupted: bool) -> None:
        self._over.set()
        longest = min(self._longest_end, LAST_AFTER_INTERRUPT if interrupted else LAST_SENDING)
        self._delivery.join(longest)
        self._given_up.set()
        self._sender.tell_missing()

    def _deliver(self) -> None:
        try:
            self._send_until_over()
        except Exception as error:  # a defect, but a study of days is not to end by it
            self._tell(f"tracking stopped, the study goes on: {type(error).__name__}: {error}")

    def _send_until_over(self) -> None:
        pause = self._period
        while not self._over.wait(pause):
            start = time.thread_time()
            self._sender.send(self._over.is_set)
            if self._sender.away:
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                rest = (time.thread_time() - start) / SHARE
                pause = min(max(self._period, rest), STRETCH * self._period)
        self._sender.send(self._given_up.is_set)
        if not self._given_up.is_set():
            self._sender.end()


def sync(
    plan: Plan, folder: StudyFolder, tracker: Tracker, warn: Warn, silence: float = SILENCE
) -> bool:
    """Send everything that the store lacks of what is on disk, and the report; trials without a
    record count as interrupted. Returns whether the store took all of it."""
    sender = Sender(plan, folder, tracker, warn)
    said = f"the tracking store has taken {silence:g} s so far; Ctrl-C ends sync, and harms nothing"
    timer = threading.Timer(silence, warn, (said,))
    timer.daemon = True
    timer.start()
    try:
        for item in Watcher(plan, folder, warn).look():
            sender.keep(item)
        sender.send()
        sender.end()
        sender.tell_missing()
    finally:
        timer.cancel()
    return sender.complete and keep_report(plan, folder, tracker, warn)


def keep_report(
    plan: Plan,
    folder: StudyFolder,
    tracker: Tracker,
    warn: Warn,
    longest: float = LAST_SENDING,
) -> bool:
    """Keep the report with the study's run; returns whether the store took it.

    Gives up after `longest` seconds. Never ends a study: what went wrong is told.
    """
    trouble = ["the tracking store took too long"]

    def keep() -> None:
        try:
            tracker.keep_report(plan, folder)
            trouble.clear()
        except (TrackerAway, TrackerRefused) as error:
            trouble[:] = [str(error)]

    thread = threading.Thread(target=keep, name="report to tracking", daemon=True)
    thread.start()
    thread.join(longest)
    for text in trouble:
        warn(f"the report is not in the tracking store: {text}")
    return not trouble
