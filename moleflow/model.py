"""The whole model on one page: a base, and one bank per task (METHOD 1.5 to 5).

B images, H x W patches, D channels. Log-densities in nats.
"""

import math

import torch

from moleflow.config import Config
from moleflow.features.position import position_code
from moleflow.flow.base import Base
from moleflow.tasks.bank import Bank
from moleflow.types import Patches, PerPatch

Task = tuple[str, ...]


def task_name(task: Task) -> str:
    """A task is named by its classes, never by its position."""
    return "+".join(task)


class MoLEFlow:
    """Base and banks. A bank is looked up by its task's classes; nothing here knows an order."""

    def __init__(self, config: Config, grid: tuple[int, int], seed: int, first: Task):
        """Args:
        grid: height and width of the patch grid.
        first: classes of task 0; they name the base's random streams together with the seed.
        """
        self.config = config
        self.grid = grid
        self.seed = seed
        self.first = first
        self.device = torch.device("cpu")
        self.base = Base(config, grid, (seed, first, "base"))
        self.banks: dict[Task, Bank] = {}
        self._position = position_code(*grid, config.patches.dim)

    def to(self, device: torch.device) -> "MoLEFlow":
        """Move everything to a device."""
        self.device = device
        self.base.to(device)
        self._position = self._position.to(device)
        for bank in self.banks.values():
            bank.to(device)
        return self

    def double(self) -> "MoLEFlow":
        """Everything in float64, for tests of exact laws."""
        self.base.double()
        self._position = self._position.double()
        for bank in self.banks.values():
            bank.double()
        return self

    def new_bank(self, task: Task) -> Bank:
        """Add a fresh bank; on it the model equals the base (but for the adapter's alignment)."""
        name = (self.seed, task, "bank")
        first = self.banks.get(self.first)
        bank = Bank(self.config, self.base, self.grid, name, first)
        dtype = next(self.base.parameters(), self._position).dtype
        self.banks[task] = bank.to(self.device, dtype)
        return bank

    def encode(self, patches: Patches, bank: Bank) -> tuple[Patches, PerPatch]:
        """Latent z (B, H, W, D) and log|det J| (B, H, W) of the flow, from backbone patches."""
        x = patches + self._position if self.config.position == "sinusoidal" else patches
        x = self.base.mix(bank.align(x), bank.gate)
        z, logdet = self.base.encode(x, bank.block_updates())
        z, logdet_dia = bank.refine(z)
        return z, logdet + logdet_dia

    def log_likelihood(self, patches: Patches, bank: Bank) -> tuple[PerPatch, PerPatch]:
        """log p of each patch, and the log-determinant in it."""
        z, logdet = self.encode(patches, bank)
        return log_normal(z) + logdet, logdet


def log_normal(z: Patches) -> PerPatch:
    """log N(z; 0, I) = -|z|^2 / 2 - (D / 2) log 2 pi, per patch."""
    return -0.5 * (z.square().sum(dim=-1) + z.shape[-1] * math.log(2 * math.pi))
