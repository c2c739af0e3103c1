"""The same numbers as on the CPU: values, gradients, optimizer, and a task trained to its end."""

import copy
from collections.abc import Iterator
from contextlib import nullcontext

import torch
from torch import nn

from moleflow.data.sequences import Task
from moleflow.kernels import launch
from moleflow.model import MoLEFlow
from moleflow.training.losses import tail_aware_loss
from moleflow.types import Tensor
from tests.gpu.adam_oracle import CASES, difference
from tests.gpu.findings import Check, Finding, Skipped, within
from tests.gpu.place import A, B, Place, new_model, plain_kernels, replaced, trained

LIMITS = {"float32": (2e-6, 2e-4, 1e-3), "tf32": (2e-5, 1e-2, 0.1), "bfloat16": (1e-3, 0.1, 0.2)}
"""Most that may differ: log-likelihood, relative to the largest; log-determinant, in nats; a
parameter's gradient, by norm (see `worst_gradient`)."""
STEEPER = {"method_v1_6": 4}
"""Factor on all three: c tanh(s / c) is five times as steep as c tanh(0.1 s), over 8 blocks."""
TRAINED = {"float32": 1e-3, "tf32": 1e-2, "bfloat16": 3e-2}
"""Of log-likelihoods after a training, relative to the largest: AdamP divides gradients by their
size, so that roundings grow."""
SPREAD, DRIFT = 0.2, 0.02
"""Of a model whose parameters are all moved: relative to each tensor's mean size, and of zeros."""
PROFILES = ("main", "method_v1_6", "quick")
IMAGES, SIDE = 4, 14

Result = tuple[Tensor, Tensor, dict[str, Tensor]]
"""Log-likelihoods, log-determinants, gradients by name."""


def moved_model(place: Place, profile: str) -> MoLEFlow:
    """A model in which nothing is zero or the identity, in float32 on the CPU."""
    side = place.number(SIDE, 4)
    config, channels = place.config(profile), place.channels(profile)
    model = MoLEFlow(config, (side, side), 0, A, channels)
    draws = torch.Generator().manual_seed(1)
    for module in (model.base, model.new_bank(A), model.new_bank(B)):
        for parameter in module.parameters():
            size = SPREAD * parameter.detach().abs().mean().item() or DRIFT
            parameter.data.add_(size * torch.randn(parameter.shape, generator=draws))
    return model


def result(model: MoLEFlow, task: Task, stored: Tensor) -> Result:
    """What a model says of some patches, and the gradients of a step's loss."""
    model.base.requires_grad_(task == A)
    log_p, logdet = model.log_likelihood(stored, task)
    bank = model.banks[task]
    (tail_aware_loss(-log_p, logdet, model.config.loss) + bank.penalty()).backward()
    named = [*model.base.named_parameters("base"), *bank.named_parameters("bank")]
    gradients = {name: p.grad.double().cpu() for name, p in named if p.grad is not None}
    for _, parameter in named:
        parameter.grad = None
    return log_p.detach().double().cpu(), logdet.detach().double().cpu(), gradients


