"""Laws of the detection metrics."""

import numpy as np
import pytest

from moleflow.metrics.detection import aupro, binary_scores, detection_metrics
from moleflow.metrics.regions import regions_of


def _pixels(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    masks = draw.random((4, 12, 14)) < 0.2
    return masks, draw.normal(size=masks.shape).astype(np.float32) + masks


def test_perfect_scores_reach_one_in_every_metric():
    labels = np.array([False, True, False, True])
    metrics = binary_scores(labels, labels.astype(np.float32))
    assert (metrics.auroc, metrics.ap, metrics.f1_max) == (1, 1, 1)


def test_constant_scores_have_auroc_one_half():
    assert binary_scores(np.array([True, False, False]), np.zeros(3)).auroc == 0.5


def test_positive_and_negative_zero_are_tied():
    labels = np.array([True, False])
    assert binary_scores(labels, np.array([0.0, -0.0], np.float32)).auroc == 0.5


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_metrics_depend_on_the_order_of_scores_alone(dtype: type):
    draw = np.random.default_rng(1)
    labels, scores = draw.random(300) < 0.3, draw.integers(-20, 20, 300).astype(dtype)
    assert binary_scores(labels, scores) == binary_scores(labels, scores.astype(np.float64) ** 3)


@pytest.mark.parametrize("label", [False, True])
def test_labels_of_one_kind_are_refused(label: bool):
    with pytest.raises(ValueError, match="all of one kind"):
        binary_scores(np.full(5, label), np.arange(5.0))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_not_finite_is_refused(bad: float, dtype: type):
    with pytest.raises(ValueError, match="1 of 3 scores are not finite"):
        binary_scores(np.array([True, False, True]), np.array([0, bad, 1], dtype))


def test_labels_of_another_shape_than_the_scores_are_refused():
    # The shape checker of the test run (a TypeError) may speak first.
    with pytest.raises((ValueError, TypeError), match=r"shape|Type-check"):
        binary_scores(np.array([True, False]), np.arange(3.0))


def test_perfect_maps_have_aupro_one():
    masks, _ = _pixels()
    assert aupro(masks, masks.astype(np.float32)) == pytest.approx(1, abs=1e-12)


def test_constant_maps_have_the_aupro_of_the_diagonal():
    masks, _ = _pixels()
    assert aupro(masks, np.zeros(masks.shape, np.float32), 0.3) == pytest.approx(0.15, abs=1e-12)


def test_regions_weigh_equally_whatever_their_area():
    masks, maps = np.zeros((1, 20, 20), bool), np.zeros((1, 20, 20), np.float32)
    masks[0, :2, :2] = masks[0, 10:, 10:] = True
    maps[0, :2, :2] = 1
    # One region of two is found at rate 0; from there linear to 1 at rate 1.
    assert aupro(masks, maps, 1.0) == pytest.approx(0.75, abs=1e-12)


def test_pixels_that_touch_at_a_corner_are_one_region():
    masks, maps = np.zeros((1, 8, 8), bool), np.zeros((1, 8, 8), np.float32)
    masks[0, 0, 0] = masks[0, 1, 1] = masks[0, 1, 2] = True
    maps[0, 0, 0] = 1
    assert aupro(masks, maps, 1.0) == pytest.approx((1 / 3 + 1) / 2, abs=1e-12)


def test_regions_do_not_reach_across_images():
    masks, maps = np.zeros((2, 8, 8), bool), np.zeros((2, 8, 8), np.float32)
    masks[0, :1, :1] = masks[1, :1, :3] = True
    maps[0, 0, 0] = 1
    assert aupro(masks, maps, 1.0) == pytest.approx((1 / 2 + 1) / 2, abs=1e-12)


@pytest.mark.parametrize("limit", [0.0, -0.1, 1.1])
def test_an_aupro_limit_outside_zero_to_one_is_refused(limit: float):
    with pytest.raises(ValueError, match="limit"):
        aupro(*_pixels(), limit)


@pytest.mark.parametrize("value", [False, True])
def test_aupro_without_both_kinds_of_pixel_is_refused(value: bool):
    with pytest.raises(ValueError, match="all of one kind"):
        aupro(np.full((1, 4, 4), value), np.zeros((1, 4, 4), np.float32))


def test_detection_metrics_equal_their_parts():
    masks, maps = _pixels()
    labels = np.array([True, False, True, False])
    scores = maps.max(axis=(1, 2))
    image, pixel = binary_scores(labels, scores), binary_scores(masks.ravel(), maps.ravel())
    assert detection_metrics(labels, scores, regions_of(masks), maps, 0.2) == {
        "image_auroc": image.auroc,
        "image_ap": image.ap,
        "image_f1_max": image.f1_max,
        "pixel_auroc": pixel.auroc,
        "pixel_ap": pixel.ap,
        "pixel_f1_max": pixel.f1_max,
        "aupro": aupro(masks, maps, 0.2),
    }


def test_pixel_metrics_are_absent_without_masks():
    _, maps = _pixels()
    labels = np.array([True, False, True, False])
    metrics = detection_metrics(labels, maps.max(axis=(1, 2)), None, maps, 0.3)
    assert set(metrics) == {"image_auroc", "image_ap", "image_f1_max"}


def test_metrics_leave_their_inputs_unchanged():
    masks, maps = _pixels()
    before = masks.copy(), maps.copy()
    detection_metrics(np.arange(4) % 2 == 0, maps.max(axis=(1, 2)), regions_of(masks), maps, 0.3)
    assert np.array_equal(masks, before[0]) and np.array_equal(maps, before[1])
