"""Laws of two-way designs: against statsmodels, by hand, and on data whose truth is known."""

import math

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from statsmodels.stats.anova import anova_lm

from moleflow.streams import numpy_stream
from reports.statistics import holm_interactions, interaction, two_way


def table(name: str, cells: dict[tuple[str, str], int], effect: float = 1.0) -> pd.DataFrame:
    draw = numpy_stream("tests", "two-way", name)
    rows = [
        {"a": a, "b": b, "y": draw.normal(effect * (a == "x") * (b == "q"), 1)}
        for (a, b), n in cells.items()
        for _ in range(n)
    ]
    return pd.DataFrame(rows)


BALANCED = {(a, b): 4 for a in "xyz" for b in "pq"}
UNEQUAL = {(a, b): 2 + i for i, (a, b) in enumerate(BALANCED)}


@pytest.mark.parametrize("cells", [BALANCED, UNEQUAL], ids=["balanced", "unequal"])
def test_two_way_is_statsmodels_type_two(cells: dict[tuple[str, str], int]):
    data = table("oracle", cells)
    found = two_way(data["y"].to_numpy(), data["a"].tolist(), data["b"].tolist())
    oracle = anova_lm(smf.ols("y ~ C(a) * C(b)", data).fit(), typ=2)
    for effect, row in ((found.first, "C(a)"), (found.second, "C(b)")):
        assert effect.sum_of_squares == pytest.approx(oracle.loc[row, "sum_sq"])
        assert (effect.f, effect.p) == pytest.approx(tuple(oracle.loc[row, ["F", "PR(>F)"]]))
    both = oracle.loc["C(a):C(b)"]
    assert found.interaction.p == pytest.approx(both["PR(>F)"])
    rest = oracle.loc["Residual", "sum_sq"]
    assert found.interaction.partial_eta2 == pytest.approx(both["sum_sq"] / (both["sum_sq"] + rest))


def test_robust_tests_are_statsmodels_hc3():
    data = table("robust", UNEQUAL)
    found = two_way(data["y"].to_numpy(), data["a"].tolist(), data["b"].tolist())
    model = smf.ols("y ~ C(a, Sum) * C(b, Sum)", data).fit()
    oracle = anova_lm(model, typ=3, robust="hc3")
    rows = ["C(a, Sum)", "C(b, Sum)", "C(a, Sum):C(b, Sum)"]
    effects = [found.first, found.second, found.interaction]
    assert [e.f_robust for e in effects] == pytest.approx(oracle.loc[rows, "F"].tolist())
    assert [e.p_robust for e in effects] == pytest.approx(oracle.loc[rows, "PR(>F)"].tolist())


def test_sums_of_squares_of_a_balanced_design_sum_to_the_total():
    data = table("sums", BALANCED)
    y = data["y"].to_numpy()
    found = two_way(y, data["a"].tolist(), data["b"].tolist())
    parts = [found.first, found.second, found.interaction]
    whole = sum(part.sum_of_squares for part in parts) + found.residual_sum_of_squares
    assert whole == pytest.approx(((y - y.mean()) ** 2).sum())


def test_interval_of_partial_eta2_reaches_zero_just_when_p_is_above_five_percent():
    for i in range(12):
        data = table(f"eta {i}", BALANCED, effect=2.0)
        found = two_way(data["y"].to_numpy(), data["a"].tolist(), data["b"].tolist()).interaction
        assert found.partial_eta2_interval is not None and found.p is not None
        assert (found.partial_eta2_interval[0] == 0) == (found.p > 0.05)
        assert found.partial_eta2_interval[0] < found.partial_eta2 < found.partial_eta2_interval[1]


@pytest.mark.slow
def test_interval_of_partial_eta2_covers_the_truth():
    """λ = n·effect² of the interaction's contrast; 2 × 2, 6 each; effect 1.5 in one cell."""
    cells = {(a, b): 6 for a in "xy" for b in "pq"}
    noncentrality = 6 * 1.5**2 / 4
    truth = noncentrality / (noncentrality + 24 - 4 + 2)
    hits = 0
    for i in range(200):
        data = table(f"cover {i}", cells, effect=1.5)
        found = two_way(data["y"].to_numpy(), data["a"].tolist(), data["b"].tolist()).interaction
        assert found.partial_eta2_interval is not None
        hits += found.partial_eta2_interval[0] <= truth <= found.partial_eta2_interval[1]
    assert 0.83 <= hits / 200 <= 0.96