def worst_gradient(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> float:
    """Largest |found - wanted| / |wanted| of a parameter; a thousandth of the whole gradient's norm
    is added below, so that one that hardly counts does not decide."""
    if found.keys() != wanted.keys():
        return float("inf")
    floor = 1e-3 * float(torch.stack([g.norm() for g in wanted.values()]).norm())
    errors = [((found[n] - g).norm() / (g.norm() + floor)).item() for n, g in wanted.items()]
    return max(errors)


def compared(name: str, found: Result, wanted: Result, precision: str) -> Iterator[Check]:
    """Values and gradients against the tolerances of a precision."""
    factor = STEEPER.get(name.split()[0], 1)
    limits = [factor * limit for limit in LIMITS[precision]]
    largest = wanted[0].abs().max()
    yield within(f"{name} log p", float((found[0] - wanted[0]).abs().max() / largest), limits[0])
    yield within(f"{name} logdet", float((found[1] - wanted[1]).abs().max()), limits[1])
    yield within(f"{name} gradient", worst_gradient(found[2], wanted[2]), limits[2])


def values_and_gradients(place: Place) -> Iterator[Finding]:
    """Against float64 on the CPU, by our kernels and by PyTorch's alone."""
    for profile in PROFILES:
        moved = moved_model(place, profile)
        exact, channels = copy.deepcopy(moved).double(), moved.channels
        draws = torch.Generator().manual_seed(3)
        shape = (IMAGES, *moved.grid, moved.config.patches.dim + channels)
        stored = torch.randn(shape, generator=draws)
        for task, stage in ((A, "base"), (B, "adapter")):
            wanted = result(exact, task, stored.double())
            for precision in place.precisions:
                yield from _by_both_kernels(
                    place, moved, task, stored, wanted, f"{profile} {stage}", precision
                )
    if not place.cuda:
        yield Skipped("tf32, and our kernels against PyTorch's")


def _by_both_kernels(
    place: Place,
    moved: MoLEFlow,
    task: Task,
    stored: Tensor,
    wanted: Result,
    name: str,
    precision: str,
) -> Iterator[Finding]:
    config = moved.config.updated({"compute.precision": precision})
    model = MoLEFlow(config, moved.grid, 0, A, moved.channels)
    _copy(moved.base, model.base)
    for known in (A, B):
        _copy(moved.banks[known], model.new_bank(known))
    model.to(place.device)
    there = stored.to(place.device)
    with plain_kernels() if place.cuda else nullcontext():
        plain = result(model, task, there)
    yield from compared(f"{name} {precision} plain", plain, wanted, precision)
    if place.cuda and launch.usable(there):
        fused = result(model, task, there)
        yield from compared(f"{name} {precision} fused", fused, wanted, precision)
        if precision == "float32":
            yield from compared(f"{name} {precision} fused against plain", fused, plain, precision)
    elif place.cuda:
        yield Check(f"{name} {precision} fused", False, "kernels are not usable", "Triton")


def _copy(source: nn.Module, target: nn.Module) -> None:
    target.load_state_dict(source.state_dict())


def adamp(place: Place) -> Iterator[Finding]:
    """Our AdamP against adamp's on the same device, after many steps."""
    for case in CASES:
        for dtype, limit in ((torch.float32, 2e-6), (torch.float64, 1e-12)):
            steps = place.number(200, 10)
            found = difference(place.device, dtype, case, steps)
            yield within(f"AdamP {case} {str(dtype).removeprefix('torch.')}", found, limit)


def trained_task(place: Place) -> Iterator[Finding]:
    """A base and an adapter trained to their end, against the CPU in float32."""
    if not place.cuda:
        yield Skipped("a trained task against the CPU's")
        return
    here = Place(torch.device("cpu"), place.tiny, place.out)
    small = {"patches.dim": 64, "flow.blocks": 3, "lora.rank": 8, "training.epochs": 5}
    small |= {"training.warmup_epochs": 1, "training.lr": 1e-3}
    config, images = place.config("quick", small), 24
    sampled = {task: here.patches(config, task, images, (6, 6)) for task in (A, B)}

    def drawn(config: object, task: Task, count: int, *shape: object) -> Tensor:
        return sampled[task][:count]

    def by(where: Place, precision: str) -> list[Tensor]:
        chosen = config.updated({"compute.precision": precision})
        with (
            replaced(Place, "patches", lambda self, *a: drawn(*a)),
            replaced(Place, "grid", lambda self, profile: (6, 6)),
        ):
            model = trained(where, chosen, [A, B], images)
        with torch.inference_mode():
            stored = {t: s.to(where.device, torch.float32) for t, s in sampled.items()}
            return [model.log_likelihood(stored[t], t)[0].double().cpu() for t in (A, B)]

    start = new_model(here, config, (6, 6))
    start.new_bank(A)
    with torch.inference_mode():
        before = start.log_likelihood(sampled[A].float(), A)[0].double()
    wanted = by(here, "float32")
    moved = float((wanted[0] - before).abs().max() / wanted[0].abs().max())
    yield Check("training moves what is compared", moved > 0.05, f"{moved:.3g}", "> 0.05")
    for precision in place.precisions:
        for stage, one, other in zip(
            ("base", "adapter"), by(place, precision), wanted, strict=True
        ):
            error = float((one - other).abs().max() / other.abs().max())
            yield within(f"trained {stage} {precision} log p", error, TRAINED[precision])
