"""What a picture contributes to pixel metrics, against metrics of samples that count it a little
more or less, and against what other samples of pictures give."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import Bool, Float
from scipy import ndimage

from moleflow.metrics.contributions import contributions
from moleflow.metrics.detection import detection_metrics
from moleflow.metrics.regions import EIGHT_CONNECTED_WITHIN_AN_IMAGE, regions_of
from reports.statistics.pixels import (
    PixelCounts,
    pixel_counts,
    weighted_aupro,
    weighted_pixel_ap,
    weighted_pixel_auroc,
)

Weighted = Callable[[Float[np.ndarray, "b n"]], Float[np.ndarray, " b"]]
LITTLE = 1e-6
AGREES = 1e-7
"""Of a central difference, to a derivative of order 1, times the number of pictures."""


def weighted_f1(counts: PixelCounts) -> Weighted:
    def metric(weights: Float[np.ndarray, "b n"]) -> Float[np.ndarray, " b"]:
        hits = (weights @ counts.positive).cumsum(axis=1)
        found = hits + (weights @ counts.negative).cumsum(axis=1)
        return (2 * hits / (found + hits[:, -1:])).max(axis=1)

    return metric


def world(
    draw: np.random.Generator, n: int, size: int
) -> tuple[Bool[np.ndarray, "n h w"], Float[np.ndarray, "n h w"]]:
    """Half of the pictures have one or two marked regions; a picture's pixels have much in
    common."""
    masks = np.zeros((n, size, size), dtype=bool)
    for mask in masks[n // 2 :]:
        for _ in range(int(draw.integers(1, 3))):
            row, column = draw.integers(0, size - 2, 2)
            mask[row : row + int(draw.integers(2, 5)), column : column + 2] = True
    common, seen = draw.normal(size=(2, n, 1, 1))
    maps = draw.normal(size=masks.shape) + 0.7 * common + masks * (1.5 + 0.7 * seen)
    return masks, maps.astype(np.float32)


@given(
    st.integers(0, 10**6),
    st.sampled_from([0.001, 0.05, 0.3, 1.0]),
    st.sampled_from([np.float32, np.float64]),
    st.sampled_from([None, 0, 1]),
)
@settings(max_examples=40)
def test_a_contribution_is_the_metric_and_its_derivative_by_how_often_the_picture_counts(
    seed: int, limit: float, dtype: type, digits: int | None
) -> None:
    """With distinct scores, and with many equal ones."""
    masks, maps = world(np.random.default_rng(seed), 8, 9)
    maps = (maps if digits is None else maps.round(digits)).astype(dtype)
    found = contributions(regions_of(masks), maps, limit)
    each = [ndimage.label(mask, EIGHT_CONNECTED_WITHIN_AN_IMAGE[1])[0] for mask in masks]
    counts = pixel_counts(np.stack(each), maps, thresholds=10**6)
    assert counts.exact
    metrics = {
        "pixel_auroc": weighted_pixel_auroc(counts),
        "pixel_ap": weighted_pixel_ap(counts),
        "pixel_f1_max": weighted_f1(counts),
        "aupro": weighted_aupro(counts, limit),
    }
    assert found.keys() == metrics.keys()
    n, once = len(maps), np.ones((1, len(maps)))
    for name, metric in metrics.items():
        more, less = (metric(once + change * np.eye(n)) for change in (LITTLE, -LITTLE))
        expected = metric(once) + n * (more - less) / (2 * LITTLE)
        # A best threshold that ties with another has a derivative to each side.
        corner = n * np.abs(more + less - 2 * metric(once)) / LITTLE
        assert np.all(np.abs(found[name] - expected) < AGREES + corner)


def test_their_mean_is_the_metric() -> None:
    masks, maps = world(np.random.default_rng(3), 20, 24)
    regions = regions_of(masks)
    labels = masks.any(axis=(1, 2))
    metrics = detection_metrics(labels, maps.max(axis=(1, 2)), regions, maps, 0.3)
    for name, of in contributions(regions, maps, 0.3).items():
        assert of.mean() == pytest.approx(metrics[name], abs=1e-12)


def test_their_scatter_tells_what_other_pictures_give() -> None:
    """400 samples of 40 pictures of one world: the deviation of a metric over samples is within
    12 % of that told by one (root mean square over samples), and 95 % intervals hold the metric of
    2,000 pictures in more than 90 %."""
    draw = np.random.default_rng(7)
    masks, maps = world(draw, 2000, 12)
    truth = {name: of.mean() for name, of in contributions(regions_of(masks), maps, 0.3).items()}
    told: dict[str, list[tuple[float, float]]] = {}
    for _ in range(400):
        masks, maps = world(draw, 40, 12)
        for name, of in contributions(regions_of(masks), maps, 0.3).items():
            halves = (of[:20], of[20:])
            sd = sum(20 * half.var(ddof=1) for half in halves) ** 0.5 / 40
            told.setdefault(name, []).append((float(of.mean()), float(sd)))
    for name, values in told.items():
        means, sds = np.array(values).T
        said = float(np.sqrt((sds**2).mean()))
        assert said == pytest.approx(means.std(ddof=1), rel=0.12), name
        assert (np.abs(means - truth[name]) < 2.09 * sds).mean() > 0.9, name


def test_masks_and_maps_must_fit() -> None:
    masks, maps = world(np.random.default_rng(1), 4, 8)
    with pytest.raises(ValueError, match="one shape"):
        contributions(regions_of(masks), maps[:, :7], 0.3)
    maps[0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="finite"):
        contributions(regions_of(masks), torch.from_numpy(maps), 0.3)
