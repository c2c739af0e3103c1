"""Detection metrics against scikit-learn, and AUPRO threshold by threshold."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from moleflow.metrics.detection import aupro, binary_scores

AGREES = 1e-9


@st.composite
def tied_scores(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    n = draw(st.integers(2, 60))
    dtype = draw(st.sampled_from([np.float16, np.float32, np.float64]))
    few = st.sampled_from([-2.5, -1.0, -0.0, 0.0, 1e-3, 1.0, 3.0, 65504.0])
    labels = draw(arrays.arrays(bool, n))
    assume(labels.any() and not labels.all())
    return labels, draw(arrays.arrays(dtype, n, elements=few.map(lambda value: dtype(value))))


@st.composite
def tied_maps(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, float]:
    shape = draw(st.integers(1, 3)), draw(st.integers(2, 6)), draw(st.integers(2, 6))
    masks = draw(arrays.arrays(bool, shape))
    assume(masks.any() and not masks.all())
    levels = draw(arrays.arrays(np.int8, shape, elements=st.integers(-4, 4)))
    limit = draw(st.sampled_from([0.05, 0.25, 0.3, 0.5, 1.0]))
    return masks, levels.astype(np.float32), limit


def f1_max_by_sklearn(labels: np.ndarray, scores: np.ndarray) -> float:
    precision, recall, _ = precision_recall_curve(labels, scores)
    both = precision + recall
    return float(np.max(2 * precision * recall / np.where(both > 0, both, 1)))


def regions_by_flood(mask: np.ndarray) -> list[list[tuple[int, int]]]:
    left = {(int(row), int(column)) for row, column in np.argwhere(mask)}
    regions = []
    while left:
        front = [left.pop()]
        region = list(front)
        while front:
            row, column = front.pop()
            near = {(row + i, column + j) for i in (-1, 0, 1) for j in (-1, 0, 1)} & left
            left -= near
            front += near
            region += near
        regions.append(region)
    return regions


def aupro_by_definition(masks: np.ndarray, maps: np.ndarray, limit: float) -> float:
    regions = [
        (image, region) for image, mask in enumerate(masks) for region in regions_by_flood(mask)
    ]
    curve = [(0.0, 0.0)]
    for threshold in sorted(set(maps.ravel().tolist()), reverse=True):
        flagged = maps >= threshold
        found = [np.mean([flagged[image][pixel] for pixel in region]) for image, region in regions]
        curve.append((float(flagged[~masks].mean()), float(np.mean(found))))
    area = 0.0
    for (x0, y0), (x1, y1) in pairwise(curve):
        if x0 >= limit or x1 == x0:
            continue
        right = min(x1, limit)
        y_right = y0 + (y1 - y0) * (right - x0) / (x1 - x0)
        area += (right - x0) * (y0 + y_right) / 2
    return area / limit


@settings(max_examples=150, deadline=None)
@given(tied_scores())
@pytest.mark.slow
def test_binary_metrics_agree_with_scikit_learn_with_ties(case: tuple[np.ndarray, np.ndarray]):
    labels, scores = case
    metrics = binary_scores(labels, scores)
    assert metrics.auroc == pytest.approx(roc_auc_score(labels, scores), abs=AGREES)
    assert metrics.ap == pytest.approx(average_precision_score(labels, scores), abs=AGREES)
    assert metrics.f1_max == pytest.approx(f1_max_by_sklearn(labels, scores), abs=AGREES)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_binary_metrics_agree_with_scikit_learn_on_many_pixels(dtype: type):
    draw = np.random.default_rng(0)
    labels = draw.random(200_000) < 0.03
    scores = (draw.normal(size=labels.size) + labels).astype(dtype)
    metrics = binary_scores(labels, scores)
    assert metrics.auroc == pytest.approx(roc_auc_score(labels, scores), abs=AGREES)
    assert metrics.ap == pytest.approx(average_precision_score(labels, scores), abs=AGREES)
    assert metrics.f1_max == pytest.approx(f1_max_by_sklearn(labels, scores), abs=AGREES)


@settings(max_examples=120, deadline=None)
@given(tied_maps())
@pytest.mark.slow
def test_aupro_agrees_with_its_definition_with_ties(case: tuple[np.ndarray, np.ndarray, float]):
    masks, maps, limit = case
    expected = aupro_by_definition(masks, maps, limit)
    assert aupro(masks, maps, limit) == pytest.approx(expected, abs=AGREES)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_aupro_agrees_with_its_definition_on_distinct_scores(dtype: type):
    draw = np.random.default_rng(3)
    masks = draw.random((3, 16, 17)) < 0.15
    maps = (draw.normal(size=masks.shape) + masks).astype(dtype)
    expected = aupro_by_definition(masks, maps, 0.3)
    assert aupro(masks, maps, 0.3) == pytest.approx(expected, abs=AGREES)
