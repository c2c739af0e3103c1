"""Doubt from the test images: another sample of images would have given another number.

n images, of which m are anomalous; K scorings of the same images, e.g. one per seed; B bootstrap
draws, as counts of each image; G groups of equal scores, falling.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from moleflow.streams import numpy_stream
from reports.statistics.distributions import midranks, root
from reports.statistics.inputs import Numbers, numbers, pair_of_classes

DRAWS = 2000
Z = 1.959963984540054
"""97.5 % point of the normal distribution."""
NEARLY = 1e-12
"""From 0 or 1, where the variance of an AUROC vanishes and every equation holds."""

Weighted = Callable[[Float[np.ndarray, "b n"]], Float[np.ndarray, " b"]]
"""A metric of a class as a function of how often each of its images is in the sample."""


@dataclass(frozen=True)
class Auroc:
    """Of one class, with the doubt from its images."""

    value: float
    variance: float
    """DeLong's; 0 where the scores separate perfectly, which is not to say that there is no doubt:
    see the interval."""
    interval: tuple[float, float]
    """95 %, Newcombe's; within [0, 1]."""


def auroc(labels: Numbers, scores: Numbers) -> Auroc:
    """AUROC of images with its variance (DeLong 1988) and interval (Newcombe 2006, method 5).

    Raises:
        ValueError: shapes differ, only one kind of label, or a score that is not finite.
    """
    found = numbers(scores, "scores", 1)
    anomalous = pair_of_classes(labels, len(found))
    positive, negative = _placements(anomalous, found[None])
    value = float(positive.mean())
    variance = float(delong_covariance(labels, found[None])[0, 0])
    return Auroc(value, variance, newcombe(value, positive.shape[1], negative.shape[1]))


def auroc_value(anomalous: Bool[np.ndarray, " n"], scores: Float[np.ndarray, " n"]) -> float:
    """AUROC alone, of both kinds of images."""
    m = int(anomalous.sum())
    ranks = midranks(scores)[anomalous].sum()
    return float((ranks - m * (m + 1) / 2) / (m * (len(scores) - m)))


def delong_covariance(labels: Numbers, scores: Numbers) -> Float[np.ndarray, "k k"]:
    """Of `delong`."""
    return delong(labels, scores)[1]


def delong(
    labels: Numbers, scores: Numbers
) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, "k k"]]:
    """AUROCs of K scorings of the same images, and their covariance over samples of images.

    S₁₀/m + S₀₁/(n − m), with S the sample covariances of the placements: the share of normal images
    that an anomalous one exceeds, and the reverse (DeLong, DeLong and Clarke-Pearson 1988; through
    midranks as Sun and Xu 2014). The variance of a difference of two is that of its contrast.

    Args:
        scores: [K, n].

    Raises:
        ValueError: as `auroc`, or fewer than two images of a kind.
    """
    found = numbers(scores, "scores", 2)
    anomalous = pair_of_classes(labels, found.shape[1])
    positive, negative = _placements(anomalous, found)
    if min(positive.shape[1], negative.shape[1]) < 2:
        raise ValueError("fewer than two images of a kind; their variance cannot be estimated")
    of_positive = np.atleast_2d(np.cov(positive)) / positive.shape[1]
    covariance = of_positive + np.atleast_2d(np.cov(negative)) / negative.shape[1]
    return positive.mean(axis=1), covariance


def _placements(
    anomalous: Bool[np.ndarray, " n"], scores: Float[np.ndarray, "k n"]
) -> tuple[np.ndarray, np.ndarray]:
    """Per anomalous image the share of normal ones below it, equal scores half; and the reverse."""
    positive, negative = scores[:, anomalous], scores[:, ~anomalous]
    ranks = midranks(scores)
    above = (ranks[:, anomalous] - midranks(positive)) / negative.shape[1]
    below = 1 - (ranks[:, ~anomalous] - midranks(negative)) / positive.shape[1]
    return above, below


def newcombe(value: float, m: int, n: int) -> tuple[float, float]:
    """95 % score interval of an AUROC of m anomalous and n normal images, narrow nowhere.

    The A with |value − A| = z·√V(A), with Hanley and McNeil's V in Newcombe's form (Statistics in
    Medicine 2006, part 2, method 5). Unlike value ± z·sd it says something at 1.
    """
    more = (m + n) / 2 - 1

    def gap(a: float) -> float:
        variance = a * (1 - a) * (1 + more * ((1 - a) / (2 - a) + a / (1 + a))) / (m * n)
        return (value - a) ** 2 - Z * Z * variance

    low = 0.0 if value <= 0 else root(gap, 0.0, min(value, 1 - NEARLY))
    high = 1.0 if value >= 1 else root(gap, max(value, NEARLY), 1.0)
    return (low, high)


