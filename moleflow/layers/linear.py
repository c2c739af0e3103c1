"""Linear layers that begin as PyTorch's do, from named streams (docs/method.md, 3.3)."""

import math

import torch
from torch import nn


def new_linear(inputs: int, outputs: int, generator: torch.Generator) -> nn.Linear:
    """torch's usual linear layer, U(-1/sqrt(inputs), 1/sqrt(inputs)), drawn from a named stream."""
    layer = _Unfilled(inputs, outputs)
    bound = 1 / math.sqrt(inputs)
    with torch.no_grad():
        layer.weight.uniform_(-bound, bound, generator=generator)
        layer.bias.uniform_(-bound, bound, generator=generator)
    return layer


class _Unfilled(nn.Linear):
    """As allocated: nothing is drawn from torch's own generator.

    torch's `skip_init` does the same by way of symbolic shapes, and to import those takes every
    process 2 seconds.
    """

    def reset_parameters(self) -> None:
        """Left to `new_linear`."""
