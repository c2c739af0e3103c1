"""Whether the updates of different tasks point the same way, against chance (docs/method.md, 11).

Source: Mechanistic Analysis, experiment 2, which names CKA of the B factors, and no chance level.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float64
from matplotlib.figure import Figure

from moleflow.analysis.subject import Analysis, Subject
from moleflow.analysis.updates import Update, effective_rank, thin_svd, updates_of
from moleflow.drawing import (
    canvas,
    heat_map,
    house_style,
    nothing_to_draw,
    side,
    two_digits,
)
from moleflow.streams import numpy_stream

DRAWS = 20
"""Random subspaces for every chance level."""
SIDES = ("output", "input")
"""Column space of ΔW (what a layer's outputs move by), row space (what it looks at)."""
DOMINANT = 0.95
ROUNDING = 1e-10
"""A singular value below this share of the largest one is rounding and has no direction."""
MEASURES = (
    "cka",
    "chance_cka",
    "chance_cka_sd",
    "overlap",
    "chance_overlap",
    "smallest_angle [deg]",
    "chance_smallest_angle [deg]",
    "median_angle [deg]",
    "largest_angle [deg]",
    "dominant_overlap",
    "chance_dominant_overlap",
)
COLUMNS = ("task_a", "task_b", "block", "slot", "side", "dimensions", *MEASURES)
NOTES = (
    "side: “output” compares the column spaces of ΔW (those of B), “input” its row spaces (those "
    "of A). ΔW itself is compared, not B and A, because BA = (BR)(R⁻¹A) for any invertible R: the "
    "factors alone mean nothing.",
    "cka: linear centred kernel alignment of ΔW_i and ΔW_j (output units as samples; for “input”, "
    "input units): 1 for equal updates up to scale and rotation. Directions "
    "count by their energy.",
    "overlap: mean squared cosine of the principal angles between the two subspaces, every "
    "direction counting alike; dominant_overlap: the same for the directions that hold 95 % of the "
    "energy of each update.",
    f"chance: subspaces of the same dimensions, with the same singular values, turned at random "
    f"({DRAWS} seeded draws; overlap has its exact expectation, larger dimension / side of the "
    "layer). A value says something only where it differs from chance: for rank r in n channels "
    "chance overlap is r/n, not 0.",
    "A starts from random numbers of the task's own stream and may move little: then the row "
    "spaces of two tasks stand at chance because of how they were initialised, not because the "
    "tasks differ. B starts at zero, so its directions were all learned.",
)
OFF_NOTE = "All is missing: this trial has no low-rank updates (lora: off, or no flow blocks)."
ALONE_NOTE = "There is one task only, so there is no pair to compare."


@dataclass(frozen=True)
class Span:
    """One side of an update: an orthonormal basis, and the centred directions with their size."""

    basis: Float64[np.ndarray, "n k"]
    dominant: int
    """Leading directions that hold 95 % of the energy."""
    kernel: Float64[np.ndarray, "n c"]
    """Centred U diag(s): K = kernel @ kernel.T is the centred Gram matrix."""
    sizes: Float64[np.ndarray, " c"]
    """Singular values of `kernel`."""


def similarity(subject: Subject) -> Analysis:
    """CKA, principal angles and their chance level for every pair of tasks and every layer."""
    spans = [[sides(update) for update in updates_of(subject, t)] for t in subject.sequence]
    layers = [update.layer for update in updates_of(subject, subject.sequence[0])]
    pairs = pd.DataFrame(_rows(subject.tasks, layers, spans), columns=list(COLUMNS))
    notes = [*NOTES]
    notes += [] if layers else [OFF_NOTE]
    notes += [ALONE_NOTE] if len(subject.sequence) == 1 else []
    means = pairs.groupby(["task_a", "task_b", "side"], sort=False)[list(MEASURES)].mean()
    counts = pairs.groupby(["task_a", "task_b", "side"], sort=False).size().rename("layers")
    table = pd.concat([counts, means], axis=1).reset_index()
    return Analysis(
        "similarity",
        "Similarity of the tasks' updates",
        {"similarity": table, "similarity_layers": pairs},
        {
            "similarity": "Every pair of tasks, mean over the layers",
            "similarity_layers": "Every pair of tasks in every layer",
        },
        _figure(subject.tasks, table),
        "similarity from 0 to 1",
        f"{len(pairs) // len(SIDES)} pairs of updates",
        _finding(table),
        tuple(notes),
    )


def _finding(table: pd.DataFrame) -> str:
    if not len(table):
        return "There are no two tasks with low-rank updates to compare."
    said: list[str] = []
    for name, shown in table.groupby("side", sort=False):
        cka, chance = shown["cka"].mean(), shown["chance_cka"].mean()
        said.append(f"CKA of {name} directions is {cka:.2f} on average, by chance {chance:.2f}")
    return "; ".join(said) + "."


def sides(update: Update) -> dict[str, Span | None]:
    """Both sides of an update; None where it is all zeros and has no directions."""
    svd = update.svd()
    if svd.values[0] == 0:
        return dict.fromkeys(SIDES)
    kept = svd.values > ROUNDING * svd.values[0]
    size, dominant = svd.values[kept], int(effective_rank(svd.values, DOMINANT))
    return {
        "output": _span(svd.left[:, kept], dominant, size),
        "input": _span(svd.right[:, kept], dominant, size),
    }


def _span(basis: np.ndarray, dominant: int, size: np.ndarray) -> Span:
    directions = basis * size
    centred = directions - directions.mean(axis=0)
    svd = thin_svd(centred, np.eye(centred.shape[1]))
    kept = svd.values > ROUNDING * size[0]
    return Span(basis, dominant, (svd.left * svd.values)[:, kept], svd.values[kept])


def _rows(
    tasks: tuple[str, ...], layers: list[str], spans: list[list[dict[str, Span | None]]]
) -> Iterator[tuple[Any, ...]]:
    chance = Chance()
    for i, j in itertools.combinations(range(len(tasks)), 2):
        for layer, one, other in zip(layers, spans[i], spans[j], strict=True):
            block, slot = layer.split(".")
            for name in SIDES:
                a, b = one[name], other[name]
                if a is None or b is None:
                    values = (np.nan,) * (1 + len(MEASURES))
                else:
                    values = (len(a.basis), *compare(a, b, chance))
                yield (tasks[i], tasks[j], int(block), slot, name, *values)


def compare(a: Span, b: Span, chance: "Chance") -> tuple[float, ...]:
    """The numbers of `MEASURES` for two spans in one space."""
    n, wide = len(a.basis), max(a.basis.shape[1], b.basis.shape[1])
    by_chance = chance.cka(a, b)
    angles = principal_angles(a.basis, b.basis)
    leading = principal_angles(a.basis[:, : a.dominant], b.basis[:, : b.dominant])
    return (
        cka(a.kernel, b.kernel),
        float(np.mean(by_chance)),
        float(np.std(by_chance, ddof=1)),
        _overlap(angles),
        wide / n,
        float(angles[0]),
        chance.smallest_angle(n, a.basis.shape[1], b.basis.shape[1]),
        float(np.median(angles)),
        float(angles[-1]),
        _overlap(leading),
        max(a.dominant, b.dominant) / n,
    )


def cka(x: Float64[np.ndarray, "n p"], y: Float64[np.ndarray, "n q"]) -> float:
    """Linear CKA of centred x and y: ‖xᵀy‖² / (‖xᵀx‖ ‖yᵀy‖), Frobenius (Kornblith et al. 2019).

    NaN where centring leaves nothing.
    """
    if x.size == 0 or y.size == 0:
        return float("nan")
    return float(np.sum((x.T @ y) ** 2) / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y)))


