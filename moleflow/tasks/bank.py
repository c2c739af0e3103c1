"""A task's bank: all that the task trains, in one module. Its parameters are the trainable set."""

from torch import nn

from moleflow.conditioning.context import new_gate
from moleflow.conditioning.film import Film
from moleflow.conditioning.whitening import (
    Adapter,
    Whitening,
    first_whitening,
    later_whitening,
)
from moleflow.config import Config
from moleflow.config_parts import FilmConfig
from moleflow.flow.base import Base
from moleflow.flow.coupling import Updates
from moleflow.flow.subnet import SLOTS, Subnet
from moleflow.streams import StreamName, torch_stream
from moleflow.tasks.dia import new_dia
from moleflow.tasks.lora import LoraSlot
from moleflow.types import Float, Patches, PerPatch, Tensor


class SlotUpdates(nn.ModuleDict):
    """A task's updates of the linear layers of one subnet, by slot."""


class Bank(nn.Module):
    """Adapter, low-rank updates, mixer gate and deep invertible adapter of one task."""

    def __init__(
        self,
        config: Config,
        base: Base,
        grid: tuple[int, int],
        name: StreamName,
        first: "Bank | None",
    ):
        """Args:
        base: whose slots the updates fit; it is not owned by the bank.
        name: of the random stream that initial weights come from: seed and classes, no position.
        first: task 0's bank, for adapters that start as its copy; None for a task that trains
            the whole flow from its start, as task 0 does.
        """
        super().__init__()
        dim = config.patches.dim
        self.adapter = _adapter(config, first, name)
        self.updates = nn.ModuleList(
            _slot_updates(config, block.subnet, (*name, "lora", k))
            for k, block in enumerate(base.blocks)
        )
        task_gate = config.mixer.kernel and config.mixer.gate == "task"
        self.gate = new_gate() if task_gate else None
        self.dia = new_dia(
            grid, dim, config.dia, torch_stream(*name, "dia"), config.compute.precision
        )

    def align(self, x: Patches) -> Patches:
        """Patches as the base expects them."""
        return x if self.adapter is None else self.adapter(x)

    def refine(self, z: Patches) -> tuple[Patches, PerPatch]:
        """Deep invertible adapter: latent z and log-determinant per patch."""
        return self._dia(z, rev=False)

    def unrefine(self, z: Patches) -> tuple[Patches, PerPatch]:
        """The inverse of `refine`, and its log-determinant."""
        return self._dia(z, rev=True)

    def penalty(self) -> Float[Tensor, ""] | float:
        """The adapter's part of the loss."""
        return 0.0 if self.adapter is None else self.adapter.penalty()

    def block_updates(self) -> list[Updates]:
        """Updates of the linear layers, one mapping per coupling block."""
        return [dict(slots.items()) for slots in self.updates if isinstance(slots, SlotUpdates)]

    def parameter_counts(self) -> dict[str, int]:
        """Parameters by component."""
        counts: dict[str, int] = dict.fromkeys(("adapter", "lora", "task_bias", "gate", "dia"), 0)
        for name, parameter in self.named_parameters():
            part = name.split(".")[0]
            if part == "updates":
                part = "task_bias" if name.endswith(".bias") else "lora"
            counts[part] += parameter.numel()
        return counts

    def _dia(self, z: Patches, rev: bool) -> tuple[Patches, PerPatch]:
        if len(self.dia) == 0:
            return z, z.new_zeros(z.shape[:-1])
        return self.dia(z, rev=rev)


def _adapter(config: Config, first: Bank | None, name: StreamName) -> Adapter | None:
    settings, dim = config.adapter, config.patches.dim
    if settings == "none":
        return None
    if isinstance(settings, FilmConfig):
        share = settings.identity_share if first is None else 0.0
        return Film(dim, settings, share, torch_stream(*name, "film"))
    if first is None:
        return first_whitening(dim, settings)
    assert isinstance(first.adapter, Whitening)
    return later_whitening(dim, settings, first.adapter)


def _slot_updates(config: Config, subnet: Subnet, name: StreamName) -> SlotUpdates:
    lora = None if config.lora == "off" else config.lora
    slots = SlotUpdates()
    for slot in SLOTS:
        linear = subnet.slot(slot)
        slots[slot] = LoraSlot(
            linear.in_features,
            linear.out_features,
            lora,
            config.task_bias,
            torch_stream(*name, slot),
        )
    return slots
