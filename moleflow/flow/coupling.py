"""The coupling block of the base flow, as a FrEIA module (METHOD 3).

Where FrEIA 0.2's AllInOneBlock sums the log-determinant over the grid and permutes with a dense
matrix drawn from NumPy's global generator, this block gives it per patch and permutes by index.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from FrEIA.modules import InvertibleModule
from torch import nn
from torch.nn import functional as F

from moleflow.config import FlowConfig
from moleflow.flow.subnet import LinearUpdate, Subnet
from moleflow.types import Float, Patches, PerPatch, Tensor

Updates = Mapping[str, LinearUpdate]


def soft_clamp(s: Tensor, limit: float) -> Tensor:
    """c tanh(s / c): the identity near 0, within (-c, c)."""
    return limit * torch.tanh(s / limit)


class GlobalAffine(nn.Module):
    """Scale and offset per channel, the scale 0.1 softplus_{0.5}(raw); at birth the identity."""

    def __init__(self, dim: int):
        super().__init__()
        self.scale_raw = nn.Parameter(torch.full((dim,), 2 * math.log(math.exp(5) - 1)))
        self.offset = nn.Parameter(torch.zeros(dim))

    @property
    def scale(self) -> Float[Tensor, " d"]:
        return 0.1 * F.softplus(self.scale_raw, beta=0.5)


class CouplingBlock(InvertibleModule):
    """y2 = x2 exp(s) + u with (s, u) = subnet(x1); then global affine; then a fixed permutation.

    The condition is not a tensor but the current task's updates of the subnet's linear layers,
    or None for the base alone.
    """

    def __init__(
        self,
        dims_in: Sequence[tuple[int, ...]],
        dims_c: Sequence[tuple[int, ...]],
        config: FlowConfig,
        generator: torch.Generator,
    ):
        # FrEIA annotates a shape as tuple[int], but means any length.
        super().__init__(dims_in, dims_c)  # pyright: ignore[reportArgumentType]
        dim = dims_in[0][-1]
        self._clamp = config.clamp
        self._limit = config.clamp_limit
        self.subnet = Subnet(dim // 2, config, generator)
        self.affine = GlobalAffine(dim) if config.train_global_affine else None
        permutation = torch.randperm(dim, generator=generator)
        self.register_buffer("permutation", permutation)
        self.register_buffer("inverse_permutation", torch.argsort(permutation))

    # FrEIA annotates Iterable[Tensor], but passes tuples; and the condition here is no tensor.
    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        x_or_z: Sequence[Patches],
        c: Sequence[Updates | None] | None = None,
        rev: bool = False,
        jac: bool = True,
    ) -> tuple[tuple[Patches], PerPatch]:
        updates = c[0] if c else None
        return self._inverse(x_or_z[0], updates) if rev else self._forward(x_or_z[0], updates)

    # FrEIA annotates a shape as tuple[int], but means any length.
    def output_dims(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, input_dims: list[tuple[int, ...]]
    ) -> list[tuple[int, ...]]:
        return input_dims

    def _forward(self, x: Patches, updates: Updates | None) -> tuple[tuple[Patches], PerPatch]:
        x1, x2 = x.chunk(2, dim=-1)
        s, u = self._coefficients(x1, updates)
        y = torch.cat([x1, torch.addcmul(u, x2, s.exp())], dim=-1)
        logdet = s.sum(dim=-1)
        if self.affine is not None:
            scale = self.affine.scale
            y = torch.addcmul(self.affine.offset, y, scale)
            logdet = logdet + scale.log().sum()
        return (y.index_select(-1, self._buffer("permutation")),), logdet

    def _inverse(self, z: Patches, updates: Updates | None) -> tuple[tuple[Patches], PerPatch]:
        y = z.index_select(-1, self._buffer("inverse_permutation"))
        logdet = y.new_zeros(y.shape[:-1])
        if self.affine is not None:
            scale = self.affine.scale
            y = (y - self.affine.offset) / scale
            logdet = logdet - scale.log().sum()
        x1, y2 = y.chunk(2, dim=-1)
        s, u = self._coefficients(x1, updates)
        x = torch.cat([x1, (y2 - u) * torch.exp(-s)], dim=-1)
        return (x,), logdet - s.sum(dim=-1)

    def _coefficients(self, x1: Patches, updates: Updates | None) -> tuple[Patches, Patches]:
        s, u = self.subnet(x1, updates)
        if self._clamp == "freia":
            return self._limit * torch.tanh(0.1 * s), 0.1 * u
        return soft_clamp(s, self._limit), u

    def _buffer(self, name: str) -> Tensor:
        return self.get_buffer(name)
