"""From patch scores to image scores and anomaly maps (METHOD 8). Nothing here is trained."""

from typing import assert_never

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch.nn import functional as F

from moleflow.config import Config, ScoringConfig
from moleflow.types import Float, PerImage, PerPatch


def patch_scores(log_p: PerPatch, logdet: PerPatch, config: ScoringConfig) -> PerPatch:
    """-log p of each patch; with `image_mean` (003) its log-determinant is its image's mean one."""
    if config.logdet == "patch":
        return -log_p
    return -(log_p - logdet + logdet.mean(dim=(1, 2), keepdim=True))


def map_size(config: Config) -> int:
    """Side of anomaly maps and masks, in pixels."""
    return config.image.size if config.scoring.size == "image" else config.scoring.size


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


def anomaly_maps(scores: PerPatch, size: int, config: ScoringConfig) -> Float[np.ndarray, "b s s"]:
    """Patch scores enlarged to the image bilinearly, then smoothed by a Gaussian; float32."""
    large = F.interpolate(
        scores.unsqueeze(1),
        size=(size, size),
        mode="bilinear",
        align_corners=config.align_corners,
    )
    maps = large.squeeze(1).cpu().numpy()
    if config.smoothing == 0:
        return maps
    return gaussian_filter(maps, sigma=(0, config.smoothing, config.smoothing))
