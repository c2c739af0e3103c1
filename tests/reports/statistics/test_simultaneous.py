"""Laws of many groups: simultaneous intervals, equivalence, which is best."""

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.anova import AnovaRM

from moleflow.streams import numpy_stream
from reports.statistics import (
    against,
    best,
    dunnett,
    effects,
    equivalence,
    pairwise,
    seeds_to_settle,
    seeds_to_settle_range,
    studentized_range,
)

MARGIN = 0.01


def groups(name: str, means: list[float], seeds: int, noise: float) -> np.ndarray:
    draw = numpy_stream("tests", "groups", name)
    common = draw.normal(0.8, 0.05, seeds)
    return np.array(means)[:, None] + common + draw.normal(0, noise, (len(means), seeds))


def test_noise_is_that_of_repeated_measures():
    import pandas as pd

    y = groups("repeated", [0.0, 0.01, 0.03, 0.0], 5, 0.01)
    where = np.indices(y.shape).reshape(2, -1)
    data = pd.DataFrame({"y": y.ravel(), "g": where[0], "s": where[1]})
    oracle = AnovaRM(data, "y", "s", within=["g"]).fit().anova_table
    assert equivalence(y, MARGIN).p == pytest.approx(float(oracle["Pr > F"].iloc[0]))


def test_two_groups_are_compared_by_the_paired_t_test():
    y = groups("pair", [0.0, 0.01], 6, 0.01)
    oracle = stats.ttest_rel(*y)
    for found in (pairwise(y)[0], against(y, 1)[0]):
        assert found.p == pytest.approx(oracle.pvalue, abs=2e-4)
        assert found.interval == pytest.approx(tuple(oracle.confidence_interval(0.95)), abs=1e-5)


@pytest.mark.parametrize(("k", "df", "point"), [(2, 10, 2.57), (4, 20, 2.65)])
def test_dunnetts_point_is_that_of_the_tables(k: int, df: int, point: float):
    """Dunnett 1964, two-sided 5 %: rounded to two digits there."""
    assert dunnett(point, k, df) == pytest.approx(0.95, abs=1.5e-3)


def test_dunnetts_distribution_is_that_of_drawn_statistics():
    draw = numpy_stream("tests", "groups", "dunnett")
    z = draw.normal(size=(100_000, 10))
    s = np.sqrt(draw.chisquare(12, 100_000) / 12)
    largest = np.abs((z[:, 1:] - z[:, :1]) / math.sqrt(2) / s[:, None]).max(axis=1)
    for d in (1.5, 2.9, 4.0):
        assert dunnett(d, 9, 12) == pytest.approx((largest <= d).mean(), abs=4e-3)


@pytest.mark.parametrize("groups", [2, 5, 24])
@pytest.mark.parametrize("df", [1, 10, math.inf])
def test_studentized_range_is_scipys(groups: int, df: float):
    for q in (1.0, 3.5, 6.0):
        oracle = stats.studentized_range.cdf(q, groups, df)
        assert studentized_range(q, groups, df) == pytest.approx(oracle, abs=1e-6)


def test_tukeys_p_is_scipys_of_values_without_seeds():
    """Values without effects of seeds: blocks cost their degrees of freedom only."""
    y = groups("tukey", [0.0, 0.01, 0.02], 6, 0.01)
    y = y - y.mean(axis=0)
    scale = math.sqrt(((y - y.mean(axis=1, keepdims=True)) ** 2).sum() / 10 / 6)
    found = {(p.first, p.second): p.p for p in pairwise(y)}
    q = abs(y[0].mean() - y[2].mean()) / scale
    assert found[0, 2] == pytest.approx(stats.studentized_range.sf(q, 3, 10))


@pytest.mark.slow
@pytest.mark.parametrize("family", [effects, pairwise, lambda y: against(y, 0)])
def test_all_intervals_of_a_family_hold_together(family):
    means = [0.0, 0.0, 0.01, 0.03, 0.0]
    truth = np.array(means)
    misses = 0
    for i in range(250):
        found = family(groups(f"family {i}", means, 4, 0.01))
        misses += any(
            not part.interval[0]
            <= truth[part.first] - (truth.mean() if part.second is None else truth[part.second])
            <= part.interval[1]
            for part in found
        )
    assert 0.01 <= misses / 250 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 250)


@pytest.mark.parametrize("family", [effects, pairwise, lambda y: against(y, 0)])
def test_p_is_below_five_percent_just_where_the_interval_misses_zero(family):
    for i in range(10):
        for part in family(groups(f"duality {i}", [0.0, 0.008, 0.015, 0.0], 5, 0.01)):
            assert (part.p < 0.05) == (not part.interval[0] <= 0 <= part.interval[1])


def verdicts(name: str, means: list[float], noise: float, times: int = 600) -> dict[str, float]:
    found = [equivalence(groups(f"{name} {i}", means, 4, noise), MARGIN) for i in range(times)]
    names = ("equivalent", "different", "undecided")
    return {v: sum(one.verdict == v for one in found) / times for v in names}


LIMIT = 0.05 + 3 * math.sqrt(0.05 * 0.95 / 600)


def test_orders_that_differ_by_the_margin_are_seldom_called_equivalent():
    assert verdicts("two", [0.0, MARGIN], 0.003)["equivalent"] <= LIMIT
    assert verdicts("one of six", [0.0] * 5 + [MARGIN], 0.003)["equivalent"] <= LIMIT
    assert verdicts("halves", [0.0] * 3 + [MARGIN] * 3, 0.003)["equivalent"] <= LIMIT


def test_orders_that_are_equal_are_seldom_called_different():
    assert verdicts("equal", [0.0] * 6, 0.02)["different"] <= LIMIT


