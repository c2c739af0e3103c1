"""Restricted likelihood of a mean and independent random effects, for any design.

N values, Q levels of all sources together; V = σ²·I + Σ σ_k²·Z_k·Z_kᵀ and
P = V⁻¹ − V⁻¹·1·(1ᵀV⁻¹1)⁻¹·1ᵀV⁻¹.
All is done with Q × Q matrices, so thousands of values take milliseconds.
"""

import itertools
import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from reports.statistics.distributions import minimum, root
from reports.statistics.image_metrics import Z

LEAST = 1e-9
"""Of the residual's variance, of the whole: below, V has no inverse."""


@dataclass(frozen=True)
class Crossed:
    """What the likelihood needs to know of values of variance 1 and their levels."""

    n: int
    blocks: tuple[slice, ...]
    """Of each source among the Q levels."""
    zz: Float[np.ndarray, "q q"]
    """ZᵀZ: how often two levels meet."""
    z1: Float[np.ndarray, " q"]
    zy: Float[np.ndarray, " q"]
    y1: float
    yy: float

    @classmethod
    def of(cls, y: Float[np.ndarray, " n"], codes: list[np.ndarray]) -> "Crossed":
        z = np.hstack([np.eye(int(code.max()) + 1)[code] for code in codes])
        ends = np.cumsum([0, *(int(code.max()) + 1 for code in codes)]).tolist()
        blocks = tuple(slice(a, b) for a, b in itertools.pairwise(ends))
        return cls(
            len(y), blocks, z.T @ z, z.sum(axis=0), z.T @ y, float(y.sum()), float((y * y).sum())
        )


def deviance(
    model: Crossed, variances: Float[np.ndarray, " k1"]
) -> tuple[float, Float[np.ndarray, " k1"]]:
    """−2 log of the restricted likelihood but for a constant, and its gradient (Searle, Casella and
    McCulloch 1992, section 6.6).

    Args:
        variances: of the residual, then of each source.
    """
    noise = float(variances[0])
    root_w = np.zeros(len(model.z1))
    for block, variance in zip(model.blocks, variances[1:], strict=True):
        root_w[block] = math.sqrt(max(0.0, float(variance)) / noise)
    inner = np.eye(len(root_w)) + root_w[:, None] * model.zz * root_w
    factor = np.linalg.cholesky(inner)
    sides = np.column_stack([model.zz, model.z1, model.zy])
    half = np.linalg.solve(factor, root_w[:, None] * sides)
    zvz, zv1, zvy = np.split((sides - model.zz * root_w @ np.linalg.solve(factor.T, half)) / noise,
                             [len(root_w), len(root_w) + 1], axis=1)  # fmt: skip
    h1, hy = half[:, -2], half[:, -1]
    one = (model.n - float(h1 @ h1)) / noise
    y1 = (model.y1 - float(h1 @ hy)) / noise
    ypy = (model.yy - float(hy @ hy)) / noise - y1 * y1 / one
    zpz = zvz - zv1 @ zv1.T / one
    zpy = zvy[:, 0] - zv1[:, 0] * y1 / one
    log_v = model.n * math.log(noise) + 2 * float(np.log(np.diag(factor)).sum())
    traces = np.array([float(np.trace(zpz[block, block])) for block in model.blocks])
    squares = np.array([float((zpy[block] ** 2).sum()) for block in model.blocks])
    of_noise = (model.n - 1 - ypy - float(variances[1:] @ (traces - squares))) / noise
    return log_v + math.log(one) + ypy, np.concatenate([[of_noise], traces - squares])


@dataclass(frozen=True)
class Fit:
    """The residual's variance, then each source's."""

    variances: tuple[float, ...]
    intervals: tuple[tuple[float, float], ...]
    """95 %, by profile likelihood: variances whose best deviance is within 3.84 of the least."""
    nothing: float
    """A variance at or below this lies on the bound 0."""


def reml(model: Crossed) -> Fit:
    """Restricted maximum likelihood with profile intervals."""
    k = len(model.blocks) + 1
    low = np.array([LEAST, *np.zeros(k - 1)])

    def whole(v: Float[np.ndarray, " k1"]) -> tuple[float, Float[np.ndarray, " k1"]]:
        return deviance(model, v)

    best, least = min(
        (minimum(whole, np.full(k, 1.0 / share), low) for share in (k, 10 * k)),
        key=lambda found: found[1],
    )
    intervals = tuple(_profile(model, best, least, i, float(low[i])) for i in range(k))
    return Fit(tuple(float(v) for v in best), intervals, 1e-7)


def _profile(
    model: Crossed, best: Float[np.ndarray, " k1"], least: float, i: int, bound: float
) -> tuple[float, float]:
    others = [j for j in range(len(best)) if j != i]
    low = np.array([LEAST if j == 0 else 0.0 for j in others])
    start = np.maximum(best[others], low)

    def excess(value: float) -> float:
        nonlocal start
        v = best.copy()
        v[i] = value

        def rest(free: Float[np.ndarray, " k"]) -> tuple[float, Float[np.ndarray, " k"]]:
            v[others] = free
            found, gradient = deviance(model, v)
            return found, gradient[others]

        start, found = minimum(rest, start, low, precision=1e-9)
        return found - least - Z * Z

    estimate = float(best[i])
    ends = [bound, max(2 * estimate, 0.05)]
    while excess(ends[1]) < 0:
        ends[1] *= 2
    upper = root(excess, max(estimate, bound), ends[1], within=1e-4 * ends[1])
    if excess(bound) <= 0:
        return 0.0, upper
    return root(excess, bound, estimate, within=1e-4 * estimate), upper
