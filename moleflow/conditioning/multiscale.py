"""Multi-scale context: what coarse and fine maps say about a patch, added to it.

Source: docs/method.md, 1.6; Method Outline 3.3.3.
"""

import torch
from torch import nn
from torch.nn import functional as F

from moleflow.conditioning.context import depthwise
from moleflow.flow.subnet import new_linear
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


def raw_maps(maps: list[Tensor], grid: tuple[int, int]) -> Float[Tensor, "b h w c"]:
    """The finest and the coarsest stage's maps on the patch grid, one behind the other.

    A finer map is average-pooled (Method Outline), a coarser one enlarged bilinearly.
    """
    ends = maps[:1] if len(maps) == 1 else [maps[0], maps[-1]]
    return torch.cat([_on_grid(stage, grid) for stage in ends], dim=1).permute(0, 2, 3, 1)


def _on_grid(stage: Float[Tensor, "b c h w"], grid: tuple[int, int]) -> Tensor:
    if stage.shape[-2] > grid[0]:
        return F.adaptive_avg_pool2d(stage, grid)
    if stage.shape[-2:] == grid:
        return stage
    return F.interpolate(stage, size=grid, mode="bilinear", align_corners=False)
