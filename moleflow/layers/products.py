"""Chains of linear layers with ReLU between them, and a gradient that computes only what is asked.

Every matrix product of the flow is made here, forward and backward. Shapes: N patches, I inputs,
O outputs, R rank.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch.autograd.function import once_differentiable

from moleflow.config_parts import Precision
from moleflow.kernels import launch
from moleflow.layers.precision import number_format, products
from moleflow.types import Float, Tensor


class Layer(NamedTuple):
    """h -> factor (h (W + scale U A)^T + b + b_t); without a low-rank part, A and U are None."""

    weight: Float[Tensor, "o i"]
    bias: Float[Tensor, " o"]
    down: Float[Tensor, "r i"] | None = None
    """A."""
    up: Float[Tensor, "o r"] | None = None
    """U."""
    task_bias: Float[Tensor, " o"] | None = None
    """b_t."""
    scale: float = 1.0
    factor: float = 1.0

    def times(self, factor: float) -> "Layer":
        """The layer whose output is `factor` times this one's: cheaper than to scale the output."""
        return self._replace(factor=factor * self.factor)


TENSORS = 5
"""Fields of a layer that are tensors; they come first."""
BIAS, DOWN, TASK_BIAS = 1, 2, 4
"""Places of three of them."""

Gradients = tuple[Tensor | None, ...]
"""Of a layer's tensors, each None where nobody asked for it."""


class Passed(NamedTuple):
    """What the backward pass of a net needs."""

    inputs: list[Float[Tensor, "n i"]]
    """Of each layer, in the products' number format."""
    weights: list[Float[Tensor, "o i"]]
    """factor (W + scale U A) of each layer, likewise."""


def relu_net(
    x: Float[Tensor, "*n i"], layers: Sequence[Layer], precision: Precision = "float32"
) -> Float[Tensor, "*n o"]:
    """The last layer's output, in the format of x; ReLU follows every layer but the last."""
    y = _ReluNet.apply(x.reshape(-1, x.shape[-1]), precision, constants(layers), *tensors(layers))
    assert isinstance(y, Tensor)
    return y.to(x.dtype).view(*x.shape[:-1], -1)


class _ReluNet(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        precision: Precision,
        numbers: Sequence[tuple[float, float]],
        *flat: Tensor | None,
    ) -> Tensor:
        y, passed = forward_pass(x, layers_of(flat, numbers), precision)
        ctx.save_for_backward(*passed.inputs, *passed.weights, *flat)
        ctx.precision, ctx.numbers = precision, numbers
        return y

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grads: Tensor
    ) -> tuple[Tensor | None, ...]:
        saved, n = ctx.saved_tensors, len(ctx.numbers)
        passed = Passed(list(saved[:n]), list(saved[n : 2 * n]))
        layers = layers_of(saved[2 * n :], ctx.numbers)
        needed = ctx.needs_input_grad
        g, found = backward_pass(
            grads[0], passed, layers, ctx.precision, needed[3:], input_too=needed[0]
        )
        return g, None, None, *found


def forward_pass(
    x: Float[Tensor, "n i"], layers: Sequence[Layer], precision: Precision
) -> tuple[Float[Tensor, "n o"], Passed]:
    """Output of a net in the products' number format.

    W + U A is one matrix in every product, so that a low-rank update costs no pass of its own.
    """
    kept, n = number_format(precision, x), len(layers)
    inputs = [x.to(kept)]
    with products("tf32" if x.is_cuda and precision != "float32" else "float32"):
        merged = [_merged(layer) for layer in layers]
    rounded = _rounded([*merged, *map(_bias, layers)], kept)
    weights, biases = rounded[:n], rounded[n:]
    with products(precision):
        for bias, weight in zip(biases[:-1], weights[:-1], strict=True):
            inputs.append(_relu_layer(inputs[-1], weight, bias))
        y = torch.addmm(biases[-1], inputs[-1], weights[-1].t())
    return y, Passed(inputs, weights)


def backward_pass(
    g: Float[Tensor, "n o"],
    passed: Passed,
    layers: Sequence[Layer],
    precision: Precision,
    asked: Sequence[bool],
    input_too: bool,
) -> tuple[Float[Tensor, "n i"] | None, list[Tensor | None]]:
    """Gradients of a net's input and of its layers' tensors.

    Args:
        g: gradient of the output, in the products' number format.
        asked: which of the layers' tensors need one.
    """
    found: list[Tensor | None] = []
    thin = _thin_factors(layers, asked, g.dtype)
    with products(precision):
        for k in reversed(range(len(layers))):
            wanted = asked[TENSORS * k : TENSORS * (k + 1)]
            h = None if k == len(layers) - 1 else passed.inputs[k + 1]
            summed = _masked_sum(g, h, wanted[BIAS] or wanted[TASK_BIAS])
            of_layer = _layer_gradients(g, summed, passed.inputs[k], layers[k], wanted, thin.get(k))
            found = [*of_layer, *found]
            if k > 0 or input_too:
                g = g @ passed.weights[k]
        return g if input_too else None, found


def tensors(layers: Sequence[Layer]) -> list[Tensor | None]:
    """All tensors of a net, for a function of autograd."""
    return [tensor for layer in layers for tensor in layer[:TENSORS]]


def constants(layers: Sequence[Layer]) -> list[tuple[float, float]]:
    """All numbers of a net."""
    return [(layer.scale, layer.factor) for layer in layers]


def layers_of(flat: Sequence[Any], numbers: Sequence[tuple[float, float]]) -> list[Layer]:
    """The net again that `tensors` and `constants` took apart."""
    taken = iter(flat)
    return [
        Layer(next(taken), next(taken), next(taken), next(taken), next(taken), *both)
        for both in numbers
    ]