def unequal_noise(i: int) -> tuple[np.ndarray, list[int], list[int]]:
    """No effects; the cell with the fewest values is the noisiest."""
    draw = numpy_stream("tests", "unequal noise", i)
    sizes, noise = {(0, 0): 20, (0, 1): 20, (1, 0): 20, (1, 1): 6}, {(1, 1): 5.0}
    y = np.concatenate([draw.normal(0, noise.get(c, 1.0), n) for c, n in sizes.items()])
    a, b = ([c[k] for c, n in sizes.items() for _ in range(n)] for k in (0, 1))
    return y, a, b


@pytest.mark.slow
def test_robust_test_keeps_its_level_where_noise_differs_and_the_plain_one_does_not():
    found = [two_way(*unequal_noise(i)).interaction for i in range(300)]
    plain = sum(e.p is not None and e.p <= 0.05 for e in found) / 300
    robust = sum(e.p_robust is not None and e.p_robust <= 0.05 for e in found) / 300
    assert plain > 0.12
    assert robust < 0.10


def test_without_noise_there_is_no_p_value():
    found = two_way([1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 5.0, 5.0], [0, 0, 1, 1] * 2, [0] * 4 + [1] * 4)
    assert found.interaction.p is None and found.interaction.partial_eta2 == 1.0
    assert found.interaction.p_robust is None


@pytest.mark.parametrize(
    ("values", "first", "second", "says"),
    [
        ([1.0, 2.0], [0, 1], [0], "give one each"),
        ([1.0, 2.0, 3.0], [0, 0, 0], [0, 1, 0], "first factor has one level"),
        ([1.0, 2.0, 3.0], [0, 1, 1], [0, 1, 1], "has no value"),
        ([1.0, 2.0, 3.0, 4.0], [0, 0, 1, 1], [0, 1, 0, 1], "one value for each combination"),
        ([1.0, math.nan], [0, 1], [0, 1], r"values\[1\] is nan"),
    ],
)
def test_designs_that_answer_nothing_are_refused(values, first, second, says):
    with pytest.raises(ValueError, match=says):
        two_way(values, first, second)


def components(i: int, seeds: int, together: float) -> tuple[list[float], ...]:
    """Neither, first, second, both: seeds differ far more than runs of a seed."""
    draw = numpy_stream("tests", "components", i)
    seed = draw.normal(0.8, 0.05, seeds)
    runs = seed + draw.normal(0, 0.003, (4, seeds))
    runs += np.array([0.0, 0.02, 0.03, 0.05 + together])[:, None]
    return tuple(run.tolist() for run in runs)


def test_paired_contrast_finds_what_the_analysis_of_variance_cannot():
    found = interaction(*components(0, 6, 0.03), 0.005)
    assert found.contrast.verdict == "better"
    assert found.anova.interaction.p is not None and found.anova.interaction.p > 0.05
    away = interaction(*components(1, 6, -0.03), 0.005)
    assert away.contrast.verdict == "worse"


def test_contrast_is_the_difference_of_differences():
    neither, first, second, both = (np.array(x) for x in components(2, 5, 0.01))
    found = interaction(*(x.tolist() for x in (neither, first, second, both)), 0.005)
    assert found.contrast.difference == pytest.approx((both - second - first + neither).mean())
    effect = found.contrast.difference**2 * 5 / 4
    assert found.anova.interaction.sum_of_squares == pytest.approx(effect)


def test_components_that_add_up_have_no_interaction():
    found = [interaction(*components(i, 5, 0.0), 0.005).contrast.verdict for i in range(300)]
    wrong = sum(verdict in ("better", "worse") for verdict in found)
    assert wrong / 300 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 300)


def test_pairs_of_components_are_one_table():
    found = {str(i): interaction(*components(i, 4, 0.004), 0.005) for i in range(5)}
    together = holm_interactions(found)
    assert all(one.contrast.p_holm is not None for one in together.values())
    for name, one in together.items():
        p = found[name].anova.interaction.p
        assert p is not None and one.p_holm is not None and one.p_holm >= p


def test_seeds_must_pair():
    with pytest.raises(ValueError, match="2, 2, 1, 2 values"):
        interaction([1.0, 2.0], [1.0, 2.0], [1.0], [1.0, 2.0], 0.1)
