"""Seconds of tasks that are trained side by side, so that no second counts twice."""

import time
from collections.abc import Hashable
from dataclasses import dataclass


@dataclass(frozen=True)
class Share:
    """Of the seconds that have passed."""

    seconds: float
    at_once: int
    """Most that were at work at one time meanwhile."""


class SharedClock:
    """A second in which n are at work counts 1/n for each, so that shares add up to what passed."""

    def __init__(self) -> None:
        self._began: dict[Hashable, tuple[float, int]] = {}
        self._shown = 0.0
        """Of the seconds that passed, the share of somebody who was always at work."""
        self._seen = time.perf_counter()

    def begin(self, who: Hashable) -> None:
        """Somebody goes to work; whoever is at work already begins anew."""
        self._advance()
        self._began.pop(who, None)
        now = len(self._began) + 1
        self._began = {w: (since, max(most, now)) for w, (since, most) in self._began.items()}
        self._began[who] = self._shown, now

    def so_far(self, who: Hashable) -> Share:
        """Share of somebody at work."""
        self._advance()
        since, most = self._began[who]
        return Share(self._shown - since, most)

    def end(self, who: Hashable) -> Share:
        """Somebody goes home."""
        share = self.so_far(who)
        del self._began[who]
        return share

    def stop(self) -> None:
        """What passes from now until `go_on` counts for nobody."""
        self._advance()

    def go_on(self) -> None:
        """See `stop`."""
        self._seen = time.perf_counter()

    def _advance(self) -> None:
        now = time.perf_counter()
        self._shown += (now - self._seen) / max(1, len(self._began))
        self._seen = now
