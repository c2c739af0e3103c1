"""Chains of linear layers with ReLU between them, and a gradient that computes only what is asked.

Every matrix product of the flow is made here, forward and backward. Shapes: N patches, I inputs,
O outputs, R rank.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch.autograd.function import once_differentiable

from moleflow.types import Float, Tensor


class Layer(NamedTuple):
    """h -> h (W + U A)^T + b. Without a low-rank part, `down` and `up` are None."""

    weight: Float[Tensor, "o i"]
    bias: Float[Tensor, " o"]
    down: Float[Tensor, "r i"] | None = None
    """A."""
    up: Float[Tensor, "o r"] | None = None
    """U, the task's B times its scale."""

    def times(self, factor: float) -> "Layer":
        """The layer whose output is `factor` times this one's: cheaper than to scale the output."""
        if factor == 1:
            return self
        up = None if self.up is None else factor * self.up
        return Layer(factor * self.weight, factor * self.bias, self.down, up)


def relu_net(
    x: Float[Tensor, "*n i"], layers: Sequence[Layer], precision: torch.dtype | None = None
) -> Float[Tensor, "*n o"]:
    """The last layer's output; ReLU follows every layer but the last.

    Args:
        precision: number format of the products' factors, which are summed in float32; None keeps
            that of x. The result has that of x in any case.
    """
    flat = [tensor for layer in layers for tensor in layer]
    y = _ReluNet.apply(x.reshape(-1, x.shape[-1]), precision or x.dtype, *flat)
    assert isinstance(y, Tensor)
    return y.to(x.dtype).view(*x.shape[:-1], -1)


class _ReluNet(torch.autograd.Function):
    """W + U A is one matrix in every product, so that a low-rank update costs no pass of its own.

    Only its weight gradient tells the two apart: where W is frozen, those of U and A are made from
    thin products if these are fewer multiplications.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, precision: torch.dtype, *flat: Tensor | None) -> Tensor:
        layers = list(_layers(flat))
        weights = [_merged(layer).to(precision) for layer in layers]
        inputs = [x.to(precision)]
        for k, (layer, weight) in enumerate(zip(layers, weights, strict=True)):
            h = torch.addmm(layer.bias.to(precision), inputs[-1], weight.t())
            inputs.append(h if k == len(layers) - 1 else h.relu_())
        ctx.save_for_backward(*inputs[:-1], *weights, *flat)
        ctx.count = len(layers)
        return inputs[-1]

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grads: Tensor
    ) -> tuple[Tensor | None, ...]:
        saved, n = ctx.saved_tensors, ctx.count
        inputs, weights, layers = saved[:n], saved[n : 2 * n], list(_layers(saved[2 * n :]))
        needed = ctx.needs_input_grad
        found: list[Tensor | None] = []
        g = grads[0]
        for k in reversed(range(n)):
            asked = needed[2 + 4 * k : 6 + 4 * k]
            found = [*_layer_gradients(g, inputs[k], layers[k], asked), *found]
            if k > 0:
                g = g @ weights[k]
                torch.ops.aten.threshold_backward.grad_input(g, inputs[k], 0, grad_input=g)
        return g @ weights[0] if needed[0] else None, None, *found


def _layers(flat: Sequence[Any]) -> Iterator[Layer]:
    for start in range(0, len(flat), 4):
        yield Layer(*flat[start : start + 4])


def _merged(layer: Layer) -> Float[Tensor, "o i"]:
    if layer.down is None or layer.up is None:
        return layer.weight
    return torch.addmm(layer.weight, layer.up, layer.down)


def _layer_gradients(
    g: Float[Tensor, "n o"], x: Float[Tensor, "n i"], layer: Layer, asked: Sequence[bool]
) -> tuple[Tensor | None, Tensor | None, Tensor | None, Tensor | None]:
    """Gradients of weight, bias, down and up, each None where nobody asked for it."""
    exact = layer.weight.dtype
    bias = g.sum(dim=0, dtype=exact) if asked[1] else None
    if layer.down is None or layer.up is None or not asked[2]:
        return (g.t() @ x).to(exact) if asked[0] else None, bias, None, None
    outputs, inputs = layer.weight.shape
    if not asked[0] and thin_is_cheaper(outputs, inputs, len(layer.down)):
        down = (g @ layer.up.to(g.dtype)).t() @ x
        up = g.t() @ (x @ layer.down.to(x.dtype).t())
        return None, bias, down.to(exact), up.to(exact)
    whole = (g.t() @ x).to(exact)
    return whole if asked[0] else None, bias, layer.up.t() @ whole, whole @ layer.down.t()


def product_format(precision: Literal["float32", "bfloat16"]) -> torch.dtype | None:
    """Number format of the products' factors; None, that of the patches, for `float32`."""
    return torch.bfloat16 if precision == "bfloat16" else None


def thin_is_cheaper(outputs: int, inputs: int, rank: int) -> bool:
    """Whether the gradients of U and A take fewer multiplications from thin products.

    Per patch: four thin products, 2 R (I + O), against the gradient of the whole matrix, I O.
    """
    return 2 * rank * (inputs + outputs) < inputs * outputs
