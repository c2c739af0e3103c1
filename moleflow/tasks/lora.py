"""A task's low-rank update of one linear layer of the base (docs/method.md, 3.4)."""

import math

import torch
from torch import nn

from moleflow.config_parts import LoraConfig
from moleflow.layers.products import Layer
from moleflow.types import Float, Tensor


class LoraSlot(nn.Module):
    """h = W x + b + (alpha / r) B A x + b_t. B and b_t start at 0: a fresh slot changes nothing."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        config: LoraConfig | None,
        bias: bool,
        generator: torch.Generator,
    ):
        """Args:
        config: None leaves out the low-rank part.
        """
        super().__init__()
        self.down: nn.Parameter | None = None
        self.up: nn.Parameter | None = None
        self.scale = 0.0
        if config is not None:
            rank = config.rank
            self.down = nn.Parameter(_initial_down(rank, inputs, config.init, generator))
            self.up = nn.Parameter(torch.zeros(outputs, rank))
            self.scale = 1.0 if config.alpha == "r" else config.alpha / rank
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None

    @property
    def delta(self) -> Float[Tensor, "o i"] | None:
        """(alpha / r) B A."""
        if self.down is None or self.up is None:
            return None
        return (self.scale * self.up) @ self.down

    def forward(self, linear: nn.Linear) -> Layer:
        """The base's layer under this task."""
        return Layer(linear.weight, linear.bias, self.down, self.up, self.bias, self.scale)


def _initial_down(rank: int, inputs: int, init: str, generator: torch.Generator) -> Tensor:
    down = torch.empty(rank, inputs)
    if init == "normal":
        return down.normal_(0, math.sqrt(1 / rank), generator=generator)
    bound = math.sqrt(6 / (rank + inputs))
    return down.uniform_(-bound, bound, generator=generator)
