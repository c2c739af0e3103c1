"""Loss, schedule, router and score against a plain reference, after docs/method.md, 6 to 8."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, zoom

from moleflow.config_parts import (
    LossConfig,
    RouterConfig,
    ScoringConfig,
    TrainingConfig,
)
from moleflow.features.position import position_code
from moleflow.router import new_prototype
from moleflow.scoring import anomaly_maps, image_scores
from moleflow.streams import numpy_stream
from moleflow.training.losses import tail_aware_loss
from moleflow.training.optimizer import learning_rate


def plain_loss(nll: np.ndarray, logdet: np.ndarray, config: LossConfig) -> float:
    tails = []
    for image in nll:
        hardest = sorted(image.ravel(), reverse=True)
        count = max(1, math.floor(config.tail_ratio * image.size))
        tails.append(sum(hardest[:count]) / count)
    mean = sum(nll.ravel()) / nll.size
    tail = sum(tails) / len(tails)
    penalty = sum(x * x for x in logdet.ravel()) / logdet.size
    weight = config.tail_weight
    return (1 - weight) * mean + weight * tail + config.logdet_weight * penalty


@pytest.mark.parametrize("weight", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("ratio", [0.001, 0.02, 0.3, 1.0])
def test_loss_is_the_plain_one(weight: float, ratio: float) -> None:
    draws = numpy_stream("loss")
    nll, logdet = draws.normal(size=(2, 3, 9, 7))
    config = LossConfig(tail_weight=weight, tail_ratio=ratio, logdet_weight=0.3)
    loss = tail_aware_loss(torch.from_numpy(nll), torch.from_numpy(logdet), config)
    assert loss.item() == pytest.approx(plain_loss(nll, logdet, config), abs=1e-12)


def test_schedule_is_cosine_and_later_tasks_warm_up() -> None:
    config = TrainingConfig(lr=2.0, epochs=10, warmup_epochs=2, eta_min_ratio=0.1)
    for epoch in range(10):
        cosine = 0.2 + (2.0 - 0.2) * (1 + math.cos(math.pi * epoch / 10)) / 2
        ramp = {0: 1 / 3, 1: 2 / 3}.get(epoch, 1.0)
        assert learning_rate(config, epoch, warm_up=False) == pytest.approx(cosine)
        assert learning_rate(config, epoch, warm_up=True) == pytest.approx(cosine * ramp)


def test_mahalanobis_distance_is_the_plain_one() -> None:
    draws = numpy_stream("router")
    train, test = draws.normal(size=(6, 9)), draws.normal(size=(4, 9))
    prototype = new_prototype(torch.from_numpy(train), RouterConfig(regularisation=1e-2))
    covariance = np.cov(train, rowvar=False) + 1e-2 * np.eye(9)
    inverse = np.linalg.inv(covariance)
    expected = [(x - train.mean(0)) @ inverse @ (x - train.mean(0)) for x in test]
    np.testing.assert_allclose(
        prototype.squared_distance(torch.from_numpy(test)), expected, rtol=1e-9
    )


def test_euclidean_distance_is_the_plain_one() -> None:
    draws = numpy_stream("router")
    train, test = draws.normal(size=(6, 9)), draws.normal(size=(4, 9))
    prototype = new_prototype(torch.from_numpy(train), RouterConfig(distance="euclidean"))
    expected = ((test - train.mean(0)) ** 2).sum(axis=1)
    np.testing.assert_allclose(prototype.squared_distance(torch.from_numpy(test)), expected)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (ScoringConfig(top_k=3), lambda x: np.sort(x)[-3:].mean()),
        (ScoringConfig(aggregation="mean"), np.mean),
        (ScoringConfig(aggregation="max"), np.max),
        (ScoringConfig(aggregation="quantile", quantile=0.9), lambda x: np.quantile(x, 0.9)),
    ],
)
def test_image_scores_are_the_plain_ones(config: ScoringConfig, expected: object) -> None:
    patches = numpy_stream("scores").normal(size=(4, 5, 6)).astype(np.float32)
    found = image_scores(torch.from_numpy(patches), config).numpy()
    assert callable(expected)
    np.testing.assert_allclose(found, [expected(image.ravel()) for image in patches], rtol=1e-5)


def test_maps_are_bilinear_then_gaussian() -> None:
    patches = numpy_stream("maps").normal(size=(2, 4, 4)).astype(np.float32)
    config = ScoringConfig(smoothing=2.0, align_corners=True)
    corners = np.stack([zoom(p, 13 / 4, order=1) for p in patches])  # zoom aligns corners
    expected = np.stack([gaussian_filter(p, 2.0) for p in corners])
    np.testing.assert_allclose(
        anomaly_maps(torch.from_numpy(patches), 13, config).numpy(), expected, atol=1e-5
    )


def test_maps_are_not_smoothed_across_pictures() -> None:
    patches = torch.zeros(3, 4, 4)
    patches[1] = 5.0
    maps = anomaly_maps(patches, 16, ScoringConfig(smoothing=4.0))
    assert maps[0].max() == 0 and maps[2].max() == 0 and maps[1].min() == pytest.approx(5.0)


def test_position_code_is_the_papers() -> None:
    height, width, dim = 3, 5, 16
    code = position_code(height, width, dim)
    half = dim // 2
    for row in range(height):
        for column in range(width):
            for k in range(half // 2):
                rate = 1e4 ** (-2 * k / half)
                expected = [math.sin(column * rate), math.cos(column * rate)]
                expected += [math.sin(row * rate), math.cos(row * rate)]
                at = [2 * k, 2 * k + 1, half + 2 * k, half + 2 * k + 1]
                assert code[row, column, at].tolist() == pytest.approx(expected, abs=1e-6)