def test_orders_are_found_equivalent_or_different_where_the_noise_allows():
    assert verdicts("fine", [0.0] * 6, 0.002, 100)["equivalent"] > 0.95
    assert verdicts("apart", [0.0, 0.05, 0.02], 0.005, 100)["different"] > 0.95


def test_upper_bound_is_the_margin_at_which_the_verdict_turns():
    y = groups("turn", [0.0, 0.002, 0.004], 5, 0.004)
    upper = equivalence(y, MARGIN).upper
    assert equivalence(y, upper * 1.001).verdict == "equivalent"
    assert equivalence(y, upper * 0.999).verdict != "equivalent"


def test_orders_that_give_the_same_bits_are_equivalent():
    found = equivalence(np.tile([0.8, 0.9, 0.7], (24, 1)), MARGIN)
    assert (found.verdict, found.identical, found.range, found.p) == ("equivalent", True, 0.0, 1.0)


def test_equal_shifts_with_every_seed_are_no_proof_without_noise():
    found = equivalence([[0.80, 0.85], [0.81, 0.86]], 0.012)
    assert found.verdict == "undecided" and found.p_equivalence > 0.05


def test_chances_of_two_groups_are_those_of_the_t_distribution():
    """A flat prior on the difference: P = T((ȳ₁ − ȳ₂)/error)."""
    y = groups("flat", [0.0, 0.006], 6, 0.01)
    oracle = stats.ttest_rel(y[1], y[0])
    assert best(y).probability[1] == pytest.approx(stats.t.cdf(oracle.statistic, 5), abs=5e-3)


def test_chances_sum_to_one_and_go_with_the_means():
    y = groups("sum", [0.0, 0.01, 0.02, 0.005], 5, 0.01)
    found = best(y)
    assert sum(found.probability) == pytest.approx(1.0)
    assert np.argsort(found.probability).tolist() == np.argsort(y.mean(axis=1)).tolist()


def test_chances_given_the_spread_are_those_of_drawn_effects():
    from reports.statistics.choices import _given

    means, error, tau = np.array([0.0, 0.5, 0.9, -0.3]), 0.7, 0.8
    w = tau**2 / (tau**2 + error**2)
    draw = numpy_stream("tests", "groups", "posterior")
    drawn = w * means + math.sqrt(w) * error * draw.normal(size=(200_000, 4))
    wanted = np.bincount(drawn.argmax(axis=1), minlength=4) / 200_000
    found = _given((means[:, None] - means) / error, np.array([math.sqrt(w)]))[0]
    assert found == pytest.approx(wanted, abs=5e-3)


def test_chances_are_those_of_the_posterior_drawn_in_full():
    """τ flat, σ² by its χ², both weighed by how likely they make the means; then the effects."""
    y = groups("posterior", [0.0, 0.004, 0.01, 0.002], 4, 0.01)
    means = y.mean(axis=1)
    rest = y - means[:, None] - y.mean(axis=0) + y.mean()
    draw = numpy_stream("tests", "groups", "full posterior")
    n = 400_000
    error = np.sqrt((rest**2).sum() / draw.chisquare(9, n) / 4)
    tau = draw.uniform(0, 0.3, n)
    total = tau**2 + error**2
    weight = total**-1.5 * np.exp(-((means - means.mean()) ** 2).sum() / (2 * total))
    w = tau**2 / total
    drawn = w[:, None] * means + (np.sqrt(w) * error)[:, None] * draw.normal(size=(n, 4))
    wanted = np.bincount(drawn.argmax(axis=1), weights=weight, minlength=4) / weight.sum()
    assert best(y).probability == pytest.approx(wanted.tolist(), abs=0.012)


@pytest.mark.slow
@pytest.mark.parametrize("spread", [0.004, 0.02])
def test_chances_are_how_often_the_leader_is_the_best(spread: float):
    draw = numpy_stream("tests", "groups", "worlds", str(spread))
    said, right = [], []
    for i in range(120):
        means = draw.normal(0, spread, 5).tolist()
        found = best(groups(f"world {spread} {i}", means, 4, 0.01))
        said.append(found.probability[found.leader])
        right.append(int(np.argmax(means)) == found.leader)
    assert np.mean(said) == pytest.approx(np.mean(right), abs=0.1)


def test_options_that_are_equal_are_seldom_settled():
    chances = [max(best(groups(f"even {i}", [0.0] * 5, 4, 0.01)).probability) for i in range(120)]
    assert np.mean(np.array(chances) > 0.95) <= 0.05


def test_seeds_that_settle_it_do():
    y = groups("settle", [0.0, 0.008, 0.02], 3, 0.012)
    more = seeds_to_settle(y)
    assert more is not None and more > 0
    assert max(best(y).probability) < 0.95
    again = np.hstack([y] * 40)
    assert seeds_to_settle(again) == 0


def test_the_range_of_seeds_that_settle_it_is_that_of_the_noise():
    y = groups("settle", [0.0, 0.008, 0.02], 3, 0.012)
    low, high = seeds_to_settle_range(y)
    more = seeds_to_settle(y)
    assert low is not None and more is not None and low < more
    assert high is None or high > more


def test_groups_without_a_difference_are_never_settled():
    y = np.array([[0.80, 0.90, 0.85], [0.90, 0.80, 0.85], [0.7, 0.7, 0.7]])
    assert seeds_to_settle(y) is None
    assert best(np.tile([0.8, 0.9], (4, 1))).probability == (0.25,) * 4


@pytest.mark.parametrize("values", [[[0.1, 0.2]], [[0.1], [0.2]]])
def test_one_group_or_one_seed_is_refused(values):
    for question in (effects, pairwise, best, lambda y: equivalence(y, MARGIN)):
        with pytest.raises(ValueError, match="two of each"):
            question(values)
