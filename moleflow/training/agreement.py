"""Whether a device computes a training step as the processor does.

Compilers, drivers and libraries differ from GPU to GPU. What they make of a step is looked at where
steps will be trained, in seconds: a small model of all parts, in which nothing is zero.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import torch

from moleflow import profiles
from moleflow.config import Config
from moleflow.config_parts import Precision
from moleflow.data.sequences import Task
from moleflow.errors import ConfigError
from moleflow.layers.precision import check_precision
from moleflow.model import MoLEFlow
from moleflow.streams import torch_stream
from moleflow.training.lanes import Bench
from moleflow.training.losses import tail_aware_loss
from moleflow.types import Float, Tensor

SMALL = {"patches.dim": 64, "flow.blocks": 2, "dia.blocks": 1, "lora.rank": 8}
"""What is changed of `main`."""
SIDE, BATCH, STEPS, RATE = 14, 4, 3, 1e-3
FIRST, LATER = ("first",), ("later",)
SPREAD, DRIFT = 0.2, 0.02
"""How far parameters are moved: relative to a tensor's mean size, and of zeros."""


@dataclass(frozen=True)
class Deviation:
    """Of a step from another computation of it."""

    log_p: float
    """Of log-likelihoods, relative to the largest."""
    gradient: float
    """Of the parameter where it is largest (`worst_gradient`)."""
    moves: float
    """Of what the optimizer moves in some steps, by norm."""

    def within(self, limits: "Deviation") -> bool:
        """One that is not a number is within no limit."""
        return (
            self.log_p <= limits.log_p
            and self.gradient <= limits.gradient
            and self.moves <= limits.moves
        )


LIMITS: dict[Precision, Deviation] = {
    "float32": Deviation(2e-6, 1e-3, 0.05),
    "tf32": Deviation(2e-5, 0.1, 0.2),
    "bfloat16": Deviation(1e-3, 0.2, 0.3),
}
"""Most that a sound device may deviate from float32 on the processor. Adam's first moves are nearly
the signs of gradients: those near zero move otherwise after another rounding."""


@dataclass(frozen=True)
class Step:
    """What a device computes of one task."""

    log_p: Float[Tensor, "b h w"]
    gradients: dict[str, Tensor]
    """Of a step's loss, by the parameter's name."""
    moves: Float[Tensor, " n"]
    """Of all trained parameters, in steps as a task is trained with."""


def computed(
    device: torch.device, precision: Precision, note: Callable[[str], None] = lambda text: None
) -> dict[Task, Step]:
    """Of a first task, which trains its base too, and of a later one.

    Args:
        note: told why steps are not captured.

    Raises:
        ConfigError: the device does not multiply like this.
    """
    check_precision(precision, device)
    config = profiles.main().updated(SMALL | {"compute.precision": precision})
    return {task: _computed(device, config, task, Bench(note)) for task in (FIRST, LATER)}


def possible(device: torch.device) -> tuple[Precision, ...]:
    """Precisions that the device multiplies in."""
    found = list[Precision]()
    for precision in LIMITS:
        with suppress(ConfigError):
            check_precision(precision, device)
            found.append(precision)
    return tuple(found)


def _computed(device: torch.device, config: Config, task: Task, bench: Bench) -> Step:
    model = MoLEFlow(config, (SIDE, SIDE), 0, FIRST)
    for known in dict.fromkeys((FIRST, task)):
        model.new_bank(known)
    moved(model).to(device).base.requires_grad_(task == FIRST)
    draws = torch_stream("agreement", task)
    stored = torch.randn(BATCH, SIDE, SIDE, config.patches.dim, generator=draws).half().to(device)
    log_p, _, gradients = likelihoods_and_gradients(model, task, stored.float())
    bank, base = model.banks[task], model.base if task == FIRST else None
    trained = [*bank.parameters(), *(base.parameters() if base is not None else ())]
    before = [parameter.detach().clone() for parameter in trained]
    steps = bench.steps(model, task, base, (stored, (BATCH,)))
    steps.begin(bank)
    steps.optimizer.set_rate(RATE)
    for _ in range(STEPS):
        steps.run(stored)
    steps.end(bank)
    moves = [(new.detach() - old).reshape(-1) for new, old in zip(trained, before, strict=True)]
    return Step(log_p, gradients, torch.cat(moves).cpu())


def likelihoods_and_gradients(
    model: MoLEFlow, task: Task, stored: Tensor
) -> tuple[Float[Tensor, "b h w"], Float[Tensor, "b h w"], dict[str, Tensor]]:
    """Log-likelihoods, log-determinants, and gradients of a step's loss by the parameter's name, on
    the processor; the model keeps none."""
    log_p, logdet = model.log_likelihood(stored, task)
    bank = model.banks[task]
    (tail_aware_loss(-log_p, logdet, model.config.loss) + bank.penalty()).backward()
    named = [*model.base.named_parameters("base"), *bank.named_parameters("bank")]
    found = {name: p.grad.cpu() for name, p in named if p.grad is not None}
    for _, parameter in named:
        parameter.grad = None
    return log_p.detach().cpu(), logdet.detach().cpu(), found


def moved(model: MoLEFlow) -> MoLEFlow:
    """The model, on the processor, with parameters of which none is zero or at its start."""
    draws = torch_stream("moved")
    with torch.no_grad():
        for module in (model.base, *model.banks.values()):
            for parameter in module.parameters():
                size = SPREAD * parameter.abs().mean().item() or DRIFT
                parameter.add_(size * torch.randn(parameter.shape, generator=draws))
    return model


def deviation(found: dict[Task, Step], wanted: dict[Task, Step]) -> Deviation:
    """Of the task that deviates most."""
    pairs = [(found[task], wanted[task]) for task in wanted]
    return Deviation(
        _largest(_share(f.log_p, w.log_p, float("inf")) for f, w in pairs),
        _largest(worst_gradient(f.gradients, w.gradients) for f, w in pairs),
        _largest(_share(f.moves, w.moves, 2.0) for f, w in pairs),
    )


def same_bits(one: dict[Task, Step], other: dict[Task, Step]) -> bool:
    """Whether two computations are equal to the last bit."""
    return all(
        torch.equal(one[task].log_p, other[task].log_p)
        and torch.equal(one[task].moves, other[task].moves)
        for task in one
    )


def worst_gradient(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> float:
    """Largest |found - wanted| / |wanted| of a parameter; a hundredth of the whole gradient's norm
    is added below, so that one that hardly counts does not decide."""
    if found.keys() != wanted.keys():
        return float("inf")
    floor = 1e-2 * float(torch.stack([g.norm() for g in wanted.values()]).norm())
    return _largest(
        float((found[name] - g).norm() / (g.norm() + floor)) for name, g in wanted.items()
    )


def _share(found: Tensor, wanted: Tensor, order: float) -> float:
    difference, size = found.double() - wanted.double(), wanted.double()
    norm = torch.linalg.vector_norm
    return float(norm(difference, order) / norm(size, order))


def _largest(shares: Iterable[float]) -> float:
    """Not a number where one is none."""
    return float(np.max([*shares]))
