"""Intervals against scipy and by hand; what n does not allow is missing."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from moleflow.analysis.inference import Correlation, pearson, spearman, wilson
from moleflow.streams import numpy_stream


def points(n: int) -> tuple[np.ndarray, np.ndarray]:
    draws = numpy_stream("inference", n)
    x = draws.standard_normal(n)
    return x, x + draws.standard_normal(n)


@pytest.mark.parametrize("n", [4, 9, 30])
def test_pearson_agrees_with_scipy(n: int) -> None:
    x, y = points(n)
    found, known = pearson(x, y), stats.pearsonr(x, y)
    low, high = known.confidence_interval(0.95)
    assert (found.n, found.value) == (n, pytest.approx(known.statistic))
    assert (found.low, found.high) == pytest.approx((low, high))


def test_spearman_agrees_with_scipy_and_its_interval_with_bonett_and_wright() -> None:
    x, y = points(20)
    found, rho = spearman(x, y), float(stats.spearmanr(x, y).statistic)
    half = 1.959963984540054 * math.sqrt((1 + rho**2 / 2) / 17)
    assert found.value == pytest.approx(rho)
    ends = math.tanh(math.atanh(rho) - half), math.tanh(math.atanh(rho) + half)
    assert (found.low, found.high) == pytest.approx(ends)


def test_ranks_ignore_a_monotone_change_of_scale() -> None:
    x, y = points(12)
    assert spearman(np.exp(x), y**3) == spearman(x, y)


@pytest.mark.parametrize("correlation", [pearson, spearman])
def test_two_points_have_no_correlation_and_three_no_interval(
    correlation: Callable[..., Correlation],
) -> None:
    x, y = points(3)
    assert math.isnan(correlation(x[:2], y[:2]).value)
    found = correlation(x, y)
    assert not math.isnan(found.value)
    assert math.isnan(found.low) and math.isnan(found.high)


@pytest.mark.parametrize("correlation", [pearson, spearman])
def test_a_constant_has_no_correlation(correlation: Callable[..., Correlation]) -> None:
    found = correlation(np.arange(6.0), np.ones(6))
    assert math.isnan(found.value) and math.isnan(found.low)


def test_a_perfect_correlation_has_no_interval() -> None:
    found = spearman(np.arange(6.0), np.arange(6.0) ** 2)
    assert found.value == 1
    assert math.isnan(found.low)


@pytest.mark.parametrize(("successes", "n"), [(0, 5), (2, 7), (30, 30), (55, 60)])
def test_wilson_agrees_with_scipy(successes: int, n: int) -> None:
    known = stats.binomtest(successes, n).proportion_ci(0.95, method="wilson")
    assert wilson(successes, n) == pytest.approx((known.low, known.high), abs=1e-12)


def test_no_picture_has_no_share() -> None:
    assert all(math.isnan(end) for end in wilson(0, 0))
