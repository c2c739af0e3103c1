"""Laws of what other test images would do to a mean over classes."""

import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from moleflow.streams import numpy_stream
from reports.statistics import (
    DRAWN,
    ESTIMATES,
    ClassImages,
    auroc_value,
    bootstrap_covariance,
    bootstrap_images,
    delong_covariance,
    doubt,
    image_counts,
    images_alone,
    weighted_ap,
    weighted_auroc,
)
from reports.statistics.over_images import (
    F1_DRAWS,
    ap_over_images,
    auroc_drawn,
    auroc_over_images,
    f1_max,
)

TIMES = 80
TWO_SEEDS = np.kron(np.eye(2), [0.5, 0.5])
"""Of four scorings, two orders a seed."""


def scored(name: str, m: int = 14, n: int = 11, scorings: int = 4, digits: int = 1) -> ClassImages:
    draw = numpy_stream("tests", "over images", name)
    anomalous = np.arange(m + n) < m
    common = draw.normal(size=m + n) + 1.1 * anomalous
    scores = common + draw.normal(0, 0.6, (scorings, m + n))
    return ClassImages(name, anomalous, np.round(scores, digits))


def best_f1(labels, scores) -> float:
    precision, recall, _ = precision_recall_curve(labels, scores)
    return float((2 * precision * recall / np.maximum(precision + recall, 1e-12)).max())


METRICS = {
    "image_auroc": roc_auc_score,
    "image_ap": average_precision_score,
    "image_f1_max": best_f1,
}


@pytest.mark.parametrize(("metric", "oracle"), METRICS.items())
def test_values_are_those_of_the_images_as_they_are(metric, oracle):
    of = scored("values")
    found = ESTIMATES[metric](of, TWO_SEEDS).values
    assert found == pytest.approx([oracle(of.anomalous, scores) for scores in of.scores])


def test_auroc_alone_is_that_of_all_pairs():
    of = scored("alone")
    assert auroc_value(of.anomalous, of.scores[0]) == pytest.approx(
        roc_auc_score(of.anomalous, of.scores[0])
    )


def test_averaging_scorings_before_samples_are_drawn_is_the_bootstrap_of_each():
    of = scored("bilinear")
    metrics = [weighted_auroc(of.anomalous, one) for one in of.scores]
    alone = bootstrap_images(metrics[0], of.anomalous, of.name)
    drawn = auroc_drawn(ClassImages(of.name, of.anomalous, of.scores[:1]), np.eye(1))
    assert drawn.std(ddof=1) == pytest.approx(alone.sd)
    assert np.quantile(drawn, [0.025, 0.975]) == pytest.approx(alone.interval)
    covariance = bootstrap_covariance(metrics, of.anomalous, of.name)
    assert auroc_drawn(of, TWO_SEEDS).var(ddof=1) == pytest.approx(covariance.mean())


def test_the_bootstrap_of_auroc_finds_delongs_variance():
    """But for the (n - 1)/n that a bootstrap does not see."""
    of = scored("oracle", 40, 40)
    found = auroc_over_images(of, TWO_SEEDS).covariance.mean()
    expected = (TWO_SEEDS @ delong_covariance(of.anomalous, of.scores) @ TWO_SEEDS.T).mean()
    assert found == pytest.approx(expected)
    assert auroc_drawn(of, TWO_SEEDS).var(ddof=1) == pytest.approx(expected * 39 / 40, rel=0.1)


def test_the_influence_of_images_on_ap_finds_what_the_bootstrap_does():
    of = scored("ap", 60, 60)
    found = ap_over_images(of, np.eye(4)).covariance
    metrics = [weighted_ap(of.anomalous, one) for one in of.scores]
    drawn = bootstrap_covariance(metrics, of.anomalous, of.name, draws=6000)
    assert np.diag(found) == pytest.approx(np.diag(drawn), rel=0.15)
    assert found[0, 1] == pytest.approx(drawn[0, 1], rel=0.25)


def test_best_f1_of_counts_is_that_of_the_images_written_out():
    of = scored("written out")
    counts = image_counts(of.anomalous, of.name, 40)
    found = f1_max(of.anomalous, of.scores[0], counts.T)
    for often, value in zip(counts.astype(int), found, strict=True):
        drawn = np.repeat(np.arange(len(often)), often)
        assert value == pytest.approx(best_f1(of.anomalous[drawn], of.scores[0][drawn]))


