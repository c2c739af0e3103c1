"""Ends trials that hang. Knows no runner: it is told what runs, and how to end it.

Clocks are monotonic, and of this process alone: neither a clock that is set nor one that differs
between nodes changes anything.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

from orchestration.records.files import write_atomically
from orchestration.records.layout import StudyFolder
from orchestration.runners.runner import whereabouts
from orchestration.studies.terms import Resources

HUNG = "HungTrialError"
"""Kind of the failure of a trial that was ended by the guard."""
LONGEST_PERIOD = 10.0
"""Seconds between two looks, or a tenth of the shortest limit."""

Limit = Literal["stall", "wall"]
"""A trial that stalls is tried again, as one whose worker died: another machine may do. One that
needs longer than the wall limit would need as long again, so it has failed."""


@dataclass
class _Watch:
    end: Callable[[Limit], None]
    began: float
    heard: float
    size: int = 0
    verdict: str = ""


class Guard:
    """A thread that looks at each running attempt while a block lasts.

    An attempt stalls when its event file has not grown for `resources.stall_limit` seconds.
    """

    def __init__(self, folder: StudyFolder, resources: Resources):
        self._folder = folder
        self._stall, self._wall = resources.stall_limit, resources.wall_limit
        self._watches: dict[str, _Watch] = {}
        self._lock = threading.Lock()
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="guard", daemon=True)
        self.error: Exception | None = None
        """What ended the thread before its time."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leaving.set()
        self._thread.join()

    def began(self, key: str, end: Callable[[Limit], None]) -> None:
        """An attempt at a trial has begun; `end` ends it, and is called from the guard's thread."""
        now = time.monotonic()
        watch = _Watch(end, began=now, heard=now)
        watch.size = self._size(key, watch)
        with self._lock:
            self._watches[key] = watch

    def ended(self, key: str) -> str:
        """The attempt is over; returns why the guard ended it, or nothing."""
        with self._lock:
            watch = self._watches.pop(key, None)
        return watch.verdict if watch else ""

    def _watch(self) -> None:
        shortest = min(self._stall, self._wall or self._stall)
        while not self._leaving.wait(min(LONGEST_PERIOD, shortest / 10)):
            try:
                self._look()
            except Exception as error:
                self.error = error
                return

    def _look(self) -> None:
        with self._lock:
            watches = dict(self._watches)
        for key, watch in watches.items():
            now, size = time.monotonic(), self._size(key, watch)
            if size != watch.size:
                watch.size, watch.heard = size, now
            if watch.verdict:
                continue
            if self._wall and now - watch.began > self._wall:
                verdict = f"longer at work than --wall-limit, {self._wall:g} s"
                self._judge(key, watch, verdict, "wall")
            elif now - watch.heard > self._stall:
                verdict = f"no word for --stall-limit, {self._stall:g} s"
                self._judge(key, watch, verdict, "stall")

    def _judge(self, key: str, watch: _Watch, verdict: str, limit: Limit) -> None:
        watch.verdict = verdict
        where = whereabouts(self._folder, key)
        write_atomically(
            self._folder.verdict(key),
            f"{verdict}; it was in {where}\n" if where else f"{verdict}\n",
        )
        watch.end(limit)

    def _size(self, key: str, watch: _Watch) -> int:
        """Of the event file; one that cannot be seen just now has not grown."""
        try:
            return self._folder.events(key).stat().st_size
        except OSError:
            return watch.size
