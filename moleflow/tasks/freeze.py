"""Proof that what is frozen stays frozen: hashes of bytes, not flags."""

import hashlib
from collections.abc import Iterable, Iterator
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


@contextmanager
def kept_frozen(modules: dict[str, nn.Module]) -> Iterator[None]:
    """Within this block no gradient is computed for the modules, and their bytes must not change.

    Raises:
        FrozenStateError: a byte of one of them changed.
    """
    before = {name: module_digest(module) for name, module in modules.items()}
    flags = [(p, p.requires_grad) for module in modules.values() for p in module.parameters()]
    for parameter, _ in flags:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter, flag in flags:
            parameter.requires_grad_(flag)
    changed = [name for name, module in modules.items() if module_digest(module) != before[name]]
    if changed:
        raise FrozenStateError(
            f"training changed frozen state: {', '.join(changed)}; "
            "this is a defect, please report it"
        )


def all_finite(module: nn.Module) -> bool:
    """Whether every parameter is a finite number."""
    return all(bool(torch.isfinite(p).all()) for p in module.parameters())
