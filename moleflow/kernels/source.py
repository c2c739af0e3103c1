"""Triton kernels of a coupling block on a GPU: each reads and writes every number once.

N patches in rows, D channels, h of them changed by the block; an image is H x W patches. Sums are
in float32; inputs and outputs may be rounded to bfloat16.
"""

import triton
import triton.language as tl


@triton.jit
def _tanh(x):
    """To 3e-7 of itself: its series near 0, where the other formula would lose digits."""
    square = x * x
    tail = square * (2 / 15 + square * (-17 / 315 + square * (62 / 2835)))
    near = x + x * square * (-1 / 3 + tail)
    return tl.where(square < 0.09, near, 2 * tl.sigmoid(2 * x) - 1)


@triton.jit
def couple_forward(
    x, s, u, permutation, z, logdet,
    s_row, u_row, limit, start, half,
    D: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """z = (x where given, x exp(limit tanh s) + u where changed), permuted; and its log-det.

    Read and computed in the channels' own order: only the result is exchanged among threads.
    """
    row = tl.program_id(0).to(tl.int64)
    channel = tl.arange(0, BLOCK)
    there = channel < D
    value = tl.load(x + row * D + channel, mask=there, other=0.0)
    k = channel - start
    changed = there & (k >= 0) & (k < half)
    raw = tl.load(s + row * s_row + k, mask=changed, other=0.0).to(tl.float32)
    shift = tl.load(u + row * u_row + k, mask=changed, other=0.0).to(tl.float32)
    log_scale = limit * _tanh(raw)
    y = tl.where(changed, value * tl.exp(log_scale) + shift, value)
    source = tl.load(permutation + channel, mask=there, other=0).to(tl.int32)
    tl.store(z + row * D + channel, tl.gather(y, source, axis=0), mask=there)
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
    bounded = _tanh(tl.load(s + row * s_row + k, mask=changed, other=0.0).to(tl.float32))
    scaled = g * tl.where(changed, tl.exp(limit * bounded), 1.0)
    tl.store(g_x + row * D + channel, scaled, mask=there)
    g_log_scale = scaled * value + tl.load(g_logdet + row)
    tl.store(g_s + row * half + k, g_log_scale * limit * (1 - bounded * bounded), mask=changed)
    tl.store(g_u + row * half + k, g, mask=changed)


@triton.jit
def _convolved(
    x, weight, first, columns, channels, x_row, C, H, W,
    SIDE: tl.constexpr, FLIP: tl.constexpr,
    LINES: tl.constexpr, BW: tl.constexpr, BC: tl.constexpr,
):  # fmt: skip
    """Each channel's own SIDE x SIDE kernel at some columns of LINES rows, 2 or 4; zero padding.

    What is read for one row serves its neighbours. `first` is the number of the first row among the
    rows of all images; rows beyond an image's last come to nothing.
    """
    mask = channels < C
    image, y = first // H, first % H
    a = tl.zeros((BW, BC), dtype=tl.float32)
    b = tl.zeros((BW, BC), dtype=tl.float32)
    c = tl.zeros((BW, BC), dtype=tl.float32)
    d = tl.zeros((BW, BC), dtype=tl.float32)
    for dx in range(SIDE):  # not unrolled: registers are what is short
        xx = columns + dx - SIDE // 2
        for r in tl.static_range(SIDE + LINES - 1):
            yy = y + r - SIDE // 2
            width = tl.where((yy >= 0) & (yy < H), W, 0)
            inside = (xx >= 0) & (xx < width)
            at = (image * H * W + yy * W + xx) * x_row
            value = tl.load(
                x + at[:, None] + channels[None, :],
                mask=inside[:, None] & mask[None, :], other=0.0,
            ).to(tl.float32)  # fmt: skip
            if r < SIDE:
                a += value * _tap(weight, r, dx, channels, mask, C, SIDE, FLIP)
            if r >= 1 and r < SIDE + 1:
                b += value * _tap(weight, r - 1, dx, channels, mask, C, SIDE, FLIP)
            if LINES == 4 and r >= 2 and r < SIDE + 2:
                c += value * _tap(weight, r - 2, dx, channels, mask, C, SIDE, FLIP)
            if LINES == 4 and r >= 3:
                d += value * _tap(weight, r - 3, dx, channels, mask, C, SIDE, FLIP)
    return a, b, c, d


@triton.jit
def _tap(
    weight, dy: tl.constexpr, dx, channels, mask, C,
    SIDE: tl.constexpr, FLIP: tl.constexpr,
):  # fmt: skip
    tap = SIDE * SIDE - 1 - (dy * SIDE + dx) if FLIP else dy * SIDE + dx
    return tl.load(weight + tap * C + channels, mask=mask, other=0.0)[None, :]


@triton.jit
def _tile(H, LINES: tl.constexpr, BW: tl.constexpr, BC: tl.constexpr):
    """First row among the rows of all images, columns and channels of this program's tile."""
    groups = (H + LINES - 1) // LINES
    number = tl.program_id(0).to(tl.int64)
    first = number // groups * H + number % groups * LINES
    return (
        first,
        tl.program_id(1) * BW + tl.arange(0, BW),
        tl.program_id(2) * BC + tl.arange(0, BC),
    )


@triton.jit
def context_forward(
    x, weight, out, x_row, C, H, W,
    SIDE: tl.constexpr, LINES: tl.constexpr, BW: tl.constexpr, BC: tl.constexpr,
):  # fmt: skip
    """out = [x; weight * x], a patch and its context, C channels each."""
    first, columns, channels = _tile(H, LINES, BW, BC)
    a, b, c, d = _convolved(
        x, weight, first, columns, channels, x_row, C, H, W, SIDE, False, LINES, BW, BC
    )
    _store_context(x, out, a, first, 0, columns, channels, x_row, C, H, W)
    _store_context(x, out, b, first, 1, columns, channels, x_row, C, H, W)
    if LINES == 4:
        _store_context(x, out, c, first, 2, columns, channels, x_row, C, H, W)
        _store_context(x, out, d, first, 3, columns, channels, x_row, C, H, W)


@triton.jit
def _store_context(x, out, context, first, r, columns, channels, x_row, C, H, W):
    width = tl.where(first % H + r < H, W, 0)
    both = (columns < width)[:, None] & (channels < C)[None, :]
    place = (first + r) * W + columns
    value = tl.load(x + (place * x_row)[:, None] + channels[None, :], mask=both, other=0.0)
    at = out + (place * 2 * C)[:, None] + channels[None, :]
    tl.store(at, value, mask=both)
    tl.store(at + C, context, mask=both)


@triton.jit(do_not_specialize=["N"])
def column_sums(
    g, h, parts, N, C,
    MASK: tl.constexpr, TIMES: tl.constexpr, BN: tl.constexpr, BC: tl.constexpr,
):  # fmt: skip
    """Sums of g over TIMES * BN rows each; before, where asked, g becomes 0 where h is not > 0.

    Nothing is summed across threads before the end: so no load waits for another.
    """
    first = tl.program_id(0).to(tl.int64) * TIMES * BN
    columns = tl.program_id(1) * BC + tl.arange(0, BC)
    total = tl.zeros((BN, BC), dtype=tl.float32)
    for turn in tl.static_range(TIMES):
        rows = first + turn * BN + tl.arange(0, BN)
        both = (rows < N)[:, None] & (columns < C)[None, :]
        at = (rows * C)[:, None] + columns[None, :]
        value = tl.load(g + at, mask=both, other=0.0)
        if MASK:
            value = tl.where(tl.load(h + at, mask=both, other=0.0) > 0, value, 0.0)
            tl.store(g + at, value, mask=both)
        total += value.to(tl.float32)
    at = parts + tl.program_id(0) * C + columns
    tl.store(at, tl.sum(total, axis=0), mask=columns < C)


@triton.jit(do_not_specialize=["P"])
def add_parts(parts, out, P, C, BP: tl.constexpr, BC: tl.constexpr):
    """Sums of columns of P rows."""
    columns = tl.program_id(0) * BC + tl.arange(0, BC)
    total = tl.zeros((BP, BC), dtype=tl.float32)
    for first in range(0, P, BP):
        rows = first + tl.arange(0, BP)
        both = (rows < P)[:, None] & (columns < C)[None, :]
        total += tl.load(parts + (rows * C)[:, None] + columns[None, :], mask=both, other=0.0)
    tl.store(out + columns, tl.sum(total, axis=0), mask=columns < C)


@triton.jit(do_not_specialize=["N"])
def add_two(
    out, one, other, N, C, out_row,
    BN: tl.constexpr, BC: tl.constexpr,
):  # fmt: skip
    """out += one + other."""
    rows = tl.program_id(0).to(tl.int64) * BN + tl.arange(0, BN)
    columns = tl.program_id(1) * BC + tl.arange(0, BC)
    both = (rows < N)[:, None] & (columns < C)[None, :]
    at = (rows * C)[:, None] + columns[None, :]
    total = tl.load(one + at, mask=both, other=0.0).to(tl.float32)
    total += tl.load(other + at, mask=both, other=0.0).to(tl.float32)
    place = out + (rows * out_row)[:, None] + columns[None, :]
    tl.store(place, tl.load(place, mask=both, other=0.0) + total, mask=both)


@triton.jit
def context_backward(
    g, g_other, weight, g_x, x_row, C, H, W,
    SIDE: tl.constexpr, LINES: tl.constexpr, BW: tl.constexpr, BC: tl.constexpr,
):  # fmt: skip
    """g_x += g[patch] + g_other + (the convolution's transpose of g[context])."""
    first, columns, channels = _tile(H, LINES, BW, BC)
    a, b, c, d = _convolved(
        g + C, weight, first, columns, channels, 2 * C, C, H, W, SIDE, True, LINES, BW, BC
    )
    _add_gradients(g, g_other, g_x, a, first, 0, columns, channels, x_row, C, H, W)
    _add_gradients(g, g_other, g_x, b, first, 1, columns, channels, x_row, C, H, W)
    if LINES == 4:
        _add_gradients(g, g_other, g_x, c, first, 2, columns, channels, x_row, C, H, W)
        _add_gradients(g, g_other, g_x, d, first, 3, columns, channels, x_row, C, H, W)


@triton.jit
def _add_gradients(g, g_other, g_x, total, first, r, columns, channels, x_row, C, H, W):
    width = tl.where(first % H + r < H, W, 0)
    both = (columns < width)[:, None] & (channels < C)[None, :]
    place = (first + r) * W + columns
    wide = (place * 2 * C)[:, None] + channels[None, :]
    total += tl.load(g + wide, mask=both, other=0.0).to(tl.float32)
    thin = (place * C)[:, None] + channels[None, :]
    total += tl.load(g_other + thin, mask=both, other=0.0).to(tl.float32)
    at = g_x + (place * x_row)[:, None] + channels[None, :]
    tl.store(at, tl.load(at, mask=both, other=0.0) + total, mask=both)


@triton.jit
def depthwise_forward(
    x, weight, bias, out, C, H, W,
    SIDE: tl.constexpr, FLIP: tl.constexpr, BIAS: tl.constexpr,
    LINES: tl.constexpr, BW: tl.constexpr, BC: tl.constexpr,
):  # fmt: skip
    """Each channel convolved with its own kernel, flipped for the transpose; zero padding."""
    first, columns, channels = _tile(H, LINES, BW, BC)
    a, b, c, d = _convolved(
        x, weight, first, columns, channels, C, C, H, W, SIDE, FLIP, LINES, BW, BC
    )
    added = tl.zeros((BC,), dtype=tl.float32)
    if BIAS:
        added += tl.load(bias + channels, mask=channels < C, other=0.0)
    _store_row(out, a + added[None, :], first, 0, columns, channels, C, H, W)
    _store_row(out, b + added[None, :], first, 1, columns, channels, C, H, W)
    if LINES == 4:
        _store_row(out, c + added[None, :], first, 2, columns, channels, C, H, W)
        _store_row(out, d + added[None, :], first, 3, columns, channels, C, H, W)


@triton.jit
def _store_row(out, total, first, r, columns, channels, C, H, W):
    width = tl.where(first % H + r < H, W, 0)
    both = (columns < width)[:, None] & (channels < C)[None, :]
    place = (first + r) * W + columns
    tl.store(out + (place * C)[:, None] + channels[None, :], total, mask=both)


@triton.jit
def depthwise_weight_gradient(
    g, x, out, g_row, x_row, C, H, W,
    SIDE: tl.constexpr, SHIFTS: tl.constexpr, BW: tl.constexpr, BC: tl.constexpr,
):  # fmt: skip
    """Of one image and one row of taps: sums of g times x shifted by each tap of the row.

    They go to out[image, channel, tap]. A row of g serves all shifts, of which there are SIDE; and
    nothing is summed across threads before the end.
    """
    image = tl.program_id(0).to(tl.int64)
    channels = tl.program_id(1) * BC + tl.arange(0, BC)
    dy = tl.program_id(2)
    shift = tl.arange(0, SHIFTS)
    total = tl.zeros((SHIFTS, BW, BC), dtype=tl.float32)
    for left in range(0, W, BW):
        columns = left + tl.arange(0, BW)
        xx = columns[None, :] + shift[:, None] - SIDE // 2
        inside = (xx >= 0) & (xx < W) & (columns < W)[None, :] & (shift < SIDE)[:, None]
        seen = inside[:, :, None] & (channels < C)[None, None, :]
        wide = (columns < W)[:, None] & (channels < C)[None, :]
        for y in range(H):
            yy = y + dy - SIDE // 2
            if (yy >= 0) & (yy < H):
                at_g = ((image * H + y) * W + columns) * g_row
                here = tl.load(g + at_g[:, None] + channels[None, :], mask=wide, other=0.0)
                at_x = ((image * H + yy) * W + xx) * x_row
                at = at_x[:, :, None] + channels[None, None, :]
                there = tl.load(x + at, mask=seen, other=0.0).to(tl.float32)
                total += here.to(tl.float32)[None, :, :] * there
    sums = tl.sum(total, axis=1)
    place = (image * C + channels) * SIDE * SIDE + dy * SIDE
    both = (shift < SIDE)[:, None] & (channels < C)[None, :]
    tl.store(out + place[None, :] + shift[:, None], sums, mask=both)
