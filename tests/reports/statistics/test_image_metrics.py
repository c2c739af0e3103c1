"""Laws of the doubt from test images, alone and with that from seeds."""

import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from moleflow.metrics.detection import aupro, binary_scores
from moleflow.streams import numpy_stream
from reports.statistics import (
    auroc,
    bootstrap_covariance,
    bootstrap_images,
    delong_covariance,
    doubt,
    image_counts,
    paired,
    pixel_counts,
    summarise,
    weighted_ap,
    weighted_aupro,
    weighted_auroc,
    weighted_pixel_ap,
    weighted_pixel_auroc,
)


def images(name: str, m: int, n: int, shift: float, scorings: int = 1) -> tuple[np.ndarray, ...]:
    """m anomalous, n normal; scorings that agree in part."""
    draw = numpy_stream("tests", "images", name)
    labels = np.arange(m + n) < m
    common = draw.normal(size=m + n) + shift * labels
    return labels, common + draw.normal(0, 0.7, (scorings, m + n))


def by_hand(labels: np.ndarray, scores: np.ndarray) -> float:
    """DeLong's variance from its definition, pair by pair."""
    x, y = scores[labels], scores[~labels]
    psi = (x[:, None] > y) + 0.5 * (x[:, None] == y)
    return psi.mean(1).var(ddof=1) / len(x) + psi.mean(0).var(ddof=1) / len(y)


@pytest.mark.parametrize("digits", [0, 6])
def test_auroc_and_delongs_variance_are_those_of_all_pairs(digits: int):
    labels, scores = images("pairs", 17, 23, 1.0)
    found = auroc(labels, np.round(scores[0], digits))
    assert found.value == pytest.approx(roc_auc_score(labels, np.round(scores[0], digits)))
    assert found.variance == pytest.approx(by_hand(labels, np.round(scores[0], digits)))


def test_covariance_gives_the_variance_of_a_difference():
    labels, scores = images("difference", 15, 12, 1.0, scorings=2)
    x, y = scores[:, labels], scores[:, ~labels]
    psi = np.array(x[:, :, None] > y[:, None], float)
    gap = psi[1] - psi[0]
    hand = gap.mean(1).var(ddof=1) / 15 + gap.mean(0).var(ddof=1) / 12
    assert paired(delong_covariance(labels, scores))[0, 0] == pytest.approx(hand)


@pytest.mark.slow
def test_bootstrap_over_images_finds_delongs_variance():
    """But for the (n − 1)/n that a bootstrap does not see."""
    labels, scores = images("bootstrap", 40, 40, 1.2, scorings=2)
    metrics = [weighted_auroc(labels, one) for one in scores]
    found = bootstrap_covariance(metrics, labels, "two", draws=20_000)
    assert found == pytest.approx(delong_covariance(labels, scores) * 39 / 40, rel=0.06)
    alone = bootstrap_images(metrics[0], labels, "two", draws=20_000)
    assert alone.sd**2 == pytest.approx(found[0, 0])


@pytest.mark.parametrize(
    ("weighted", "oracle"),
    [(weighted_auroc, roc_auc_score), (weighted_ap, average_precision_score)],
)
def test_weighted_metrics_are_those_of_the_sample(weighted, oracle):
    labels, scores = images("sample", 9, 14, 1.0)
    rounded = np.round(scores[0], 1)
    counts = image_counts(labels, "any", 20)
    for row, found in zip(counts, weighted(labels, rounded)(counts), strict=True):
        chosen = np.repeat(np.arange(23), row.astype(int))
        assert found == pytest.approx(oracle(labels[chosen], rounded[chosen]))


def test_samples_keep_the_number_of_images_of_each_kind():
    labels = np.arange(10) < 3
    counts = image_counts(labels, "kinds", 50)
    assert (counts[:, labels].sum(1) == 3).all() and (counts[:, ~labels].sum(1) == 7).all()
    assert (image_counts(labels, "kinds", 50) == counts).all()
    assert (image_counts(labels, "others", 50) != counts).any()


