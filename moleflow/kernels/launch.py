"""Launching our GPU kernels (`source.py`, `adam_source.py`) on tensors.

Triton is imported where it is used.

N patches of D channels in images of H x W; h = D / 2.
"""

import importlib.util
import math
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import Any

import torch

from moleflow.kernels.ahead import Compiler, side_by_side
from moleflow.types import Bool, Float, Int, Patches, PerPatch, Tensor

VERSION = 3
"""Raised whenever these kernels round otherwise: part of a GPU's kind in stage keys."""
LINES, COLUMNS, CHANNELS = 4, 16, 32
"""Rows and columns of patches, and channels, that one program convolves."""
WARPS = 4
"""Groups of 32 threads that it does so with."""
TURNS, ROWS, WIDE = 4, 32, 64
"""Patches, in turns of so many, and channels that one program sums."""
WHOLE_LINE, FEW_CHANNELS = 32, 16
"""Columns and channels over which one program sums a kernel's gradient."""
PARTS, PARTS_WIDE = 64, 32
"""Partial sums, at once, and channels of which one program makes a sum."""
MOVED, PROJECTED = 512, 256
"""Parameters of which one program makes a step, and rows of a matrix that it sums at once."""
OPTIONS = {"enable_fp_fusion": True}
"""Of every kernel: products and sums may be one operation, whatever Triton's default is."""
_instead: ContextVar[Compiler | None] = ContextVar("_instead", default=None)
"""What stands in for the kernels."""


def usable(x: Tensor) -> bool:
    """Whether these kernels serve: on a GPU, not in float64, with Triton installed."""
    return x.is_cuda and x.dtype != torch.float64 and has_triton()


@cache
def has_triton() -> bool:
    """PyTorch's builds for CUDA on Linux bring it, others do not."""
    return importlib.util.find_spec("triton") is not None


@contextmanager
def compiling_ahead() -> Generator[None]:
    """Kernels that are launched within this block are compiled, side by side, and not run.

    What they should have written stays as memory was.
    """
    if not has_triton():
        yield
        return
    with side_by_side(_kernels()) as compiler:
        token = _instead.set(compiler)
        try:
            yield
        finally:
            _instead.reset(token)


