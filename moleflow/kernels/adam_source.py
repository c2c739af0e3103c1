"""Triton kernels of AdamP and AdamW: each number of a parameter is read and written once or twice.

A run of the vector of all parameters (`moleflow.training.adam`) starts at `first`; as K matrices it
has R rows of C columns each. All sums are in an order that their number fixes.
"""

import triton
import triton.language as tl


@triton.jit
def _direction(
    gradient, mean, square, at, there, correction,
    BETA1: tl.constexpr, BETA2: tl.constexpr, EPSILON: tl.constexpr,
):  # fmt: skip
    """Gradients, and their mean over the root of their mean square; both means are kept."""
    g = tl.load(gradient + at, mask=there, other=0.0)
    m = BETA1 * tl.load(mean + at, mask=there, other=0.0) + (1 - BETA1) * g
    v = BETA2 * tl.load(square + at, mask=there, other=0.0) + (1 - BETA2) * g * g
    tl.store(mean + at, m, mask=there)
    tl.store(square + at, v, mask=there)
    return g, tl.div_rn(m, tl.div_rn(tl.sqrt_rn(v), correction) + EPSILON)


@triton.jit
def _moved(p, d, rate, corrections, keep_on, decay, share):
    """p after a step along d, with `share` of the weight decay; p itself where it may not move."""
    speed = tl.load(rate)
    shrunk = p * (1 - (speed * decay).to(tl.float32) * share)
    new = shrunk - d * (speed / tl.load(corrections)).to(tl.float32)
    return tl.where(tl.load(keep_on) != 0, new, p)


