"""Triton kernels of a coupling block on a GPU: each reads and writes every number once.

N patches in rows, D channels, h of them changed by the block; an image is H x W patches. Sums are
in float32; inputs and outputs may be rounded to bfloat16.
"""

import triton
import triton.language as tl


@triton.jit
def couple_forward(
    x, s, u, permutation, z, logdet,
    s_row, u_row, limit, start, half,
    D: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """z = (x where given, x exp(limit tanh s) + u where changed), permuted; and its log-det."""
    row = tl.program_id(0).to(tl.int64)
    out = tl.arange(0, BLOCK)
    there = out < D
    channel = tl.load(permutation + out, mask=there, other=0)
    value = tl.load(x + row * D + channel, mask=there, other=0.0)
    k = channel - start
    changed = there & (k >= 0) & (k < half)
    raw = tl.load(s + row * s_row + k, mask=changed, other=0.0).to(tl.float32)
    shift = tl.load(u + row * u_row + k, mask=changed, other=0.0).to(tl.float32)
    log_scale = limit * (2 * tl.sigmoid(2 * raw) - 1)
    y = tl.where(changed, value * tl.exp(log_scale) + shift, value)
    tl.store(z + row * D + out, y, mask=there)
    tl.store(logdet + row, tl.sum(tl.where(changed, log_scale, 0.0), axis=0))


@triton.jit
def couple_backward(
    g_z, g_logdet, x, s, inverse, g_x, g_s, g_u,
    s_row, limit, start, half,
    D: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Gradients of x (as far as it passes here), s and u."""
    row = tl.program_id(0).to(tl.int64)
    channel = tl.arange(0, BLOCK)
    there = channel < D
    place = tl.load(inverse + channel, mask=there, other=0)
    g = tl.load(g_z + row * D + place, mask=there, other=0.0)
    value = tl.load(x + row * D + channel, mask=there, other=0.0)
    k = channel - start
    changed = there & (k >= 0) & (k < half)
    bounded = (
        2 * tl.sigmoid(2 * tl.load(s + row * s_row + k, mask=changed, other=0.0).to(tl.float32)) - 1
    )
    scaled = g * tl.where(changed, tl.exp(limit * bounded), 1.0)
    tl.store(g_x + row * D + channel, scaled, mask=there)
    g_log_scale = scaled * value + tl.load(g_logdet + row)
    tl.store(g_s + row * half + k, g_log_scale * limit * (1 - bounded * bounded), mask=changed)
    tl.store(g_u + row * half + k, g, mask=changed)


@triton.jit
def _convolved(
    x, weight, image, y, columns, channels, x_row, C, H, W,
    SIDE: tl.constexpr, FLIP: tl.constexpr, BW: tl.constexpr, BC: tl.constexpr,
):  # fmt: skip
    """Each channel's own SIDE x SIDE kernel at some columns of row y; zero outside of the image."""
    mask = channels < C
    total = tl.zeros((BW, BC), dtype=tl.float32)
    for dy in tl.static_range(SIDE):
        for dx in tl.static_range(SIDE):
            tap = SIDE * SIDE - 1 - (dy * SIDE + dx) if FLIP else dy * SIDE + dx
            yy = y + dy - SIDE // 2
            xx = columns + dx - SIDE // 2
            width = tl.where((yy >= 0) & (yy < H), W, 0)
            inside = (xx >= 0) & (xx < width)
            at = (image * H * W + yy * W + xx) * x_row
            value = tl.load(
                x + at[:, None] + channels[None, :],
                mask=inside[:, None] & mask[None, :], other=0.0,
            )  # fmt: skip
            tap_weight = tl.load(weight + channels * SIDE * SIDE + tap, mask=mask, other=0.0)
            total += value.to(tl.float32) * tap_weight[None, :]
    return total


@triton.jit
def context_forward(
    x, weight, out, x_row, C, H, W,
    SIDE: tl.constexpr, BW: tl.constexpr, BC: tl.constexpr,
):  # fmt: skip
    """out = [x; weight * x], a patch and its context, C channels each."""
    line = tl.program_id(0).to(tl.int64)
    image, y = line // H, line % H
    columns = tl.program_id(1) * BW + tl.arange(0, BW)
    channels = tl.program_id(2) * BC + tl.arange(0, BC)
    mask = channels < C
    both = (columns < W)[:, None] & mask[None, :]
    place = image * H * W + y * W + columns
    context = _convolved(
        x, weight, image, y, columns, channels, x_row, C, H, W, SIDE, False, BW, BC
    )
    value = tl.load(x + (place * x_row)[:, None] + channels[None, :], mask=both, other=0.0)
    at = out + (place * 2 * C)[:, None] + channels[None, :]
    tl.store(at, value, mask=both)
    tl.store(at + C, context, mask=both)


@triton.jit
def context_backward(
    g, g_other, weight, g_x, x_row, C, H, W,
    SIDE: tl.constexpr, BW: tl.constexpr, BC: tl.constexpr,
):  # fmt: skip
    """g_x += g[patch] + g_other + (the convolution's transpose of g[context])."""
    line = tl.program_id(0).to(tl.int64)
    image, y = line // H, line % H
    columns = tl.program_id(1) * BW + tl.arange(0, BW)
    channels = tl.program_id(2) * BC + tl.arange(0, BC)
    mask = channels < C
    both = (columns < W)[:, None] & mask[None, :]
    place = image * H * W + y * W + columns
    total = _convolved(
        g + C, weight, image, y, columns, channels, 2 * C, C, H, W, SIDE, True, BW, BC
    )
    wide = (place * 2 * C)[:, None] + channels[None, :]
    total += tl.load(g + wide, mask=both, other=0.0).to(tl.float32)
    thin = (place * C)[:, None] + channels[None, :]
    total += tl.load(g_other + thin, mask=both, other=0.0).to(tl.float32)
    at = g_x + (place * x_row)[:, None] + channels[None, :]
    tl.store(at, tl.load(at, mask=both, other=0.0) + total, mask=both)


@triton.jit
def depthwise_forward(
    x, weight, bias, out, C, H, W,
    SIDE: tl.constexpr, FLIP: tl.constexpr, BIAS: tl.constexpr, BW: tl.constexpr, BC: tl.constexpr,
):  # fmt: skip
    """Each channel convolved with its own kernel, flipped for the transpose; zero padding."""
    line = tl.program_id(0).to(tl.int64)
    image, y = line // H, line % H
    columns = tl.program_id(1) * BW + tl.arange(0, BW)
    channels = tl.program_id(2) * BC + tl.arange(0, BC)
    mask = channels < C
    total = _convolved(x, weight, image, y, columns, channels, C, C, H, W, SIDE, FLIP, BW, BC)
    if BIAS:
        total += tl.load(bias + channels, mask=mask, other=0.0)[None, :]
    place = image * H * W + y * W + columns
    both = (columns < W)[:, None] & mask[None, :]
    tl.store(out + (place * C)[:, None] + channels[None, :], total, mask=both)


@triton.jit
def depthwise_weight_gradient(
    g, x, out, g_row, x_row, C, H, W,
    SIDE: tl.constexpr, BW: tl.constexpr, BC: tl.constexpr,
):  # fmt: skip
    """Of one image and one tap: out[image, channel, tap] = sum of g times x shifted by the tap."""
    image = tl.program_id(0).to(tl.int64)
    channels = tl.program_id(1) * BC + tl.arange(0, BC)
    tap = tl.program_id(2)
    mask = channels < C
    dy, dx = tap // SIDE - SIDE // 2, tap % SIDE - SIDE // 2
    total = tl.zeros((BC,), dtype=tl.float32)
    for y in range(H):
        for left in range(0, W, BW):
            columns = left + tl.arange(0, BW)
            yy, xx = y + dy, columns + dx
            width = tl.where((yy >= 0) & (yy < H), W, 0)
            inside = (columns < W) & (xx >= 0) & (xx < width)
            both = inside[:, None] & mask[None, :]
            at_g = ((image * H + y) * W + columns) * g_row
            at_x = ((image * H + yy) * W + xx) * x_row
            here = tl.load(g + at_g[:, None] + channels[None, :], mask=both, other=0.0)
            there = tl.load(x + at_x[:, None] + channels[None, :], mask=both, other=0.0)
            total += tl.sum(here.to(tl.float32) * there.to(tl.float32), axis=0)
    tl.store(out + (image * C + channels) * SIDE * SIDE + tap, total, mask=mask)
