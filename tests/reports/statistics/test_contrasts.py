"""Laws of verdicts: against scipy and statsmodels, by hand, and on data whose truth is known."""

import math
from collections import Counter

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import ttost_paired

from moleflow.streams import numpy_stream
from reports.audit import tests as second_way
from reports.digits import from_to
from reports.document import computed, plain
from reports.further_seeds import to_decide
from reports.statistics import Contrast, adjusted, contrast, holm
from reports.statistics.seeds_needed import (
    POWER,
    Noise,
    decided,
    ends_of_noise,
    further_seeds,
    further_seeds_range,
)

MARGIN = 0.005


def pairs(name: str, n: int, effect: float, noise: float, times: int) -> np.ndarray:
    """[times, 2, n]: a seed moves both far more than what tells them apart."""
    draw = numpy_stream("tests", "contrast", name, n, str(effect), str(noise))
    seed = draw.normal(0.9, 0.05, (times, 1, n))
    found = seed + draw.normal(0, noise / math.sqrt(2), (times, 2, n))
    found[:, 1] += effect
    return found


def rates(values: np.ndarray, margin: float = MARGIN) -> dict[str, float]:
    verdicts = Counter(contrast(b, v, margin).verdict for b, v in values.tolist())
    return {name: count / len(values) for name, count in verdicts.items()}


@pytest.mark.parametrize("n", [2, 3, 10])
def test_p_and_interval_are_those_of_the_paired_t_test(n: int):
    baseline, variant = pairs("oracle", n, 0.004, 0.01, 1)[0]
    found = contrast(baseline.tolist(), variant.tolist(), MARGIN)
    oracle = stats.ttest_rel(variant, baseline)
    assert found.p == pytest.approx(oracle.pvalue, rel=1e-9)
    assert found.interval == pytest.approx(tuple(oracle.confidence_interval(0.95)), rel=1e-9)
    assert found.p_equivalence == pytest.approx(
        ttost_paired(variant, baseline, -MARGIN, MARGIN)[0], rel=1e-9
    )


@pytest.mark.parametrize(
    ("shift", "verdict"),
    [(0.02, "better"), (-0.02, "worse"), (0.0, "equivalent"), (0.001, "equivalent")],
)
def test_verdict_of_clear_cases(shift: float, verdict: str):
    baseline = np.array([0.80, 0.85, 0.91, 0.95])
    variant = baseline + shift + np.array([0.0003, -0.0002, 0.0001, -0.0003])
    assert contrast(baseline.tolist(), variant.tolist(), MARGIN).verdict == verdict


def test_a_difference_that_is_real_but_does_not_matter_is_equivalent():
    baseline = [0.8, 0.9, 0.85, 0.7]
    found = contrast(
        baseline, [b + 0.002 + e for b, e in zip(baseline, ERRORS, strict=True)], 0.005
    )
    assert found.p is not None and found.p < 0.01
    assert found.verdict == "equivalent"


ERRORS = [0.0003, -0.0003, 0.0001, -0.0001]


def test_noise_without_an_answer_is_undecided_and_says_how_many_seeds_would_do():
    found = contrast([0.90, 0.91, 0.92], [0.91, 0.905, 0.94], MARGIN)
    assert found.verdict == "undecided"
    seeds = found.seeds_to_decide
    assert seeds is not None and found.sd is not None
    noise = Noise(found.difference, found.sd, MARGIN, 0.05, 0.05)
    assert decided(noise, 3 + seeds) >= POWER > decided(noise, 2 + seeds)
    assert found.minutes_to_decide(1.5) == pytest.approx(1.5 * seeds)


@pytest.mark.parametrize("effect", [0.0, 3 * MARGIN])
@pytest.mark.parametrize("n", [3, 5, 10])
def test_false_verdicts_are_at_most_five_percent(n: int, effect: float):
    """Better and worse where nothing differs; worse where it is better, and equivalent at the
    margin, the hardest case. 3 standard errors of 1500 simulations are 1.7 %."""
    for noise in (MARGIN / 2, 4 * MARGIN):
        found = rates(pairs("size", n, effect, noise, 1500))
        wrong = found.get("worse", 0) + (found.get("better", 0) if effect == 0 else 0)
        assert wrong <= 0.067
        at_margin = rates(pairs("margin", n, MARGIN, noise, 1500))
        assert at_margin.get("equivalent", 0) <= 0.067


