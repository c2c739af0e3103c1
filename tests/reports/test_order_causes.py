"""What is said of where an order effect comes from, on chosen deviations."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from moleflow.metrics.catalogue import METRICS
from reports.document import Line, computed, plain, table
from reports.order_causes import sentence

WHERE = computed(sentence)


@pytest.mark.parametrize(
    ("routing", "averaging", "whole", "said"),
    [
        (0.02, 0.01, 0.025, "effect on Image AUROC (sd 2.500 points) comes mostly from routing"),
        (0.0, 0.0, 0.0, "There is no order effect on Image AUROC (sd 0.000 points). "),
        (0.02, 0.02, 0.0, "no order effect on Image AUROC (sd 0.000 points; routing and another"),
    ],
)
def test_the_effect_that_is_told_is_the_whole_one(
    routing: float, averaging: float, whole: float, said: str
) -> None:
    (metric,) = (one for one in METRICS if one.name == "image_auroc")
    found = cast(Any, SimpleNamespace(metric=metric, source=lambda _: WHERE))
    sds = {"training": 0.0, "routing": routing, "averaging": averaging, "all together": whole}
    lines = [
        Line({"metric": metric.name, "source": cause, "sd": sd}, WHERE) for cause, sd in sds.items()
    ]
    told = plain(sentence([found], table("causes", "", ("",), (), lines, WHERE)))
    assert said in told
