"""Which task an image belongs to: the nearest task in feature space (docs/method.md, 7)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from moleflow.config_parts import RouterConfig
from moleflow.errors import DataError
from moleflow.types import Float, Float64, RoutingFeatures, Tensor


@dataclass(frozen=True)
class Prototype:
    """Mean and covariance of a task's training images, in float64 on the CPU."""

    mean: Float64[Tensor, " d"]
    cholesky: Float64[Tensor, "d d"] | None
    """Lower factor of the regularised covariance; None where only the mean counts."""

    def squared_distance(self, features: RoutingFeatures) -> Float64[Tensor, " n"]:
        """Squared Mahalanobis (or Euclidean) distance of each image to the task."""
        difference = (features - self.mean).T  # (D, N)
        if self.cholesky is not None:
            difference = torch.linalg.solve_triangular(self.cholesky, difference, upper=False)
        return difference.square().sum(dim=0)


def task_prototype(means: Sequence[Float[Tensor, "_ d"]], config: RouterConfig) -> Prototype:
    """Statistics of a task from the image-level features of each of its classes."""
    return new_prototype(torch.cat(list(means)).double(), config)


def new_prototype(features: RoutingFeatures, config: RouterConfig) -> Prototype:
    """Statistics of a task from all its training images at once; regularised once.

    Args:
        features: image-level features (N, D), N >= 2.

    Raises:
        DataError: the images are so alike that their covariance has no inverse.
    """
    mean = features.mean(dim=0)
    if config.distance != "mahalanobis":
        return Prototype(mean, None)
    factor, fault = torch.linalg.cholesky_ex(_covariance(features - mean, config))
    if fault:
        raise DataError(
            f"the {len(features)} training pictures of a task are so alike that their covariance "
            f"has no inverse (router.covariance={config.covariance}, router.regularisation="
            f"{config.regularisation:g}): give pictures that differ, or more regularisation with "
            "--set router.covariance=ridge router.regularisation=0.001"
        )
    return Prototype(mean, factor)


def _covariance(centred: RoutingFeatures, config: RouterConfig) -> Float64[Tensor, "d d"]:
    if config.covariance == "ledoit_wolf":
        from sklearn.covariance import LedoitWolf  # takes as long as a small trial

        estimate = LedoitWolf(assume_centered=True, store_precision=False)
        return torch.from_numpy(estimate.fit(centred.numpy()).covariance_)
    covariance = centred.T @ centred / (len(centred) - 1)
    covariance.diagonal().add_(config.regularisation)
    return covariance
