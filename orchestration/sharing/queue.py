"""The trials of a plan that wait, and which of them may start next. Knows no files: the driver's
schedule and what is predicted of it hand out trials by these rules alike."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from orchestration.sharing.groups import Group, Keys
from orchestration.sharing.roles import Begun, role_now
from orchestration.studies.expansion import Trial
from orchestration.studies.terms import Role

Verdict: TypeAlias = Callable[[str], bool | None]
"""Of a group: whether its orders were shown to be exchangeable; None: not compared yet."""


@dataclass(frozen=True)
class Start:
    """A trial that may start now."""

    trial: Trial
    role: Role


class Queue:
    """Hands out trials, each once; the first in the plan's precedence first, as far as it may
    start."""

    def __init__(self, keys: Keys, waiting: Iterable[Trial], *, sharing: bool = True):
        self._keys = keys
        self._sharing = sharing
        self._waiting = {trial.key: trial for trial in waiting}
        self._of_group = Counter(keys.groups[key].id for key in self._waiting)
        self._free = len(self._waiting)
        """Waiting trials of groups without one in work."""
        self._running: dict[str, set[str]] = {}
        """By group."""
        self.begun: dict[str, dict[str, Begun]] = {}
        """By group, and by trial."""

    def add(self, keys: Keys, trials: Iterable[Trial]) -> None:
        """More trials, after those that wait.

        Args:
            keys: of all trials, these and those that there were.
        """
        self._keys = keys
        for trial in trials:
            group = keys.groups[trial.key].id
            self._waiting[trial.key] = trial
            self._of_group[group] += 1
            self._free += not self._running.get(group)

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
        later: Start | None = None
        for trial in self._waiting.values():
            group = self._keys.groups[trial.key]
            busy = bool(self._running.get(group.id))
            role = None if busy and later else self._role(trial, group, verdict)
            if role is None:
                continue
            later = Start(trial, role) if later is None else later
            if not busy:
                return self._hand_out(Start(trial, role))
            if not self._free:
                break
        return None if later is None else self._hand_out(later)

    def ended(self, key: str, known: Begun | None) -> None:
        """A trial that was handed out is known to have ended, or was lost."""
        group = self._keys.groups[key]
        running = self._running.get(group.id, set())
        if key in running:
            running.remove(key)
            if not running:
                self._free += self._of_group[group.id]
        begun = self.begun.setdefault(group.id, {})
        begun.pop(key, None)
        if known is not None:
            begun[key] = known

    def _role(self, trial: Trial, group: Group, verdict: Verdict) -> Role | None:
        begun = self.begun.get(group.id, {}).values()
        return role_now(trial, group, begun, verdict(group.id), sharing=self._sharing)

    def _hand_out(self, start: Start) -> Start:
        key, group = start.trial.key, self._keys.groups[start.trial.key]
        running = self._running.setdefault(group.id, set())
        if not running:
            self._free -= self._of_group[group.id]
        running.add(key)
        del self._waiting[key]
        self._of_group[group.id] -= 1
        begun = Begun(start.trial.sequence, start.role, "in work")
        self.begun.setdefault(group.id, {})[key] = begun
        return start
