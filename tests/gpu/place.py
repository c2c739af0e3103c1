"""Where the run takes place, and the models and patches that it trains there."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from moleflow import profiles
from moleflow.config import Config
from moleflow.data.sequences import Task
from moleflow.kernels import launch
from moleflow.model import MoLEFlow
from moleflow.streams import stream_seed
from moleflow.tasks.freeze import module_digest, tensors_digest
from moleflow.training.lanes import Bench
from moleflow.training.train import EpochEnd, train_task
from moleflow.types import Tensor

A, B, C = ("a",), ("b",), ("c",)
GRIDS = {"main": (28, 28), "high_res": (56, 56), "quick": (12, 12), "method_v1_6": (14, 14)}
MAPS = {"method_v1_6": 1536}
"""Channels of the raw maps that are stored with the patches: layer2 and layer3 of WideResNet-50."""
PRECISIONS = ("float32", "tf32", "bfloat16")
TINY = {"patches.dim": 16, "flow.blocks": 2, "lora.rank": 2, "training.batch_size": 4}
SCATTER = 1.0
"""Spread of a class's patches about its centre."""
DRAWN = 16
"""Pictures drawn at once: no more than a step, so that peaks of memory are training's."""


@dataclass(frozen=True)
class Place:
    """A device, how large the run is, and where it writes."""

    device: torch.device
    tiny: bool
    out: Path
    measured: dict[str, float] = field(default_factory=dict)
    """What later parts need of earlier ones."""

    @property
    def cuda(self) -> bool:
        return self.device.type == "cuda"

    @property
    def precisions(self) -> tuple[str, ...]:
        """Those that this device has."""
        return PRECISIONS if self.cuda else ("float32", "bfloat16")

    def number(self, full: int, tiny: int) -> int:
        """One of two numbers, by the size of the run."""
        return tiny if self.tiny else full

    def config(self, profile: str, changes: dict[str, Any] | None = None) -> Config:
        """A profile, with fields changed; a tiny run makes it small."""
        small: dict[str, Any] = TINY if self.tiny else {}
        return profiles.profile(profile).updated(small | (changes or {}))

    def grid(self, profile: str) -> tuple[int, int]:
        return (4, 4) if self.tiny else GRIDS[profile]

    def channels(self, profile: str) -> int:
        """Of the raw maps."""
        return 6 if self.tiny and profile in MAPS else MAPS.get(profile, 0)

    def wait(self) -> None:
        """Until the device has done all that was asked of it."""
        if self.cuda:
            torch.cuda.synchronize()

    def patches(
        self, config: Config, task: Task, images: int, grid: tuple[int, int], channels: int = 0
    ) -> Tensor:
        """Patches about a centre of the task's own, on the CPU as stored ones are.

        Drawn on the device, which is a hundred times as fast: other devices draw other ones.
        """
        draws = torch.Generator(self.device).manual_seed(stream_seed("patches", task))
        shape = (images, *grid, config.patches.dim + channels)
        centre = torch.randn(shape[-1:], generator=draws, device=self.device)
        patches = torch.empty(shape, dtype=torch.float16)
        for few in patches.split(DRAWN):
            drawn = torch.randn(few.shape, generator=draws, device=self.device)
            few.copy_(drawn.mul_(SCATTER).add_(centre))
        return patches


def new_model(
    place: Place, config: Config, grid: tuple[int, int], first: Task = A, channels: int = 0
) -> MoLEFlow:
    """An untrained model on the place's device."""
    return MoLEFlow(config, grid, 0, first, channels).to(place.device)


def trained(
    place: Place, config: Config, order: list[Task], images: int, bench: Bench | None = None
) -> MoLEFlow:
    """A model that has learned these tasks, on `main`'s grid."""
    grid = place.grid("main")
    model, bench = new_model(place, config, grid, order[0]), bench or Bench()
    for task in order:
        learn(place, model, task, images, bench)
    return model


def learn(place: Place, model: MoLEFlow, task: Task, images: int, bench: Bench) -> list[EpochEnd]:
    """Train one task on its own patches."""
    patches = place.patches(model.config, task, images, model.grid, model.channels)
    return list(train_task(model, task, [patches], bench))


def digests(place: Place, model: MoLEFlow) -> dict[str, str]:
    """Hashes of the base, of each bank, and of what each says of some patches."""
    found = {"base": module_digest(model.base)}
    for task, bank in model.banks.items():
        found[f"bank {task[0]}"] = module_digest(bank)
        patches = place.patches(model.config, task, 5, model.grid, model.channels)
        with torch.inference_mode():
            log_p, _ = model.log_likelihood(patches.to(place.device, torch.float32), task)
        found[f"likelihoods {task[0]}"] = tensors_digest([("log_p", log_p)])
    return found


@contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """An attribute of a module is another one for as long as this lasts."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


@contextmanager
def plain_kernels() -> Iterator[None]:
    """PyTorch's kernels alone, none of ours."""
    with replaced(launch, "usable", lambda x: False):
        yield
