"""Tasks trained side by side on one device: the bits of each alone, and how much faster.

Needs torch and moleflow alone.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import torch

from moleflow.config import Config
from moleflow.data.sequences import Task
from moleflow.model import MoLEFlow
from moleflow.streams import stream_seed
from moleflow.tasks.freeze import module_digest
from moleflow.training.lanes import Bench, independent
from moleflow.training.train import train_tasks
from moleflow.types import Tensor
from tests.gpu.findings import Check, Figure, Finding
from tests.gpu.place import Place

FIRST: Task = ("first",)
IMAGES = (60, 35, 48, 16, 77, 52, 64, 41)
"""Of the later tasks: steps and last batches differ, two have full batches alone."""
TINY: dict[str, Any] = {
    "patches.dim": 16,
    "flow.blocks": 2,
    "lora.rank": 2,
    "training.batch_size": 4,
}


def tasks(number: int) -> tuple[Task, ...]:
    return tuple((f"later{k}",) for k in range(number))


@cache
def patches(
    device: torch.device, task: Task, images: int, grid: tuple[int, int], dim: int
) -> Tensor:
    """As stored ones are: float16, on the CPU. Drawn on the device, which is much faster."""
    draws = torch.Generator(device).manual_seed(stream_seed("together", task))
    drawn = torch.randn(images, *grid, dim, generator=draws, device=device)
    return drawn.mul_(2).half().cpu()


def learned(
    device: torch.device,
    config: Config,
    grid: tuple[int, int],
    later: Sequence[Task],
    images: Sequence[int],
    at_once: int,
    notes: list[str],
) -> tuple[MoLEFlow, dict[Task, list[tuple[float, ...]]], float]:
    """A model that has learned FIRST and later tasks, each epoch's numbers, and the seconds within
    the later tasks' epochs: graphs are captured once a task, however many epochs follow."""
    model = MoLEFlow(config, grid, 0, FIRST).to(device)
    assert independent(model)
    bench, dim = Bench(notes.append, at_once), config.patches.dim
    list(train_tasks(model, [(FIRST, [patches(device, FIRST, 20, grid, dim)])], bench))
    parts = [(t, [patches(device, t, n, grid, dim)]) for t, n in zip(later, images, strict=True)]
    numbers: dict[Task, list[tuple[float, ...]]] = {task: [] for task in later}
    seconds = 0.0
    for task, end in train_tasks(model, parts, bench):
        numbers[task].append((end.epoch, end.loss, end.grad_norm, end.lr))
        seconds += end.seconds
    return model, numbers, seconds


def same_bits(
    device: torch.device,
    config: Config,
    grid: tuple[int, int],
    images: Sequence[int] = IMAGES,
    at_once: Sequence[int] = (8, 3),
) -> Iterator[tuple[str, bool]]:
    """Laws, and whether they hold: bytes and numbers of each task do not depend on its company."""
    later, notes = tasks(len(images)), list[str]()
    alone, numbers, _ = learned(device, config, grid, later, images, 1, notes)
    for lanes in at_once:
        model, found, _ = learned(device, config, grid, later, images, lanes, notes)
        base = module_digest(model.base) == module_digest(alone.base)
        banks = [module_digest(model.banks[t]) == module_digest(alone.banks[t]) for t in later]
        yield f"{lanes} at once: the base's bytes", base
        yield f"{lanes} at once: the banks' bytes ({sum(banks)} of {len(banks)})", all(banks)
        yield f"{lanes} at once: every epoch's numbers", found == numbers
    reversed_model, _, _ = learned(
        device, config, grid, later[::-1], images[::-1], at_once[0], notes
    )
    banks = [module_digest(reversed_model.banks[t]) == module_digest(alone.banks[t]) for t in later]
    yield f"{at_once[0]} at once, begun in reverse: the banks' bytes", all(banks)
    yield f"nothing was refused ({'; '.join(dict.fromkeys(notes)) or 'captured'})", not notes


def throughput(
    device: torch.device,
    config: Config,
    grid: tuple[int, int],
    lanes: Sequence[int],
    images: int,
    number: int = 8,
) -> Iterator[dict[str, float]]:
    """Trainings of equal tasks: seconds within epochs, milliseconds a step, and how many times as
    fast as with the first number of lanes."""
    later, first = tasks(number), 0.0
    size = config.training.batch_size
    steps = number * config.training.epochs * -(-images // size)
    for at_once in lanes:
        notes: list[str] = []
        _free(device)
        sizes = [images] * number
        _, _, seconds = learned(device, config, grid, later, sizes, at_once, notes)
        first = first or seconds
        yield {
            "at once": at_once,
            "seconds": seconds,
            "ms a step": 1e3 * seconds / steps,
            "times as fast": first / seconds,
            "peak GB": _peak(device),
            "refusals": len(notes),
        }


def side_by_side(place: Place) -> Iterator[Finding]:
    """Bits of tasks trained together against those of each alone, and how much faster."""
    images, at_once = (IMAGES, (8, 3)) if place.cuda else ((9, 4, 11), (3, 2))
    for profile, precision, epochs in (("quick", "float32", 3), ("main", "bfloat16", 2)):
        config = _settings(place, profile, precision, place.number(epochs, 2))
        grid = place.grid(profile)
        for law, holds in same_bits(place.device, config, grid, images, at_once[:1]):
            yield Check(f"{profile} {precision}, {law}", holds, str(holds), "True")
    number, pictures = place.number(8, 2), {"quick": 230, "main": 116}
    for profile, precision, lanes, epochs in (
        ("quick", "float32", (1, 8), 10),
        ("main", "bfloat16", (1, 2, 4), 3),
        ("main", "tf32", (1, 2, 4), 3),
    ):
        if precision in place.precisions:
            config = _settings(place, profile, precision, place.number(epochs, 2))
            taken = pictures[profile] if not place.tiny else 6
            grid = place.grid(profile)
            chosen = lanes if not place.tiny else lanes[:2]
            for row in throughput(place.device, config, grid, chosen, taken, number):
                yield Figure(f"tasks together, {profile} {precision}", row)


def _settings(place: Place, profile: str, precision: str, epochs: int) -> Config:
    changes = {"compute.precision": precision, "training.epochs": epochs}
    return place.config(profile, changes | {"training.warmup_epochs": 1})


def _free(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def _peak(device: torch.device) -> float:
    return torch.cuda.max_memory_reserved(device) / 1e9 if device.type == "cuda" else 0.0
