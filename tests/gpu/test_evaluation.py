"""The checks of evaluation on a device, on the processor: all that it compares is equal there."""

import pytest
import torch

from tests.gpu import evaluation
from tests.gpu.evaluation import LIMITS, TINY

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")


def test_a_processor_agrees_with_itself_scipy_and_scikit_learn() -> None:
    maps, metrics = evaluation.maps_differ(CPU, TINY), evaluation.metrics_differ(CPU, TINY)
    assert maps.pop("from scipy") < LIMITS["maps"] and set(maps.values()) == {0}
    assert metrics.pop("scikit-learn") < LIMITS["metrics"] and set(metrics.values()) == {0}
    assert set(evaluation.evaluations_differ(CPU, TINY, "float32").values()) == {0}


def test_a_score_that_moves_moves_the_metrics() -> None:
    """The negative control of the comparison of evaluations."""
    found = evaluation.evaluations_differ(CPU, TINY, "bfloat16")
    assert 0 < found["from CPU"] < LIMITS["bfloat16"] and found["from itself"] == 0


def test_every_part_of_an_evaluation_is_timed() -> None:
    taken = evaluation.evaluation_takes(CPU, TINY, "float32")
    parts = {"likelihoods", "masks and regions", "maps", "metrics", "contributions", "routing"}
    parts |= {"whole"}
    assert set(taken) == parts and min(taken.values()) > 0
