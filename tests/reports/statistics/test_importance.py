"""Laws of the importance of axes and of correlation."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from moleflow.streams import numpy_stream
from reports.search_importance import FEWEST, TOP
from reports.statistics import (
    grid_importance,
    pearson,
    search_chances,
    search_importance,
    spearman,
)


def test_shares_are_those_of_the_analysis_of_variance_by_hand():
    grid = numpy_stream("tests", "grid").normal(size=(3, 4))
    found = {share.axes: share.variance for share in grid_importance(grid, ["a", "b"])}
    a, b = grid.mean(1), grid.mean(0)
    rest = grid - a[:, None] - b[None] + grid.mean()
    assert found["a",] == pytest.approx(a.var())
    assert found["b",] == pytest.approx(b.var())
    assert found["a", "b"] == pytest.approx(rest.var())


def test_shares_of_all_sets_of_axes_sum_to_one():
    grid = numpy_stream("tests", "four axes").normal(size=(2, 3, 2, 4))
    found = grid_importance(grid, list("abcd"))
    assert len(found) == 15
    assert sum(share.share or 0 for share in found) == pytest.approx(1.0)


def test_shares_of_a_known_function_are_its_own():
    """y = 3x₁ + x₂ + 2x₁x₂ on {−1, 1}³: variances 9, 1 and 4; x₃ does nothing."""
    x = np.array([-1.0, 1.0])
    grid = 3 * x[:, None, None] + x[:, None] + 2 * x[:, None, None] * x[:, None] + 0 * x
    found = {s.axes: s.share for s in grid_importance(grid, ["x1", "x2", "x3"])}
    assert found["x1",] == pytest.approx(9 / 14)
    assert found["x1", "x2"] == pytest.approx(4 / 14)
    assert found["x3",] == pytest.approx(0.0)
    assert next(iter(found)) == ("x1",)


def test_where_only_noise_varies_shares_are_what_noise_explains():
    draw = numpy_stream("tests", "grid noise")
    found = [grid_importance(draw.normal(size=(3, 4, 5)), ["a", "b"]) for _ in range(300)]
    for axes in (("a",), ("b",), ("a", "b")):
        shares = [next(s for s in one if s.axes == axes) for one in found]
        expected = np.mean([s.noise for s in shares])
        assert np.mean([s.variance for s in shares]) == pytest.approx(expected, rel=0.15)


def test_a_grid_where_nothing_varies_has_no_shares():
    found = grid_importance(np.full((2, 2), 0.7), ["a", "b"])
    assert all(share.share is None for share in found)


@pytest.mark.parametrize("grid", [[[0.1, math.nan], [0.2, 0.3]], [0.1, 0.2]])
def test_a_grid_with_holes_is_refused(grid):
    with pytest.raises(ValueError, match="values"):
        grid_importance(grid, ["a", "b"])


def test_a_search_shows_what_moved_its_outcome():
    draw = numpy_stream("tests", "search")
    rate, width, word = draw.uniform(0, 1, 400), draw.uniform(0, 1, 400), draw.integers(0, 3, 400)
    words = [("relu", "gelu", "silu")[i] for i in word]
    y = -10 * (rate - 0.7) ** 2 + 0.3 * (word == 1) + draw.normal(0, 0.05, 400)
    found = search_importance({"rate": rate.tolist(), "width": width.tolist(), "act": words}, y)
    assert sum(found.values()) == pytest.approx(1.0)
    assert min(found["rate"], found["act"]) > 5 * found["width"]


def test_divergence_of_words_is_that_of_their_frequencies():
    """Ten trials; the two best are both "a"; each word is counted once more."""
    words = ["a", "a", "a", "b", "b", "b", "b", "b", "b", "b"]
    same = ["c"] * 10
    y = np.arange(10.0, 0.0, -1.0)
    found = search_importance({"word": words, "same": same}, y, top=0.2)
    assert found == {"word": 1.0, "same": 0.0}
    two = search_importance({"word": words, "again": words}, y, top=0.2)
    assert two["word"] == pytest.approx(0.5)
    p, q = np.array([3, 1]) / 4, np.array([4, 8]) / 12
    other = ["a", "b"] * 5
    p2, q2 = np.array([2, 2]) / 4, np.array([6, 6]) / 12
    d, d2 = (((x / z - 1) ** 2 * z).sum() for x, z in ((p, q), (p2, q2)))
    assert search_importance({"word": words, "other": other}, y, top=0.2)["word"] == pytest.approx(
        d / (d + d2)
    )


def chances(name: str, effect: float) -> list[dict[str, float]]:
    """Of searches of the fewest proposals of which reports tell it; only `rate` may do anything."""
    found = []
    for i in range(60):
        draw = numpy_stream("tests", name, i)
        values = {of: draw.uniform(0, 1, FEWEST).tolist() for of in ("rate", "width", "depth")}
        y = -effect * (np.array(values["rate"]) - 0.7) ** 2 + draw.normal(0, 0.01, FEWEST)
        found.append(search_chances(values, y, TOP))
    return found


@pytest.mark.slow
def test_a_setting_that_does_nothing_stands_out_by_chance_alone(monkeypatch):
    monkeypatch.setattr("reports.statistics.importance.SHUFFLES", 39)
    wrong = [p <= 0.05 for found in chances("nothing matters", 0.0) for p in found.values()]
    assert np.mean(wrong) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / len(wrong))


@pytest.mark.slow
def test_the_setting_that_does_nearly_all_mostly_stands_out_of_the_fewest_proposals(monkeypatch):
    monkeypatch.setattr("reports.statistics.importance.SHUFFLES", 59)
    right = [3 * found["rate"] <= 0.05 for found in chances("one matters", 1.0)]
    assert np.mean(right) >= 0.6


@pytest.mark.parametrize(
    ("values", "top", "says"),
    [
        ([1.0, 2.0], 0.9, "2 values for 3"),
        ([1.0, 2.0, 3.0], 0.0, "top 0"),
        ([1, 2, 3], 0.1, "best"),
    ],
)
def test_searches_that_say_nothing_are_refused(values, top, says):
    with pytest.raises(ValueError, match=says):
        search_importance({"x": values}, [0.1, 0.2, 0.3], top=top)


def related(name: str, n: int, rho: float, times: int) -> np.ndarray:
    draw = numpy_stream("tests", "related", name, n)
    x = draw.normal(size=(times, n))
    return np.stack([x, rho * x + math.sqrt(1 - rho * rho) * draw.normal(size=(times, n))], axis=1)


@pytest.mark.parametrize("n", [5, 30])
def test_correlations_are_scipys(n: int):
    x, y = np.round(related("oracle", n, 0.5, 1)[0], 1)
    oracle = stats.pearsonr(x, y)
    found = pearson(x, y)
    assert found.value == pytest.approx(oracle.statistic)
    assert found.interval == pytest.approx(tuple(oracle.confidence_interval(0.95)))
    assert spearman(x, y).value == pytest.approx(stats.spearmanr(x, y).statistic)


def test_permutation_p_of_few_pairs_counts_all_orders():
    x, y = related("few", 5, 0.6, 1)[0]
    r = abs(np.corrcoef(x, y)[0, 1])
    all_of_them = [abs(np.corrcoef(x, y[list(o)])[0, 1]) for o in itertools.permutations(range(5))]
    assert pearson(x, y).p == pytest.approx(np.mean(np.array(all_of_them) >= r - 1e-12))


def test_permutation_p_of_many_pairs_is_that_of_the_t_test():
    x, y = related("many", 25, 0.3, 1)[0]
    assert pearson(x, y).p == pytest.approx(stats.pearsonr(x, y).pvalue, abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("correlation", [pearson, spearman])
@pytest.mark.parametrize("rho", [0.0, 0.7])
def test_intervals_of_a_correlation_cover_it(correlation, rho: float, monkeypatch):
    monkeypatch.setattr("reports.statistics.correlations.DRAWS", 9)
    truth = rho if correlation is pearson else 6 / math.pi * math.asin(rho / 2)
    hits = 0
    for x, y in related("cover", 15, rho, 500):
        low, high = correlation(x, y).interval
        hits += low <= truth <= high
    assert 0.92 <= hits / 500 <= 0.985


@pytest.mark.slow
def test_permutation_p_errs_in_five_percent_of_cases():
    wrong = sum(pearson(x, y).p <= 0.05 for x, y in related("size", 6, 0.0, 400))
    assert wrong / 400 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 400)


def test_what_does_not_vary_has_no_correlation():
    assert pearson([0.5, 0.5, 0.5 + 1e-16], [1.0, 2.0, 3.0]).value is None


@pytest.mark.parametrize("correlation", [pearson, spearman])
def test_two_pairs_have_no_correlation_as_they_always_lie_on_a_line(correlation):
    found = correlation([0.5, 0.7], [3.0, 1.0])
    assert (found.n, found.value, found.interval, found.p) == (2, None, None, None)


def test_a_perfect_correlation_has_no_interval():
    found = pearson([1.0, 2.0, 3.0, 4.0], [2.0, 4.0, 6.0, 8.0])
    assert (found.value, found.interval, found.p) == (pytest.approx(1.0), None, 2 / 24)


@pytest.mark.parametrize(("x", "y"), [([1.0], [2.0]), ([1.0, 2.0], [1.0, 2.0, 3.0])])
def test_no_pairs_have_no_correlation(x, y):
    with pytest.raises(ValueError, match="needs 2 pairs"):
        pearson(x, y)