def test_verdicts_are_found_where_the_noise_allows():
    assert rates(pairs("power", 5, 3 * MARGIN, MARGIN, 300))["better"] > 0.95
    assert rates(pairs("power", 5, -3 * MARGIN, MARGIN, 300))["worse"] > 0.95
    assert rates(pairs("power", 5, 0.0, MARGIN / 3, 300))["equivalent"] > 0.95


@pytest.mark.soak
@pytest.mark.parametrize("n", range(3, 11))
def test_error_rates_of_verdicts_over_many_simulations(n: int):
    """3 standard errors of 20,000 simulations are 0.5 %."""
    for noise in (MARGIN / 4, MARGIN / 2, MARGIN, 2 * MARGIN, 8 * MARGIN):
        null = rates(pairs("size", n, 0.0, noise, 20_000))
        assert null.get("better", 0) + null.get("worse", 0) <= 0.055
        for at in (MARGIN, -MARGIN):
            assert rates(pairs("margin", n, at, noise, 20_000)).get("equivalent", 0) <= 0.055


@pytest.mark.parametrize("n", [3, 4, 6])
@pytest.mark.parametrize("noise", [0.5, 1.0, 2.0])
def test_numbers_of_a_coarse_grid_do_not_make_false_verdicts(n: int, noise: float):
    """AUROC of few images: differences that are all equal, by chance."""
    grid = MARGIN / 2
    for effect in (0.0, MARGIN):
        values = np.round(pairs("grid", n, effect, noise * grid, 700) / grid) * grid
        found = rates(values)
        wrong = ("better", "worse") if effect == 0 else ("equivalent",)
        assert sum(found.get(name, 0) for name in wrong) <= 0.075


def test_equal_differences_say_better_from_three_seeds_on_only():
    two = contrast([0.80, 0.90], [0.82, 0.92], MARGIN)
    three = contrast([0.80, 0.85, 0.90], [0.82, 0.87, 0.92], MARGIN)
    assert (two.verdict, three.verdict) == ("undecided", "better")
    assert three.p is not None and 0.02 < three.p < 0.04


def test_exchangeable_values_have_equal_differences_as_seldom_as_is_said():
    """P(n differences are the same number ≠ 0), over many laws of the values: too often for two
    seeds to say anything, seldom enough for three."""
    draw = numpy_stream("tests", "contrast", "exchangeable")
    worst = dict.fromkeys((2, 3), 0.0)
    for points in range(2, 7):
        for law in draw.dirichlet(np.full(points, 5.0), 1000):
            by_c = np.array([law[c:] @ law[:-c] for c in range(1, points)])
            for n, most in worst.items():
                worst[n] = max(most, float((2 * by_c**n).sum()))
    assert worst[2] > 0.05
    assert 2 / 4**3 * 0.95 < worst[3] < 0.04


def test_identical_pairs_are_equivalent_with_nothing_seen():
    found = contrast([0.90, 0.91, 0.95], [0.90, 0.91, 0.95], MARGIN)
    assert (found.verdict, found.identical, found.p) == ("equivalent", True, 1.0)
    assert (found.difference, found.interval, found.seeds_to_decide) == (0.0, (0.0, 0.0), None)


@pytest.mark.parametrize("values", [[0.9, 0.9], [0.0, 0.0]])
def test_two_identical_pairs_decide_nothing(values: list[float]):
    assert contrast(values, values, MARGIN).verdict == "undecided"


def test_one_seed_has_a_difference_and_nothing_else():
    found = contrast([0.9], [0.95], MARGIN)
    assert found.difference == pytest.approx(0.05)
    assert (found.interval, found.p, found.verdict, found.seeds_to_decide) == (
        None,
        None,
        "undecided",
        None,
    )


def test_without_a_margin_nothing_is_equivalent():
    assert contrast([0.9, 0.8, 0.7], [0.9, 0.8, 0.7], 0.0).verdict == "undecided"
    found = contrast([0.90, 0.80, 0.70], [0.9001, 0.7999, 0.7], 0.0)
    assert (found.verdict, found.seeds_to_decide) == ("undecided", None)


