"""Deep invertible adapter, DIA: a task's own affine coupling blocks after the base.

Source: docs/method.md, 4; Method Outline 3.4.3.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from FrEIA.framework import SequenceINN
from FrEIA.modules import InvertibleModule
from torch import nn

from moleflow.config_parts import DiaConfig, Precision
from moleflow.flow.coupling import couple, soft_clamp, uncouple
from moleflow.flow.fused import coupled
from moleflow.kernels import launch
from moleflow.layers.depthwise import depthwise
from moleflow.layers.linear import new_linear
from moleflow.layers.products import Layer, relu_net
from moleflow.types import Float, Patches, PerPatch, Tensor

CONTEXT_MAX, CONTEXT_START = 0.2, 0.1
"""Largest weight of a context, and that at the start: those of the flow's subnets."""


class DiaBlock(InvertibleModule):
    """Affine coupling with separate nets for log-scale and shift; the identity at birth.

    Even blocks change the second half of the channels given the first, odd blocks the first half
    given the second.
    """

    def __init__(
        self,
        dims_in: Sequence[tuple[int, ...]],
        config: DiaConfig,
        swap: bool,
        generator: torch.Generator,
        precision: Precision = "float32",
    ):
        # FrEIA annotates a shape as tuple[int], but means any length.
        super().__init__(dims_in)  # pyright: ignore[reportArgumentType]
        half = dims_in[0][-1] // 2
        self._clamp = soft_clamp(config.clamp_limit)
        self._precision: Precision = precision
        self._swap = swap
        self.register_buffer("unpermuted", torch.arange(2 * half), persistent=False)
        kernel = config.context_kernel
        self.scale = _net(2 * half if kernel else half, half, generator)
        self.shift = _net(half, half, generator)
        self.context: nn.Parameter | None = None
        self.theta: nn.Parameter | None = None
        if kernel:
            share = CONTEXT_START / CONTEXT_MAX
            self.context = nn.Parameter(torch.zeros(half, 1, kernel, kernel))
            self.theta = nn.Parameter(torch.tensor(math.log(share / (1 - share))))

    # FrEIA annotates Iterable[Tensor], but passes tuples.
    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, x_or_z: Sequence[Patches], c: Any = None, rev: bool = False, jac: bool = True
    ) -> tuple[tuple[Patches], PerPatch]:
        if not rev and launch.usable(x_or_z[0]):
            return self._fused(x_or_z[0])
        given, changed = x_or_z[0].chunk(2, dim=-1)
        if self._swap:
            given, changed = changed, given
        given = given.contiguous()  # read by two products and a copy
        kernels = self.context_kernels
        seen = given if kernels is None else torch.cat([given, depthwise(given, kernels)], dim=-1)
        s = relu_net(seen, _layers(self.scale, self._clamp.rate), self._precision)
        u = relu_net(given, _layers(self.shift, self._clamp.gain), self._precision)
        y, logdet = (uncouple if rev else couple)(changed, s, u, self._clamp.limit)
        halves = [y, given] if self._swap else [given, y]
        return (torch.cat(halves, dim=-1),), logdet

    def _fused(self, x: Patches) -> tuple[tuple[Patches], PerPatch]:
        nets = _layers(self.scale, self._clamp.rate), _layers(self.shift, self._clamp.gain)
        start = 0 if self._swap else x.shape[-1] // 2
        same = self.get_buffer("unpermuted")
        z, logdet = coupled(
            x, nets, self._precision, self._clamp.limit, start, (same, same), self.context_kernels
        )
        return (z,), logdet

    @property
    def context_kernels(self) -> Float[Tensor, "h 1 k k"] | None:
        """Kernels of the context, its weight in them; None where patches are seen alone."""
        if self.context is None or self.theta is None:
            return None
        return CONTEXT_MAX * torch.sigmoid(self.theta) * self.context

    # FrEIA annotates a shape as tuple[int], but means any length.
    def output_dims(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, input_dims: list[tuple[int, ...]]
    ) -> list[tuple[int, ...]]:
        return input_dims


def _net(seen: int, width: int, generator: torch.Generator) -> nn.Sequential:
    layers = [new_linear(size, width, generator) for size in (seen, width, width)]
    nn.init.zeros_(layers[-1].weight)
    nn.init.zeros_(layers[-1].bias)
    return nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2])


def _layers(net: nn.Sequential, factor: float) -> list[Layer]:
    layers = [Layer(m.weight, m.bias) for m in net if isinstance(m, nn.Linear)]
    return [*layers[:-1], layers[-1].times(factor)]


def new_dia(
    grid: tuple[int, int],
    dim: int,
    config: DiaConfig,
    generator: torch.Generator,
    precision: Precision = "float32",
) -> SequenceINN:
    """N blocks, halves alternating; `precision` is that of the matrix products."""
    dia = SequenceINN(*grid, dim)
    for k in range(config.blocks):
        dia.append(
            DiaBlock, config=config, swap=k % 2 == 1, generator=generator, precision=precision
        )
    return dia
