"""A mean over classes on other test images: what a class's images do to all its scorings at once.

S seeds; K scorings of the same images (a seed may have several, e.g. one per order); n images, of
which m are anomalous; B bootstrap samples, as counts of each image.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float

from reports.statistics.image_metrics import (
    DRAWS,
    Z,
    delong,
    image_counts,
)

F1_DRAWS = 1000
"""Give a standard deviation to some 2 %."""
AT_ONCE = 1 << 22
"""Comparisons of two scores that are held in memory."""


@dataclass(frozen=True)
class ClassImages:
    """One class under K scorings."""

    name: str
    """Of its random stream: equal names draw equal samples."""
    anomalous: Bool[np.ndarray, " n"]
    scores: Float[np.ndarray, "k n"]
    """Of a metric of pixels the pseudo-values."""

    @property
    def smaller(self) -> int:
        """Images of the kind that has fewer."""
        m = int(self.anomalous.sum())
        return min(m, len(self.anomalous) - m)


@dataclass(frozen=True)
class OverImages:
    """A class's metric, over samples of its images."""

    values: Float[np.ndarray, " k"]
    """Of each scoring, on the images as they are."""
    covariance: Float[np.ndarray, "s s"]
    """Of the seeds' values."""
    draws: int = 0
    """Bootstrap samples that it is of; 0 where it is computed without one."""


Estimate = Callable[[ClassImages, Float[np.ndarray, "s k"]], OverImages]
"""With the weight of each scoring in each seed's value: 1/o for each of its o orders, or for a
difference of two settings 1/o for the one's and -1/o for the other's.

Raises:
    ValueError: fewer than two images of a kind, or a score that is not finite.
"""


def auroc_over_images(of: ClassImages, weights: Float[np.ndarray, "s k"]) -> OverImages:
    """With DeLong's covariance."""
    values, covariance = delong(of.anomalous, of.scores)
    return OverImages(values, weights @ covariance @ weights.T)


