"""Detection metrics of one class from scores and truth (docs/method.md, 8.2)."""

import numpy as np
import torch
from jaxtyping import Bool

from moleflow.metrics.catalogue import METRICS
from moleflow.metrics.ranking import (
    BinaryMetrics,
    Detection,
    Scores,
    aupro_of,
    binary_metrics,
    ranking,
)
from moleflow.metrics.regions import Regions, regions_of


def binary_scores(labels: Bool[np.ndarray, " n"], scores: Scores) -> BinaryMetrics:
    """AUROC, AP and F1-max of scores that should be higher where the label is true.

    Raises:
        ValueError: shapes differ, only one kind of label is there, or a score is not finite.
    """
    return binary_metrics(ranking(torch.from_numpy(np.array(labels, dtype=np.int32)), scores))


def aupro(masks: Bool[np.ndarray, "n h w"], maps: Scores, fpr_limit: float = 0.3) -> float:
    """Area under per-region overlap (PRO) against false-positive rate, divided by the limit.

    PRO is the mean over all 8-connected regions of the region's share at or above the threshold;
    the rate counts all normal pixels of all images. Linear between thresholds and up to the limit
    (Bergmann et al., MVTec AD, IJCV 2021).

    Raises:
        ValueError: shapes differ, no anomalous or no normal pixel, a score that is not finite, or a
            limit outside (0, 1].
    """
    regions = regions_of(masks)
    return aupro_of(ranking(regions.tags, maps), regions, fpr_limit)


def detection_metrics(
    labels: Bool[np.ndarray, " n"],
    image_scores: Scores,
    regions: Regions | None,
    maps: Scores | None,
    aupro_limit: float,
) -> dict[str, float]:
    """The metrics of one class by name (`metrics.catalogue`); of pixels only where it has masks.

    Args:
        regions: of the masks.

    Raises:
        ValueError: as `binary_scores` and `aupro`, or masks without maps.
    """
    if regions is not None and maps is None:
        raise ValueError("masks are given without anomaly maps; give both or neither")
    images = ranking(torch.from_numpy(np.array(labels, dtype=np.int32)), image_scores)
    pixels = None if regions is None or maps is None else ranking(regions.tags, maps)
    found = Detection(images, pixels, regions, aupro_limit)
    return {
        metric.name: metric.compute(found)
        for metric in METRICS
        if metric.compute is not None and (pixels is not None or not metric.needs_masks)
    }
