"""Seeds and test images, two sources of doubt, together for the mean over classes.

S seeds, C classes, G groups.
"""
# pyright: reportMissingTypeStubs=false

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import special

from moleflow.metrics.summaries import NOISE
from reports.statistics.inputs import Numbers, numbers


@dataclass(frozen=True)
class Doubt:
    """Of a mean over classes and seeds."""

    mean: float
    seeds: float | None
    """Variance of the mean from the choice of seeds; None for one seed."""
    images: float
    """Variance of the mean from the choice of test images, which all seeds share: no further seed
    takes it away."""
    images_negative: bool
    """The estimate of `images` was negative by more than rounding, and was taken for 0."""
    interval: tuple[float, float]
    """At least 95 %, for other seeds and other images of the same classes; for one seed, of that
    seed. Never narrower than for one of the two sources alone."""
    images_half: float
    """Half the width of the interval of images alone."""

    def beside(self, interval: tuple[float, float]) -> tuple[float, float]:
        """An interval over seeds, e.g. one that holds for several differences together, widened by
        the images."""
        middle, half = (interval[0] + interval[1]) / 2, (interval[1] - interval[0]) / 2
        whole = math.hypot(half, self.images_half)
        return middle - whole, middle + whole


def doubt(
    values: Numbers, covariances: Sequence[Float[np.ndarray, "s s"]], images: Sequence[int]
) -> Doubt:
    """Both sources for a mean over classes, or for a difference of two such means.

    The model: value of seed s and class c = m_c + a_s + b_sc + e_c + f_sc. The test images of a
    class are drawn once; e_c is what they do to all seeds alike, f_sc what they do to one seed, and
    a_s, b_sc are the seed's. Classes are fixed: the mean is of these classes. Then

        variance of the mean = variance of the seeds' means / S + Σ_c Var(e_c) / C²,

    the first with a, b and f in it. Var(e_c) is the mean covariance over images between seeds (off
    the diagonal); with one seed it is that seed's variance, with f in it. The interval's half width
    is the root of the sum of squares of those of the two sources (Zou and Donner 2008), each from
    Student's t; over classes with Satterthwaite's degrees of freedom.

    Args:
        values: [S, C].
        covariances: per class, of the S seeds' values over samples of images: `delong_covariance`,
            `bootstrap_covariance`, or `paired` of one of them for differences.
        images: per class, the number of images of its smaller kind.

    Raises:
        ValueError: shapes do not fit, or a value is not finite.
    """
    table = numbers(values, "values", 2)
    s, c = table.shape
    if not len(covariances) == len(images) == c or any(v.shape != (s, s) for v in covariances):
        raise ValueError(
            f"values are of {s} seeds and {c} classes; give a {s} × {s} covariance each"
        )
    shared = [_shared(v) / c**2 for v in covariances]
    raw = math.fsum(shared)
    from_images = max(0.0, raw)
    means = table.mean(axis=1)
    from_seeds = float(means.var(ddof=1)) / s if s > 1 else None
    below = math.fsum(
        part * part / max(1, size - 1) for part, size in zip(shared, images, strict=True)
    )
    df = max(1.0, raw * raw / below) if below > 0 else math.inf
    of_images = _half(from_images, df)
    half = math.hypot(of_images, _half(from_seeds or 0.0, s - 1))
    mean = float(table.mean())
    interval = (mean - half, mean + half)
    return Doubt(mean, from_seeds, from_images, raw < -NOISE, interval, of_images)


def between_groups(
    covariances: Sequence[Float[np.ndarray, "gs gs"]], groups: int
) -> Float[np.ndarray, "g g"]:
    """What other test images would do to the means of G groups at once: their covariance, in which
    `doubt` sees one variance.

    The images are the same for all groups, so what they do to two alike is in no difference of the
    two. Of each pair of groups the mean over two different seeds, so that what images do to one
    seed stays with the seeds; a single seed has it, too.

    Args:
        covariances: per class, of all groups' S seeds, group by group, over samples of images.
    """
    total = np.zeros((groups, groups))
    for one in covariances:
        s = len(one) // groups
        table = one.reshape(groups, s, groups, s)
        every = table.sum(axis=(1, 3))
        total += every if s == 1 else (every - np.einsum("gshs->gh", table)) / (s * (s - 1))
    return total / len(covariances) ** 2


def _half(variance: float, df: float) -> float:
    """Half the width of a 95 % interval."""
    return float(special.stdtrit(min(df, 1e6), 0.975)) * math.sqrt(variance) if variance else 0.0


def _shared(covariance: Float[np.ndarray, "s s"]) -> float:
    s = len(covariance)
    if s == 1:
        return float(covariance[0, 0])
    return float(covariance.sum() - np.trace(covariance)) / (s * (s - 1))