def test_what_images_do_to_best_f1_is_the_spread_of_its_samples():
    of = scored("spread")
    counts = image_counts(of.anomalous, of.name, F1_DRAWS).T
    drawn = [f1_max(of.anomalous, scores, counts) for scores in of.scores]
    found = ESTIMATES["image_f1_max"](of, np.eye(4))
    assert found.draws == F1_DRAWS
    assert found.covariance == pytest.approx(np.cov(drawn) * of.smaller / (of.smaller - 1))


@pytest.mark.parametrize("metric", METRICS)
def test_a_variant_that_scores_alike_leaves_no_doubt_from_images(metric: str):
    one = scored("alike", scorings=1)
    same = ClassImages(one.name, one.anomalous, np.vstack([one.scores, one.scores]))
    found = ESTIMATES[metric](same, np.array([[-1.0, 1.0]]))
    assert found.covariance == pytest.approx(0, abs=1e-18)


@pytest.mark.parametrize("metric", METRICS)
def test_one_image_of_a_kind_has_no_variance(metric: str):
    one = ClassImages("one", np.array([True, False, False]), np.array([[0.3, 0.1, 0.2]]))
    with pytest.raises(ValueError, match="fewer than two"):
        ESTIMATES[metric](one, np.eye(1))


@pytest.mark.slow
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("seeds", [1, 3])
def test_the_interval_covers_what_other_seeds_and_other_images_would_give(metric: str, seeds: int):
    """Two classes; a seed moves the anomalous images of a class, and sees each image its own way.
    The truth is the mean over very many seeds and images; of F1-max, which more images make
    smaller, over very many samples of as many."""
    draw = numpy_stream("tests", "seeds and images", metric, seeds)
    shifts, of_seed, m = (1.0, 1.6), 0.2 if seeds > 1 else 0.0, 25
    anomalous = np.arange(2 * m) < m
    truth = np.mean([_truth(metric, shift, of_seed) for shift in shifts])
    hits = alone = 0
    for _ in range(TIMES):
        images, over, values = [], [], []
        for shift in shifts:
            image = draw.normal(size=2 * m)
            moved = shift + draw.normal(0, of_seed, (seeds, 1))
            scores = image + 0.5 * draw.normal(size=(seeds, 2 * m)) + moved * anomalous
            images.append(ClassImages("c", anomalous, scores))
            over.append(ESTIMATES[metric](images[-1], np.eye(seeds)))
            values.append(over[-1].values)
        both = doubt(np.array(values).T, [one.covariance for one in over], [m, m])
        hits += both.interval[0] <= truth <= both.interval[1]
        if seeds == 1:
            drawn = [DRAWN[metric](one, np.eye(1)) for one in images] if metric in DRAWN else []
            low, high = images_alone(both.mean, over, drawn).interval
            alone += low <= truth <= high
    assert hits / TIMES >= 0.92
    if seeds == 1:
        assert 0.88 <= alone / TIMES <= 0.99


def _truth(metric: str, shift: float, of_seed: float) -> float:
    if metric == "image_auroc":
        return 0.5 * (1 + math.erf(shift / math.sqrt(2 * (2 * 1.25 + of_seed**2))))
    if metric == "image_f1_max":
        return _expected_best_f1(shift, of_seed)
    draw = numpy_stream("tests", "truth of ap", str(shift), str(of_seed))
    n = 200_000
    normal, found = np.sort(draw.normal(0, math.sqrt(1.25), n)), []
    nodes, weights = np.polynomial.hermite_e.hermegauss(7 if of_seed else 1)  # over seeds
    for node in nodes:
        high = np.sort(draw.normal(shift + of_seed * node, math.sqrt(1.25), n))
        above = n - np.searchsorted(high, high)
        false = n - np.searchsorted(normal, high)
        found.append(float((above / (above + false)).mean()))
    return float(np.average(found, weights=weights))


def _expected_best_f1(shift: float, of_seed: float, m: int = 25, times: int = 20_000) -> float:
    draw = numpy_stream("tests", "truth of f1", str(shift), str(of_seed))
    moved = shift + draw.normal(0, of_seed, (times, 1))
    scores = draw.normal(0, math.sqrt(1.25), (times, 2 * m))
    scores[:, :m] += moved
    hits = (np.argsort(-scores, axis=1) < m).cumsum(axis=1)
    return float((2 * hits / (np.arange(1, 2 * m + 1) + m)).max(axis=1).mean())
