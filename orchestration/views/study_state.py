"""Where a study stands: its records, and its trials in work. What both views show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from math import fsum

from orchestration.records.events import Attempt, Load
from orchestration.records.watch import News
from orchestration.sharing.certificate import Certificate
from orchestration.sharing.groups import Keys, keys_of
from orchestration.sharing.no_effect import cautions
from orchestration.sharing.roles import Part
from orchestration.studies.expansion import Plan
from orchestration.views.forecast import outlook, pace, time_left
from orchestration.views.record_brief import Learned, RecordBrief, brief
from orchestration.views.trial_state import TrialState

HOUR = 3600.0


@dataclass(frozen=True)
class NodeLoad:
    """A host on which trials are in work."""

    host: str
    trials: int
    loads: tuple[Load, ...]
    """Of those trials that have told."""

    @property
    def cores(self) -> float:
        """Kept busy by the trials."""
        return fsum(load.cores for load in self.loads)

    @property
    def given(self) -> int:
        return sum(load.given for load in self.loads)

    @property
    def memory(self) -> int:
        """Bytes of the trials' own."""
        return sum(load.memory for load in self.loads)

    @property
    def gpus(self) -> dict[str, Load]:
        """By GPU, the last load of a trial on it."""
        return {load.gpu: load for load in self.loads if load.gpu}


@dataclass(frozen=True)
class Sharing:
    """What has come of sharing so far."""

    trained: int
    """Tasks."""
    shared: int
    """Tasks that trials took from others."""
    derived: int
    """The same of trials whose order was shown not to matter."""
    saved: float
    """Seconds that computing what was taken had taken."""


class StudyState:
    """State of all trials of a study."""

    def __init__(self, plan: Plan, done: Sequence[RecordBrief], now: float):
        """Args:
        now: since when trials that end count for the throughput.
        """
        self.plan = plan
        self.trials = {trial.key: trial for trial in plan.trials}
        self.briefs = {one.key: one for one in done if one.key in self.trials}
        self.states: dict[str, TrialState] = {}
        """Of all trials that events were taken of."""
        self.certificates: Mapping[str, Sequence[Certificate]] = {}
        """By group."""
        self._began = now
        self._at_work = set[str]()
        self._places = 0
        """Trials in work when the last one began: places that may be free for a moment now."""

    def grow(self, plan: Plan) -> None:
        """The plan has come to hold more trials."""
        self.plan = plan
        self.trials = {trial.key: trial for trial in plan.trials}
        self.__dict__.pop("keys", None)

    def take(self, item: News) -> None:
        """Bring the state up to date."""
        key = item.trial.key
        for event in item.events:
            before = self.states.get(key, TrialState(item.trial, event.time))
            self.states[key] = before.after(event)
            if isinstance(event, Attempt):
                self._at_work.add(key)
                self._places = len(self._at_work)
        if item.record is not None:
            self.briefs[key] = brief(item.record)
        state = self.states.get(key)
        if item.record is not None or (state is not None and state.over):
            self._at_work.discard(key)

    def rest(self) -> None:
        """No trial is in work until it begins anew: nobody runs what was begun."""
        self.states = {key: replace(state, over=True) for key, state in self.states.items()}
        self._at_work.clear()
        self._places = 0

    @property
    def running(self) -> dict[str, TrialState]:
        """Trials in work."""
        return {k: s for k, s in self.states.items() if not s.over and k not in self.briefs}

    @cached_property
    def keys(self) -> Keys:
        return keys_of(self.plan)

    @property
    def complete(self) -> bool:
        """Whether every trial has a record, and none is yet to be proposed."""
        return len(self.briefs) == len(self.trials) and not self.plan.to_propose

    def outlook(self) -> dict[str, Part]:
        """Of the trials without a record: what they do, or will do if nothing fails."""
        return outlook(self.keys, self.briefs, self.running, self.certificates)

    def count(self, status: str) -> int:
        return sum(one.status == status for one in self.briefs.values())

    def per_hour(self, now: float) -> float | None:
        """Trials that ended within the last hour, or since this run began."""
        since = max(self._began, now - HOUR)
        ended = sum(one.ended > since for one in self.briefs.values() if not one.adopted_from)
        return HOUR * ended / (now - since) if ended and now > since else None

    def time_left(self, now: float) -> float | None:
        """Seconds (`orchestration.views.forecast` says how); None while nothing is known."""
        running = self.running
        found = pace(list(self.briefs.values()), list(running.values()), now)
        if found is None or self.complete:
            return None
        places = max(self._places, len(running))
        return time_left(self.keys, self.outlook(), running, found, places)

    def sharing(self) -> Sharing:
        """Of this study's own trials, those in work among them."""
        own = [one for one in self.briefs.values() if not one.adopted_from]
        states = [s for k, s in self.states.items() if not self._tells(k)]
        learned = [*chain.from_iterable(one.learned for one in own)]
        learned += [*chain.from_iterable(state.learned.values() for state in states)]
        return Sharing(
            trained=sum(item.source != "shared" for item in learned),
            shared=sum(_taken(item) and item.role != "derived" for item in learned),
            derived=sum(_taken(item) and item.role == "derived" for item in learned),
            saved=fsum(item.saved for item in [*own, *states]),
        )

    def _tells(self, key: str) -> bool:
        """Whether a trial's record says what it learned: one that was lost has a record without."""
        return key in self.briefs and bool(self.briefs[key].learned)

    def nodes(self) -> list[NodeLoad]:
        """Where trials are in work, by name."""
        states = [state for state in self.running.values() if state.host]
        hosts = sorted({state.host for state in states})
        return [_node(host, [s for s in states if s.host == host]) for host in hosts]

    def failures(self) -> list[RecordBrief]:
        """Those that failed or diverged, the last first."""
        found = [one for one in self.briefs.values() if one.failure is not None]
        return sorted(found, key=lambda one: one.ended, reverse=True)

    def cautions(self) -> list[str]:
        """What a reader of its numbers must know."""
        done = {k: one.outcome for k, one in self.briefs.items() if one.status == "finished"}
        return cautions(self.plan, done)

    def waits(self) -> list[TrialState]:
        """Trials in work that wait for what others make."""
        return [state for state in self.running.values() if state.waits]

    def certified(self) -> tuple[int, int, int]:
        """Groups of orders whose certificate holds, whose failed, and that have none yet."""
        groups = {group.id for group in self.keys.groups.values() if group.several}
        failed = {g for g in groups if any(not c.holds for c in self.certificates.get(g, ()))}
        known = {g for g in groups if self.certificates.get(g)}
        return len(known - failed), len(failed), len(groups - known)


def _taken(item: Learned) -> bool:
    return item.source == "shared"


def _node(host: str, states: Sequence[TrialState]) -> NodeLoad:
    by_time = sorted(states, key=lambda state: state.heard)
    return NodeLoad(host, len(states), tuple(state.load for state in by_time if state.load))
