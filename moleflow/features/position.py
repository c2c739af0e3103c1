"""Two-dimensional sinusoidal position code (docs/method.md, 1.5)."""

import math

import torch

from moleflow.types import Float, Tensor


def position_code(height: int, width: int, dim: int) -> Float[Tensor, "h w d"]:
    """First half of the channels codes the column, second half the row; sin and cos alternate.

    Wave lengths run geometrically from 2 pi to 2 pi * 10^4. `dim` is divisible by 4.
    """
    half = dim // 2
    rates = torch.exp(torch.arange(0, half, 2) * (-math.log(1e4) / half))
    columns = torch.arange(width).unsqueeze(1) * rates  # (W, D/4)
    rows = torch.arange(height).unsqueeze(1) * rates
    code = torch.zeros(height, width, dim)
    code[..., 0:half:2] = columns.sin().unsqueeze(0)
    code[..., 1:half:2] = columns.cos().unsqueeze(0)
    code[..., half::2] = rows.sin().unsqueeze(1)
    code[..., half + 1 :: 2] = rows.cos().unsqueeze(1)
    return code
