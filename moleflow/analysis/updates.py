"""A task's low-rank updates of the base's linear layers, exactly and cheaply from their factors."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from torch import nn

from moleflow.analysis.subject import Subject
from moleflow.data.sequences import Task
from moleflow.flow.subnet import SLOTS
from moleflow.tasks.bank import Bank
from moleflow.tasks.lora import LoraSlot
from moleflow.types import Tensor


@dataclass(frozen=True)
class Svd:
    """U diag(s) V^T with as many columns as the thinner factor has."""

    left: Float64[np.ndarray, "o k"]
    values: Float64[np.ndarray, " k"]
    right: Float64[np.ndarray, "i k"]


@dataclass(frozen=True)
class Update:
    """ΔW = up @ down of one slot, in float64; the scale alpha / r is in `up`."""

    block: int
    slot: str
    weight: Float64[np.ndarray, "o i"]
    """The base's weight W."""
    up: Float64[np.ndarray, "o r"]
    down: Float64[np.ndarray, "r i"]

    @property
    def layer(self) -> str:
        """Name of the layer, e.g. `0.scale_in`."""
        return f"{self.block}.{self.slot}"

    def svd(self) -> Svd:
        """Singular values and vectors of ΔW."""
        return thin_svd(self.up, self.down)

    @property
    def delta(self) -> Float64[np.ndarray, "o i"]:
        """ΔW in full."""
        return self.up @ self.down


def updates_of(subject: Subject, task: Task) -> list[Update]:
    """ΔW of every slotted layer; none where the config has no low-rank updates."""
    bank = subject.model.banks[task]
    if subject.model.config.lora == "off":
        return []
    found: list[Update] = []
    for k, block in enumerate(subject.model.base_of(task).blocks):
        for name in SLOTS:
            slot = slot_of(bank, k, name)
            assert slot.up is not None and slot.down is not None
            weight = exact(block.subnet.slot(name).weight)
            found.append(Update(k, name, weight, slot.scale * exact(slot.up), exact(slot.down)))
    return found


def slot_of(bank: Bank, block: int, name: str) -> LoraSlot:
    """A bank's update of one layer."""
    slots = bank.updates[block]
    assert isinstance(slots, nn.ModuleDict)
    slot = slots[name]
    assert isinstance(slot, LoraSlot)
    return slot


def exact(parameter: Tensor) -> Float64[np.ndarray, "..."]:
    """A parameter's numbers in float64."""
    return parameter.detach().cpu().double().numpy()


def thin_svd(up: Float64[np.ndarray, "o r"], down: Float64[np.ndarray, "r i"]) -> Svd:
    """Of up @ down without forming it: QR of both factors, then the SVD of a small core."""
    q_up, r_up = np.linalg.qr(up)
    q_down, r_down = np.linalg.qr(down.T)
    u, s, vt = np.linalg.svd(r_up @ r_down.T, full_matrices=False)
    return Svd(q_up @ u, s, q_down @ vt.T)


def energy(values: Float64[np.ndarray, " k"]) -> Float64[np.ndarray, " k"]:
    """Cumulative share of the summed squares; NaN where all are 0."""
    squares = np.cumsum(values**2)
    return squares / squares[-1] if squares[-1] > 0 else np.full(len(values), np.nan)


def effective_rank(values: Float64[np.ndarray, " k"], share: float) -> float:
    """Fewest of the largest singular values that hold `share` of the energy; NaN if all are 0."""
    reached = energy(values)
    if np.isnan(reached[-1]):
        return float("nan")
    # A sum that falls short by rounding has reached its share.
    return float(np.searchsorted(reached, share - 1e-12) + 1)
