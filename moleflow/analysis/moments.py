"""Mean and covariance of patch features, and the distance between two Gaussians."""

from dataclasses import dataclass

import torch

from moleflow.analysis.subject import CHUNK, Subject
from moleflow.data.sequences import Task
from moleflow.types import Float64, Tensor


@dataclass(frozen=True)
class Moments:
    """Of a task's training patches, in float64."""

    patches: int
    mean: Float64[Tensor, " d"]
    covariance: Float64[Tensor, "d d"]


def patch_moments(subject: Subject, task: Task) -> Moments:
    """Over all training patches of the task's classes, read in chunks of pictures.

    Sums are taken about the first chunk's mean, so that nothing is lost to a large offset.
    """
    count, total, products, origin = 0, None, None, None
    for name in task:
        for chunk in subject.features[name].train.patches.split(CHUNK):
            flat = chunk[..., : subject.dim].reshape(-1, subject.dim).double()
            origin = flat.mean(dim=0) if origin is None else origin
            flat = flat - origin
            count += len(flat)
            total = flat.sum(dim=0) if total is None else total + flat.sum(dim=0)
            products = flat.T @ flat if products is None else products + flat.T @ flat
    assert origin is not None and total is not None and products is not None
    offset = total / count
    covariance = (products - count * torch.outer(offset, offset)) / (count - 1)
    return Moments(count, origin + offset, covariance)


@dataclass(frozen=True)
class Frechet:
    """Squared Fréchet (2-Wasserstein) distance of two Gaussians, by its parts."""

    mean_part: float
    """‖μ₁ − μ₂‖²."""
    covariance_part: float
    """tr(Σ₁ + Σ₂ − 2 (Σ₁^½ Σ₂ Σ₁^½)^½)."""

    @property
    def squared(self) -> float:
        return self.mean_part + self.covariance_part


def frechet(one: Moments, other: Moments) -> Frechet:
    """Squared Fréchet distance (Dowson and Landau 1982), through symmetric eigenproblems only.

    Eigenvalues that rounding has made negative count as 0: covariances have none.
    """
    values, vectors = torch.linalg.eigh(one.covariance)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    cross = root @ other.covariance @ root
    mixed = torch.linalg.eigvalsh((cross + cross.T) / 2).clamp(min=0).sqrt().sum()
    traces = one.covariance.trace() + other.covariance.trace()
    mean_part = (one.mean - other.mean).square().sum()
    return Frechet(mean_part.item(), max(0.0, (traces - 2 * mixed).item()))