def coverage(m: int, n: int, shift: float, times: int) -> float:
    draw = numpy_stream("tests", "auroc coverage", m, n, str(shift))
    labels = np.arange(m + n) < m
    truth = 0.5 * (1 + math.erf(shift / 2))
    hits = 0
    for _ in range(times):
        low, high = auroc(labels, draw.normal(size=m + n) + shift * labels).interval
        hits += low <= truth <= high
    return hits / times


@pytest.mark.slow
@pytest.mark.parametrize(("m", "n", "shift"), [(20, 20, 1.0), (15, 40, 2.5), (10, 10, 3.5)])
def test_interval_of_auroc_covers_what_more_images_would_give(m: int, n: int, shift: float):
    assert coverage(m, n, shift, 500) > 0.92


def test_perfect_separation_leaves_doubt():
    found = auroc([False] * 10 + [True] * 10, list(range(20)))
    assert (found.value, found.variance, found.interval[1]) == (1.0, 0.0, 1.0)
    assert 0.7 < found.interval[0] < 0.95


def test_intervals_of_auroc_mirror():
    labels, scores = images("mirror", 12, 20, 1.0)
    low, high = auroc(labels, scores[0]).interval
    assert auroc(labels, -scores[0]).interval == pytest.approx((1 - high, 1 - low))


@pytest.mark.parametrize(
    ("labels", "scores", "says"),
    [
        ([True, True], [0.1, 0.2], "only one kind"),
        ([True, False, False], [0.1, 0.2], r"labels have shape \(3,\)"),
        ([True, False], [0.1, math.nan], r"scores\[1\] is nan"),
        ([True, False, False], [0.1, 0.2, 0.3], "fewer than two"),
    ],
)
def test_scores_without_a_metric_are_refused(labels, scores, says):
    with pytest.raises(ValueError, match=says):
        auroc(labels, scores)


