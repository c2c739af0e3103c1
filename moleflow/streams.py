"""Random streams with names. Nothing in this project draws from a global generator.

A stream is derived from its name alone, e.g. `(seed, "bank", "bottle", "batches")`, so that what
one consumer draws never shifts what another one gets (docs/method.md, 5.3).
"""

import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

Part = str | int | tuple[str, ...]
StreamName = tuple[Part, ...]
"""Parts of a stream's name: seed, classes, purpose."""


def stream_seed(*name: Part) -> int:
    """A 63-bit seed from the parts of a name; equal names give equal seeds on every machine."""
    canonical = json.dumps(name, separators=(",", ":"), ensure_ascii=True)
    return int.from_bytes(hashlib.sha256(canonical.encode()).digest()[:8], "big") >> 1


def numpy_stream(*name: Part) -> np.random.Generator:
    """A NumPy generator for one named purpose."""
    return np.random.default_rng(stream_seed(*name))


def torch_stream(*name: Part) -> "torch.Generator":
    """A CPU generator of torch for one named purpose (CPU draws are the same on any device)."""
    import torch

    return torch.Generator().manual_seed(stream_seed(*name))
