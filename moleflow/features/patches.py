"""From backbone maps to one vector per patch, as PatchCore does (docs/method.md, 1.3)."""

import torch
from torch.nn import functional as F

from moleflow.config import PatchConfig
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


def _pooled(stage: Float[Tensor, "b c h w"], side: int, dim: int) -> Float[Tensor, "b d h w"]:
    height, width = stage.shape[-2:]
    gathered = F.unfold(stage, kernel_size=side, padding=side // 2)  # (B, C * side^2, h * w)
    pooled = F.adaptive_avg_pool1d(gathered.transpose(1, 2), dim)  # (B, h * w, D)
    return pooled.transpose(1, 2).unflatten(-1, (height, width))
