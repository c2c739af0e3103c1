"""The whole model on one page: a base, and one bank per task (docs/method.md, 1.5 to 5).

B images, H x W patches, D channels, C channels of raw maps. Log-densities in nats.
"""

import math
from typing import Any

import torch
from torch.autograd.function import once_differentiable

from moleflow.config import Config
from moleflow.data.sequences import Task
from moleflow.features.position import position_code
from moleflow.flow.base import Base
from moleflow.streams import Part, StreamName
from moleflow.tasks.bank import Bank
from moleflow.types import Float, Patches, PerPatch, Tensor

Stored = Float[Tensor, "b h w c"]
"""Patch vectors as they are stored: D channels, and the C of the raw maps where they are used."""


class MoLEFlow:
    """Bases and banks, looked up by a task's classes.

    There is one base, task 0's, unless the config has every task own a flow (`separate`).
    """

    def __init__(
        self, config: Config, grid: tuple[int, int], seed: int, first: Task, channels: int = 0
    ):
        """Args:
        grid: height and width of the patch grid.
        first: classes of task 0; they name the base's random streams together with the seed.
        channels: C, for multi-scale context.
        """
        self.config = config
        self.grid = grid
        self.seed = seed
        self.first = first
        self.channels = channels
        self.device = torch.device("cpu")
        self.banks: dict[Task, Bank] = {}
        self.bases = {first: Base(config, grid, self._base_stream(), channels)}
        self._position = position_code(*grid, config.patches.dim)

    @property
    def base(self) -> Base:
        """Task 0's base, which every task shares unless each owns a flow."""
        return self.bases[self.first]

    def base_of(self, task: Task) -> Base:
        """The base that a task's bank stands on."""
        return self.bases[task] if self.config.separate else self.base

    def to(self, device: torch.device) -> "MoLEFlow":
        """Move everything to a device."""
        self.device = device
        self._position = self._position.to(device)
        for module in (*self.bases.values(), *self.banks.values()):
            module.to(device)
        return self

    def double(self) -> "MoLEFlow":
        """Everything in float64, for tests of exact laws."""
        self._position = self._position.double()
        for module in (*self.bases.values(), *self.banks.values()):
            module.double()
        return self

    def new_bank(self, task: Task) -> Bank:
        """Add a fresh bank; on it the model equals the base (but for the adapter's alignment)."""
        if self.config.separate and task != self.first:
            base = Base(self.config, self.grid, self._base_stream(), self.channels)
            self.bases[task] = base.to(self.device, self._position.dtype)
        self.banks[task] = self.fresh_bank(task)
        return self.banks[task]

    def fresh_bank(self, task: Task) -> Bank:
        """A bank as the task begins with it, which the model does not know."""
        first = None if self.config.separate else self.banks.get(self.first)
        name = self.stream(task, "bank")
        bank = Bank(self.config, self.base_of(task), self.grid, name, first)
        return bank.to(self.device, self._position.dtype)

    def forget(self, task: Task) -> None:
        """Drop a task whose training was not completed."""
        self.banks.pop(task, None)
        if task != self.first:
            self.bases.pop(task, None)

    def arrange(self, sequence: tuple[Task, ...]) -> None:
        """Put the banks into the order of a sequence, however they came here."""
        self.banks = {task: self.banks[task] for task in sequence}

    def stream(self, task: Task, purpose: str) -> StreamName:
        """Name of a task's random stream: by its classes, or (`positional`) by its place."""
        who: Part = task
        if self.config.seeding == "positional":
            known = list(self.banks)
            who = known.index(task) if task in known else len(known)
        return (self.seed, who, purpose)

    def encode(self, stored: Stored, task: Task) -> tuple[Patches, PerPatch]:
        """Latent z (B, H, W, D) and log|det J| (B, H, W) of the flow under a task's bank."""
        return self.encode_by(stored, self.base_of(task), self.banks[task])

    def encode_by(self, stored: Stored, base: Base, bank: Bank) -> tuple[Patches, PerPatch]:
        """As `encode`, by a base and a bank that need not be the model's."""
        dim = self.config.patches.dim
        x = stored[..., :dim]
        if self.config.position == "sinusoidal":
            x = x + self._position
        if base.multiscale is not None:
            x = x + base.multiscale(stored[..., dim:])
        x = base.mix(bank.align(x), bank.gate)
        z, logdet = base.encode(x, bank.block_updates())
        z, logdet_dia = bank.refine(z)
        return z, logdet + logdet_dia

    def log_likelihood(self, stored: Stored, task: Task) -> tuple[PerPatch, PerPatch]:
        """log p of each patch under a task's bank, and the log-determinant in it."""
        return self.log_likelihood_by(stored, self.base_of(task), self.banks[task])

    def log_likelihood_by(
        self, stored: Stored, base: Base, bank: Bank
    ) -> tuple[PerPatch, PerPatch]:
        """As `log_likelihood`, by a base and a bank that need not be the model's."""
        z, logdet = self.encode_by(stored, base, bank)
        return log_normal(z) + logdet, logdet

    def _base_stream(self) -> StreamName:
        # Flows that each belong to one task start alike: they can be compared, and none depends
        # on the order.
        if self.config.separate:
            return (self.seed, "base")
        return self.stream(self.first, "base")


def log_normal(z: Patches) -> PerPatch:
    """log N(z; 0, I) = -|z|^2 / 2 - (D / 2) log 2 pi, per patch."""
    return _LogNormal.apply(z)  # pyright: ignore[reportReturnType]


class _LogNormal(torch.autograd.Function):
    """Reads z once, and has its gradient, -z, from z itself."""

    @staticmethod
    def forward(ctx: Any, z: Patches) -> PerPatch:
        ctx.save_for_backward(z)
        squared = torch.linalg.vector_norm(z, dim=-1).square_()
        return squared.add_(z.shape[-1] * math.log(2 * math.pi)).mul_(-0.5)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grads: Tensor
    ) -> Tensor:
        (z,) = ctx.saved_tensors
        return z * -grads[0].unsqueeze(-1)
