"""The same numbers as on the CPU: values, gradients, optimizer, and a task trained to its end."""

import copy
from collections.abc import Iterator
from contextlib import nullcontext

import torch
from torch import nn

from moleflow.data.sequences import Task
from moleflow.kernels import launch
from moleflow.model import MoLEFlow
from moleflow.training.agreement import (
    LIMITS,
    computed,
    deviation,
    likelihoods_and_gradients,
    moved,
    possible,
    same_bits,
    worst_gradient,
)
from moleflow.types import Tensor
from tests.gpu.adam_oracle import CASES, difference
from tests.gpu.findings import Check, Finding, Skipped, within
from tests.gpu.place import A, B, Place, new_model, plain_kernels, replaced, trained

LOGDET = {"float32": 2e-4, "tf32": 1e-2, "bfloat16": 0.1}
"""Most that a log-determinant may differ, in nats; of the rest see `agreement.LIMITS`."""
STEEPER = {"method_v1_6": 4}
"""Factor on all limits: c tanh(s / c) is five times as steep as c tanh(0.1 s), over 8 blocks."""
TRAINED = {"float32": 1e-3, "tf32": 1e-2, "bfloat16": 3e-2}
"""Of log-likelihoods after a training, relative to the largest: AdamP divides gradients by their
size, so that roundings grow."""
PROFILES = ("main", "method_v1_6", "quick")
IMAGES, SIDE = 4, 14

Result = tuple[Tensor, Tensor, dict[str, Tensor]]
"""Log-likelihoods, log-determinants, gradients by name."""


def moved_model(place: Place, profile: str) -> MoLEFlow:
    """A model in which nothing is zero or the identity, in float32 on the CPU."""
    side = place.number(SIDE, 4)
    config, channels = place.config(profile), place.channels(profile)
    model = MoLEFlow(config, (side, side), 0, A, channels)
    for task in (A, B):
        model.new_bank(task)
    return moved(model)


def result(model: MoLEFlow, task: Task, stored: Tensor) -> Result:
    """What a model says of some patches, and the gradients of a step's loss."""
    model.base.requires_grad_(task == A)
    log_p, logdet, gradients = likelihoods_and_gradients(model, task, stored)
    return log_p.double(), logdet.double(), {name: g.double() for name, g in gradients.items()}


def compared(name: str, found: Result, wanted: Result, precision: str) -> Iterator[Check]:
    """Values and gradients against the tolerances of a precision."""
    factor = STEEPER.get(name.split()[0], 1)
    limits, largest = LIMITS[precision], wanted[0].abs().max()
    off = float((found[0] - wanted[0]).abs().max() / largest)
    yield within(f"{name} log p", off, factor * limits.log_p)
    off = float((found[1] - wanted[1]).abs().max())
    yield within(f"{name} logdet", off, factor * LOGDET[precision])
    off = worst_gradient(found[2], wanted[2])
    yield within(f"{name} gradient", off, factor * limits.gradient)


def values_and_gradients(place: Place) -> Iterator[Finding]:
    """Against float64 on the CPU, by our kernels and by PyTorch's alone."""
    for profile in PROFILES:
        start = moved_model(place, profile)
        exact, channels = copy.deepcopy(start).double(), start.channels
        draws = torch.Generator().manual_seed(3)
        shape = (IMAGES, *start.grid, start.config.patches.dim + channels)
        stored = torch.randn(shape, generator=draws)
        for task, stage in ((A, "base"), (B, "adapter")):
            wanted = result(exact, task, stored.double())
            for precision in place.precisions:
                yield from _by_both_kernels(
                    place, start, task, stored, wanted, f"{profile} {stage}", precision
                )
    if not place.cuda:
        yield Skipped("tf32, and our kernels against PyTorch's")


def _by_both_kernels(
    place: Place,
    start: MoLEFlow,
    task: Task,
    stored: Tensor,
    wanted: Result,
    name: str,
    precision: str,
) -> Iterator[Finding]:
    config = start.config.updated({"compute.precision": precision})
    model = MoLEFlow(config, start.grid, 0, A, start.channels)
    _copy(start.base, model.base)
    for known in (A, B):
        _copy(start.banks[known], model.new_bank(known))
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


def agreement(place: Place) -> Iterator[Finding]:
    """What `moleflow doctor` looks at on each GPU."""
    wanted = computed(torch.device("cpu"), "float32")
    for precision in possible(place.device):
        found = computed(place.device, precision)
        off, limits = deviation(found, wanted), LIMITS[precision]
        for name in ("log_p", "gradient", "moves"):
            yield within(f"{precision} {name}", getattr(off, name), getattr(limits, name))
        again = same_bits(found, computed(place.device, precision))
        yield Check(f"{precision} again", again, "the same bits" if again else "others", "the same")


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
    change = float((wanted[0] - before).abs().max() / wanted[0].abs().max())
    yield Check("training moves what is compared", change > 0.05, f"{change:.3g}", "> 0.05")
    for precision in place.precisions:
        for stage, one, other in zip(
            ("base", "adapter"), by(place, precision), wanted, strict=True
        ):
            error = float((one - other).abs().max() / other.abs().max())
            yield within(f"trained {stage} {precision} log p", error, TRAINED[precision])
