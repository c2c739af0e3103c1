"""Spatial context mixer, SCM: a gated depth-wise convolution before the flow.

Source: docs/method.md, 2.3; Method Outline 3.3.2.
"""

import torch
from torch import nn
from torch.nn import functional as F

from moleflow.layers.depthwise import depthwise
from moleflow.types import Float, Patches, Tensor


class SpatialMixer(nn.Module):
    """(1 - a) x + a conv(x), a = sigmoid(theta). The base's convolution starts as a mean."""

    def __init__(self, dim: int, kernel: int):
        super().__init__()
        self.weight = nn.Parameter(torch.full((dim, 1, kernel, kernel), 1 / kernel**2))
        self.bias = nn.Parameter(torch.zeros(dim))

    def forward(self, x: Patches, theta: Float[Tensor, ""]) -> Patches:
        """One convolution: the blend is folded into its kernel."""
        a = torch.sigmoid(theta)
        centre = F.pad(1 - a.expand(1, 1), [self.weight.shape[-1] // 2] * 4)
        return depthwise(x, a * self.weight + centre, a * self.bias)


def new_gate() -> nn.Parameter:
    """theta = 0: half patch, half context."""
    return nn.Parameter(torch.zeros(()))
