"""Whitening adapter, WA: LayerNorm, then a bounded scale and shift of the task.

Source: docs/method.md, 2.1; Method Outline 3.3.1.
"""

import math
from abc import ABC, abstractmethod

import torch
from torch import nn
from torch.nn import functional as F

from moleflow.config_parts import WhiteningConfig
from moleflow.types import Float, Patches, Tensor

EPSILON = 1e-5


class Adapter(nn.Module, ABC):
    """What aligns a task's patches with the base; owned by the task's bank."""

    @abstractmethod
    def forward(self, x: Patches) -> Patches:
        """Aligned patches."""

    @abstractmethod
    def penalty(self) -> Float[Tensor, ""]:
        """Added to the loss while this adapter is trained."""


class Whitening(Adapter):
    """gamma * LayerNorm(x) + beta, with gamma in (low, high) and |beta| < limit.

    LayerNorm runs over the channels of each patch, so a score never depends on its batch mates.
    """

    def __init__(self, dim: int, config: WhiteningConfig, start: float, identity_weight: float):
        super().__init__()
        self._config = config
        self._identity_weight = identity_weight
        self.gamma_raw = nn.Parameter(torch.full((dim,), start))
        self.beta_raw = nn.Parameter(torch.zeros(dim))

    @property
    def gamma(self) -> Float[Tensor, " d"]:
        """Scale per channel."""
        if self._config.bounds == "none":
            return self.gamma_raw
        low, high = self._config.gamma
        return low + (high - low) * torch.sigmoid(self.gamma_raw)

    @property
    def beta(self) -> Float[Tensor, " d"]:
        """Shift per channel."""
        if self._config.bounds == "none":
            return self.beta_raw
        return self._config.beta * torch.tanh(self.beta_raw)

    def forward(self, x: Patches) -> Patches:
        return F.layer_norm(x, x.shape[-1:], self.gamma, self.beta, EPSILON)

    def penalty(self) -> Float[Tensor, ""]:
        """weight * (mean (gamma - 1)^2 + mean beta^2)."""
        if self._identity_weight == 0:
            return self.gamma_raw.new_zeros(())
        pull = (self.gamma - 1).square().mean() + self.beta.square().mean()
        return self._identity_weight * pull


def first_whitening(dim: int, config: WhiteningConfig) -> Whitening:
    """Task 0's adapter: scale close to 1, and pulled there.

    gamma_raw is the logit of (1 - low) / (high - low) to one decimal: -0.7 for the default bounds.
    """
    low, high = config.gamma
    share = (1 - low) / (high - low)
    start = 1.0 if config.bounds == "none" else round(math.log(share / (1 - share)), 1)
    return Whitening(dim, config, start, config.identity_weight)


def later_whitening(dim: int, config: WhiteningConfig, first: Whitening) -> Whitening:
    """A later task's adapter: in the middle of the bounds, or a copy of task 0's."""
    if config.init == "middle":
        return Whitening(dim, config, 1.0 if config.bounds == "none" else 0.0, 0.0)
    adapter = Whitening(dim, config, 0.0, config.identity_weight)
    adapter.load_state_dict(first.state_dict())
    return adapter
