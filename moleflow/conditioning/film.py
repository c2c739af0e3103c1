"""FiLM adapter: LayerNorm with affine, scale and shift, and a gated MLP (docs/method.md, 2.2)."""

import torch
from torch import nn
from torch.nn import functional as F

from moleflow.conditioning.whitening import EPSILON, Adapter
from moleflow.config_parts import FilmConfig
from moleflow.layers.linear import new_linear
from moleflow.types import Float, Patches, Tensor

SMALLEST_HIDDEN = 128
LAST_LAYER_STD = 0.01


class Film(Adapter):
    """f = gamma LayerNorm(x) + beta; y = f + sigmoid(g) MLP(f); in all k x + (1 - k) y.

    The MLP sees the modulated patch, as in the code of Framework 2.5. k is `identity_share`: 0.9
    for task 0 by default, 0 for later tasks.
    """

    def __init__(
        self, dim: int, config: FilmConfig, identity_share: float, generator: torch.Generator
    ):
        super().__init__()
        hidden = max(dim // 2, SMALLEST_HIDDEN)
        self._identity_share = identity_share
        self.norm_weight = nn.Parameter(torch.ones(dim))
        self.norm_bias = nn.Parameter(torch.zeros(dim))
        self.gamma = nn.Parameter(torch.ones(dim))
        self.beta = nn.Parameter(torch.zeros(dim))
        self.gate = nn.Parameter(torch.tensor(config.gate))
        self.mlp = nn.Sequential(
            new_linear(dim, hidden, generator),
            nn.GELU(),
            new_linear(hidden, hidden, generator),
            nn.GELU(),
            _small_linear(hidden, dim, generator),
        )

    def forward(self, x: Patches) -> Patches:
        normed = F.layer_norm(x, x.shape[-1:], self.norm_weight, self.norm_bias, EPSILON)
        f = torch.addcmul(self.beta, normed, self.gamma)
        y = f + torch.sigmoid(self.gate) * self.mlp(f)
        return y if self._identity_share == 0 else torch.lerp(y, x, self._identity_share)

    def penalty(self) -> Float[Tensor, ""]:
        """None: Framework has no pull to the identity."""
        return self.gate.new_zeros(())


def _small_linear(inputs: int, outputs: int, generator: torch.Generator) -> nn.Linear:
    layer = new_linear(inputs, outputs, generator)
    nn.init.normal_(layer.weight, std=LAST_LAYER_STD, generator=generator)
    nn.init.zeros_(layer.bias)
    return layer
