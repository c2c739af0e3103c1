"""Context subnet of a coupling block (docs/method.md, 3.3; Method Outline 3.4.1)."""

import math
from collections.abc import Callable, Mapping

import torch
from torch import nn

from moleflow.config_parts import FlowConfig, Precision
from moleflow.layers.depthwise import depthwise
from moleflow.layers.linear import new_linear
from moleflow.layers.products import Layer, relu_net
from moleflow.types import Float, Patches, Tensor

SLOTS = ("scale_in", "scale_out", "shift_in", "shift_out")


LinearUpdate = Callable[[nn.Linear], Layer]
"""A task's version of one linear layer."""


class Subnet(nn.Module):
    """Log-scale from patch and context, shift from the patch alone, for half the channels.

    s = L2(ReLU(L1([x; ctx]))), u = L2'(ReLU(L1'(x))), ctx = a DWConv(x), a = a_max sigmoid(theta).
    The hidden width is twice the input's; the convolution starts at zero.
    """

    def __init__(
        self,
        dim: int,
        config: FlowConfig,
        generator: torch.Generator,
        precision: Precision = "float32",
    ):
        """Args:
        precision: of the matrix products.
        """
        super().__init__()
        self.precision: Precision = precision
        kernel = config.context_kernel
        self._context_max = config.context_max
        self.scale_in = new_linear(2 * dim if kernel else dim, 2 * dim, generator)
        self.scale_out = new_linear(2 * dim, dim, generator)
        self.shift_in = new_linear(dim, 2 * dim, generator)
        self.shift_out = new_linear(2 * dim, dim, generator)
        self.context: nn.Parameter | None = None
        self.theta: nn.Parameter | None = None
        if kernel:
            share = config.context_start / config.context_max
            self.context = nn.Parameter(torch.zeros(dim, 1, kernel, kernel))
            self.theta = nn.Parameter(torch.tensor(math.log(share / (1 - share))))

    def forward(
        self,
        x: Patches,
        updates: Mapping[str, LinearUpdate] | None,
        factors: tuple[float, float] = (1.0, 1.0),
    ) -> tuple[Patches, Patches]:
        """Raw log-scale s and shift u, both (B, H, W, D/2), each times its factor."""
        scale, shift = self.nets(updates, factors)
        s = relu_net(self._with_context(x), scale, self.precision)
        return s, relu_net(x, shift, self.precision)

    def nets(
        self, updates: Mapping[str, LinearUpdate] | None, factors: tuple[float, float] = (1.0, 1.0)
    ) -> tuple[list[Layer], list[Layer]]:
        """Layers that make s from patch and context, and u from the patch."""
        scale = [self._layer("scale_in", updates), self._layer("scale_out", updates)]
        shift = [self._layer("shift_in", updates), self._layer("shift_out", updates)]
        scale[-1], shift[-1] = scale[-1].times(factors[0]), shift[-1].times(factors[1])
        return scale, shift

    @property
    def context_kernels(self) -> Float[Tensor, "h 1 k k"] | None:
        """Kernels of the context, its weight in them; None for the plain subnet."""
        if self.context is None or self.theta is None:
            return None
        return self._context_max * torch.sigmoid(self.theta) * self.context

    def slot(self, name: str) -> nn.Linear:
        """The base's linear layer of that name."""
        layer = getattr(self, name)
        assert isinstance(layer, nn.Linear)
        return layer

    def _layer(self, name: str, updates: Mapping[str, LinearUpdate] | None) -> Layer:
        linear = self.slot(name)
        return Layer(linear.weight, linear.bias) if updates is None else updates[name](linear)

    def _with_context(self, x: Patches) -> Float[Tensor, "b h w c"]:
        kernels = self.context_kernels
        return x if kernels is None else torch.cat([x, depthwise(x, kernels)], dim=-1)
