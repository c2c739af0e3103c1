"""The list of metrics, which evaluation, tracking, views and reports read."""

import numpy as np
import pytest

from moleflow.metrics import detection
from moleflow.metrics.catalogue import METRICS, Metric
from moleflow.metrics.detection import detection_metrics
from moleflow.metrics.regions import regions_of


def measured(with_masks: bool) -> dict[str, float]:
    draw = np.random.default_rng(0)
    masks = draw.random((6, 8, 8)) < 0.2
    masks[::2] = False
    maps = draw.random((6, 8, 8))
    regions = regions_of(masks) if with_masks else None
    return detection_metrics(masks.any((1, 2)), maps.max((1, 2)), regions, maps, 0.3)


def test_a_class_has_the_metrics_of_the_list_in_its_order() -> None:
    of_scores = [metric for metric in METRICS if metric.compute is not None]
    assert list(measured(True)) == [metric.name for metric in of_scores]
    assert list(measured(False)) == [m.name for m in of_scores if not m.needs_masks]


def test_a_new_metric_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    gini = Metric("gini", "Gini", lambda s: 2 * s.image.auroc - 1)
    monkeypatch.setattr(detection, "METRICS", (*METRICS, gini))
    found = measured(True)
    assert found["gini"] == 2 * found["image_auroc"] - 1


def test_names_and_titles_differ() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    assert len({metric.title for metric in METRICS}) == len(METRICS)
