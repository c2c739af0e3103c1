"""From patch scores to image scores and anomaly maps (docs/method.md, 8.1). Nothing is trained."""

from typing import assert_never

import torch
from scipy.ndimage import gaussian_filter1d
from torch.nn import functional as F

from moleflow.config_parts import ScoringConfig
from moleflow.types import Float, Float64, PerImage, PerPatch, Tensor

MAPS_AT_ONCE = 64
"""Pictures whose maps a GPU makes together: in float64, 26 MB of 224 pixels' side."""


def patch_scores(log_p: PerPatch, logdet: PerPatch, config: ScoringConfig) -> PerPatch:
    """-log p of each patch; with `image_mean` its log-determinant is its image's mean one."""
    if config.logdet == "patch":
        return -log_p
    return -(log_p - logdet + logdet.mean(dim=(1, 2), keepdim=True))


def image_scores(scores: PerPatch, config: ScoringConfig) -> PerImage:
    """One score per image from its patches' scores -log p."""
    flat = scores.flatten(start_dim=1)
    match config.aggregation:
        case "top_k":
            return torch.topk(flat, min(config.top_k, flat.shape[1]), dim=1).values.mean(dim=1)
        case "mean":
            return flat.mean(dim=1)
        case "max":
            return flat.amax(dim=1)
        case "quantile":
            return torch.quantile(flat, config.quantile, dim=1)
        case _:
            assert_never(config.aggregation)


def anomaly_maps(scores: PerPatch, size: int, config: ScoringConfig) -> Float[Tensor, "b s s"]:
    """Patch scores enlarged to the image bilinearly, then smoothed by a Gaussian; float32.

    Both are linear and treat rows and columns apart, so a map is V P H' with two fixed matrices:
    thin products instead of a filter over every pixel. They are made in float64 and rounded once:
    what a map's pixels tie or differ in is then the same on every device and in every batch.
    """
    height, width = scores.shape[1:]
    rows = _enlarging(height, size, config).to(scores.device)
    columns = _enlarging(width, size, config).to(scores.device).t()
    maps = scores.new_empty((len(scores), size, size), dtype=torch.float32)
    at_once = 1 if scores.device.type == "cpu" else MAPS_AT_ONCE
    for some, patches in zip(maps.split(at_once), scores.split(at_once), strict=True):
        some.copy_(rows @ patches.double() @ columns)
    return maps


def _enlarging(side: int, size: int, config: ScoringConfig) -> Float64[Tensor, "s h"]:
    """What makes `size` smoothed pixels of a line of `side` patches (scipy's Gaussian: cut off at
    4 standard deviations, lines mirrored at their ends)."""
    units = torch.eye(side, dtype=torch.float64).unsqueeze(0)
    corners = config.align_corners
    large = F.interpolate(units, size=size, mode="linear", align_corners=corners)[0].t()
    if config.smoothing == 0:
        return large.contiguous()
    return torch.from_numpy(gaussian_filter1d(large.numpy(), config.smoothing, axis=0))