def _relu_layer(
    x: Float[Tensor, "n i"], weight: Float[Tensor, "o i"], bias: Float[Tensor, " o"]
) -> Float[Tensor, "n o"]:
    if x.is_cuda:  # there ReLU is part of the product
        # pyright knows only what torch exports.
        return torch._addmm_activation(bias, x, weight.t())  # pyright: ignore[reportPrivateImportUsage]
    return torch.addmm(bias, x, weight.t()).relu_()


def _masked_sum(
    g: Float[Tensor, "n o"], h: Float[Tensor, "n o"] | None, wanted: bool
) -> Float[Tensor, " o"] | None:
    """Set g to 0 where ReLU's output h is; its sum over the patches, where that is wanted."""
    if wanted and launch.usable(g):
        return launch.mask_and_sum(g, h)
    if h is not None:
        torch.ops.aten.threshold_backward.grad_input(g, h, 0, grad_input=g)
    return g.sum(dim=0, dtype=torch.promote_types(g.dtype, torch.float32)) if wanted else None


def _merged(layer: Layer) -> Float[Tensor, "o i"]:
    """factor (W + scale U A): one kernel, in float32."""
    if layer.down is None or layer.up is None:
        return layer.weight if layer.factor == 1 else layer.factor * layer.weight
    alpha = layer.factor * layer.scale
    return torch.addmm(layer.weight, layer.up, layer.down, beta=layer.factor, alpha=alpha)


def _rounded(numbers: Sequence[Tensor], kept: torch.dtype) -> list[Tensor]:
    """All of them in this number format: one kernel."""
    if all(one.dtype == kept for one in numbers):
        return list(numbers)
    rounded = [torch.empty_like(one, dtype=kept) for one in numbers]
    torch._foreach_copy_(rounded, list(numbers))  # pyright: ignore[reportPrivateImportUsage]
    return rounded


def _bias(layer: Layer) -> Float[Tensor, " o"]:
    bias = layer.bias if layer.task_bias is None else layer.bias + layer.task_bias
    return bias if layer.factor == 1 else layer.factor * bias


def _thin_factors(
    layers: Sequence[Layer], asked: Sequence[bool], kept: torch.dtype
) -> dict[int, tuple[Tensor, Tensor]]:
    """A and U in this number format, of the layers whose gradients are made from thin products.

    These are layers whose W is frozen, where that is fewer multiplications.
    """
    # Not `dict[...]()`, at which torch.compile ends its graph.
    chosen: dict[int, tuple[Tensor, Tensor]] = {}
    for k, layer in enumerate(layers):
        frozen, wanted = not asked[TENSORS * k], asked[TENSORS * k + DOWN]
        if layer.down is not None and layer.up is not None and frozen and wanted:
            outputs, inputs = layer.weight.shape
            if thin_is_cheaper(outputs, inputs, len(layer.down)):
                chosen[k] = layer.down, layer.up
    rounded = iter(_rounded([factor for both in chosen.values() for factor in both], kept))
    return {k: (next(rounded), next(rounded)) for k in chosen}


def _layer_gradients(
    g: Float[Tensor, "n o"],
    summed: Float[Tensor, " o"] | None,
    x: Float[Tensor, "n i"],
    layer: Layer,
    asked: Sequence[bool],
    thin: tuple[Tensor, Tensor] | None,
) -> Gradients:
    """Those of weight, bias, down, up and task bias.

    Only here W and U A are told apart.

    Args:
        summed: g's sum over the patches.
        thin: A and U as `_thin_factors` has them.
    """
    exact, factor = layer.weight.dtype, layer.factor
    summed = None if summed is None else _times(summed, factor)
    biases = summed if asked[BIAS] else None, summed if asked[TASK_BIAS] else None
    if layer.down is None or layer.up is None or not asked[DOWN]:
        weight = _times(_product(g.t(), x, exact), factor) if asked[0] else None
        return weight, biases[0], None, None, biases[1]
    scale = factor * layer.scale
    if thin is not None:
        down = _product(_scaled(g, thin[1], scale).t(), x, exact)
        up = _product(g.t(), _scaled(x, thin[0].t(), scale), exact)
        return None, biases[0], down, up, biases[1]
    whole = _product(g.t(), x, exact)
    low = _scaled(layer.up.t(), whole, scale), _scaled(whole, layer.down.t(), scale)
    return _times(whole, factor) if asked[0] else None, biases[0], *low, biases[1]


def _product(a: Float[Tensor, "m k"], b: Float[Tensor, "k n"], exact: torch.dtype) -> Tensor:
    """a b in this number format, in which it is summed anyway."""
    if a.is_cuda and a.dtype != exact:
        return torch.mm(a, b, out_dtype=exact)
    return a @ b if a.dtype == exact else (a @ b).to(exact)


def _scaled(a: Float[Tensor, "m k"], b: Float[Tensor, "k n"], scale: float) -> Tensor:
    """scale a b: one kernel."""
    ignored = a.new_empty((1, 1)).expand(a.shape[0], b.shape[1])
    return torch.addmm(ignored, a, b, beta=0, alpha=scale)


def _times(gradient: Tensor, factor: float) -> Tensor:
    return gradient if factor == 1 else gradient.mul_(factor)


def thin_is_cheaper(outputs: int, inputs: int, rank: int) -> bool:
    """Whether the gradients of U and A take fewer multiplications from thin products.

    Per patch: four thin products, 2 R (I + O), against the gradient of the whole matrix, I O.
    """
    return 2 * rank * (inputs + outputs) < inputs * outputs
