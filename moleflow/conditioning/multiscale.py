"""Multi-scale context: what coarse and fine maps say about a patch, added to it.

Source: docs/method.md, 1.6; Method Outline 3.3.3.
"""

import torch
from torch import nn

from moleflow.layers.depthwise import depthwise
from moleflow.layers.linear import new_linear
from moleflow.types import Float, Patches, Tensor


class MultiscaleContext(nn.Module):
    """DWConv_k(Linear(maps)): C raw channels to D, then a convolution of each channel; base-owned.

    The papers name no start: both layers begin as torch's usual ones.
    """

    def __init__(self, channels: int, dim: int, kernel: int, generator: torch.Generator):
        super().__init__()
        self.project = new_linear(channels, dim, generator)
        bound = 1 / kernel
        self.weight = nn.Parameter(torch.empty(dim, 1, kernel, kernel))
        self.bias = nn.Parameter(torch.empty(dim))
        with torch.no_grad():
            self.weight.uniform_(-bound, bound, generator=generator)
            self.bias.uniform_(-bound, bound, generator=generator)

    def forward(self, maps: Float[Tensor, "b h w c"]) -> Patches:
        return depthwise(self.project(maps), self.weight, self.bias)
