"""Tasks that are trained side by side: the same bits, losses and order of ends as one by one."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from moleflow.config import Config
from moleflow.data.sequences import Task
from moleflow.errors import DivergedError, FrozenStateError
from moleflow.model import MoLEFlow
from moleflow.streams import torch_stream
from moleflow.tasks.freeze import module_digest
from moleflow.training.clock import SharedClock
from moleflow.training.lanes import Bench
from moleflow.training.steps import Steps
from moleflow.training.train import Parts, train_task, train_tasks
from moleflow.types import Tensor

pytestmark = pytest.mark.slow

GRID = (2, 3)
TASKS: tuple[Task, ...] = (("bottle",), ("cable",), ("grid",), ("pill",), ("wood",))
IMAGES = (8, 9, 4, 11, 6)
"""Of each task: their numbers of steps and their last batches differ."""


def features(task: Task) -> Tensor:
    count = IMAGES[TASKS.index(task)]
    return torch.randn(count, *GRID, 16, generator=torch_stream("features", task)) * 2


def trained(config: Config, lanes: int) -> tuple[MoLEFlow, list[tuple[Task, tuple[float, ...]]]]:
    """A model of all tasks, and every epoch's numbers as they came."""
    model, bench = MoLEFlow(config, GRID, 0, TASKS[0]), Bench(at_once=lanes)
    ends: list[tuple[Task, tuple[float, ...]]] = []
    for task, end in train_tasks(model, ((t, [features(t)]) for t in TASKS), bench):
        ends.append((task, (end.epoch, end.loss, end.grad_norm, end.lr)))
    return model, ends


def digests(model: MoLEFlow) -> dict[str, str]:
    banks = {name: module_digest(bank) for (name,), bank in model.banks.items()}
    return banks | {"base": module_digest(model.base)}


@pytest.fixture
def quick(tiny: Config) -> Config:
    return tiny.updated({"training.epochs": 3, "dia.blocks": 1})


def test_tasks_trained_side_by_side_come_to_the_same_bits(quick: Config) -> None:
    one, ends = trained(quick, 1)
    several, mixed = trained(quick, 3)
    assert digests(several) == digests(one)
    assert sorted(mixed) == sorted(ends)
    assert [task for task, _ in ends] == [task for task in TASKS for _ in range(3)]
    assert mixed != ends, "they were trained one after the other"


@pytest.mark.parametrize("change", [{"freeze_base": False}, {"seeding": "positional"}])
def test_tasks_that_depend_on_each_other_are_trained_in_their_order(
    quick: Config, change: dict[str, object]
) -> None:
    _, ends = trained(quick.updated(change), 3)
    assert [task for task, _ in ends] == [task for task in TASKS for _ in range(3)]


def test_a_task_is_taken_when_a_lane_is_free_for_it(quick: Config) -> None:
    model, bench, taken = MoLEFlow(quick, GRID, 0, TASKS[0]), Bench(at_once=2), list[Task]()

    def coming() -> Iterator[tuple[Task, Parts]]:
        for task in TASKS:
            taken.append(task)
            yield task, [features(task)]

    learned = 0
    for _, end in train_tasks(model, coming(), bench):
        assert len(taken) - learned <= (1 if learned == 0 else 2)
        learned += end.last
    assert learned == len(TASKS)


def test_a_task_is_whole_and_frozen_when_its_last_epoch_is_told(quick: Config) -> None:
    model, bench = MoLEFlow(quick, GRID, 0, TASKS[0]), Bench(at_once=3)
    told: dict[Task, str] = {}
    for task, end in train_tasks(model, [(t, [features(t)]) for t in TASKS], bench):
        if end.last:
            told[task] = module_digest(model.banks[task])
    assert told == {task: module_digest(bank) for task, bank in model.banks.items()}


def test_a_bank_changed_while_others_are_trained_is_found(quick: Config) -> None:
    model, bench = MoLEFlow(quick, GRID, 0, TASKS[0]), Bench(at_once=3)
    list(train_task(model, TASKS[0], [features(TASKS[0])], bench))
    with pytest.raises(FrozenStateError, match="bank grid"):
        for task, end in train_tasks(model, [(t, [features(t)]) for t in TASKS[1:]], bench):
            if task == ("grid",) and end.last:  # the shortest, so the others are in work
                with torch.no_grad():
                    next(model.banks[task].parameters()).add_(1.0)


@pytest.mark.parametrize("lanes", [1, 3])
def test_where_a_task_diverges_those_before_it_are_trained_to_their_end(
    quick: Config, lanes: int
) -> None:
    """`grid` diverges in its first epoch, when `cable` has hardly begun; `wood` is not begun."""
    model, bench, learned = MoLEFlow(quick, GRID, 0, TASKS[0]), Bench(at_once=lanes), list[Task]()
    parts = {task: features(task) for task in TASKS}
    parts["grid",][0] = torch.inf
    parts["pill",][0] = torch.inf
    with pytest.raises(DivergedError, match="grid diverged in epoch 1"):
        for task, end in train_tasks(model, ((t, [parts[t]]) for t in TASKS), bench):
            learned += [task] if end.last else []
    assert learned == [("bottle",), ("cable",)]
    assert set(model.banks) == set(learned), "what was abandoned is forgotten"
    whole, _ = trained(quick, 1)
    assert {t: module_digest(model.banks[t]) for t in learned} == {
        t: module_digest(whole.banks[t]) for t in learned
    }


def test_a_lane_that_does_not_fit_is_given_up_and_its_task_waits(
    quick: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes: list[str] = []
    steps, expected = Bench.steps, digests(trained(quick, 1)[0])

    def full(self: Bench, *rest: Any) -> Steps:
        if len(self._lanes) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return steps(self, *rest)

    monkeypatch.setattr(Bench, "steps", full)
    model, bench = MoLEFlow(quick, GRID, 0, TASKS[0]), Bench(notes.append, at_once=4)
    list(train_tasks(model, [(t, [features(t)]) for t in TASKS], bench))
    assert digests(model) == expected
    assert notes == ["the GPU's memory suffices for 2 tasks at once, not for more"]


def test_a_task_that_does_not_fit_alone_is_not_tried_for_ever(
    quick: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> Steps:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Bench, "steps", full)
    model = MoLEFlow(quick, GRID, 0, TASKS[0])
    with pytest.raises(torch.OutOfMemoryError):
        list(train_tasks(model, [(TASKS[0], [features(TASKS[0])])], Bench(at_once=3)))


def test_shares_of_a_clock_add_up_to_the_time_that_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("time.perf_counter", lambda: now)
    clock = SharedClock()
    clock.begin("a")
    now += 4
    clock.begin("b")
    now += 6
    clock.stop()
    now += 50
    clock.go_on()
    a = clock.end("a")
    now += 2
    b = clock.end("b")
    assert (a.seconds, b.seconds) == (4 + 3, 3 + 2)
    assert (a.at_once, b.at_once) == (2, 2)
