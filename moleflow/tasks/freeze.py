"""Proof that what is frozen stays frozen: hashes of bytes, not flags."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from moleflow.errors import FrozenStateError
from moleflow.types import Tensor


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
    return tensors_digest(module.state_dict().items())


class Frozen:
    """Modules for which no gradient is computed, and of which no byte may change.

    Within a `with`; at its end they are as trainable as they were.
    """

    def __init__(self) -> None:
        self._kept: dict[str, tuple[nn.Module, str]] = {}
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
            self._kept[name] = module, module_digest(module)
            self._flags += [(p, p.requires_grad) for p in module.parameters()]
            for parameter in module.parameters():
                parameter.requires_grad_(False)

    def check(self) -> None:
        """Raises:
        FrozenStateError: a byte of one of them changed.
        """
        changed = [
            name for name, (module, digest) in self._kept.items() if module_digest(module) != digest
        ]
        if changed:
            raise FrozenStateError(
                f"training changed frozen state: {', '.join(sorted(changed))}; "
                "this is a defect, please report it"
            )


@contextmanager
def kept_frozen(modules: Mapping[str, nn.Module]) -> Iterator[None]:
    """Within this block no gradient is computed for the modules, and their bytes must not change.

    Raises:
        FrozenStateError: a byte of one of them changed.
    """
    with Frozen() as frozen:
        frozen.add(modules)
        yield
    frozen.check()


def all_finite(module: nn.Module) -> bool:
    """Whether every parameter is a finite number."""
    return all(bool(torch.isfinite(p).all()) for p in module.parameters())
