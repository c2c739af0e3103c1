"""The second way to variance components of designs without a closed form: the likelihood of error
contrasts, on axes of their own, by standard deviations where the report goes by variances.

N values, r dimensions that their levels span beside the mean.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reports.audit.distributions import crossing_zero, least, normal_quantile

ALLOWED = normal_quantile(0.975) ** 2
"""How far the deviance may be above its least within the interval."""
LEAST_NOISE = 1e-9
"""Of the residual's variance, of the whole."""
FLAT = 1e-8
"""A singular value, of the largest: below, a direction is none."""


@dataclass(frozen=True)
class Contrasts:
    """Values of variance 1 without their mean, where levels move them and where nothing does."""

    moved: np.ndarray
    """[r]"""
    by: tuple[np.ndarray, ...]
    """Of each source [r, r]: covariance of `moved`, were its variance 1."""
    rest: float
    """Sum of squares that no level moves."""
    df: int
    """Its dimensions."""

    @classmethod
    def of(cls, y: np.ndarray, levels: Sequence[Sequence[str]]) -> "Contrasts":
        """Of centred values."""
        each: list[np.ndarray] = []
        for of in levels:
            names = sorted(set(of))
            design = np.array([[float(one == name) for name in names] for one in of])
            each.append(design - design.mean(axis=0))
        axes, sizes, _ = np.linalg.svd(np.hstack(each), full_matrices=False)
        axes = axes[:, sizes > FLAT * sizes[0]]
        moved = axes.T @ y
        seen = [axes.T @ design for design in each]
        rest = float(y @ y - moved @ moved)
        return cls(moved, tuple(z @ z.T for z in seen), rest, len(y) - 1 - axes.shape[1])

    def deviance(self, sds: np.ndarray) -> tuple[float, np.ndarray]:
        """−2 log of the likelihood but for a constant, and its gradient, of the standard deviations
        of the residual and of each source."""
        noise = float(sds[0]) ** 2 + LEAST_NOISE
        covariance = noise * np.eye(len(self.moved))
        for sd, of in zip(sds[1:], self.by, strict=True):
            covariance = covariance + sd * sd * of
        inverse = np.linalg.inv(covariance)
        pulled = inverse @ self.moved
        _, log_det = np.linalg.slogdet(covariance)
        value = self.df * math.log(noise) + self.rest / noise + float(log_det)
        slopes = [np.trace(inverse) - pulled @ pulled + (self.df - self.rest / noise) / noise]
        slopes += [np.sum(inverse * of) - pulled @ of @ pulled for of in self.by]
        return value + float(self.moved @ pulled), 2 * sds * np.array(slopes)


def components(
    values: Sequence[float], levels: Sequence[Sequence[str]]
) -> list[tuple[float, float, float]]:
    """Variance and ends of its 95 % interval, of the residual and of each source.

    Args:
        values: [N].
        levels: of each source [N].
    """
    y = np.array(values) - math.fsum(values) / len(values)
    scale = float(y @ y) / len(y)
    model = Contrasts.of(y / math.sqrt(scale), levels)
    k = len(levels) + 1
    starts = [np.full(k, math.sqrt(1 / share)) for share in (k, 10 * k)]
    best, lowest = min((least(model.deviance, one) for one in starts), key=lambda found: found[1])
    found: list[tuple[float, float, float]] = []
    for i in range(k):
        low, high = _profile(model, np.abs(best), lowest, i)
        found.append((scale * float(best[i]) ** 2, scale * low**2, scale * high**2))
    return found


def _profile(model: Contrasts, best: np.ndarray, lowest: float, i: int) -> tuple[float, float]:
    """Standard deviations at which the others can just make up for it."""
    others = [j for j in range(len(best)) if j != i]

    def above(sd: float) -> float:
        sds = best.copy()
        sds[i] = sd

        def of_others(free: np.ndarray) -> tuple[float, np.ndarray]:
            sds[others] = free
            value, slopes = model.deviance(sds)
            return value, slopes[others]

        start = np.maximum(best[others], 0.01)
        return least(of_others, start)[1] - lowest - ALLOWED

    own = float(best[i])
    far = max(2 * own, 0.2)
    while above(far) < 0:
        far *= 2
    low = crossing_zero(above, 0.0, own) if own > 1e-6 and above(0.0) > 0 else 0.0
    return low, crossing_zero(above, own, far)
