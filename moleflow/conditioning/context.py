"""Spatial context mixer, SCM: a gated depth-wise convolution before the flow.

Source: METHOD 2; 002, 3.3.2.
"""

import torch
from torch import nn
from torch.nn import functional as F

from moleflow.types import Float, Patches, Tensor


def depthwise(x: Patches, weight: Float[Tensor, "d 1 k k"], bias: Tensor | None = None) -> Patches:
    """Each channel convolved with its own kernel over the patch grid; zero padding."""
    channels, side = weight.shape[0], weight.shape[-1]
    y = F.conv2d(x.permute(0, 3, 1, 2), weight, bias, padding=side // 2, groups=channels)
    return y.permute(0, 2, 3, 1)


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