def weighted_auroc(labels: Numbers, scores: Numbers) -> Weighted:
    """AUROC by how often each image counts."""
    positive, negative = _by_group(labels, scores)

    def metric(counts: Float[np.ndarray, "b n"]) -> Float[np.ndarray, " b"]:
        return auroc_of_counts(counts @ positive, counts @ negative)

    return metric


def weighted_ap(labels: Numbers, scores: Numbers) -> Weighted:
    """Average precision by how often each image counts."""
    positive, negative = _by_group(labels, scores)

    def metric(counts: Float[np.ndarray, "b n"]) -> Float[np.ndarray, " b"]:
        return ap_of_counts(counts @ positive, counts @ negative)

    return metric


def _by_group(
    labels: Numbers, scores: Numbers
) -> tuple[Float[np.ndarray, "n g"], Float[np.ndarray, "n g"]]:
    """Whether an image is anomalous, or normal, and of this score; scores falling."""
    found = numbers(scores, "scores", 1)
    anomalous = pair_of_classes(labels, len(found))
    of_score = np.equal(found[:, None], np.unique(found)[::-1]).astype(np.float64)
    return of_score * anomalous[:, None], of_score * ~anomalous[:, None]


def auroc_of_counts(
    p: Float[np.ndarray, "b g"], n: Float[np.ndarray, "b g"]
) -> Float[np.ndarray, " b"]:
    """From counts of positives and negatives by falling score."""
    lower = n.sum(axis=1, keepdims=True) - n.cumsum(axis=1)
    return (p * (lower + n / 2)).sum(axis=1) / (p.sum(axis=1) * n.sum(axis=1))


def ap_of_counts(
    p: Float[np.ndarray, "b g"], n: Float[np.ndarray, "b g"]
) -> Float[np.ndarray, " b"]:
    """From counts of positives and negatives by falling score."""
    hits = p.cumsum(axis=1)
    found = hits + n.cumsum(axis=1)
    precision = np.divide(hits, found, out=np.zeros_like(hits), where=found > 0)
    return (p * precision).sum(axis=1) / p.sum(axis=1)


@dataclass(frozen=True)
class Resampled:
    """A metric under the bootstrap over images."""

    value: float
    """On the images as they are."""
    sd: float
    interval: tuple[float, float]
    """95 %, percentiles."""
    draws: int


def image_counts(labels: Numbers, name: str, draws: int = DRAWS) -> Float[np.ndarray, "b n"]:
    """How often each image is in each bootstrap sample, normal and anomalous drawn apart, each as
    many as there are.

    Args:
        name: of the random stream, e.g. the class. Equal names draw equal samples: scorings of the
            same images then vary together, as they would on other images.
    """
    anomalous = np.asarray(labels).astype(bool)
    draw = numpy_stream("reports", "bootstrap over images", name)
    counts = np.zeros((draws, len(anomalous)))
    for kind in (anomalous, ~anomalous):
        size = int(kind.sum())
        # Image i of sample b is number b * size + i. One count is quicker than many multinomials.
        picked = draw.integers(size, size=(draws, size)) + size * np.arange(draws)[:, None]
        counts[:, kind] = np.bincount(picked.ravel(), minlength=draws * size).reshape(draws, size)
    return counts


def bootstrap_images(metric: Weighted, labels: Numbers, name: str, draws: int = DRAWS) -> Resampled:
    """Stratified bootstrap of a class's metric over its images (Efron and Tibshirani 1993, 8.3).

    It sees (n − 1)/n of the variance, n of the images of a kind, and nothing of it where the scores
    separate perfectly.
    """
    counts = image_counts(labels, name, draws)
    value = float(metric(np.ones((1, counts.shape[1])))[0])
    found = metric(counts)
    low, high = np.quantile(found, [0.025, 0.975])
    return Resampled(value, float(found.std(ddof=1)), (float(low), float(high)), draws)


def bootstrap_covariance(
    metrics: list[Weighted], labels: Numbers, name: str, draws: int = DRAWS
) -> Float[np.ndarray, "k k"]:
    """Covariance of K metrics of the same images, over samples of images: what `delong_covariance`
    is for AUROC, for any metric."""
    counts = image_counts(labels, name, draws)
    return np.atleast_2d(np.cov(np.stack([metric(counts) for metric in metrics])))


def paired(covariance: Float[np.ndarray, "k2 k2"]) -> Float[np.ndarray, "k k"]:
    """Covariance of K differences, variant − baseline, from that of K baselines and then their K
    variants on the same images."""
    k = len(covariance) // 2
    difference = np.hstack([-np.eye(k), np.eye(k)])
    return difference @ covariance @ difference.T