def principal_angles(
    a: Float64[np.ndarray, "n p"], b: Float64[np.ndarray, "n q"]
) -> Float64[np.ndarray, " k"]:
    """Angles between the subspaces of two orthonormal bases, smallest first, in degrees.

    Small angles come from sines, since a cosine near 1 has lost them to rounding (Björck and Golub,
    1973).
    """
    if a.shape[1] < b.shape[1]:
        a, b = b, a
    cross = a.T @ b
    cosines = np.linalg.svd(cross, compute_uv=False)
    sines = np.linalg.svd(b - a @ cross, compute_uv=False)[::-1]
    by_cosine, by_sine = np.arccos(np.clip(cosines, 0, 1)), np.arcsin(np.clip(sines, 0, 1))
    return np.degrees(np.where(cosines > np.sqrt(0.5), by_sine, by_cosine))


def _overlap(angles: Float64[np.ndarray, " k"]) -> float:
    return float(np.mean(np.cos(np.radians(angles)) ** 2))


@dataclass(frozen=True)
class Chance:
    """What unrelated updates would give: uniformly random subspaces from seeded streams."""

    _bases: dict[tuple[int, int], list[np.ndarray]] = field(default_factory=dict)
    _angles: dict[tuple[int, int, int], float] = field(default_factory=dict)

    def cka(self, a: Span, b: Span) -> list[float]:
        """CKA with one update turned at random; centring leaves n - 1 dimensions to turn in."""
        scale = np.sqrt(np.sum(a.sizes**4) * np.sum(b.sizes**4))
        weights = b.sizes[:, None] * a.sizes
        return [
            float(np.sum((weights * turned[: len(b.sizes)]) ** 2) / scale)
            for turned in self.bases(len(a.basis) - 1, len(a.sizes))
        ]

    def smallest_angle(self, n: int, p: int, q: int) -> float:
        """Mean smallest angle of random p- and q-dimensional subspaces, in degrees."""
        if (n, p, q) not in self._angles:
            fixed = np.eye(n)[:, :q]
            found = [principal_angles(turned, fixed)[0] for turned in self.bases(n, p)]
            self._angles[n, p, q] = float(np.mean(found))
        return self._angles[n, p, q]

    def bases(self, n: int, k: int) -> list[Float64[np.ndarray, "n k"]]:
        """Orthonormal bases of random k-dimensional subspaces of n dimensions."""
        if (n, k) not in self._bases:
            draws = numpy_stream("analysis", "similarity", n, k)
            self._bases[n, k] = [
                np.linalg.qr(draws.standard_normal((n, k)))[0] for _ in range(DRAWS)
            ]
        return self._bases[n, k]


def _figure(tasks: tuple[str, ...], table: pd.DataFrame) -> Figure:
    if not len(table):
        return nothing_to_draw("There are no two tasks with low-rank updates to compare.")
    wide = max(2.1, side(len(tasks)))
    with house_style():
        figure = canvas(2.6 + 2 * wide, 2.2 + 2 * 0.72 * wide)
        axes = figure.subplots(2, 2, squeeze=False)
        for ax, (name, measure) in zip(
            axes.flat, itertools.product(SIDES, ("cka", "overlap")), strict=True
        ):
            shown = table[table["side"] == name]
            values = np.full((len(tasks), len(tasks)), np.nan)
            for a, b, value in zip(shown["task_a"], shown["task_b"], shown[measure], strict=True):
                i, j = tasks.index(a), tasks.index(b)
                values[i, j] = values[j, i] = value
            heat_map(ax, values, two_digits(values), tasks, tasks, (0.0, 1.0))
            label = {"cka": "CKA", "overlap": "overlap"}[measure]
            chance = shown[f"chance_{measure}"].mean()
            ax.set_title(f"{label} of {name} directions (chance {chance:.2f})")
    return figure