def couple(
    x: Patches,
    s: Float[Tensor, "n half"],
    u: Float[Tensor, "n half"],
    permutation: Int[Tensor, " d"],
    limit: float,
    start: int,
) -> tuple[Patches, PerPatch]:
    """x with the h channels from `start` on changed to x exp(limit tanh s) + u; then permuted.

    Returns:
        The result, and its log-determinant per patch.
    """
    source, width = _source(), x.shape[-1]
    z, logdet = torch.empty_like(x), x.new_empty(x.shape[:-1])
    block = _power_of_two(width)
    source.couple_forward[(x.numel() // width,)](
        x, s, u, permutation, z, logdet, s.stride(0), u.stride(0), limit, start, width // 2,
        D=width, BLOCK=block, num_warps=_warps(block, 4), **OPTIONS,
    )  # fmt: skip
    return z, logdet


def couple_gradients(
    g_z: Patches,
    g_logdet: PerPatch,
    x: Patches,
    s: Float[Tensor, "n half"],
    inverse: Int[Tensor, " d"],
    limit: float,
    start: int,
) -> tuple[Patches, Float[Tensor, "n half"], Float[Tensor, "n half"]]:
    """Gradients of x (as it passes `couple`, not through the nets), s and u."""
    source, width = _source(), x.shape[-1]
    g_x, g_s, g_u = torch.empty_like(x), torch.empty_like(s), torch.empty_like(s)
    block = _power_of_two(width)
    source.couple_backward[(x.numel() // width,)](
        g_z.contiguous(), g_logdet.contiguous(), x, s, inverse, g_x, g_s, g_u,
        s.stride(0), limit, start, width // 2,
        D=width, BLOCK=block, num_warps=_warps(block, 8), **OPTIONS,
    )  # fmt: skip
    return g_x, g_s, g_u


def with_context(
    given: Float[Tensor, "b y x h"], kernels: Float[Tensor, "h 1 k k"], dtype: torch.dtype
) -> Float[Tensor, "b y x c"]:
    """[given; each channel convolved with its own kernel], in this number format.

    Args:
        given: channels side by side; patches may be further apart.
    """
    source, (images, height, width, channels) = _source(), given.shape
    out = given.new_empty((images, height, width, 2 * channels), dtype=dtype)
    source.context_forward[_tiles(images, height, width, channels)](
        given, _by_tap(kernels), out, given.stride(2), channels, height, width,
        SIDE=kernels.shape[-1], LINES=LINES, BW=COLUMNS, BC=CHANNELS, num_warps=WARPS, **OPTIONS,
    )  # fmt: skip
    return out


def add_context_gradient(
    g_given: Float[Tensor, "b y x h"],
    g_seen: Float[Tensor, "n c"],
    g_other: Float[Tensor, "n h"],
    kernels: Float[Tensor, "h 1 k k"],
) -> None:
    """Add to `g_given` what reaches it through `with_context`, and `g_other`."""
    source, (images, height, width, channels) = _source(), g_given.shape
    source.context_backward[_tiles(images, height, width, channels)](
        g_seen, g_other, _by_tap(kernels), g_given, g_given.stride(2), channels, height, width,
        SIDE=kernels.shape[-1], LINES=LINES, BW=COLUMNS, BC=CHANNELS, num_warps=WARPS, **OPTIONS,
    )  # fmt: skip


def depthwise(
    x: Patches,
    kernels: Float[Tensor, "d 1 k k"],
    bias: Float[Tensor, " d"] | None,
    transposed: bool = False,
) -> Patches:
    """Each channel convolved with its own kernel (or its transpose), plus a bias; zero padding."""
    source, (images, height, width, channels) = _source(), x.shape
    out = torch.empty_like(x)
    source.depthwise_forward[_tiles(images, height, width, channels)](
        x, _by_tap(kernels), x if bias is None else bias, out, channels, height, width,
        SIDE=kernels.shape[-1], FLIP=transposed, BIAS=bias is not None,
        LINES=LINES, BW=COLUMNS, BC=CHANNELS, num_warps=WARPS, **OPTIONS,
    )  # fmt: skip
    return out


def depthwise_kernel_gradient(
    g: Float[Tensor, "b y x d"], x: Float[Tensor, "b y x d"], side: int
) -> Float[Tensor, "d 1 k k"]:
    """Gradient of the kernels; patches of both may be further apart than their channels.

    Images are summed in their order, so that it is the same bits each time.
    """
    source, (images, height, width, channels) = _source(), x.shape
    parts = x.new_empty((images, channels, 1, side, side), dtype=torch.float32)
    grid = (images, _ceiling(channels, FEW_CHANNELS), side)
    source.depthwise_weight_gradient[grid](
        g, x, parts, g.stride(2), x.stride(2), channels, height, width,
        SIDE=side, SHIFTS=_power_of_two(side), BW=WHOLE_LINE, BC=FEW_CHANNELS,
        num_warps=WARPS, **OPTIONS,
    )  # fmt: skip
    return _sum_of(parts.view(images, -1)).view(channels, 1, side, side)


def mask_and_sum(g: Float[Tensor, "n o"], h: Float[Tensor, "n o"] | None) -> Float[Tensor, " o"]:
    """Set g to 0 where h is not above 0 (if h is given), and sum it over its rows, in float32.

    Blocks of rows are summed in their order, so that it is the same bits each time.
    """
    source, (rows, columns) = _source(), g.shape
    parts = g.new_empty((_ceiling(rows, TURNS * ROWS), columns), dtype=torch.float32)
    source.column_sums[(len(parts), _ceiling(columns, WIDE))](
        g, g if h is None else h, parts, rows, columns,
        MASK=h is not None, TIMES=TURNS, BN=ROWS, BC=WIDE, num_warps=WARPS, **OPTIONS,
    )  # fmt: skip
    return _sum_of(parts)


def add_both(
    out: Float[Tensor, "b y x h"], one: Float[Tensor, "n h"], other: Float[Tensor, "n h"]
) -> None:
    """out += one + other; patches of `out` may be further apart than its channels."""
    source, (rows, columns) = _source(), one.shape
    source.add_two[(_ceiling(rows, ROWS), _ceiling(columns, WIDE))](
        out, one, other, rows, columns, out.stride(2), BN=ROWS, BC=WIDE, **OPTIONS
    )


@dataclass(frozen=True)
class AdamState:
    """What a step of Adam's family reads and changes, as vectors of all parameters."""

    parameters: Float[Tensor, " n"]
    gradient: Float[Tensor, " n"]
    mean: Float[Tensor, " n"]
    square: Float[Tensor, " n"]
    corrections: Float[Tensor, " 2"]
    """1 - beta ** steps of the two means, in float64."""
    keep_on: Bool[Tensor, ""]
    """Where false, no parameter is moved."""
    decay: float


@dataclass(frozen=True)
class AdamConstants:
    """What a step's kernels are compiled for."""

    beta1: float
    beta2: float
    epsilon: float
    delta: float
    ratio: float
    """Of the decay of what is projected."""


def adam_step(
    state: AdamState, of: AdamConstants, rate: Float[Tensor, ""], first: int, size: int
) -> None:
    """One step of `size` parameters from `first` on, which are not projected."""
    _source().adam_whole_step[(_ceiling(size, MOVED),)](
        state.parameters, state.gradient, state.mean, state.square, state.corrections, rate,
        state.keep_on, state.decay, first, size,
        BETA1=of.beta1, BETA2=of.beta2, EPSILON=of.epsilon, BLOCK=MOVED,
        num_warps=WARPS, **OPTIONS,
    )  # fmt: skip


def adamp_step(
    state: AdamState,
    of: AdamConstants,
    rate: Float[Tensor, ""],
    first: int,
    shape: tuple[int, int, int],
) -> None:
    """One step of K matrices of R rows and C columns from `first` on, projected where AdamP is."""
    source, (count, height, width) = _source(), shape
    rows, like = count * height, state.parameters
    direction, sums, found = map(like.new_empty, ((rows, width), (rows, 4), (count, 3)))
    columns = min(_power_of_two(width), MOVED)
    many = MOVED // columns
    grid = (_ceiling(rows, many),)
    source.adam_directions[grid](
        like, state.gradient, state.mean, state.square, direction, sums, state.corrections,
        first, rows, width,
        BETA1=of.beta1, BETA2=of.beta2, EPSILON=of.epsilon, BN=many, BC=columns,
        num_warps=WARPS, **OPTIONS,
    )  # fmt: skip
    source.adam_projections[(count,)](
        sums, found, height, of.delta / math.sqrt(width), of.delta / math.sqrt(height * width),
        EPSILON=of.epsilon, BR=PROJECTED, num_warps=WARPS, **OPTIONS,
    )  # fmt: skip
    source.adam_projected_step[grid](
        like, direction, sums, found, state.corrections, rate, state.keep_on, state.decay,
        first, rows, height, width,
        RATIO=of.ratio, EPSILON=of.epsilon, BN=many, BC=columns, num_warps=WARPS, **OPTIONS,
    )  # fmt: skip


def _sum_of(parts: Float[Tensor, "p c"]) -> Float[Tensor, " c"]:
    """Sum of the rows, in an order that their number fixes."""
    out = torch.empty_like(parts[0])
    _source().add_parts[(_ceiling(len(out), PARTS_WIDE),)](
        parts, out, len(parts), len(out),
        BP=PARTS, BC=PARTS_WIDE, num_warps=WARPS, **OPTIONS,
    )  # fmt: skip
    return out


def _by_tap(kernels: Float[Tensor, "d 1 k k"]) -> Float[Tensor, "t d"]:
    """Weights of one tap side by side, as the kernels read them."""
    return kernels.flatten(start_dim=1).t().contiguous()


def _source() -> Any:
    """The kernels, or what stands in for them."""
    return _instead.get() or _kernels()


@cache
def _kernels() -> Any:
    return SimpleNamespace(**kernels())


def kernels() -> dict[str, Any]:
    """Those that are launched, by name."""
    from moleflow.kernels import adam_source, source

    return {
        name: kernel
        for name, kernel in (vars(source) | vars(adam_source)).items()
        if hasattr(kernel, "warmup") and not name.startswith("_")
    }


def _tiles(images: int, height: int, width: int, channels: int) -> tuple[int, int, int]:
    return images * _ceiling(height, LINES), _ceiling(width, COLUMNS), _ceiling(channels, CHANNELS)


def _ceiling(whole: int, part: int) -> int:
    return -(-whole // part)


def _power_of_two(size: int) -> int:
    return 1 << (size - 1).bit_length()


def _warps(block: int, each: int) -> int:
    """Groups of 32 threads for so many numbers, `each` in a thread's hands."""
    return min(8, max(1, block // (32 * each)))
