"""Each kind of check tells what holds from what cannot be true."""

import numpy as np
import pytest
from scipy import stats

from tests.reports.audit.claims import checked, value, verdict

HOLDS, NEVER, IF, UNKNOWN = "holds", "cannot be true", "holds only if", "not checkable"


@pytest.mark.parametrize(
    ("test", "inputs", "printed", "expected"),
    [
        ("p of a statistic", "F(1,16)=8.47", "p=.010", HOLDS),
        ("p of a statistic", "F(1,16)=8.47", "p=.008", NEVER),
        ("p of a statistic", "F(1,16)=8.47", "p<.05", HOLDS),
        ("p of a statistic", "F(1,16)=0.89", "p<.05", NEVER),
        ("p of a statistic", "F(1,16)=8.47", "p=.051 Bonferroni-corrected x5", HOLDS),
        ("p of a statistic", "F(1,16)=8.47", "p=.010 Bonferroni-corrected x5", IF),
        ("p of a statistic", "t(4)=2.78", "p=.050", HOLDS),
        ("p of a statistic", "t(4)=2.78", "p=.025", IF),
        ("p of a statistic", "z=1.96", "p=.050", HOLDS),
        ("p of a statistic", "chi2(3)=7.81", "p=.050", HOLDS),
        ("p of a statistic", "r(8)=.632", "p=.050", HOLDS),
        ("p of a statistic", "F=8.47", "p=.01", UNKNOWN),
        ("partial eta squared", "F(1,16)=8.47", "0.35", HOLDS),
        ("partial eta squared", "F(1,16)=8.47", "0.53", NEVER),
        ("partial eta squared", "effect 3.5; error 6.5", "0.35", HOLDS),
        ("two-sample t, n=3+3", "55.78+-0.73 vs 54.91+-0.94", "p=.27", HOLDS),
        ("two-sample t, n=3+3", "55.78+-0.73 vs 54.91+-0.94", "p=.28", HOLDS),
        ("two-sample t, n=3+3", "55.78+-0.73 vs 54.91+-0.94", "p=.032", NEVER),
        ("two-sample t, n=3+3", "55.78+-0.73 vs 54.91+-0.94", "p=.137", IF),
        ("two-sample t, n=3+3, +-=sd", "55.78+-0.73 vs 55.12+-0.88", "p=.068", NEVER),
        ("two-sample t, n=3+3, +-=?", "55.78+-0.73 vs 55.12+-0.88", "p=.068", IF),
        ("two-sample t, n=3", "55.78+-0.73 vs 54.91+-0.94", "t=1.27", HOLDS),
        ("two-sample t, n=3", "55.78+-0.73 vs 54.91+-0.94", "t=3.27, p=.27", NEVER),
        ("two-sample t", "55.78+-0.73 vs 54.91+-0.94", "p=.032", UNKNOWN),
        ("paired t", "5 seeds, difference 0.00 each", "p = 1.000", NEVER),
        ("paired t", "98.1 98.2 98.3 vs 98.1 98.2 98.3", "p = 1.000", NEVER),
        ("paired t", "98.1 98.2 vs 98.1 98.2 98.3", "p = .5", UNKNOWN),
        ("confidence interval, n=5", "55.80+-0.35", "[55.37, 56.23]", HOLDS),
        ("confidence interval, n=5", "55.80+-0.35", "[55.49, 56.11]", IF),
        ("confidence interval, n=5", "55.80+-0.35", "[55.75, 55.85]", NEVER),
        ("equivalence, n=3, margin=2.0", "55.78+-0.73; 55.23+-0.85", "equal", HOLDS),
        ("equivalence, n=3, margin=1.0", "55.78+-0.73; 55.23+-0.85", "equal", NEVER),
        ("equivalence, n=3", "55.78+-0.73; 55.23+-0.85", "low sensitivity", IF),
        ("interaction of four cells", "56.2 53.8 54.1 51.2", "-0.5 redundancy", HOLDS),
        ("interaction of four cells", "56.2 53.8 54.1 51.2", "-0.5 synergy", NEVER),
        ("interaction of four cells, lower is better", "56.2 53.8 54.1 51.2", "synergy", HOLDS),
        ("interaction of four cells", "56.2 53.8 54.1 51.2", "+0.9", NEVER),
        ("degrees of freedom", "F(1,16); cells=4; runs=20", "", HOLDS),
        ("degrees of freedom", "F(1,16); cells=8; runs=8", "", NEVER),
        ("replicates", "said=5; found=5", "", HOLDS),
        ("replicates", "said=5; found=1", "", NEVER),
        ("replicates", "said=5; found=0", "", UNKNOWN),
        ("pearson r", "1.0 2.0 3.0 4.0 vs 2.1 3.9 6.2 7.8", "r=1.00", HOLDS),
        ("pearson r", "1.0 2.0 3.0 4.0 vs 2.1 3.9 6.2 7.8", "r=.89", NEVER),
        ("spearman rho", "1 2 3 4 vs 10 30 20 40", "rho=.80", HOLDS),
        ("reversed orders", "a b c vs c b a", "", HOLDS),
        ("reversed orders", "a b c vs c a b", "", NEVER),
        ("count", "24 layers x (64*768 + 768*64)", "2.36M", HOLDS),
        ("count", "24 layers x (64*768 + 768*64)", "1.92M", NEVER),
        ("count", "2*3; or three of them: 3*3", "9", IF),
        ("count", "3.71 - 1.77", "1.94 M", HOLDS),
        ("count", "a = 2*3; b = a + 1", "a=6; b=8", NEVER),
        ("count", "four variants", "7.10M", UNKNOWN),
        ("relation, FM >= -BWT", "BWT -35.0, FM 3.20", "", NEVER),
        ("FM >= -BWT", "BWT -0.4, FM 4.5", "", HOLDS),
        ("consistency", "confusion carpet-grid 8.3 %", "100 %", NEVER),
        ("consistency", "confusion carpet-grid 0.0 %", "100 %", HOLDS),
        ("effects", "84.12 -> 82.93 frozen; 68.13 -> 51.79 trainable", "-1.2 frozen", HOLDS),
        ("effects", "84.12 -> 82.93 frozen; 68.13 -> 51.79 trainable", "+1.2 frozen", NEVER),
        ("effects", "+13.04 frozen, -1.22 trainable", "amplification 10.7x", NEVER),
        ("effects", "+13.04 frozen, +1.22 trainable", "amplification 10.7x", HOLDS),
        ("additivity", "A -2.4; B -2.1; together -4.5", "additive", HOLDS),
        ("additivity", "A -2.4; B -2.1; together -5.5", "additive", NEVER),
        ("additivity", "A -2.4; B -2.1; together -5.0", "interaction=-0.5", HOLDS),
        ("mean", "98.10 98.22 98.16 97.87 97.78", "98.03 +- 0.19", HOLDS),
        ("mean", "98.10 98.22 98.16 97.87 97.78", "98.03 +- 0.17", IF),
        ("mean", "98.10 98.22 98.16 97.87 97.78", "98.22", IF),
        ("mean", "98.10 98.22 98.16 97.87 97.78", "98.53", NEVER),
        ("mean of 15 printed classes", "sum 1477.11", "98.47", HOLDS),
        ("mean of 15 printed classes", "15 values", "98.47", UNKNOWN),
        ("constant error bars", "values: 99.1 98.2 97.3; spread: 0.1 0.1 0.1", "", NEVER),
        ("constant error bars", "values: 99.1 98.2 97.3; spread: 0.1 0.2 0.1", "", HOLDS),
        ("constant error bars, limit=100", "values: 99.9 98.2; spread: 0.2 0.1", "", NEVER),
        ("constant error bars, n=1", "values: 99.1 98.2; spread: 0.2 0.1", "", NEVER),
        ("copies", "1.1 2.2 3.3 vs 1.1 2.2 3.3", "", NEVER),
        ("copies", "1.1 2.2 3.3 vs 1.1 2.2 3.4", "", HOLDS),
        ("copies, may be equal", "1.1 2.2 3.3 vs 1.1 2.2 3.3", "", IF),
        ("agreement", "paper: 98.4 58.2; log: 98.41 58.17", "", HOLDS),
        ("agreement", "paper: 98.4 58.2; log: 98.47 58.57", "", NEVER),
        ("agreement", "paper: 0.99; log: 0.54; or the other column: 0.991", "", IF),
        ("same settings", "a: clip=1.0, seed=0; b: clip=1.0, seed=0", "", HOLDS),
        ("same settings", "a: clip=1.0, seed=0; b: clip=0.5, seed=0", "", NEVER),
        ("names", "wanted: image_auc; present: Image AUC", "there", NEVER),
        ("names", "wanted: image_auc; present: Image_AUC", "there", HOLDS),
        ("selection", "chosen on: validation; judged on: test", "", HOLDS),
        ("selection", "chosen on: test; judged on: test; candidates: 10", "", NEVER),
        ("mean of whole numbers", "n=25", "3.48", HOLDS),
        ("mean of whole numbers", "n=25", "3.47", NEVER),
        ("mean of whole numbers", "n=3", "2.00 +- 1.00", HOLDS),
        ("mean of whole numbers", "n=3", "2.00 +- 1.30", NEVER),
        ("percentage of a count", "n=150", "99.33 %", HOLDS),
        ("percentage of a count", "n=150", "99.50 %", NEVER),
        ("auroc", "normal=4; anomalous=5", "0.975", HOLDS),
        ("auroc", "normal=4; anomalous=5", "0.98", HOLDS),
        ("auroc", "normal=4; anomalous=5", "0.985", NEVER),
        ("auroc, no ties", "normal=4; anomalous=5", "0.975", NEVER),
        ("bounded values", "", "98.9 100.0", HOLDS),
        ("bounded values", "", "98.9 100.3", NEVER),
        ("bounded values", "n=3", "98.9 +- 1.2", HOLDS),
        ("bounded values", "n=3", "98.9 +- 14.0", NEVER),
        ("bounded values, limits=0..1", "n=2", "0.5 +- 0.71", HOLDS),
        ("bounded values, limits=0..1", "n=2", "0.5 +- 0.72", NEVER),
        ("ratio", "1200 vs 142", "8.5x", HOLDS),
        ("ratio", "1200 vs 142", "9.5x", NEVER),
        ("ratio at T=15", "142M vs 15 full models", "8.4x", UNKNOWN),
        ("paired t, n=5", "0.52+-0.31", "p=.020", HOLDS),
        ("paired t, n=5", "0.52+-0.31", "p=.002", NEVER),
        ("pearson r", "(1.0, 2.1) (2.0, 3.9) (3.0, 6.2)", "r=.998", HOLDS),
        ("p of a statistic", "F(1,16)=0.89", "not significant", HOLDS),
        ("p of a statistic", "F(1,16)=0.89", "significant", NEVER),
        ("p of a statistic", "F(1,16)=8.47", "P=.010", HOLDS),
        ("constant error bars", "99.1+-0.1 98.2+-0.1 97.3+-0.1", "", NEVER),
        ("equivalence, n=3", "1.0+-0 vs 2.0+-0", "equal", UNKNOWN),
        ("constant error bars, limit=abc", "1.0+-0.1 2.0+-0.1", "", UNKNOWN),
        ("count", "1e400", "2", UNKNOWN),
        ("reading", "a script", "three seeds", UNKNOWN),
    ],
)  # fmt: skip
def test_a_claim_gets_the_verdict_that_its_numbers_give(
    test: str, inputs: str, printed: str, expected: str
) -> None:
    assert verdict(test, inputs, printed) == expected


