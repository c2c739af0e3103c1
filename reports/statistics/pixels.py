"""Pixel metrics under the bootstrap over images: pixels of an image are no sample of their own.

n images, K thresholds (falling). An image's contribution is how many of its pixels, normal and
anomalous, and how much of its regions lie between neighbouring thresholds; sums of these over the
images of a sample give the sample's metrics.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Integer

from reports.statistics.image_metrics import Weighted, ap_of_counts, auroc_of_counts

THRESHOLDS = 2000


@dataclass(frozen=True)
class PixelCounts:
    """What each image of a class adds, by falling score."""

    positive: Float[np.ndarray, "n k"]
    """Anomalous pixels."""
    negative: Float[np.ndarray, "n k"]
    overlap: Float[np.ndarray, "n k"]
    """Sum over the image's regions of the share of the region."""
    regions: Float[np.ndarray, " n"]
    exact: bool
    """Every distinct score has its own threshold; otherwise equal shares of the pixels have."""


def pixel_counts(
    regions: Integer[np.ndarray, "n h w"],
    maps: Float[np.ndarray, "n h w"],
    thresholds: int = THRESHOLDS,
) -> PixelCounts:
    """Contributions of images to pixel AUROC, pixel AP and AUPRO.

    Where there are more distinct scores than thresholds, half of these are spent on anomalous and
    half on all pixels, at quantiles; scores between two are then equal.

    Args:
        regions: 0 for normal pixels, else the number of the region, from 1 in each image.

    Raises:
        ValueError: shapes differ, a score is not finite, or one kind of pixel is missing.
    """
    if regions.shape != maps.shape or maps.ndim != 3:
        raise ValueError(f"regions have shape {regions.shape} and maps {maps.shape}")
    if not np.isfinite(maps).all():
        raise ValueError("a score of a map is not finite")
    anomalous = regions > 0
    if anomalous.all() or not anomalous.any():
        raise ValueError("only one kind of pixel; pixel metrics need both")
    edges, exact = _edges(maps, anomalous, thresholds)
    n, k = len(maps), len(edges)
    bins = k - np.searchsorted(edges, maps, side="right").clip(1)
    positive, negative, overlap = (np.zeros((n, k)) for _ in range(3))
    for i in range(n):
        inside = anomalous[i]
        negative[i] = np.bincount(bins[i][~inside], minlength=k)
        positive[i] = np.bincount(bins[i][inside], minlength=k)
        if inside.any():
            sizes = np.bincount(regions[i][inside])
            overlap[i] = np.bincount(bins[i][inside], 1 / sizes[regions[i][inside]], minlength=k)
    counts = np.array([len(np.unique(image[image > 0])) for image in regions], dtype=np.float64)
    return PixelCounts(positive, negative, overlap, counts, exact)


def _edges(
    maps: Float[np.ndarray, "n h w"], anomalous: Bool[np.ndarray, "n h w"], thresholds: int
) -> tuple[Float[np.ndarray, " k"], bool]:
    """Lower ends of the bins, rising."""
    distinct = np.unique(maps)
    if len(distinct) <= thresholds:
        return distinct, True
    levels = np.linspace(0, 1, thresholds // 2)
    parts = [np.quantile(scores, levels, method="lower") for scores in (maps, maps[anomalous])]
    return np.unique(np.concatenate(parts)), False


def weighted_pixel_auroc(counts: PixelCounts) -> Weighted:
    """Pixel AUROC by how often each image counts."""

    def metric(weights: Float[np.ndarray, "b n"]) -> Float[np.ndarray, " b"]:
        return auroc_of_counts(weights @ counts.positive, weights @ counts.negative)

    return metric


def weighted_pixel_ap(counts: PixelCounts) -> Weighted:
    """Pixel AP by how often each image counts."""

    def metric(weights: Float[np.ndarray, "b n"]) -> Float[np.ndarray, " b"]:
        return ap_of_counts(weights @ counts.positive, weights @ counts.negative)

    return metric


def weighted_aupro(counts: PixelCounts, limit: float = 0.3) -> Weighted:
    """AUPRO by how often each image counts: area under per-region overlap against false-positive
    rate up to the limit, divided by it, linear between thresholds (Bergmann et al. 2021)."""

    def metric(weights: Float[np.ndarray, "b n"]) -> Float[np.ndarray, " b"]:
        negative = weights @ counts.negative
        rate = negative.cumsum(axis=1) / negative.sum(axis=1, keepdims=True)
        pro = (weights @ counts.overlap).cumsum(axis=1) / (weights @ counts.regions)[:, None]
        start = np.zeros((len(weights), 1))
        rate, pro = np.hstack([start, rate]), np.hstack([start, pro])
        ends = rate.clip(max=limit)
        width = np.diff(rate, axis=1)
        share = np.divide(np.diff(ends, axis=1), width, out=np.zeros_like(width), where=width > 0)
        reached = pro[:, :-1] + share * np.diff(pro, axis=1)
        return (np.diff(ends, axis=1) * (pro[:, :-1] + reached) / 2).sum(axis=1) / limit

    return metric