@pytest.mark.parametrize(
    ("baseline", "variant", "margin", "says"),
    [
        ([], [], 0.1, "no values"),
        ([0.1, 0.2], [0.1], 0.1, "2 values of the baseline and 1 of the variant"),
        ([0.1, 0.2], [0.1, math.nan], 0.1, r"variant\[1\] is nan"),
        ([math.inf, 0.2], [0.1, 0.2], 0.1, r"baseline\[0\] is inf"),
        ([0.1, 0.2], [0.1, 0.2], -0.1, "margin -0.1"),
        ([0.1, 0.2], [0.1, 0.2], math.nan, "margin nan"),
        ([1e200, 0.2], [-1e200, 0.2], 0.1, "too large"),
    ],
)
def test_what_cannot_be_compared_is_refused(baseline, variant, margin, says):
    with pytest.raises(ValueError, match=says):
        contrast(baseline, variant, margin)


@pytest.mark.parametrize("n", [2, 3, 8, 40])
def test_probability_of_a_verdict_without_margin_is_the_noncentral_t(n: int):
    for effect in (0.0, 0.5, 2.0):
        shift, t = effect * math.sqrt(n), stats.t.ppf(0.975, n - 1)
        oracle = stats.nct.sf(t, n - 1, shift) + stats.nct.cdf(-t, n - 1, shift)
        assert decided(Noise(effect, 1.0, 0.0, 0.05, 0.05), n) == pytest.approx(oracle, abs=1e-3)


@pytest.mark.parametrize("effect", [0.0, 0.5 * MARGIN, MARGIN])
def test_probability_of_a_verdict_is_how_often_there_is_one(effect: float):
    found = rates(pairs("planned", 6, effect, 1.5 * MARGIN, 1500))
    planned = decided(Noise(effect, 1.5 * MARGIN, MARGIN, 0.05, 0.05), 6)
    assert 1 - found["undecided"] == pytest.approx(planned, abs=0.04)


@pytest.mark.slow
@pytest.mark.parametrize("difference", [0.0, 0.004, 0.02, 0.24])
def test_the_probability_of_a_verdict_is_found_by_two_quadratures(difference: float) -> None:
    one = second_way.Tested(3, difference, 0.07 if difference > 0.1 else 0.006, None, 0.1, 0.5)
    for n in (4, 5, 12, 60):
        noise = Noise(difference, one.sd or 0.0, 0.01, 0.05 / 7, 0.05 / 6)
        assert second_way.decides(one, 0.01, (0.05 / 7, 0.05 / 6), n) == pytest.approx(
            decided(noise, n), abs=1e-3
        )


def test_seeds_that_decide_are_the_fewest():
    for effect in (0.0, 0.3, 0.9, 1.5):
        noise = Noise(effect, 1.2, 1.0, 0.05, 0.05)
        found = further_seeds(noise, 3)
        slow = next(n for n in range(4, 500) if decided(noise, n) >= POWER)
        assert found == slow - 3


@pytest.mark.parametrize("n", [3, 5, 10])
def test_the_range_of_seeds_that_decide_holds_the_number_of_the_true_noise(n: int):
    """In 95 % of estimates of the noise, which alone is in doubt here."""
    truth = Noise(0.5, 1.0, 1.0, 0.05, 0.05)
    needed = further_seeds(truth, n)
    assert needed is not None
    draw = numpy_stream("tests", "contrast", "noise", n)
    ranges = [
        further_seeds_range(truth._replace(sd=math.sqrt(x / (n - 1))), n)
        for x in draw.chisquare(n - 1, 250)
    ]
    held = sum((low or math.inf) <= needed <= (high or math.inf) for low, high in ranges)
    assert held / 250 == pytest.approx(0.95, abs=0.035)


