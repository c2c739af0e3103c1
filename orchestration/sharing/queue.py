"""The trials of a plan that wait, and which of them may start next. Knows no files: the driver's
schedule and what is predicted of it hand out trials by these rules alike."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import NamedTuple, TypeAlias

from moleflow.data.sequences import Sequence as TaskSequence
from orchestration.sharing.groups import Keys
from orchestration.sharing.roles import Begun, first_order, role_now
from orchestration.studies.expansion import Trial
from orchestration.studies.terms import Role

Verdict: TypeAlias = Callable[[str], bool | None]
"""Of a group: whether its orders were shown to be exchangeable; None: not compared yet. It is told
something else only once a trial of the group has ended."""


@dataclass(frozen=True)
class Start:
    """A trial that may start now."""

    trial: Trial
    role: Role


class _Place(NamedTuple):
    """Of a trial in the plan's precedence."""

    number: int
    trial: Trial


Line: TypeAlias = deque[_Place]
"""Trials in precedence; those at its front may have been handed out."""


@dataclass(frozen=True)
class _Lines:
    """Trials of a group."""

    whole: Line = field(default_factory=Line)
    by_order: dict[TaskSequence, Line] = field(default_factory=lambda: defaultdict(Line))


@dataclass(frozen=True, order=True)
class _First:
    """The first trial of a group that may start."""

    number: int
    """Its place."""
    group: str = field(compare=False)
    start: Start = field(compare=False)


class Queue:
    """Hands out trials, each once; the first in the plan's precedence first, as far as it may
    start. A call looks at the groups that have changed since the last one, however many wait."""

    def __init__(self, keys: Keys, waiting: Iterable[Trial], *, sharing: bool = True):
        self._sharing = sharing
        self._waiting: dict[str, Trial] = {}
        self._numbers = count()
        self._lines: defaultdict[str, _Lines] = defaultdict(_Lines)
        """By group."""
        self._running: defaultdict[str, set[str]] = defaultdict(set)
        """By group."""
        self.begun: dict[str, dict[str, Begun]] = {}
        """By group, and by trial."""
        self._changed: set[str] = set()
        """Groups of which it is to be found out anew which trial is the first."""
        self._firsts: dict[str, _First | None] = {}
        """By group, what was found last."""
        self._idle: list[_First] = []
        self._busy: list[_First] = []
        """Heaps, of groups without a trial in work and with one; what is no group's first any more
        is passed over."""
        self.add(keys, waiting)

    def add(self, keys: Keys, trials: Iterable[Trial]) -> None:
        """More trials, after those that wait.

        Args:
            keys: of all trials, these and those that there were.
        """
        self._keys = keys
        for trial in trials:
            group, place = keys.groups[trial.key].id, _Place(next(self._numbers), trial)
            self._waiting[trial.key] = trial
            self._lines[group].whole.append(place)
            self._lines[group].by_order[trial.sequence].append(place)
            self._changed.add(group)

    @property
    def left(self) -> Sequence[Trial]:
        """Trials that were not handed out yet."""
        return tuple(self._waiting.values())

    @property
    def exhausted(self) -> bool:
        """Whether all trials were handed out."""
        return not self._waiting

    def next(self, verdict: Verdict) -> Start | None:
        """A trial that may start now, of a group without one in work first: trials of one group
        would wait for each other's stages. None where all must wait."""
        for group in self._changed:
            self._look(group, verdict)
        self._changed.clear()
        for heap in (self._idle, self._busy):
            while heap:
                first = heappop(heap)
                if first is self._firsts[first.group]:
                    return self._hand_out(first)
        return None

    def ended(self, key: str, known: Begun | None) -> None:
        """A trial that was handed out is known to have ended, or was lost."""
        group = self._keys.groups[key].id
        self._running[group].discard(key)
        begun = self.begun.setdefault(group, {})
        begun.pop(key, None)
        if known is not None:
            begun[key] = known
        self._changed.add(group)

    def _look(self, group: str, verdict: Verdict) -> None:
        """Find the first trial of a group that may start. A role asks of a trial's order only
        whether it is the first one: where one in another must wait, so must all others."""
        lines = self._lines[group]
        found = self._in_role(self._front(lines.whole), verdict)
        if found is None:
            order = first_order(self.begun.get(group, {}).values())
            if order in lines.by_order:
                found = self._in_role(self._front(lines.by_order[order]), verdict)
        self._firsts[group] = found
        if found is not None:
            heappush(self._busy if self._running[group] else self._idle, found)

    def _front(self, line: Line) -> _Place | None:
        """Of those that were not handed out."""
        while line and line[0].trial.key not in self._waiting:
            line.popleft()
        return line[0] if line else None

    def _in_role(self, place: _Place | None, verdict: Verdict) -> _First | None:
        if place is None:
            return None
        trial, group = place.trial, self._keys.groups[place.trial.key]
        begun = self.begun.get(group.id, {}).values()
        role = role_now(trial, group, begun, verdict(group.id), sharing=self._sharing)
        return None if role is None else _First(place.number, group.id, Start(trial, role))

    def _hand_out(self, first: _First) -> Start:
        start, group = first.start, first.group
        self._running[group].add(start.trial.key)
        del self._waiting[start.trial.key]
        begun = Begun(start.trial.sequence, start.role, "in work")
        self.begun.setdefault(group, {})[start.trial.key] = begun
        self._changed.add(group)
        return start
