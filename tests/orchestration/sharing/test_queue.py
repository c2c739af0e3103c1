"""Which of the trials that wait is handed out next."""

from collections.abc import Mapping
from random import Random

import pytest

from moleflow.config import Config
from orchestration.sharing.groups import Keys, keys_of
from orchestration.sharing.queue import Queue, Start
from orchestration.sharing.roles import Begun, role_now
from orchestration.studies.axes import Grid, Orders, TaskZero
from orchestration.studies.expansion import Plan, Trial, expand
from orchestration.studies.study import Study

CLASSES = ("a", "b", "c", "d", "e")


def planned(draw: Random) -> Plan:
    study = Study(
        question="?",
        base=Config().updated({"freeze_base": draw.random() < 0.8}),
        axes=(
            TaskZero(count=draw.randint(1, 3)),
            Orders(count=draw.randint(1, 5)),
            Grid(field="loss.tail_weight", values=(0.0, 0.7)[: draw.randint(1, 2)]),
            Grid(field="scoring.top_k", values=(1, 3, 5)[: draw.randint(1, 3)]),
        ),
        seeds=tuple(range(draw.randint(1, 3))),
    )
    return expand("queue", study, "/data", {n: n for n in CLASSES}, {study.base.backbone: "w"})


def by_going_over_all(
    queue: Queue, keys: Keys, verdicts: Mapping[str, bool], running: set[str], *, sharing: bool
) -> tuple[str, str] | None:
    """The first trial that may start whose group has none in work; else the first that may."""
    may: list[tuple[bool, int, str, str]] = []
    for place, trial in enumerate(queue.left):
        group = keys.groups[trial.key]
        begun = queue.begun.get(group.id, {}).values()
        role = role_now(trial, group, begun, verdicts.get(group.id), sharing=sharing)
        if role is not None:
            busy = any(key in running for key in queue.begun.get(group.id, {}))
            may.append((busy, place, trial.key, role))
    return min(may)[2:] if may else None


class _Driver:
    """Starts trials, and sees them end, are lost and become more, by chance."""

    def __init__(self, seed: int):
        self.draw = Random(seed)
        self.plan, self.sharing = planned(self.draw), self.draw.random() < 0.9
        self.later = list(self.plan.trials)
        self.now: list[Trial] = []
        self.verdicts: dict[str, bool] = {}
        self.work: list[Start] = []
        self.keys = keys_of(self.plan.model_copy(update={"trials": ()}))
        self.queue = Queue(self.keys, (), sharing=self.sharing)

    def add(self) -> None:
        """Some of them have a record."""
        count = self.draw.randint(1, len(self.later))
        new, self.later = self.later[:count], self.later[count:]
        self.now += new
        self.keys = keys_of(self.plan.model_copy(update={"trials": tuple(self.now)}))
        known = [trial for trial in new if self.draw.random() < 0.1]
        self.queue.add(self.keys, [trial for trial in new if trial not in known])
        for trial in known:
            self.queue.ended(trial.key, Begun(trial.sequence, "shared", "finished"))

    def end(self) -> None:
        start = self.work.pop(self.draw.randrange(len(self.work)))
        key, group = start.trial.key, self.keys.groups[start.trial.key]
        state = "failed" if self.draw.random() < 0.2 else "finished"
        lost = self.draw.random() < 0.1
        self.queue.ended(key, None if lost else Begun(start.trial.sequence, start.role, state))
        roles = {one.role for one in self.queue.begun[group.id].values() if one.state == "finished"}
        if group.several and {"shared", "witness"} <= roles:
            self.verdicts.setdefault(group.id, self.draw.random() < 0.7)

    def expected(self) -> tuple[str, str] | None:
        running = {start.trial.key for start in self.work}
        return by_going_over_all(
            self.queue, self.keys, self.verdicts, running, sharing=self.sharing
        )

    def start(self) -> tuple[str, str] | None:
        start = self.queue.next(self.verdicts.get)
        self.work += [start] if start else []
        return (start.trial.key, start.role) if start else None


@pytest.mark.parametrize("seed", range(25))
def test_who_is_next_is_who_would_be_found_by_going_over_all_that_wait(seed: int) -> None:
    driver, handed_out = _Driver(seed), list[str]()
    while driver.later or driver.work or not driver.queue.exhausted:
        chance = driver.draw.random()
        if driver.later and (chance < 0.1 or (driver.queue.exhausted and not driver.work)):
            driver.add()
        elif driver.work and chance < 0.4:
            driver.end()
        else:
            expected = driver.expected()
            assert driver.start() == expected
            handed_out += [expected[0]] if expected else []
            assert expected or driver.work or driver.later
    assert len(set(handed_out)) == len(handed_out)


def test_a_trial_is_handed_out_without_going_over_all_that_wait() -> None:
    asked = 0

    class Counted(dict[str, bool]):
        def verdict(self, group: str) -> bool | None:
            nonlocal asked
            asked += 1
            return self.get(group)

    study = Study(
        question="?",
        base=Config(),
        axes=(TaskZero(count=1), Orders(count=4)),
        seeds=tuple(range(100)),
    )
    plan = expand("queue", study, "/data", {n: n for n in CLASSES}, {study.base.backbone: "w"})
    keys = keys_of(plan)
    queue = Queue(keys, keys.trials)
    verdicts, work = Counted(), list[Start]()
    while not queue.exhausted:
        if (start := queue.next(verdicts.verdict)) is not None:
            work.append(start)
            continue
        for one in work:
            trial, group = one.trial, keys.groups[one.trial.key]
            queue.ended(trial.key, Begun(trial.sequence, one.role, "finished"))
            if one.role == "witness":
                verdicts[group.id] = True
        work.clear()
    assert asked <= 4 * len(plan.trials)
