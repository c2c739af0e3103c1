"""Training of one task, as a generator that yields after every epoch (METHOD 5, 6)."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from moleflow.config import TrainingConfig
from moleflow.data.sequences import Task, task_name
from moleflow.errors import DivergedError
from moleflow.flow.products import check_precision
from moleflow.model import MoLEFlow
from moleflow.streams import torch_stream
from moleflow.tasks.freeze import kept_frozen
from moleflow.training.memory import room_for_patches
from moleflow.training.optimizer import learning_rate
from moleflow.training.patches import task_patches
from moleflow.training.progress import BadStep
from moleflow.training.steps import Bench
from moleflow.types import Float, Tensor


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


def train_task(
    model: MoLEFlow,
    task: Task,
    parts: Sequence[Float[Tensor, "_ h w c"]],
    bench: Bench | None = None,
) -> Iterator[EpochEnd]:
    """Train a new task: the first with its base, a later one by the config's rule.

    A later task trains its bank alone, unless `freeze_base` is false (then the base too) or
    `separate` is true (then a whole flow of its own). All else keeps its bytes.

    Args:
        parts: stored patches of each of the task's classes, in the task's order.
        bench: of this model, for all of its tasks; none: one for this task alone.

    Raises:
        ConfigError: the device does not multiply as `compute.precision` asks.
        DivergedError: a loss or gradient is not finite.
        FrozenStateError: a frozen byte changed.
    """
    check_precision(model.config.compute.precision, model.device)
    whole = not model.banks or model.config.separate
    frozen: dict[str, nn.Module] = {f"bank {task_name(t)}": b for t, b in model.banks.items()}
    bases = {f"base {task_name(t)}": b for t, b in model.bases.items() if model.banks}
    if model.config.freeze_base:
        frozen |= bases
    model.new_bank(task)
    base = model.base_of(task) if whole or not model.config.freeze_base else None
    with kept_frozen(frozen):
        yield from _train(model, task, parts, base, bench or Bench(), warm_up=not whole)


def _train(
    model: MoLEFlow,
    task: Task,
    parts: Sequence[Float[Tensor, "_ h w c"]],
    base: nn.Module | None,
    bench: Bench,
    warm_up: bool,
) -> Iterator[EpochEnd]:
    config, bank = model.config.training, model.banks[task]
    patches = task_patches(parts, model.device, room_for_patches(model.device))
    steps = bench.steps(model, task, base, (parts[0][:1], batch_sizes(len(patches), config)))
    order = torch_stream(*model.stream(task, "batches"))
    steps.begin(bank)
    for epoch in range(config.epochs):
        start = time.perf_counter()
        rate = learning_rate(config, epoch, warm_up)
        steps.optimizer.set_rate(rate)
        steps.progress.begin_epoch()
        shuffled = torch.randperm(len(patches), generator=order)
        for batch in patches.batches(shuffled, config.batch_size):
            steps.run(batch)
        numbers = steps.progress.read()
        if numbers.bad:
            raise _diverged(task, epoch + 1, numbers.bad)
        mean, seconds = numbers.total / len(patches), time.perf_counter() - start
        yield EpochEnd(epoch + 1, config.epochs, mean, numbers.grad_norm, rate, seconds)
    steps.end(bank)


def batch_sizes(images: int, config: TrainingConfig) -> tuple[int, ...]:
    """Numbers of images that a task's batches have: of the full ones, and of the last one."""
    full = min(images, config.batch_size)
    return (full, images % full) if images % full else (full,)


def _diverged(task: Task, epoch: int, bad: BadStep) -> DivergedError:
    name, loss, norm = task_name(task), repr(bad.loss), repr(bad.grad_norm)
    return DivergedError(
        f"training of {name} diverged in epoch {epoch}, step {bad.step}: loss {loss}, "
        f"gradient norm {norm}",
        {"task": name, "epoch": epoch, "step": bad.step, "loss": loss, "grad_norm": norm},
    )
