"""Laws of training: what is frozen or moves, what an order can change, what divergence leaves."""

import numpy as np
import pytest
import torch

from moleflow.config import Config
from moleflow.data.sequences import Task
from moleflow.errors import DivergedError, FrozenStateError
from moleflow.model import MoLEFlow
from moleflow.streams import torch_stream
from moleflow.tasks.freeze import Frozen, module_digest
from moleflow.training.train import train_task

pytestmark = pytest.mark.slow

GRID = (4, 4)
A, B, C = ("bottle",), ("cable",), ("carpet",)


def features(task: Task, dim: int) -> torch.Tensor:
    draws = torch_stream("features", task)
    centre = torch.randn(dim, generator=draws)
    return (centre + torch.randn(10, *GRID, dim, generator=draws)).half()


def train(config: Config, order: list[Task], seed: int = 0) -> MoLEFlow:
    model = MoLEFlow(config, GRID, seed, order[0])
    for task in order:
        list(train_task(model, task, [features(task, config.patches.dim)]))
    return model


def scores(model: MoLEFlow, task: Task) -> torch.Tensor:
    with torch.inference_mode():
        x = features(task, model.config.patches.dim).float()
        return model.log_likelihood(x, task)[0]


def test_later_tasks_leave_base_bytes_banks_and_scores_unchanged(tiny: Config) -> None:
    decaying = tiny.updated({"training.weight_decay": 0.5})
    model = train(decaying, [A, B])
    before = module_digest(model.base), module_digest(model.banks[A]), module_digest(model.banks[B])
    scored = scores(model, A), scores(model, B)
    list(train_task(model, C, [features(C, 16)]))
    after = module_digest(model.base), module_digest(model.banks[A]), module_digest(model.banks[B])
    assert after == before
    assert torch.equal(scores(model, A), scored[0])
    assert torch.equal(scores(model, B), scored[1])


def test_base_flags_are_given_back_after_a_later_task(tiny: Config) -> None:
    model = train(tiny, [A, B])
    assert all(parameter.requires_grad for parameter in model.base.parameters())


def test_a_changed_frozen_byte_is_an_error(tiny: Config) -> None:
    model = train(tiny, [A])
    with Frozen() as frozen:
        frozen.add({"base": model.base})
        frozen.check()
        next(model.base.parameters()).data.view(-1)[0] += 1e-7
        with pytest.raises(FrozenStateError, match="base"):
            frozen.check()


def test_every_parameter_of_a_bank_moves_within_two_steps(tiny: Config) -> None:
    config = tiny.updated(
        {
            "mixer.gate": "task",
            "training.epochs": 2,
            "training.warmup_epochs": 0,
            "training.batch_size": 10,
        }
    )
    fresh = MoLEFlow(config, GRID, 0, A)
    fresh.new_bank(A)
    start = {name: p.clone() for name, p in fresh.new_bank(B).named_parameters()}
    trained = dict(train(config, [A, B]).banks[B].named_parameters())
    # The lower nets of a DIA get their first gradient once the zero layer above has moved.
    still = [name for name in start if torch.equal(start[name], trained[name])]
    assert still == []


def test_every_parameter_of_the_base_moves_with_task_0(tiny: Config) -> None:
    fresh = MoLEFlow(tiny, GRID, 0, A).base
    trained = dict(train(tiny, [A]).base.named_parameters())
    still = [name for name, p in fresh.named_parameters() if torch.equal(p, trained[name])]
    assert still == []


def test_orders_with_one_task_0_give_identical_banks_and_scores(tiny: Config) -> None:
    one, other = train(tiny, [A, B, C]), train(tiny, [A, C, B])
    assert module_digest(one.base) == module_digest(other.base)
    for task in (A, B, C):
        assert module_digest(one.banks[task]) == module_digest(other.banks[task])
        assert torch.equal(scores(one, task), scores(other, task))


def test_another_task_0_or_seed_gives_other_banks(tiny: Config) -> None:
    model = train(tiny, [A, B, C])
    for changed in (train(tiny, [B, A, C]), train(tiny, [A, B, C], seed=1)):
        assert module_digest(model.base) != module_digest(changed.base)
        assert module_digest(model.banks[C]) != module_digest(changed.banks[C])


def test_no_gradient_is_computed_for_frozen_weights(tiny: Config) -> None:
    model = train(tiny, [A, B])
    for end in train_task(model, C, [features(C, 16)]):
        frozen = [model.base, model.banks[A], model.banks[B]]
        assert all(p.grad is None for module in frozen for p in module.parameters())
        assert end.last or all(p.grad is not None for p in model.banks[C].parameters())


def test_training_lowers_the_loss(tiny: Config) -> None:
    model = MoLEFlow(tiny.updated({"training.epochs": 30}), GRID, 0, A)
    losses = [end.loss for end in train_task(model, A, [features(A, 16)])]
    assert losses[-1] < losses[0] - 1


def test_divergence_is_reported_with_its_numbers(tiny: Config) -> None:
    poisoned = features(A, 16)
    poisoned[3] = torch.inf
    model = MoLEFlow(tiny, GRID, 0, A)
    with pytest.raises(DivergedError, match=r"bottle diverged in epoch 1, step 1: loss") as caught:
        list(train_task(model, A, [poisoned]))
    assert caught.value.numbers["epoch"] == 1
    assert set(caught.value.numbers) == {"task", "epoch", "step", "loss", "grad_norm"}


def test_no_global_generator_is_touched(tiny: Config) -> None:
    torchs, numpys = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    train(tiny, [A, B])
    assert torch.equal(torch.get_rng_state(), torchs)
    assert (np.random.get_state()[1] == numpys).all()  # noqa: NPY002
