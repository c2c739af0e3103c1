"""The one loop that teaches a model its tasks."""

import time

import pytest
import torch

from moleflow.config import Config
from moleflow.data.sequences import Task
from moleflow.features.cache import Features
from moleflow.learning import Learned, SequenceLearner
from moleflow.model import MoLEFlow
from moleflow.router import task_prototype
from moleflow.streams import torch_stream
from moleflow.tasks.freeze import module_digest
from moleflow.training.lanes import Bench
from moleflow.training.train import train_task

GRID = (2, 3)
FIRST, PAIR, LAST = TASKS = (("bottle",), ("cable", "grid"), ("wood",))


def features(name: str) -> Features:
    draw = torch_stream("features", name)
    patches = torch.randn(6, *GRID, 16, generator=draw)
    return Features(patches, patches.mean(dim=(1, 2)))


FEATURES = {name: features(name) for task in TASKS for name in task}


def learner(config: Config, lanes: int = 1) -> tuple[MoLEFlow, SequenceLearner]:
    model = MoLEFlow(config.updated({"training.epochs": 3}), GRID, 0, FIRST)
    return model, SequenceLearner(model, FEATURES, Bench(at_once=lanes))


def learned(teacher: SequenceLearner, *tasks: Task) -> dict[Task, Learned]:
    epochs = list(teacher.learn(tasks))
    return {epoch.task: epoch.learned for epoch in epochs if epoch.learned is not None}


@pytest.mark.slow
def test_what_is_learned_is_what_training_each_task_alone_gives(tiny: Config) -> None:
    model, teacher = learner(tiny)
    found = learned(teacher, *TASKS)
    assert [len(one.epochs) for one in found.values()] == [3, 3, 3]
    alone, _ = learner(tiny)
    for task in TASKS:
        list(train_task(alone, task, [FEATURES[name].patches for name in task]))
    assert {t: module_digest(b) for t, b in model.banks.items()} == {
        t: module_digest(b) for t, b in alone.banks.items()
    }


@pytest.mark.slow
def test_a_task_is_learned_after_those_that_the_model_knew_when_its_training_began(
    tiny: Config,
) -> None:
    _, teacher = learner(tiny)
    in_turn = learned(teacher, *TASKS)
    assert [one.after for one in in_turn.values()] == [(), (FIRST,), (FIRST, PAIR)]
    _, teacher = learner(tiny, lanes=2)
    assert {one.after for one in learned(teacher, *TASKS).values()} == {(), (FIRST,)}


@pytest.mark.slow
def test_a_task_that_was_given_is_known_in_its_place(tiny: Config) -> None:
    source, teacher = learner(tiny)
    learned(teacher, FIRST)
    model, other = learner(tiny)
    model.new_bank(FIRST).load_state_dict(source.banks[FIRST].state_dict())
    model.base.load_state_dict(source.base.state_dict())
    other.knows(FIRST)
    assert learned(other, LAST)[LAST].after == (FIRST,)
    learned(teacher, LAST)
    assert module_digest(model.banks[LAST]) == module_digest(source.banks[LAST])


@pytest.mark.slow
def test_what_is_done_between_epochs_is_nobodys_time(tiny: Config) -> None:
    _, teacher = learner(tiny, lanes=2)
    begun, slept, shares = time.perf_counter(), 0.0, list[float]()
    for epoch in teacher.learn(TASKS):
        since = time.perf_counter()
        time.sleep(0.05)
        slept += time.perf_counter() - since
        if epoch.learned is not None:
            shares.append(epoch.learned.share.seconds)
    assert 0 < sum(shares) <= time.perf_counter() - begun - slept


def test_a_prototype_is_of_all_training_pictures_of_a_task(tiny: Config) -> None:
    model, teacher = learner(tiny)
    wanted = task_prototype([FEATURES[n].means for n in PAIR], model.config.router)
    assert torch.equal(teacher.prototype(PAIR).mean, wanted.mean)
