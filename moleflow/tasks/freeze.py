"""Proof that what is frozen stays frozen: bytes, not flags."""

import hashlib
from collections.abc import Iterable, Mapping
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import nn

from moleflow.errors import FrozenStateError
from moleflow.types import Bool, Tensor

WORDS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
"""By bytes, the integers that a number's bits are read as."""


def tensors_digest(tensors: Iterable[tuple[str, Tensor]]) -> str:
    """SHA-256 over names, shapes, types and bytes."""
    digest = hashlib.sha256()
    for name, tensor in tensors:
        array = np.ascontiguousarray(tensor.detach().cpu().numpy())
        digest.update(f"{name}{array.shape}{array.dtype}".encode())
        digest.update(array.data)
    return digest.hexdigest()


def module_digest(module: nn.Module) -> str:
    """SHA-256 of a module's parameters and buffers."""
    return tensors_digest(_tensors(module))


class Snapshot:
    """A copy of a module's bytes, beside them on its device: what a hash can only vouch for."""

    def __init__(self, module: nn.Module):
        self._bits = {name: _bits(tensor).clone() for name, tensor in _tensors(module)}

    def equals(self, module: nn.Module) -> bool:
        """Whether the module has the same tensors, byte for byte."""
        return not self.differs(module)

    def differs(self, module: nn.Module) -> Bool[Tensor, ""]:
        """The opposite, on the module's device: nobody waits for it who does not read it."""
        now = {name: _bits(tensor) for name, tensor in _tensors(module)}
        if {name: (b.shape, b.dtype, b.device) for name, b in now.items()} != {
            name: (b.shape, b.dtype, b.device) for name, b in self._bits.items()
        }:
            return torch.ones((), dtype=torch.bool)
        flags = [(bits != self._bits[name]).any() for name, bits in now.items()]
        return torch.stack(flags).any() if flags else torch.zeros((), dtype=torch.bool)


class Digests:
    """Hashes of modules, each computed anew only when one of its bytes has changed."""

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[nn.Module, tuple[Snapshot, str]] = WeakKeyDictionary()

    def of(self, module: nn.Module) -> str:
        """`module_digest` of a module as it is now."""
        if module in self._known:
            snapshot, digest = self._known[module]
            if snapshot.equals(module):
                return digest
        digest = module_digest(module)
        self._known[module] = Snapshot(module), digest
        return digest


class Frozen:
    """Modules for which no gradient is computed, and of which no byte may change.

    Within a `with`; at its end they are as trainable as they were.
    """

    def __init__(self) -> None:
        self._kept: dict[str, tuple[nn.Module, Snapshot]] = {}
        self._flags: list[tuple[nn.Parameter, bool]] = []

    def __enter__(self) -> "Frozen":
        return self

    def __exit__(self, *_: object) -> None:
        for parameter, flag in self._flags:
            parameter.requires_grad_(flag)

    def add(self, modules: Mapping[str, nn.Module]) -> None:
        """Freeze these too, as they are now; those known by their names stay as they were."""
        for name in modules.keys() - self._kept.keys():
            module = modules[name]
            self._kept[name] = module, Snapshot(module)
            self._flags += [(p, p.requires_grad) for p in module.parameters()]
            for parameter in module.parameters():
                parameter.requires_grad_(False)

    def check(self) -> None:
        """Raises:
        FrozenStateError: a byte of one of them changed.
        """
        # All are queued before the first is read: a read waits for all that the device has to do.
        differ = {name: snapshot.differs(module) for name, (module, snapshot) in self._kept.items()}
        changed = [name for name, flag in differ.items() if flag]
        if changed:
            raise FrozenStateError(
                f"training changed frozen state: {', '.join(sorted(changed))}; "
                "this is a defect, please report it"
            )


def _tensors(module: nn.Module) -> Iterable[tuple[str, Tensor]]:
    return module.state_dict().items()


def _bits(tensor: Tensor) -> Tensor:
    """As integers, in the tensor's shape: NaN equals itself, and 0.0 is not -0.0."""
    return tensor.detach().view(WORDS[tensor.element_size()])
