"""What is true is never accused, however it was rounded; what is far off always is."""

import numpy as np
import pytest
from scipy import stats

from reports.audit.formula import evaluate
from reports.audit.interval import Interval, extremes
from reports.audit.notation import numbers
from tests.reports.audit.claims import verdict

ROUNDS = range(40)
HOLDS, NEVER = "holds", "cannot be true"


def draw(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(55.0, 0.8, shape)


def digits(seed: int) -> int:
    return seed % 3 + 1


def listed(values: np.ndarray, places: int) -> str:
    return " ".join(f"{x:.{places}f}" for x in values)


def plus_minus(values: np.ndarray, places: int) -> str:
    return f"{values.mean():.{places}f}+-{values.std(ddof=1):.{places}f}"


@pytest.mark.parametrize("seed", ROUNDS)
def test_a_true_t_test_holds(seed: int) -> None:
    a, b = draw(seed, 2, 5)
    for pooled in (True, False):
        p = float(stats.ttest_ind(a, b, equal_var=pooled).pvalue)
        cells = f"{plus_minus(a, digits(seed))} vs {plus_minus(b, digits(seed))}"
        assert verdict("two-sample t, n=5+5", cells, f"p={p:.3f}") == HOLDS


@pytest.mark.parametrize("seed", ROUNDS)
def test_true_means_and_deviations_hold(seed: int) -> None:
    a = draw(seed, 6)
    places = digits(seed)
    assert verdict("mean", listed(a, places), plus_minus(a, places)) == HOLDS


@pytest.mark.parametrize("seed", range(12))
def test_a_true_correlation_and_a_true_paired_t_hold(seed: int) -> None:
    a, b = draw(seed, 2, 5)
    text = f"{listed(a, digits(seed))} vs {listed(b, digits(seed))}"
    assert verdict("pearson r", text, f"r={stats.pearsonr(a, b).statistic:.3f}") == HOLDS
    assert verdict("paired t", text, f"p={stats.ttest_rel(a, b).pvalue:.3f}") == HOLDS


@pytest.mark.parametrize("seed", range(12))
def test_a_true_interaction_holds_with_its_interval_and_p(seed: int) -> None:
    cells = draw(seed, 4, 5)
    both, one, two, none = (cell.mean() for cell in cells)
    effect = both - one - two + none
    error = np.sqrt(sum(cell.var(ddof=1) / 5 for cell in cells))
    half, p = stats.t.ppf(0.975, 16) * error, 2 * stats.t.sf(abs(effect) / error, 16)
    text = " ".join(plus_minus(cell, 2) for cell in cells)
    printed = f"{effect:.2f} [{effect - half:.2f}, {effect + half:.2f}] p={p:.3f}"
    assert verdict("interaction of four cells, n=5", text, printed) == HOLDS


@pytest.mark.parametrize("seed", ROUNDS)
def test_true_statistics_intervals_and_effect_sizes_hold(seed: int) -> None:
    a = draw(seed, 5)
    f = float(np.random.default_rng(seed).uniform(0.1, 12.0))
    p = stats.f.sf(f, 1, 16)
    assert verdict("p of a statistic", f"F(1,16)={f:.2f}", f"p={p:.3f}") == HOLDS
    assert verdict("partial eta squared", f"F(1,16)={f:.2f}", f"{f / (f + 16):.2f}") == HOLDS
    low, high = stats.t.interval(0.95, 4, a.mean(), a.std(ddof=1) / np.sqrt(5))
    printed = f"[{low:.2f}, {high:.2f}]"
    assert verdict("confidence interval, n=5", plus_minus(a, 2), printed) == HOLDS


@pytest.mark.parametrize("seed", ROUNDS)
def test_true_means_of_whole_numbers_percentages_and_aurocs_hold(seed: int) -> None:
    generator = np.random.default_rng(seed)
    whole = generator.integers(1, 8, 11)
    printed = f"{whole.mean():.2f} +- {whole.std(ddof=1):.2f}"
    assert verdict("mean of whole numbers", "n=11", printed) == HOLDS
    share = 100 * generator.integers(0, 84) / 83
    assert verdict("percentage of a count", "n=83", f"{share:.2f} %") == HOLDS
    good, bad = generator.integers(0, 9, 7), generator.integers(3, 12, 6)
    wins = (bad[:, None] > good).mean() + 0.5 * (bad[:, None] == good).mean()
    assert verdict("auroc", "normal=7; anomalous=6", f"{100 * wins:.2f}") == HOLDS


@pytest.mark.parametrize("seed", ROUNDS)
def test_a_p_off_by_a_tenth_is_accused(seed: int) -> None:
    a, b = draw(seed, 2, 6)
    p = float(stats.ttest_ind(a, b).pvalue)
    wrong = p + 0.15 if p < 0.5 else p - 0.15
    cells = f"{plus_minus(a, 3)} vs {plus_minus(b, 3)}"
    found = verdict("two-sample t, n=6", cells, f"p={wrong:.3f}")
    assert found == NEVER or abs(wrong - p / 2) < 0.01


def test_products_of_rounded_numbers_hold_all_that_can_be_meant() -> None:
    found = evaluate("1.2 * 3.4 - 0.5")
    generator = np.random.default_rng(0)
    a, b, c = (generator.uniform(x - 0.05, x + 0.05, 2000) for x in (1.2, 3.4, 0.5))
    meant = a * b - c
    assert found.low <= meant.min() and meant.max() <= found.high
    assert found.high - found.low < 1.3 * (meant.max() - meant.min())


def test_a_quotient_by_what_may_be_zero_can_be_anything() -> None:
    found = evaluate("1.0 / 0.0")
    assert found.low == -np.inf and found.high == np.inf


def test_extremes_in_a_box_hold_what_is_drawn_there() -> None:
    parts = [Interval(x - 0.05, x, x + 0.05) for x in (1.0, 1.1, 0.9, 1.2)]
    found = extremes(lambda x: float(x.std()), parts)
    middle = np.array([1.0, 1.1, 0.9, 1.2])
    drawn = middle + np.random.default_rng(0).uniform(-0.05, 0.05, (5000, 4))
    spreads = drawn.std(axis=1)
    assert found.low <= spreads.min() and spreads.max() <= found.high
    assert found.high < spreads.max() * 1.1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("V48_01 has 98.47", [98.47]),
        ("1,916,928 and 1.92M", [1916928, 1.92e6]),
        ("-1.22 to 10-5", [-1.22, 10, 5]),
        ("p=.032, F(1,16)", [0.032, 1, 16]),
        ("3.Method.md 1e-4 8.3 %", [1e-4, 8.3]),
        ("WRN50 x5 15x", [15]),
        ("−0.5", [-0.5]),
    ],
)
def test_numbers_are_read_as_people_read_them(text: str, expected: list[float]) -> None:
    assert [number.value for number in numbers(text)] == pytest.approx(expected)
