"""Depth-wise convolution over the patch grid."""

from typing import Any

import torch
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from moleflow.kernels import launch
from moleflow.types import Float, Patches, Tensor


def depthwise(x: Patches, weight: Float[Tensor, "d 1 k k"], bias: Tensor | None = None) -> Patches:
    """Each channel convolved with its own kernel over the patch grid; zero padding."""
    if launch.usable(x):
        return _Depthwise.apply(x.contiguous(), weight, bias)  # pyright: ignore[reportReturnType]
    channels, side = weight.shape[0], weight.shape[-1]
    y = F.conv2d(x.permute(0, 3, 1, 2), weight, bias, padding=side // 2, groups=channels)
    return y.permute(0, 2, 3, 1)


class _Depthwise(torch.autograd.Function):
    """On a GPU: cuDNN's kernels for it are many times slower."""

    @staticmethod
    def forward(ctx: Any, x: Patches, weight: Tensor, bias: Tensor | None) -> Patches:
        ctx.save_for_backward(x if ctx.needs_input_grad[1] else None, weight)
        return launch.depthwise(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grads: Tensor
    ) -> tuple[Tensor | None, ...]:
        (x, weight), needed = ctx.saved_tensors, ctx.needs_input_grad
        g = grads[0].contiguous()
        g_x = launch.depthwise(g, weight, None, transposed=True) if needed[0] else None
        side = weight.shape[-1]
        g_weight = launch.depthwise_kernel_gradient(g, x, side) if needed[1] else None
        return g_x, g_weight, g.sum(dim=(0, 1, 2)) if needed[2] else None
