"""Training of one task, as a generator that yields after every epoch (METHOD 5, 6)."""

import bisect
import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from moleflow.data.sequences import Task, task_name
from moleflow.errors import DivergedError
from moleflow.model import MoLEFlow, Stored
from moleflow.streams import torch_stream
from moleflow.tasks.freeze import kept_frozen
from moleflow.training.losses import tail_aware_loss
from moleflow.training.optimizer import build_optimizer, learning_rate, set_learning_rate
from moleflow.types import Float, Int, Tensor


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


class TaskPatches:
    """The training patches of a task's classes, gathered batch by batch: files stay mapped."""

    def __init__(self, parts: Sequence[Float[Tensor, "_ h w c"]]):
        """Args:
        parts: stored patches of each class of the task, in its order.
        """
        self._parts = tuple(parts)
        self._starts = list(itertools.accumulate((len(p) for p in parts[:-1]), initial=0))

    def __len__(self) -> int:
        return sum(len(part) for part in self._parts)

    def gather(self, images: Int[Tensor, " b"]) -> Stored:
        """The images of these numbers, in this order."""
        if len(self._parts) == 1:
            return self._parts[0][images]
        owners = [bisect.bisect_right(self._starts, i) - 1 for i in images.tolist()]
        return torch.stack(
            [
                self._parts[owner][i - self._starts[owner]]
                for owner, i in zip(owners, images.tolist(), strict=True)
            ]
        )


def train_task(
    model: MoLEFlow, task: Task, parts: Sequence[Float[Tensor, "_ h w c"]]
) -> Iterator[EpochEnd]:
    """Train a new task: the first with its base, a later one by the config's rule.

    A later task trains its bank alone, unless `freeze_base` is false (then the base too) or
    `separate` is true (then a whole flow of its own). All else keeps its bytes.

    Args:
        parts: stored patches of each of the task's classes, in the task's order.

    Raises:
        DivergedError: a loss or gradient is not finite.
        FrozenStateError: a frozen byte changed.
    """
    whole = not model.banks or model.config.separate
    frozen: dict[str, nn.Module] = {f"bank {task_name(t)}": b for t, b in model.banks.items()}
    bases = {f"base {task_name(t)}": b for t, b in model.bases.items() if model.banks}
    if model.config.freeze_base:
        frozen |= bases
    bank = model.new_bank(task)
    base = model.base_of(task) if whole or not model.config.freeze_base else None
    with kept_frozen(frozen):
        yield from _train(
            model,
            task,
            TaskPatches(parts),
            build_optimizer(model.config.training, bank, base),
            warm_up=not whole,
        )


def _train(
    model: MoLEFlow,
    task: Task,
    patches: TaskPatches,
    optimizer: torch.optim.Optimizer,
    warm_up: bool,
) -> Iterator[EpochEnd]:
    config = model.config.training
    loss_of = _loss_of(model, task)
    order = torch_stream(*model.stream(task, "batches"))
    for epoch in range(config.epochs):
        start = time.perf_counter()
        rate = learning_rate(config, epoch, warm_up)
        set_learning_rate(optimizer, rate)
        total, largest = 0.0, 0.0
        shuffled = torch.randperm(len(patches), generator=order)
        for batch in shuffled.split(config.batch_size):
            loss, norm = _step(model, loss_of, patches.gather(batch), optimizer)
            _check_finite(task, epoch + 1, loss, norm)
            total, largest = total + loss * len(batch), max(largest, norm)
        mean = total / len(patches)
        seconds = time.perf_counter() - start
        yield EpochEnd(epoch + 1, config.epochs, mean, largest, rate, seconds)
    optimizer.zero_grad(set_to_none=True)  # their memory is wanted elsewhere


def _loss_of(model: MoLEFlow, task: Task) -> Callable[[Stored], Tensor]:
    """A batch's loss, compiled where the config asks for it."""

    def loss(stored: Stored) -> Tensor:
        log_p, logdet = model.log_likelihood(stored, task)
        loss = tail_aware_loss(-log_p, logdet, model.config.loss)
        return loss + model.banks[task].penalty()

    if not model.config.compute.compile:
        return loss
    if torch.are_deterministic_algorithms_enabled():
        torch.use_deterministic_algorithms(True)  # now the compiler is told too
    return torch.compile(loss, dynamic=False)


def _step(
    model: MoLEFlow,
    loss_of: Callable[[Stored], Tensor],
    stored: Stored,
    optimizer: torch.optim.Optimizer,
) -> tuple[float, float]:
    config = model.config
    optimizer.zero_grad(set_to_none=True)
    loss = loss_of(stored.to(model.device, torch.float32))
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
