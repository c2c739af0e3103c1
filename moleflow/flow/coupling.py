"""The coupling block of the base flow, as a FrEIA module (docs/method.md, 3.1).

Where FrEIA 0.2's AllInOneBlock sums the log-determinant over the grid and permutes with a dense
matrix drawn from NumPy's global generator, this block gives it per patch and permutes by index.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from FrEIA.modules import InvertibleModule
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from moleflow.config_parts import FlowConfig, Precision
from moleflow.flow.fused import coupled
from moleflow.flow.subnet import LinearUpdate, Subnet
from moleflow.kernels import launch
from moleflow.types import Float, Int, Patches, PerPatch, Tensor

Updates = Mapping[str, LinearUpdate]


class Clamp(NamedTuple):
    """How raw outputs of a subnet are bounded: s -> limit tanh(rate s), u -> gain u."""

    limit: float
    rate: float
    gain: float


def freia_clamp(limit: float) -> Clamp:
    """c tanh(0.1 s), and shifts times 0.1: FrEIA 0.2's AllInOneBlock."""
    return Clamp(limit, 0.1, 0.1)


def soft_clamp(limit: float) -> Clamp:
    """c tanh(s / c): the identity near 0, within (-c, c)."""
    return Clamp(limit, 1 / limit, 1.0)


def couple(x: Patches, s: Patches, u: Patches, limit: float) -> tuple[Patches, PerPatch]:
    """y = x exp(limit tanh(s)) + u, and its log-determinant per patch."""
    return _Couple.apply(x, s, u, limit)  # pyright: ignore[reportReturnType]


def uncouple(y: Patches, s: Patches, u: Patches, limit: float) -> tuple[Patches, PerPatch]:
    """The inverse of `couple`, and its log-determinant."""
    log_scale = limit * torch.tanh(s)
    return (y - u) * torch.exp(-log_scale), -log_scale.sum(dim=-1)


class _Couple(torch.autograd.Function):
    """Keeps fewer tensors than autograd would, and writes over its own temporaries."""

    @staticmethod
    def forward(
        ctx: Any, x: Patches, s: Patches, u: Patches, limit: float
    ) -> tuple[Patches, PerPatch]:
        bounded = torch.tanh(s)
        scale = (limit * bounded).exp_()
        ctx.save_for_backward(x, bounded, scale)
        ctx.limit = limit
        return torch.addcmul(u, x, scale), limit * bounded.sum(dim=-1)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grads: Tensor
    ) -> tuple[Tensor | None, ...]:
        x, bounded, scale = ctx.saved_tensors
        g_y, g_logdet = grads
        g_x = g_y * scale
        # d log-scale / ds = limit (1 - tanh^2)
        g_s = torch.addcmul(g_logdet.unsqueeze(-1), g_x, x)
        torch.ops.aten.tanh_backward.grad_input(g_s.mul_(ctx.limit), bounded, grad_input=g_s)
        return g_x, g_s, g_y, None


class _Permute(torch.autograd.Function):
    """Channels by index; the gradient goes back by the inverse index, not by adding into zeros."""

    @staticmethod
    def forward(ctx: Any, x: Patches, permutation: Tensor, inverse: Tensor) -> Patches:
        ctx.save_for_backward(inverse)
        return take_channels(x, permutation)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grads: Tensor
    ) -> tuple[Tensor | None, ...]:
        (inverse,) = ctx.saved_tensors
        return take_channels(grads[0], inverse), None, None


def take_channels(x: Patches, index: Int[Tensor, " d"]) -> Patches:
    """x[..., index]: in two dimensions, for which torch has a kernel 20 times as fast."""
    return x.reshape(-1, x.shape[-1]).index_select(1, index).view(x.shape)


def _at(channels: Float[Tensor, " d"], permutations: tuple[Tensor, Tensor]) -> Tensor:
    """A number per channel, where the permuted channels have it."""
    taken = _Permute.apply(channels.view(1, 1, 1, -1), *permutations)
    assert isinstance(taken, Tensor)
    return taken.flatten()


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
        precision: Precision = "float32",
    ):
        # FrEIA annotates a shape as tuple[int], but means any length.
        super().__init__(dims_in, dims_c)  # pyright: ignore[reportArgumentType]
        dim = dims_in[0][-1]
        bound = freia_clamp if config.clamp == "freia" else soft_clamp
        clamp = bound(config.clamp_limit)
        self._limit, self._factors = clamp.limit, (clamp.rate, clamp.gain)
        self.subnet = Subnet(dim // 2, config, generator, precision)
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
        if launch.usable(x):
            return self._fused(x, updates)
        x1, x2 = x.chunk(2, dim=-1)
        x1 = x1.contiguous()  # read by two products, a convolution and two copies
        s, u = self.subnet(x1, updates, self._factors)
        y2, logdet = couple(x2, s, u, self._limit)
        y = torch.cat([x1, y2], dim=-1)
        if self.affine is not None:
            scale = self.affine.scale
            y = torch.addcmul(self.affine.offset, y, scale)
            logdet = logdet + scale.log().sum()
        z = _Permute.apply(y, self._buffer("permutation"), self._buffer("inverse_permutation"))
        assert isinstance(z, Tensor)
        return (z,), logdet

    def _fused(self, x: Patches, updates: Updates | None) -> tuple[tuple[Patches], PerPatch]:
        subnet = self.subnet
        nets = subnet.nets(updates, self._factors)
        permutations = self._buffer("permutation"), self._buffer("inverse_permutation")
        half = x.shape[-1] // 2
        z, logdet = coupled(
            x, nets, subnet.precision, self._limit, half, permutations, subnet.context_kernels
        )
        if self.affine is not None:
            scale, offset = self.affine.scale, self.affine.offset
            z = torch.addcmul(_at(offset, permutations), z, _at(scale, permutations))
            logdet = logdet + scale.log().sum()
        return (z,), logdet

    def _inverse(self, z: Patches, updates: Updates | None) -> tuple[tuple[Patches], PerPatch]:
        y = take_channels(z, self._buffer("inverse_permutation"))
        affine_logdet: Tensor | float = 0.0
        if self.affine is not None:
            scale = self.affine.scale
            y = (y - self.affine.offset) / scale
            affine_logdet = scale.log().sum()
        x1, y2 = y.chunk(2, dim=-1)
        s, u = self.subnet(x1, updates, self._factors)
        x2, logdet = uncouple(y2, s, u, self._limit)
        return (torch.cat([x1, x2], dim=-1),), logdet - affine_logdet

    def _buffer(self, name: str) -> Tensor:
        return self.get_buffer(name)
