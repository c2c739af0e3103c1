"""A coupling block as one function of autograd, for a GPU: matrix products and few kernels between.

The same mathematics as in plain PyTorch (`CouplingBlock`, `DiaBlock`), in other roundings. There a
block reads and writes its patches some thirty times besides its products, and that takes longer
than the products do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch.autograd.function import once_differentiable

from moleflow.config_parts import Precision
from moleflow.kernels import launch
from moleflow.layers.precision import number_format
from moleflow.layers.products import (
    TENSORS,
    Layer,
    Passed,
    backward_pass,
    constants,
    forward_pass,
    layers_of,
    tensors,
)
from moleflow.types import Float, Int, Patches, PerPatch, Tensor

Nets = tuple[Sequence[Layer], Sequence[Layer]]
"""Layers of the nets that make log-scale s and shift u."""
Numbers = list[tuple[float, float]]


@dataclass(frozen=True)
class Coupling:
    """What a block does, without its tensors."""

    limit: float
    start: int
    precision: Precision
    scale: Numbers
    shift: Numbers

    def nets(self, flat: Sequence[Tensor | None]) -> tuple[list[Layer], list[Layer]]:
        """The nets again, from their tensors."""
        cut = TENSORS * len(self.scale)
        return layers_of(flat[:cut], self.scale), layers_of(flat[cut:], self.shift)

    def given(self, x: Float[Tensor, "*n d"]) -> Float[Tensor, "*n h"]:
        """The half of the channels that the nets see."""
        half = x.shape[-1] // 2
        return x.narrow(-1, half - self.start, half)


def coupled(
    x: Patches,
    nets: Nets,
    precision: Precision,
    limit: float,
    start: int,
    permutations: tuple[Int[Tensor, " d"], Int[Tensor, " d"]],
    context: Float[Tensor, "half 1 k k"] | None = None,
) -> tuple[Patches, PerPatch]:
    """A block's output, permuted, and its log-determinant per patch.

    Args:
        limit: of the log-scale, which is limit tanh(s).
        start: first of the channels that are changed; the other half is given.
        permutations: of the output's channels, and its inverse.
        context: kernels of the convolution that the net of s sees beside the given half.
    """
    what = Coupling(limit, start, precision, *map(constants, nets))
    flat = [tensor for net in nets for tensor in tensors(net)]
    return _Coupled.apply(x.contiguous(), context, permutations, what, *flat)


class _Coupled(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Patches,
        context: Tensor | None,
        permutations: tuple[Tensor, Tensor],
        what: Coupling,
        *flat: Tensor | None,
    ) -> tuple[Patches, PerPatch]:
        (scale, shift), half = what.nets(flat), x.shape[-1] // 2
        seen = what.given(x)
        if context is not None:
            seen = launch.with_context(seen, context, number_format(what.precision, x))
        s, for_s = forward_pass(seen.reshape(-1, seen.shape[-1]), scale, what.precision)
        u, for_u = forward_pass(for_s.inputs[0][:, :half], shift, what.precision)
        ctx.save_for_backward(
            *(x, s, context, permutations[1], *flat),
            *(*for_s.inputs, *for_s.weights, *for_u.inputs, *for_u.weights),
        )
        ctx.what = what
        return launch.couple(x, s, u, permutations[0], what.limit, what.start)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grads: Tensor
    ) -> tuple[Tensor | None, ...]:
        what: Coupling = ctx.what
        x, s, context, inverse, *rest = ctx.saved_tensors
        n, m = len(what.scale), len(what.shift)
        cut = TENSORS * (n + m)
        scale, shift = what.nets(rest[:cut])
        passed = iter(rest[cut:])
        for_s = Passed(list(islice(passed, n)), list(islice(passed, n)))
        for_u = Passed(list(islice(passed, m)), list(islice(passed, m)))
        asked, cut = ctx.needs_input_grad[4:], TENSORS * n
        g_z, g_logdet = grads
        g_x, g_s, g_u = launch.couple_gradients(
            g_z, g_logdet, x, s, inverse, what.limit, what.start
        )
        g_seen, found_s = backward_pass(g_s, for_s, scale, what.precision, asked[:cut], True)
        g_given, found_u = backward_pass(g_u, for_u, shift, what.precision, asked[cut:], True)
        assert g_seen is not None and g_given is not None
        into, g_context = what.given(g_x), None
        if context is None:
            launch.add_both(into, g_seen, g_given)
        else:
            launch.add_context_gradient(into, g_seen, g_given, context)
            if ctx.needs_input_grad[1]:
                g_context = _kernel_gradient(g_seen, what.given(x), context)
        return g_x, g_context, None, None, *found_s, *found_u


def _kernel_gradient(
    g_seen: Float[Tensor, "n c"], given: Patches, context: Float[Tensor, "half 1 k k"]
) -> Float[Tensor, "half 1 k k"]:
    wide = g_seen.view(*given.shape[:-1], -1)
    side, half = context.shape[-1], given.shape[-1]
    return launch.depthwise_kernel_gradient(wide[..., half:], given, side)
