"""Laws of aggregates over seeds and classes, and of ranks."""

import math

import numpy as np
import pytest
from scipy import stats

from moleflow.streams import numpy_stream
from reports.statistics import (
    friedman,
    interquartile_mean,
    mean,
    performance_profile,
    probability_of_improvement,
    seed_bootstrap,
    stratified_bootstrap,
)


def values(name: str, *shape: int) -> np.ndarray:
    return numpy_stream("tests", "aggregates", name).normal(0.8, 0.1, shape)


@pytest.mark.parametrize("shape", [(3, 4), (5, 7), (1, 1), (2, 3)])
def test_interquartile_mean_is_the_trimmed_mean_of_all_values(shape: tuple[int, int]):
    table = values("iqm", *shape)
    assert interquartile_mean(table[None])[0] == pytest.approx(stats.trim_mean(table.ravel(), 0.25))


def test_one_diverged_run_does_not_move_the_interquartile_mean():
    table = values("diverged", 5, 4)
    worse = table.copy()
    worse[table == table.min()] = -1000.0
    assert interquartile_mean(worse[None])[0] == pytest.approx(interquartile_mean(table[None])[0])


def test_stratified_bootstrap_of_a_mean_has_the_variance_of_a_mean():
    """Normal percentiles of Σ_c s_c²/S over C², with s_c the deviation without Bessel's factor."""
    table = values("variance", 30, 4)
    low, high = stratified_bootstrap(mean, table, "variance", 20_000).interval
    sd = math.sqrt((table.var(axis=0) / 30).sum()) / 4
    assert (high - low) / (2 * 1.96) == pytest.approx(sd, rel=0.04)


def test_seeds_drawn_whole_keep_what_classes_share():
    draw = numpy_stream("tests", "aggregates", "shared")
    table = draw.normal(0, 1, (30, 1)) + draw.normal(0, 0.1, (30, 5))
    apart = stratified_bootstrap(mean, table, "shared").interval
    whole = seed_bootstrap(mean, table, "shared").interval
    truth = 2 * 1.96 * table.mean(axis=1).std() / math.sqrt(30)
    assert whole[1] - whole[0] == pytest.approx(truth, rel=0.07)
    assert apart[1] - apart[0] < 0.6 * truth


def test_seed_bootstrap_covers_the_mean_with_many_seeds():
    draw = numpy_stream("tests", "aggregates", "coverage")
    hits = 0
    for i in range(200):
        low, high = seed_bootstrap(mean, draw.normal(0.7, 0.1, (20, 3)), str(i), 400).interval
        hits += low <= 0.7 <= high
    assert hits / 200 > 0.88


def test_probability_of_improvement_is_mann_whitneys_u():
    base, other = values("base", 6, 3), values("other", 8, 3) + 0.05
    found = probability_of_improvement(base, other, "u", 500)
    u = [stats.mannwhitneyu(other[:, c], base[:, c]).statistic / 48 for c in range(3)]
    assert found.value == pytest.approx(np.mean(u))
    assert found.interval[0] < found.value < found.interval[1]


def test_equal_runs_are_no_improvement():
    assert probability_of_improvement([[0.5]], [[0.5]], "equal", 10).value == 0.5


@pytest.mark.slow
def test_probability_of_improvement_covers_the_truth():
    draw = numpy_stream("tests", "aggregates", "improvement")
    truth = stats.norm.cdf(0.5 / math.sqrt(2))
    hits = 0
    for i in range(150):
        base, other = draw.normal(size=(15, 3)), draw.normal(0.5, 1, (15, 3))
        low, high = probability_of_improvement(base, other, str(i), 300).interval
        hits += low <= truth <= high
    assert hits / 150 > 0.87


def test_profile_is_the_share_of_runs_above():
    table = values("profile", 5, 4)
    found = performance_profile(table, [0.6, 0.8, 1.5], "profile")
    assert found.share.tolist() == [(table > t).mean() for t in (0.6, 0.8, 1.5)]
    assert (found.low <= found.share).all() and (found.share <= found.high).all()
    assert found.high[2] == 0.0


@pytest.mark.parametrize("digits", [1, 8])
def test_friedmans_statistic_is_scipys(digits: int):
    table = np.round(values("friedman", 12, 5), digits)
    assert friedman(table).chi2 == pytest.approx(stats.friedmanchisquare(*table.T).statistic)


@pytest.mark.parametrize(("k", "q"), [(2, 1.960), (5, 2.728), (10, 3.164)])
def test_critical_difference_is_that_of_demsars_table(k: int, q: float):
    found = friedman(values("nemenyi", 14, k))
    assert found.critical_difference == pytest.approx(q * math.sqrt(k * (k + 1) / 84), abs=2e-3)


def test_average_ranks_put_the_largest_first_and_share_equal_ones():
    found = friedman([[0.9, 0.5, 0.5], [0.8, 0.3, 0.7]])
    assert found.average == (1.0, 2.75, 2.25)


def test_variants_alike_are_the_largest_sets_within_the_critical_difference():
    order = np.tile(np.arange(6.0), (25, 1))
    found = friedman(order)
    assert 0 < found.p < 1e-60
    assert 1 < found.critical_difference < 2
    assert found.alike == ((5, 4), (4, 3), (3, 2), (2, 1), (1, 0))


def test_where_all_blocks_agree_p_is_that_of_all_their_orders():
    """Of 3 blocks of 4: two rank as the first did, each with a probability of 1 in 24; with two
    equal values 1 in 12."""
    assert friedman([[0.1, 0.2, 0.3, 0.4]] * 3).p == pytest.approx(1 / 24**2)
    assert friedman([[0.1, 0.2, 0.2, 0.4]] * 3).p == pytest.approx(1 / 12**2)
    assert friedman([[0.5, 0.5]] * 3).p == 1.0


def test_friedman_errs_in_five_percent_of_cases():
    draw = numpy_stream("tests", "friedman", "size")
    wrong = sum(friedman(draw.normal(size=(15, 4))).p <= 0.05 for _ in range(300))
    assert wrong / 300 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 300)


def test_variants_that_differ_not_at_all_have_p_one():
    assert friedman([[0.5, 0.5], [0.4, 0.4]]).p == 1.0


def test_one_block_has_no_ranks_to_compare():
    with pytest.raises(ValueError, match="1 blocks and 3 variants"):
        friedman([[0.1, 0.2, 0.3]])
