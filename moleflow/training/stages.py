"""Training of one task, as a generator that yields after every epoch (METHOD 5, 6)."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn

from moleflow.errors import DivergedError
from moleflow.model import MoLEFlow, Task, task_name
from moleflow.streams import torch_stream
from moleflow.tasks.bank import Bank
from moleflow.tasks.freeze import kept_frozen
from moleflow.training.losses import tail_aware_loss
from moleflow.training.optimizer import build_optimizer, learning_rate, set_learning_rate
from moleflow.types import Float, Patches, Tensor


@dataclass(frozen=True)
class EpochEnd:
    """Numbers of one pass over a task's training images."""

    epoch: int
    """From 1."""
    epochs: int
    loss: float
    """Mean over the images."""
    grad_norm: float
    """Largest norm before clipping."""
    lr: float
    seconds: float


def train_first_task(
    model: MoLEFlow, task: Task, patches: Float[Tensor, "n h w d"]
) -> Iterator[EpochEnd]:
    """Train the base together with task 0's bank.

    Raises:
        DivergedError: a loss or gradient is not finite.
    """
    bank = model.new_bank(task)
    yield from _train(model, task, bank, patches, base=model.base)


def train_later_task(
    model: MoLEFlow, task: Task, patches: Float[Tensor, "n h w d"]
) -> Iterator[EpochEnd]:
    """Train a new bank; base and earlier banks keep their bytes.

    Raises:
        DivergedError: a loss or gradient is not finite.
        FrozenStateError: a frozen byte changed.
    """
    earlier: dict[str, nn.Module] = {f"bank {task_name(t)}": b for t, b in model.banks.items()}
    bank = model.new_bank(task)
    with kept_frozen({"base": model.base} | earlier):
        yield from _train(model, task, bank, patches, base=None)


def _train(
    model: MoLEFlow,
    task: Task,
    bank: Bank,
    patches: Float[Tensor, "n h w d"],
    base: nn.Module | None,
) -> Iterator[EpochEnd]:
    config = model.config.training
    optimizer = build_optimizer(config, bank, base)
    order = torch_stream(model.seed, task, "batches")
    for epoch in range(config.epochs):
        start = time.perf_counter()
        rate = learning_rate(config, epoch, first_task=base is not None)
        set_learning_rate(optimizer, rate)
        total, largest = 0.0, 0.0
        shuffled = torch.randperm(len(patches), generator=order)
        for batch in shuffled.split(config.batch_size):
            loss, norm = _step(model, bank, patches[batch], optimizer)
            _check_finite(task, epoch + 1, loss, norm)
            total, largest = total + loss * len(batch), max(largest, norm)
        mean = total / len(patches)
        seconds = time.perf_counter() - start
        yield EpochEnd(epoch + 1, config.epochs, mean, largest, rate, seconds)


def _step(
    model: MoLEFlow, bank: Bank, stored: Patches, optimizer: torch.optim.Optimizer
) -> tuple[float, float]:
    config = model.config
    optimizer.zero_grad(set_to_none=True)
    log_p, logdet = model.log_likelihood(stored.to(model.device, torch.float32), bank)
    loss = tail_aware_loss(-log_p, logdet, config.loss) + bank.penalty()
    loss.backward()
    trained = [p for group in optimizer.param_groups for p in group["params"]]
    norm = nn.utils.clip_grad_norm_(trained, config.training.clip_norm)
    value, norm_value = loss.item(), norm.item()
    if math.isfinite(value) and math.isfinite(norm_value):
        optimizer.step()
    return value, norm_value


def _check_finite(task: Task, epoch: int, loss: float, norm: float) -> None:
    if not (math.isfinite(loss) and math.isfinite(norm)):
        raise DivergedError(
            f"training of {task_name(task)} diverged in epoch {epoch}: loss {loss}, "
            f"gradient norm {norm}",
            {"task": task_name(task), "epoch": epoch, "loss": repr(loss), "grad_norm": repr(norm)},
        )
