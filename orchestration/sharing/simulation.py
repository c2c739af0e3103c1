"""What the schedule will do with so many workers, stage by stage, if nothing fails.

Trials are handed out as the driver does it (`sharing.queue`), take stages as they do (one that
another trial is working on is passed over, and waited for where nothing else can be done), and
orders are taken to be exchangeable as soon as two of them can be compared. Seconds are given.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from orchestration.sharing.groups import Keys
from orchestration.sharing.queue import Queue, Start
from orchestration.sharing.roles import Begun, order_free, takes
from orchestration.studies.expansion import Trial


@dataclass(frozen=True)
class Costs:
    """Seconds, as they are expected."""

    features: Callable[[Trial, str], tuple[str, float]]
    """Of a trial and a class: what its features are known by, and how long making them takes."""
    training: Callable[[Trial, int], float]
    """Of a trial and the index of a task."""
    besides: Callable[[Trial, bool], float]
    """Evaluation and whatever else a trial does, whether it trains a task or takes all."""
    start: float = 0.0
    """Of a worker, until its trial begins."""


@dataclass
class Outcome:
    """What came of it."""

    wall: float = 0.0
    busy: float = 0.0
    """Seconds in which workers computed or started."""
    waiting: float = 0.0
    """Seconds in which workers waited for what others were making."""
    features: dict[str, float] = field(default_factory=dict[str, float])
    """Made, by what they are known by."""
    trained: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    """By the key of a task on no machine, each time that it is trained."""
    besides: dict[str, float] = field(default_factory=dict[str, float])
    """By trial."""
    at_work: dict[str, float] = field(default_factory=dict[str, float])
    """By trial, seconds in which it computes."""
    ended: dict[str, float] = field(default_factory=dict[str, float])
    """By trial, when."""
    roles: dict[str, str] = field(default_factory=dict[str, str])


@dataclass
class _Work:
    """A trial in work."""

    start: Start
    tasks: list[int]
    """That it has not learned."""
    classes: list[str]
    """Whose features it does not have."""
    doing: tuple[str, ...] = ()
    """The stage that it is making."""
    trained: bool = False
    since: float = -1.0
    """When it began to wait; negative: it does not."""


class Simulation:
    """Runs once, from the beginning to the end."""

    def __init__(
        self,
        keys: Keys,
        left: Iterable[Trial],
        costs: Costs,
        *,
        begun: Mapping[str, Begun] | None = None,
        verdicts: Mapping[str, bool] | None = None,
        made: Iterable[str] = (),
        sharing: bool = True,
    ):
        """Args:
        begun: by trial, those that have ended.
        verdicts: by group that was compared.
        made: keys on no machine of tasks and features that the store holds.
        """
        self._keys = keys
        self._costs = costs
        left = list(left)
        self._wanted = Counter(key for trial in left for key in keys.tasks[trial.key])
        self._queue = Queue(keys, left, sharing=sharing)
        for key, one in (begun or {}).items():
            self._queue.ended(key, one)
        self._verdicts = dict(verdicts or {})
        there = frozenset(made)
        self._made: set[tuple[str, ...]] = {("task", key) for key in there}
        self._made |= {("features", key, "") for key in there}
        self._in_work: dict[tuple[str, ...], list[_Work]] = {}
        """By stage that is being made: who waits for it."""
        self._events: list[tuple[float, int, _Work]] = []
        self._number = 0
        self._found = Outcome()

    def run(self, workers: int) -> Outcome:
        """With so many trials at a time."""
        now, free = 0.0, workers
        while True:
            while free and (start := self._queue.next(self._verdicts.get)) is not None:
                free -= 1
                self._begin(start, now)
            if not self._events:
                return self._found
            now, _, work = heapq.heappop(self._events)
            if self._step(work, now):
                free += 1

    def _begin(self, start: Start, now: float) -> None:
        trial = start.trial
        self._found.roles[trial.key] = start.role
        work = _Work(start, list(range(len(trial.sequence))), list(trial.classes))
        work.doing = ("start",)
        self._found.at_work[trial.key] = -self._costs.start  # its worker's, not its own
        self._later(work, now, self._costs.start)

    def _later(self, work: _Work, now: float, seconds: float) -> None:
        self._found.busy += seconds
        self._found.at_work[work.start.trial.key] += seconds
        self._number += 1
        heapq.heappush(self._events, (now + seconds, self._number, work))

    def _step(self, work: _Work, now: float) -> bool:
        """What a trial was doing is done, or what it waited for; whether it has ended."""
        trial = work.start.trial
        if work.doing == ("end",):
            self._end(work, now)
            return True
        if work.doing in self._in_work:
            self._finish(work.doing, now)
        work.doing = ()
        if self._make_features(work, now) or self._train(work, now):
            return False
        seconds = self._costs.besides(trial, work.trained)
        self._found.besides[trial.key] = seconds
        work.doing = ("end",)
        self._later(work, now, seconds)
        return False

    def _finish(self, stage: tuple[str, ...], now: float) -> None:
        self._made.add(stage)
        for other in self._in_work.pop(stage):
            self._found.waiting += now - other.since
            self._number += 1
            heapq.heappush(self._events, (now, self._number, other))

    def _make_features(self, work: _Work, now: float) -> bool:
        """Whether there are features to make or to wait for."""
        trial = work.start.trial
        own = trial.key if work.start.role == "alone" else ""
        while work.classes:
            name, seconds = self._costs.features(trial, work.classes[-1])
            stage = ("features", name, own)
            if stage not in self._made:
                if stage in self._in_work:
                    self._wait(work, stage, now)
                else:
                    self._found.features[name] = self._found.features.get(name, 0.0) + seconds
                    self._make(work, stage, now, seconds)
                return True
            work.classes.pop()
        return False

    def _train(self, work: _Work, now: float) -> bool:
        """Whether there are tasks to train or to wait for."""
        trial, keys = work.start.trial, self._keys.tasks[work.start.trial.key]
        own = () if takes(work.start.role) else (trial.key,)
        while work.tasks:
            place = self._open(work, own)
            if place is None:
                self._wait(work, ("task", keys[work.tasks[0]], *own), now)
                return True
            index = work.tasks.pop(place)
            stage = ("task", keys[index], *own)
            if stage not in self._made:
                work.trained = True
                self._make(work, stage, now, self._taught(work, place, index))
                return True
        return False

    def _open(self, work: _Work, own: tuple[str, ...]) -> int | None:
        """The place of the first task that can be taken or trained now; None: others train all
        that could be learned."""
        keys, free = self._keys.tasks[work.start.trial.key], order_free(work.start.trial.config)
        for place, index in enumerate(work.tasks):
            stage = ("task", keys[index], *own)
            if stage in self._made or stage not in self._in_work:
                return place
            if index == 0 or not free:
                return None
        return None

    def _taught(self, work: _Work, place: int, index: int) -> float:
        """Seconds of training a task and, where nobody else wants any of them, all after it."""
        trial, keys = work.start.trial, self._keys.tasks[work.start.trial.key]
        apart = not takes(work.start.role)
        seconds = 0.0
        while True:
            cost = self._costs.training(trial, index)
            self._found.trained.setdefault(keys[index], []).append(cost)
            seconds += cost
            if place == len(work.tasks) or not (apart or self._wanted[keys[index]] == 1):
                return seconds
            after = keys[work.tasks[place]]
            if not (apart or (self._wanted[after] == 1 and ("task", after) not in self._made)):
                return seconds
            index = work.tasks.pop(place)

    def _make(self, work: _Work, stage: tuple[str, ...], now: float, seconds: float) -> None:
        self._in_work[stage] = []
        work.doing = stage
        self._later(work, now, seconds)

    def _wait(self, work: _Work, stage: tuple[str, ...], now: float) -> None:
        work.since = now
        self._in_work[stage].append(work)

    def _end(self, work: _Work, now: float) -> None:
        trial, role = work.start.trial, work.start.role
        self._found.ended[trial.key] = now
        self._found.wall = max(self._found.wall, now)
        self._queue.ended(trial.key, Begun(trial.sequence, role, "finished"))
        group = self._keys.groups[trial.key]
        if group.id not in self._verdicts and group.several:
            ended = self._queue.begun.get(group.id, {}).values()
            done = {one.role for one in ended if one.state == "finished"}
            if {"shared", "witness"} <= done:
                self._verdicts[group.id] = True