def auroc_drawn(of: ClassImages, weights: Float[np.ndarray, "s k"]) -> Float[np.ndarray, " b"]:
    """Mean over seeds in each sample of a stratified bootstrap.

    AUROC is linear in which pairs of images are in order, and the bootstrap draws as many of each
    kind as there are: so scorings are averaged before samples are drawn.
    """
    positive, negative = of.scores[:, of.anomalous], of.scores[:, ~of.anomalous]
    (k, m), n = positive.shape, negative.shape[1]
    mean = weights.mean(axis=0)
    ordered = np.zeros((m, n))
    step = max(1, AT_ONCE // (m * n))
    for first in range(0, k, step):
        part = slice(first, first + step)
        x, y = positive[part, :, None], negative[part, None]
        pairs = ((x > y) + 0.5 * (x == y)).reshape(-1, m * n)
        ordered += (mean[part] @ pairs).reshape(m, n)
    counts = image_counts(of.anomalous, of.name)
    drawn = ((counts[:, of.anomalous] @ ordered) * counts[:, ~of.anomalous]).sum(axis=1)
    return drawn / (m * n)


def ap_over_images(of: ClassImages, weights: Float[np.ndarray, "s k"]) -> OverImages:
    """Average precision: covariance from the influence of each image (the infinitesimal jackknife;
    of AUROC that is DeLong's)."""
    found = [_precision(of.anomalous, scores) for scores in of.scores]
    influence = weights @ np.stack([of_image for _, of_image in found])
    return OverImages(np.array([value for value, _ in found]), _of_influence(of, influence))


def mean_over_images(of: ClassImages, weights: Float[np.ndarray, "s k"]) -> OverImages:
    """A metric of pixels, of which the scores are the images' pseudo-values
    (`moleflow.metrics.contributions`): their mean, with the same jackknife's covariance."""
    influence = weights @ of.scores / of.scores.shape[1]
    return OverImages(of.scores.mean(axis=1), _of_influence(of, influence))


def _of_influence(of: ClassImages, influence: Float[np.ndarray, "s n"]) -> Float[np.ndarray, "s s"]:
    """Covariance over samples that draw images of each kind apart."""
    if of.smaller < 2:
        raise ValueError("fewer than two images of a kind; their variance cannot be estimated")
    kinds = (of.anomalous, ~of.anomalous)
    each = [kind.sum() * np.atleast_2d(np.cov(influence[:, kind])) for kind in kinds]
    return np.asarray(sum(each))


def _precision(
    anomalous: Bool[np.ndarray, " n"], scores: Float[np.ndarray, " n"]
) -> tuple[float, Float[np.ndarray, " n"]]:
    """Average precision, and its derivative by how often each image counts.

    AP = sum over thresholds of p h / (f P), with p the positives at a threshold, h those at or
    above it, f all images at or above it, and P all positives. An image counts in h and f of its
    own threshold and of all below it.
    """
    _, group = np.unique(-scores, return_inverse=True)
    p = np.bincount(group, anomalous)
    h, f, total = p.cumsum(), np.bincount(group).cumsum(), p.sum()
    value = float((p * h / f).sum() / total)
    of_negative: Float[np.ndarray, " g"] = -_from_here_on(p * h / f**2) / total
    of_positive = (h / f - value + _from_here_on(p / f)) / total + of_negative
    return value, np.where(anomalous, of_positive[group], of_negative[group])


def f1_over_images(of: ClassImages, weights: Float[np.ndarray, "s k"]) -> OverImages:
    """Largest F1 over all thresholds, with the covariance of a bootstrap in each sample of which
    the best threshold is found anew.

    A bootstrap of k images sees (k - 1)/k of the variance, which is made good for the kind that has
    fewer. Its percentiles are of no use: the largest of several is larger still in a sample of a
    sample.
    """
    if of.smaller < 2:
        raise ValueError("fewer than two images of a kind; their variance cannot be estimated")
    counts = np.ascontiguousarray(image_counts(of.anomalous, of.name, F1_DRAWS).T)
    drawn = weights @ np.stack([f1_max(of.anomalous, one, counts) for one in of.scores])
    missed = of.smaller / (of.smaller - 1)
    once = np.ones((len(of.anomalous), 1))
    values = np.array([f1_max(of.anomalous, one, once)[0] for one in of.scores])
    return OverImages(values, missed * np.atleast_2d(np.cov(drawn)), F1_DRAWS)


def f1_max(
    anomalous: Bool[np.ndarray, " n"],
    scores: Float[np.ndarray, " n"],
    counts: Float[np.ndarray, "n b"],
) -> Float[np.ndarray, " b"]:
    """In samples that have as many anomalous images as there are: the largest 2 h / (f + m) over
    all thresholds, with h the anomalous and f all images at or above it."""
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    last = np.append(falling[1:] != falling[:-1], True)  # of equal scores
    flagged = np.full(counts.shape[1], float(anomalous.sum()))
    hits, best = np.zeros_like(flagged), np.zeros_like(flagged)
    for image, ends in zip(order, last, strict=True):
        flagged += counts[image]
        if anomalous[image]:
            hits += counts[image]
        if ends:
            np.maximum(best, hits / flagged, out=best)
    return 2 * best


def _from_here_on(values: Float[np.ndarray, " g"]) -> Float[np.ndarray, " g"]:
    return values[::-1].cumsum()[::-1]


ESTIMATES: Final[Mapping[str, Estimate]] = {
    "image_auroc": auroc_over_images,
    "image_ap": ap_over_images,
    "image_f1_max": f1_over_images,
    **dict.fromkeys(("pixel_auroc", "pixel_ap", "pixel_f1_max", "aupro"), mean_over_images),
}
DRAWN: Final[Mapping[str, Callable[..., Float[np.ndarray, " b"]]]] = {"image_auroc": auroc_drawn}
"""Metrics whose bootstrap takes no time to speak of."""


@dataclass(frozen=True)
class ImagesAlone:
    """Doubt of a mean over classes and seeds from its test images, were the seeds all there are."""

    interval: tuple[float, float]
    """95 %."""
    sd: float
    """From the covariances."""
    sd_drawn: float | None
    """Of the bootstrap, which sees (n - 1)/n of the variance; None without one."""
    draws: int


def images_alone(
    mean: float, classes: Sequence[OverImages], drawn: Sequence[Float[np.ndarray, " b"]]
) -> ImagesAlone:
    """Percentiles of the bootstrap, each class's images drawn apart from the others'; without one
    the mean ± 1.96 standard deviations.

    Args:
        drawn: by class; none without a bootstrap.
    """
    sd = math.sqrt(max(0.0, sum(float(one.covariance.mean()) for one in classes))) / len(classes)
    if drawn:
        means = np.mean(drawn, axis=0)
        low, high = np.quantile(means, [0.025, 0.975])
        return ImagesAlone((float(low), float(high)), sd, float(means.std(ddof=1)), DRAWS)
    return ImagesAlone((mean - Z * sd, mean + Z * sd), sd, None, 0)