def test_p_of_f_is_scipys() -> None:
    found = value("p of a statistic", "F(2,27)=3.35", "p=.05", "p")
    assert found == pytest.approx(float(stats.f.sf(3.35, 2, 27)), rel=1e-12)


@pytest.mark.parametrize(("name", "pooled"), [("p (Student)", True), ("p (Welch)", False)])
def test_two_sample_t_is_scipys(name: str, pooled: bool) -> None:
    found = value("two-sample t, n=4+6", "9.1+-1.2 vs 7.7+-0.4", "p=.1", name)
    theirs = stats.ttest_ind_from_stats(9.1, 1.2, 4, 7.7, 0.4, 6, equal_var=pooled)
    assert found == pytest.approx(theirs.pvalue, rel=1e-9)


def test_correlation_is_scipys() -> None:
    one, two = [2.31, 2.58, 2.44, 2.51, 2.39], [55.78, 54.91, 55.34, 55.12, 55.47]
    text = f"{' '.join(map(str, one))} vs {' '.join(map(str, two))}"
    found = value("pearson r", text, "r=-.998", "r")
    assert found == pytest.approx(float(stats.pearsonr(one, two).statistic), rel=1e-9)


def test_f_of_groups_is_that_of_data_with_these_means_and_deviations() -> None:
    means, sds, n = [5.0, 6.0, 5.5], [1.0, 0.5, 0.8], 3
    shape = np.array([-1.0, 0.0, 1.0])
    data = [m + s * shape for m, s in zip(means, sds, strict=True)]
    text = "; ".join(f"{m}+-{s}" for m, s in zip(means, sds, strict=True))
    found = value(f"equivalence, n={n}", text, "equal", "F(2,6)")
    assert found == pytest.approx(float(stats.f_oneway(*data).statistic), rel=1e-9)


def test_detectable_difference_is_found_as_often_as_it_says() -> None:
    least = value("equivalence, n=5", "1.0+-1.0; 1.0+-1.0", "equal", "minimum detectable")
    draws = np.random.default_rng(1).normal(size=(2, 20000, 5))
    p = stats.ttest_ind(draws[0] + least, draws[1], axis=1).pvalue
    assert float((p < 0.05).mean()) == pytest.approx(0.8, abs=0.01)


def test_paired_t_counts_pairs_and_not_groups() -> None:
    one, two = [98.1, 98.4, 97.9, 98.8], [97.8, 98.2, 97.7, 98.2]
    theirs = stats.ttest_rel(one, two)
    text = f"{' '.join(map(str, one))} vs {' '.join(map(str, two))}"
    assert verdict("paired t", text, f"p={theirs.pvalue:.2f}") == HOLDS
    assert verdict("paired t", text, f"p={stats.ttest_ind(one, two).pvalue:.2f}") == NEVER


def test_words_make_a_claim_uncheckable_and_say_what_is_wanted() -> None:
    found = checked("two-sample t, n=3", "better in all runs", "p=.03")
    assert found.verdict == UNKNOWN
    assert "55.78+-0.73 vs 54.91+-0.94" in found.why