@triton.jit(do_not_specialize=["rate", "first", "size"])
def adam_whole_step(
    parameters, gradient, mean, square, corrections, rate, keep_on, decay, first, size,
    BETA1: tl.constexpr, BETA2: tl.constexpr, EPSILON: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """A step of numbers that are not projected."""
    offset = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    there, at = offset < size, first + offset
    root = tl.sqrt(tl.load(corrections + 1)).to(tl.float32)
    _, d = _direction(gradient, mean, square, at, there, root, BETA1, BETA2, EPSILON)
    p = tl.load(parameters + at, mask=there, other=0.0)
    new = _moved(p, d, rate, corrections, keep_on, decay, 1.0)
    tl.store(parameters + at, new, mask=there)


@triton.jit(do_not_specialize=["first", "rows", "C"])
def adam_directions(
    parameters, gradient, mean, square, direction, sums, corrections, first, rows, C,
    BETA1: tl.constexpr, BETA2: tl.constexpr, EPSILON: tl.constexpr,
    BN: tl.constexpr, BC: tl.constexpr,
):  # fmt: skip
    """Directions; and of each row the sums of g p, p p, g g and p d, which go to sums[row]."""
    row = tl.program_id(0) * BN + tl.arange(0, BN)
    root = tl.sqrt(tl.load(corrections + 1)).to(tl.float32)
    g_p = tl.zeros((BN, BC), dtype=tl.float32)
    p_p = tl.zeros((BN, BC), dtype=tl.float32)
    g_g = tl.zeros((BN, BC), dtype=tl.float32)
    p_d = tl.zeros((BN, BC), dtype=tl.float32)
    for left in range(0, C, BC):
        column = left + tl.arange(0, BC)
        there = (row < rows)[:, None] & (column < C)[None, :]
        place = row[:, None] * C + column[None, :]
        at = first + place
        g, d = _direction(gradient, mean, square, at, there, root, BETA1, BETA2, EPSILON)
        p = tl.load(parameters + at, mask=there, other=0.0)
        tl.store(direction + place, d, mask=there)
        g_p += g * p
        p_p += p * p
        g_g += g * g
        p_d += p * d
    to = sums + 4 * row
    tl.store(to, tl.sum(g_p, axis=1), mask=row < rows)
    tl.store(to + 1, tl.sum(p_p, axis=1), mask=row < rows)
    tl.store(to + 2, tl.sum(g_g, axis=1), mask=row < rows)
    tl.store(to + 3, tl.sum(p_d, axis=1), mask=row < rows)


@triton.jit(do_not_specialize=["R"])
def adam_projections(
    sums, found, R, row_limit, whole_limit,
    EPSILON: tl.constexpr, BR: tl.constexpr,
):  # fmt: skip
    """Of a matrix: whether it is projected by its rows, as a whole, and then by what of itself."""
    matrix = tl.program_id(0)
    nearest = tl.zeros((BR,), dtype=tl.float32)
    g_p = tl.zeros((BR,), dtype=tl.float32)
    p_p = tl.zeros((BR,), dtype=tl.float32)
    g_g = tl.zeros((BR,), dtype=tl.float32)
    p_d = tl.zeros((BR,), dtype=tl.float32)
    for first in range(0, R, BR):
        row = first + tl.arange(0, BR)
        at = sums + 4 * (matrix * R + row)
        one = tl.load(at, mask=row < R, other=0.0)
        two = tl.load(at + 1, mask=row < R, other=0.0)
        three = tl.load(at + 2, mask=row < R, other=0.0)
        nearest = tl.maximum(nearest, _cosine(one, two, three, EPSILON))
        g_p += one
        p_p += two
        g_g += three
        p_d += tl.load(at + 3, mask=row < R, other=0.0)
    norms = tl.sum(p_p, axis=0)
    whole = _cosine(tl.sum(g_p, axis=0), norms, tl.sum(g_g, axis=0), EPSILON)
    by_row = tl.max(nearest, axis=0) < row_limit
    to = found + 3 * matrix
    tl.store(to, by_row.to(tl.float32))
    tl.store(to + 1, ((whole < whole_limit) & (by_row == 0)).to(tl.float32))
    tl.store(to + 2, _share(tl.sum(p_d, axis=0), norms, EPSILON))


@triton.jit
def _cosine(dot, one, other, EPSILON: tl.constexpr):
    """|cos| of vectors from their dot product and the squares of their norms."""
    norms = tl.maximum(tl.sqrt_rn(one), EPSILON) * tl.maximum(tl.sqrt_rn(other), EPSILON)
    return tl.div_rn(tl.abs(dot), norms)


@triton.jit
def _share(dot, square, EPSILON: tl.constexpr):
    """By how much of p a vector d lies along p, from d p and p p."""
    norm = tl.sqrt_rn(square) + EPSILON
    return tl.div_rn(tl.div_rn(dot, norm), norm)


@triton.jit(do_not_specialize=["rate", "first", "rows", "R", "C"])
def adam_projected_step(
    parameters, direction, sums, found, corrections, rate, keep_on, decay, first, rows, R, C,
    RATIO: tl.constexpr, EPSILON: tl.constexpr, BN: tl.constexpr, BC: tl.constexpr,
):  # fmt: skip
    """A step of matrices along what is left of their directions."""
    row = tl.program_id(0) * BN + tl.arange(0, BN)
    inside = row < rows
    at = found + 3 * (row // R)
    by_row = tl.load(at, mask=inside, other=0.0)
    as_a_whole = tl.load(at + 1, mask=inside, other=0.0)
    p_p = tl.load(sums + 4 * row + 1, mask=inside, other=0.0)
    p_d = tl.load(sums + 4 * row + 3, mask=inside, other=0.0)
    along = by_row * _share(p_d, p_p, EPSILON)
    along += as_a_whole * tl.load(at + 2, mask=inside, other=0.0)
    share = 1 - (1 - RATIO) * (by_row + as_a_whole)
    for left in range(0, C, BC):
        column = left + tl.arange(0, BC)
        there = inside[:, None] & (column < C)[None, :]
        place = row[:, None] * C + column[None, :]
        p = tl.load(parameters + first + place, mask=there, other=0.0)
        d = tl.load(direction + place, mask=there, other=0.0) - p * along[:, None]
        new = _moved(p, d, rate, corrections, keep_on, decay, share[:, None])
        tl.store(parameters + first + place, new, mask=there)