def test_the_ends_of_the_noise_are_those_of_chi_square():
    for df in (1, 2, 9):
        expected = np.sqrt(df / stats.chi2.ppf([0.975, 0.025], df))
        assert ends_of_noise(df) == pytest.approx(tuple(expected))
    low, high = ends_of_noise(1)
    assert high / low == pytest.approx(72, abs=1)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ([0.91, 0.905], "2 seeds do not say how many more would tell: from 10 to over 1,000"),
        (
            [0.93, 0.905, 0.95, 0.93, 0.90],
            r"about 320 more seeds would most likely tell, from 110 to over 1,000",
        ),
        ([0.9] * 5, ""),
        ([0.95, 0.96, 0.97, 0.98, 0.99], ""),
    ],
)
def test_words_on_further_seeds_have_the_doubt_of_the_noise(values: list[float], says: str):
    baseline = [0.90, 0.91, 0.92, 0.93, 0.94][: len(values)]
    further = to_decide(contrast(baseline, values, MARGIN), None)
    assert plain(tuple(further.words(computed(contrast)))) == says


@pytest.mark.parametrize(("seeds", "told"), [((3, 20), "3 to 20"), ((101, 999), "100 to 1,000"),
                                             ((1, 1001), "1 to over 1,000")])  # fmt: skip
def test_ends_of_a_number_of_seeds_are_rounded_outwards(seeds: tuple[int, int], told: str):
    assert from_to(*seeds) == f"from {told}"


def test_more_seeds_than_anyone_runs_are_no_plan():
    assert further_seeds(Noise(1e-4, 1.0, 0.0, 0.05, 0.05), 3) is None


@pytest.mark.slow
def test_adjusted_p_values_are_holms():
    p = numpy_stream("tests", "holm").uniform(0, 0.2, 12)
    assert adjusted(p.tolist()) == pytest.approx(multipletests(p, method="holm")[1].tolist())


def table(
    effects: list[float], noise: float, n: int, name: str, times: int
) -> list[list[Contrast]]:
    each = [pairs(f"{name} {i}", n, e, noise, times).tolist() for i, e in enumerate(effects)]
    return [[contrast(*column[k], MARGIN) for column in each] for k in range(times)]


def test_verdicts_of_a_table_hold_for_all_of_it():
    """Nine variants that do nothing: alone, one in three tables has a false verdict."""
    tables = table([0.0] * 9, 8 * MARGIN, 5, "family", 600)
    false = {"better", "worse"}
    alone = sum(any(c.verdict in false for c in row) for row in tables) / len(tables)
    together = sum(any(c.verdict in false for c in holm(row)) for row in tables) / len(tables)
    assert alone > 0.25
    assert together <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 600)


def test_equivalents_of_a_table_hold_for_all_of_it():
    tables = table([MARGIN] * 9, MARGIN / 2, 5, "equivalents", 600)
    alone = sum(any(c.verdict == "equivalent" for c in row) for row in tables) / len(tables)
    together = sum(any(c.verdict == "equivalent" for c in holm(row)) for row in tables)
    assert alone > 0.25
    assert together / len(tables) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 600)


def test_a_table_of_one_is_the_contrast_itself():
    found = contrast([0.90, 0.91, 0.92], [0.91, 0.905, 0.94], MARGIN)
    (alone,) = holm([found])
    assert (alone.verdict, alone.p_holm) == (found.verdict, found.p)
    assert alone.seeds_to_decide == found.seeds_to_decide


def test_in_a_table_more_seeds_are_needed():
    found = contrast([0.90, 0.91, 0.92], [0.91, 0.905, 0.94], MARGIN)
    alone, together = found.seeds_to_decide, holm([found] * 5)[0].seeds_to_decide
    assert alone is not None and together is not None and together > alone


def test_one_seed_takes_no_part_in_a_table():
    one, two = contrast([0.9], [0.8], MARGIN), contrast([0.9, 0.8, 0.7], [0.8, 0.71, 0.6], MARGIN)
    found = holm([one, two])
    assert found[0] == one
    assert found[1].p_holm == two.p


def test_a_table_is_adjusted_once():
    once = holm([contrast([0.9, 0.8], [0.8, 0.71], MARGIN)])
    with pytest.raises(ValueError, match="adjusted already"):
        holm(once)


@pytest.mark.parametrize("p", [-0.1, 1.1, math.nan])
def test_what_is_no_p_value_is_refused(p: float):
    with pytest.raises(ValueError, match="each must be in"):
        adjusted([0.5, p])
