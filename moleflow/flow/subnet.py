"""Context subnet of a coupling block (METHOD 3; 002, 3.4.1)."""

import math
from collections.abc import Callable, Mapping

import torch
from torch import nn
from torch.nn import functional as F

from moleflow.conditioning.context import depthwise
from moleflow.config import FlowConfig
from moleflow.types import Float, Patches, Tensor

SLOTS = ("scale_in", "scale_out", "shift_in", "shift_out")


LinearUpdate = Callable[[nn.Linear, Tensor], Tensor]
"""A task's version of one linear layer: what it gives for an input."""


class Subnet(nn.Module):
    """Log-scale from patch and context, shift from the patch alone, for half the channels.

    s = L2(ReLU(L1([x; ctx]))), u = L2'(ReLU(L1'(x))), ctx = a DWConv(x), a = a_max sigmoid(theta).
    The hidden width is twice the input's; the convolution starts at zero.
    """

    def __init__(self, dim: int, config: FlowConfig, generator: torch.Generator):
        super().__init__()
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
        self, x: Patches, updates: Mapping[str, LinearUpdate] | None
    ) -> tuple[Patches, Patches]:
        """Raw log-scale s and shift u, both (B, H, W, D/2)."""
        hidden = F.relu(self._linear("scale_in", self._with_context(x), updates))
        s = self._linear("scale_out", hidden, updates)
        hidden = F.relu(self._linear("shift_in", x, updates))
        return s, self._linear("shift_out", hidden, updates)

    def slot(self, name: str) -> nn.Linear:
        """The base's linear layer of that name."""
        layer = getattr(self, name)
        assert isinstance(layer, nn.Linear)
        return layer

    def _linear(self, name: str, x: Tensor, updates: Mapping[str, LinearUpdate] | None) -> Tensor:
        layer = self.slot(name)
        return layer(x) if updates is None else updates[name](layer, x)

    def _with_context(self, x: Patches) -> Float[Tensor, "b h w c"]:
        if self.context is None or self.theta is None:
            return x
        weight = self._context_max * torch.sigmoid(self.theta)
        return torch.cat([x, weight * depthwise(x, self.context)], dim=-1)


def new_linear(inputs: int, outputs: int, generator: torch.Generator) -> nn.Linear:
    """torch's usual linear layer, U(-1/sqrt(inputs), 1/sqrt(inputs)), drawn from a named stream."""
    layer = nn.utils.skip_init(nn.Linear, inputs, outputs)
    assert isinstance(layer, nn.Linear)
    bound = 1 / math.sqrt(inputs)
    with torch.no_grad():
        layer.weight.uniform_(-bound, bound, generator=generator)
        layer.bias.uniform_(-bound, bound, generator=generator)
    return layer
