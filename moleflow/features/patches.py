"""From backbone maps to what is kept of a patch: its vector, as PatchCore makes it, and raw maps.

Source: docs/method.md, 1.3 and 1.6.
"""

import torch
from torch.nn import functional as F

from moleflow.config_parts import PatchConfig
from moleflow.types import Float, Patches, Tensor


def patch_vectors(maps: list[Tensor], config: PatchConfig) -> Patches:
    """Neighbourhoods of every stage, pooled to D channels, on one grid, averaged over the stages.

    Pooling over channels and interpolation over positions are both linear and commute; pooling
    first keeps the memory small.

    Args:
        maps: (B, C, h, w) of each stage, finest first.
    """
    grid = patch_grid(maps, config)
    stages = [_pooled(stage, config.neighbourhood, config.dim) for stage in maps]
    stages = [
        stage
        if stage.shape[-2:] == grid
        else F.interpolate(stage, size=grid, mode="bilinear", align_corners=False)
        for stage in stages
    ]
    return torch.stack(stages).mean(dim=0).permute(0, 2, 3, 1).contiguous()


def patch_grid(maps: list[Tensor], config: PatchConfig) -> tuple[int, int]:
    """Height and width of the grid of patches."""
    height, width = maps[0 if config.grid == "first" else -1].shape[-2:]
    return height, width


def raw_maps(maps: list[Tensor], grid: tuple[int, int]) -> Float[Tensor, "b h w c"]:
    """The finest and the coarsest stage's maps on the patch grid, one behind the other.

    A finer map is average-pooled (Method Outline), a coarser one enlarged bilinearly.
    """
    ends = maps[:1] if len(maps) == 1 else [maps[0], maps[-1]]
    return torch.cat([_on_grid(stage, grid) for stage in ends], dim=1).permute(0, 2, 3, 1)


def _pooled(stage: Float[Tensor, "b c h w"], side: int, dim: int) -> Float[Tensor, "b d h w"]:
    height, width = stage.shape[-2:]
    gathered = F.unfold(stage, kernel_size=side, padding=side // 2)  # (B, C * side^2, h * w)
    pooled = F.adaptive_avg_pool1d(gathered.transpose(1, 2), dim)  # (B, h * w, D)
    return pooled.transpose(1, 2).unflatten(-1, (height, width))


def _on_grid(stage: Float[Tensor, "b c h w"], grid: tuple[int, int]) -> Tensor:
    if stage.shape[-2] > grid[0]:
        return F.adaptive_avg_pool2d(stage, grid)
    if stage.shape[-2:] == grid:
        return stage
    return F.interpolate(stage, size=grid, mode="bilinear", align_corners=False)