def pictures(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Twelve images, of which five have one or two regions."""
    draw = numpy_stream("tests", "pictures", name)
    regions = np.zeros((12, 16, 16), int)
    regions[:5, 2:6, 3:9] = 1
    regions[1:3, 10:13, 10:15] = 2
    return regions, draw.normal(size=regions.shape) + 1.2 * (regions > 0)


def test_pixel_metrics_of_all_images_are_those_of_the_method():
    regions, maps = pictures("whole")
    counts = pixel_counts(regions, maps, thresholds=10_000)
    assert counts.exact
    once = np.ones((1, 12))
    oracle = binary_scores((regions > 0).ravel(), maps.ravel())
    assert weighted_pixel_auroc(counts)(once)[0] == pytest.approx(oracle.auroc)
    assert weighted_pixel_ap(counts)(once)[0] == pytest.approx(oracle.ap)
    assert weighted_aupro(counts)(once)[0] == pytest.approx(aupro(regions > 0, maps))


def test_pixel_metrics_of_a_sample_are_those_of_its_images():
    regions, maps = pictures("sample")
    counts = pixel_counts(regions, maps, thresholds=10_000)
    for weights in image_counts((regions > 0).any((1, 2)), "pixels", 5):
        chosen = np.repeat(np.arange(12), weights.astype(int))
        oracle = binary_scores((regions[chosen] > 0).ravel(), maps[chosen].ravel())
        assert weighted_pixel_ap(counts)(weights[None])[0] == pytest.approx(oracle.ap)
        pro = aupro(regions[chosen] > 0, maps[chosen])
        assert weighted_aupro(counts)(weights[None])[0] == pytest.approx(pro)


def test_fewer_thresholds_change_pixel_metrics_little():
    regions, maps = pictures("quantiles")
    exact, rough = pixel_counts(regions, maps, 10_000), pixel_counts(regions, maps, 400)
    assert not rough.exact and rough.positive.shape[1] <= 400
    once = np.ones((1, 12))
    for metric in (weighted_pixel_auroc, weighted_pixel_ap, weighted_aupro):
        assert metric(rough)(once)[0] == pytest.approx(metric(exact)(once)[0], abs=0.004)


def test_pixels_of_one_image_are_no_sample():
    """Copying every pixel four times tells no more about other images."""
    regions, maps = pictures("copies")
    large = [np.repeat(np.repeat(x, 2, 1), 2, 2) for x in (regions, maps)]
    kinds = (regions > 0).any((1, 2))
    small, big = (
        bootstrap_images(weighted_pixel_ap(pixel_counts(r, s, 5000)), kinds, "copies", 500)
        for r, s in ((regions, maps), large)
    )
    assert big.sd == pytest.approx(small.sd)


def worlds(name: str, seeds: int, times: int, sd_seed: float, sd_images: float) -> np.ndarray:
    """[times, seeds, 3 classes] of the model of `doubt`, mean 0.9."""
    draw = numpy_stream("tests", "doubt", name, seeds)
    common = draw.normal(0, sd_seed, (times, seeds, 1))
    own = draw.normal(0, sd_seed, (times, seeds, 3))
    shared = draw.normal(0, sd_images, (times, 1, 3))
    each = draw.normal(0, sd_images, (times, seeds, 3))
    return 0.9 + common + own + shared + each


@pytest.mark.parametrize("seeds", [1, 3, 8])
@pytest.mark.parametrize(("sd_seed", "sd_images"), [(0.02, 0.002), (0.01, 0.01), (0.001, 0.02)])
def test_seeds_and_images_together_cover_the_mean(seeds: int, sd_seed: float, sd_images: float):
    if seeds == 1:
        sd_seed = 0.0
    covariance = sd_images**2 * (np.eye(seeds) + np.ones((seeds, seeds)))
    hits = 0
    for values in worlds("cover", seeds, 500, sd_seed, sd_images):
        low, high = doubt(values, [covariance] * 3, [20] * 3).interval
        hits += low <= 0.9 <= high
    assert hits / 500 >= 0.94


def test_both_sources_together_never_leave_less_open_than_one():
    """With few seeds and many images Satterthwaite's t would."""
    covariance = 0.01**2 * np.ones((3, 3))
    values = worlds("wider", 3, 1, 0.02, 0.01)[0]
    found = doubt(values, [covariance] * 3, [50] * 3)
    seeds = summarise(values.mean(axis=1))
    assert seeds is not None and seeds.interval is not None
    assert found.interval[0] < seeds.interval[0] < seeds.interval[1] < found.interval[1]


def test_both_sources_are_estimated_without_bias():
    covariance = 0.01**2 * (np.eye(4) + np.ones((4, 4)))
    found = [doubt(v, [covariance] * 3, [20] * 3) for v in worlds("bias", 4, 2000, 0.02, 0.01)]
    seeds = (0.02**2 + 0.02**2 / 3 + 0.01**2 / 3) / 4
    assert np.mean([d.seeds for d in found]) == pytest.approx(seeds, rel=0.06)
    assert found[0].images == pytest.approx(0.01**2 / 3)


def test_further_seeds_do_not_take_the_images_doubt_away():
    covariance = 0.01**2 * (np.eye(50) + np.ones((50, 50)))
    found = doubt(worlds("many", 50, 1, 0.02, 0.01)[0], [covariance] * 3, [20] * 3)
    assert found.seeds is not None and found.seeds < found.images


def test_a_negative_estimate_from_images_is_said():
    covariance = np.array([[1.0, -0.1], [-0.1, 1.0]]) * 1e-4
    found = doubt([[0.9, 0.8], [0.91, 0.82]], [covariance] * 2, [20] * 2)
    assert found.images == 0.0 and found.images_negative
    rounding = doubt(np.zeros((3, 1)), [-1e-20 * (np.ones((3, 3)) - np.eye(3))], [20])
    assert rounding.images == 0.0 and not rounding.images_negative


def test_doubt_without_the_covariance_of_every_class_is_refused():
    with pytest.raises(ValueError, match="2 seeds and 2 classes"):
        doubt([[0.9, 0.8], [0.91, 0.82]], [np.eye(2)], [20, 20])
