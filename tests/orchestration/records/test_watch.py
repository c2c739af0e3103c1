"""Tailing: everything once, in order, whatever state the files are in."""

import time
from collections.abc import Sequence

import pytest

from orchestration.records.events import Attempt, Epoch, EventLog, Metrics, read_events
from orchestration.records.layout import Root
from orchestration.records.ledger import Failure, Ledger
from orchestration.records.stages import StageRef
from orchestration.records.watch import Follower, News, Watcher
from orchestration.runners.runner import describe_failure
from orchestration.studies.expansion import Plan


def no_warning(text: str) -> None:
    raise AssertionError(text)


def record(root: Root, plan: Plan, index: int) -> None:
    trial, folder = plan.trials[index], root.study("small")
    failure = Failure(kind="E", message="m")
    Ledger(folder).write(describe_failure(trial, failure, folder, time.time()))


def test_each_event_and_record_comes_once_and_in_order(root: Root, plan: Plan):
    folder = root.study("small")
    watcher = Watcher(plan, folder, no_warning)
    log = EventLog(folder.events(plan.trials[0].key))
    assert watcher.look() == []
    log.add(Attempt())
    (first,) = watcher.look()
    log.add(Epoch(stage=StageRef("base", "a"), epochs=9, epoch=1))
    log.add(Epoch(stage=StageRef("base", "a"), epochs=9, epoch=2))
    record(root, plan, 0)
    (second,) = watcher.look()
    assert ([e.kind for e in first.events], first.record) == (["attempt"], None)
    assert [e.epoch for e in second.events] == [1, 2]
    assert second.record is not None
    assert watcher.look() == []


def test_a_trial_whose_record_is_known_has_no_news(root: Root, plan: Plan):
    record(root, plan, 0)
    record(root, plan, 1)
    known = {plan.trials[0].key}
    watcher = Watcher(plan, root.study("small"), no_warning, known)
    assert [item.trial for item in watcher.look()] == [plan.trials[1]]


def test_half_a_line_waits_for_its_end(root: Root, plan: Plan):
    folder = root.study("small")
    path = folder.events(plan.trials[0].key)
    path.parent.mkdir(parents=True)
    watcher = Watcher(plan, folder, no_warning)
    path.write_text(f'{{"time":1.0,"trial":"{plan.trials[0].key}","kind"')
    assert watcher.look() == []
    with path.open("a") as file:
        file.write(':"attempt"}\n')
    assert [event.kind for news in watcher.look() for event in news.events] == ["attempt"]


def test_lines_that_are_no_events_are_told_once_and_passed_over(root: Root, plan: Plan):
    folder, warnings = root.study("small"), []
    watcher = Watcher(plan, folder, warnings.append)
    damaged = folder.events(plan.trials[0].key)
    damaged.parent.mkdir(parents=True)
    for line in (b"no event\n", bytes(700) + b"\n", b'{"a": 1}\n'):
        damaged.write_bytes(line)
        EventLog(damaged).add(Attempt())
        with damaged.open("ab") as file:
            file.write(line)
        EventLog(damaged).add(Epoch(stage=StageRef("base", "a"), epochs=9, epoch=1))
    told = [event.kind for news in watcher.look() for event in news.events]
    assert told == ["attempt", "epoch"]
    assert [str(damaged) in text for text in warnings] == [True]


def test_another_trial_s_events_are_not_taken_for_one_s_own(root: Root, plan: Plan):
    one, other = (root.study("small").events(trial.key) for trial in plan.trials[:2])
    EventLog(one).add(Metrics(numbers={"image_auroc/mean": 0.5}, step=1))
    EventLog(other).add(Attempt())
    other.write_bytes(one.read_bytes())
    assert (len(list(read_events(one))), list(read_events(other))) == (1, [])


def test_a_damaged_record_is_told_and_is_no_news(root: Root, plan: Plan):
    folder, warnings = root.study("small"), []
    folder.trials.mkdir(parents=True)
    folder.record(plan.trials[0].key).write_text("{}")
    watcher = Watcher(plan, folder, warnings.append)
    assert (watcher.look(), watcher.look()) == ([], [])
    assert len(warnings) == 1


class Faulty(Follower):
    def handle(self, news: Sequence[News]) -> None:
        raise ZeroDivisionError

    def finish(self, interrupted: bool) -> None:
        self.interrupted = interrupted


def test_an_error_of_a_follower_is_raised_only_when_its_block_ends(root: Root, plan: Plan):
    reached = False
    with (
        pytest.raises(ZeroDivisionError),
        Faulty(plan, root.study("small"), no_warning, period=0.01),
    ):
        time.sleep(0.05)
        reached = True
    assert reached


def test_the_block_s_own_error_comes_first(root: Root, plan: Plan):
    follower = Faulty(plan, root.study("small"), no_warning, period=0.01)
    with pytest.raises(KeyboardInterrupt), follower:
        time.sleep(0.05)
        raise KeyboardInterrupt
    assert follower.interrupted
