"""Spectrum of the adaptation: how many directions a task's weights move in (docs/method.md, 11).

Source: Mechanistic Analysis, experiment 1; SVD Analysis, experiments 1 and 2.
"""

import itertools
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from moleflow.analysis.subject import Analysis, Subject
from moleflow.analysis.updates import (
    Update,
    effective_rank,
    energy,
    exact,
    slot_of,
    thin_svd,
    updates_of,
)
from moleflow.data.sequences import Task
from moleflow.drawing import (
    FAINT,
    INK,
    SCALE,
    canvas,
    colour,
    dashes,
    guides,
    heat_map,
    house_style,
    marker,
    name_legend,
    named_rows,
    nothing_to_draw,
    side,
)
from moleflow.flow.subnet import SLOTS
from moleflow.streams import numpy_stream

SHARES = (0.90, 0.95, 0.99)
SIXTY_FOUR = 64
"""The rank at which SVD Analysis reports energy."""
LAYER_COLUMNS = (
    "task",
    "block",
    "slot",
    "rows",
    "columns",
    "rank_limit",
    "effective_rank_90",
    "effective_rank_95",
    "effective_rank_99",
    "random_effective_rank_95",
    "energy_at_rank [share]",
    "update_norm",
    "relative_norm [share]",
)
PAIR_COLUMNS = (
    "task_a",
    "task_b",
    "block",
    "slot",
    "rows",
    "columns",
    "effective_rank_90",
    "effective_rank_95",
    "effective_rank_99",
    "random_effective_rank_95",
    "energy_at_64 [share]",
    "energy_at_rank [share]",
    "relative_change [share]",
)
NOTES = (
    "ΔW = (α/r)·BA is the task's update of one linear layer; singular values in float64, exact, "
    "from the thin factors. Energy of the first k is Σσ²(first k) / Σσ²; the effective rank at "
    "p % is the smallest k that reaches it. An update that is all zeros has none (missing).",
    "The rank of ΔW cannot exceed r. “Energy at r = 100 %” is therefore true by construction, "
    "whatever was learned; it is in the table as a check and proves nothing, although SVD Analysis "
    "lists it as a finding.",
    "“random_effective_rank_95” is that of BA with Gaussian B and A of the same shapes (one seeded "
    "draw): what a low effective rank has to be compared with, since r is the limit for both.",
    "A small effective rank says where the energy of the update lies. Whether a smaller r would do "
    "as well can only be told by training with a smaller r.",
    "relative_norm is ‖ΔW‖ / ‖W‖ with Frobenius norms, W the base's weight of the layer.",
)
PAIR_NOTE = (
    "Pairs: W_i − W_j of the layers' effective weights (base plus ΔW) of two flows that were "
    "trained on two tasks from one initialisation. relative_change is ‖W_i − W_j‖ divided by the "
    "mean of ‖W_i‖ and ‖W_j‖ (SVD Analysis does not define its own). Energy at k is 1 by "
    "construction where k reaches the smaller side of the layer. random_effective_rank_95: a "
    "Gaussian matrix."
)
ONE_BASE_NOTE = (
    "W_i − W_j of independently trained flows is missing: in this trial all tasks share one base. "
    "A trial with “separate: true” has it."
)
OFF_NOTE = "ΔW is missing: this trial has no low-rank updates (lora: off, or no flow blocks)."


def spectrum(subject: Subject) -> Analysis:
    """Singular values of every task's updates, and of the differences of separate flows."""
    found = {task: updates_of(subject, task) for task in subject.sequence}
    layers = pd.DataFrame(_layer_rows(subject, found), columns=list(LAYER_COLUMNS))
    values = pd.DataFrame(
        _value_rows(subject, found), columns=["task", "block", "slot", "k", "singular_value"]
    )
    pairs = pd.DataFrame(_pair_rows(subject), columns=list(PAIR_COLUMNS))
    notes = NOTES if len(layers) else (OFF_NOTE, *NOTES)
    return Analysis(
        "spectrum",
        "Spectrum of the adaptation",
        {
            "spectrum": _by_task(layers),
            "spectrum_layers": layers,
            "spectrum_pairs": pairs,
            "spectrum_singular_values": values,
        },
        {
            "spectrum": "Energy of every task's updates, over the layers",
            "spectrum_layers": "Every layer of every task",
            "spectrum_pairs": "Differences of separately trained flows",
            "spectrum_singular_values": "Singular values of every update",
        },
        _figure(subject, found, layers, pairs),
        "share of energy; directions",
        f"{len(subject.sequence)} tasks, {len(layers)} updates of layers",
        _finding(layers, pairs),
        (*notes, PAIR_NOTE if len(pairs) else ONE_BASE_NOTE),
    )


def _finding(layers: pd.DataFrame, pairs: pd.DataFrame) -> str:
    if not len(layers) and not len(pairs):
        return "This trial has neither low-rank updates nor separate flows."
    if not len(layers):
        rank = pairs["effective_rank_95"].mean()
        return f"Flows of two tasks differ in {rank:.1f} directions at 95 % of the energy (mean)."
    rank, random = layers["effective_rank_95"].mean(), layers["random_effective_rank_95"].mean()
    limit = layers["rank_limit"].mean()
    return (
        f"95 % of the energy of an update lies in {rank:.1f} of {limit:.0f} directions on average; "
        f"random updates of the same shapes need {random:.1f}."
    )


def _layer_rows(subject: Subject, found: dict[Task, list[Update]]) -> Iterator[tuple[Any, ...]]:
    random: dict[tuple[int, ...], float] = {}
    for name, updates in zip(subject.tasks, found.values(), strict=True):
        for update in updates:
            rows, columns = update.weight.shape
            rank = update.up.shape[1]
            values = update.svd().values
            shape = (rows, rank, columns)
            if shape not in random:
                random[shape] = _random_update_rank(*shape)
            norm = float(np.linalg.norm(values))
            yield (
                *(name, update.block, update.slot, rows, columns, min(shape)),
                *(effective_rank(values, share) for share in SHARES),
                *(random[shape], energy(values)[-1], norm),
                norm / float(np.linalg.norm(update.weight)),
            )


def _value_rows(subject: Subject, found: dict[Task, list[Update]]) -> Iterator[tuple[Any, ...]]:
    for name, updates in zip(subject.tasks, found.values(), strict=True):
        for update in updates:
            for k, value in enumerate(update.svd().values, start=1):
                yield name, update.block, update.slot, k, float(value)


def _by_task(layers: pd.DataFrame) -> pd.DataFrame:
    """Mean and standard deviation over the layers of a task, as SVD Analysis reports them."""
    columns = [f"effective_rank_{round(100 * share)}" for share in SHARES]
    columns += ["energy_at_rank [share]", "relative_norm [share]"]
    groups = layers.groupby("task", sort=False)
    table = pd.DataFrame({"layers": groups.size(), "rank_limit": groups["rank_limit"].max()})
    table["mean_random_effective_rank_95"] = groups["random_effective_rank_95"].mean()
    for column in columns:
        table[f"mean_{column}"] = groups[column].mean()
        table[f"sd_{column}"] = groups[column].std()
    squares = (layers["update_norm"] ** 2).groupby(layers["task"], sort=False).sum()
    table["update_norm"] = np.sqrt(squares.astype(float))
    return table.reset_index()


def _pair_rows(subject: Subject) -> Iterator[tuple[Any, ...]]:
    if not subject.model.config.separate:
        return
    lora = subject.model.config.lora
    for block, slot in itertools.product(range(len(subject.model.base.blocks)), SLOTS):
        weights = [_effective_weight(subject, task, block, slot) for task in subject.sequence]
        rows, columns = weights[0].shape
        for i, j in itertools.combinations(range(len(weights)), 2):
            values = np.linalg.svd(weights[i] - weights[j], compute_uv=False)
            sizes = np.linalg.norm(weights[i]), np.linalg.norm(weights[j])
            reached = energy(values)
            yield (
                *(subject.tasks[i], subject.tasks[j], block, slot, rows, columns),
                *(effective_rank(values, share) for share in SHARES),
                *(_random_matrix_rank(rows, columns), _at(reached, SIXTY_FOUR)),
                np.nan if lora == "off" else _at(reached, lora.rank),
                float(np.linalg.norm(values) / np.mean(sizes)),
            )


def _effective_weight(subject: Subject, task: Task, block: int, slot: str) -> np.ndarray:
    weight = exact(subject.model.base_of(task).blocks[block].subnet.slot(slot).weight)
    delta = slot_of(subject.model.banks[task], block, slot).delta
    return weight if delta is None else weight + exact(delta)


def _at(reached: np.ndarray, k: int) -> float:
    return float(reached[min(k, len(reached)) - 1])


def _random_update_rank(rows: int, rank: int, columns: int) -> float:
    draws = numpy_stream("analysis", "spectrum", rows, rank, columns)
    up, down = draws.standard_normal((rows, rank)), draws.standard_normal((rank, columns))
    return effective_rank(thin_svd(up, down).values, 0.95)


@cache
def _random_matrix_rank(rows: int, columns: int) -> float:
    draws = numpy_stream("analysis", "spectrum", rows, columns)
    values = np.linalg.svd(draws.standard_normal((rows, columns)), compute_uv=False)
    return effective_rank(values, 0.95)


def _figure(
    subject: Subject,
    found: dict[Task, list[Update]],
    layers: pd.DataFrame,
    pairs: pd.DataFrame,
) -> Figure:
    if not len(layers) and not len(pairs):
        return nothing_to_draw("This trial has neither low-rank updates nor separate flows.")
    panels = 2 * bool(len(layers)) + bool(len(pairs))
    tasks = len(subject.sequence)
    with house_style():
        figure = canvas(0.8 + 3.4 * panels, max(3.2, 0.8 + 0.24 * tasks))
        axes = figure.subplots(1, panels, squeeze=False)[0]
        if len(layers):
            _draw_energy(axes[0], found)
            _draw_ranks(axes[1], layers, subject.tasks)
            name_legend(figure, subject.tasks, lines=True)
        if len(pairs):
            _draw_pairs(axes[-1], pairs, subject.tasks)
            figure.set_size_inches(0.8 + 3.4 * (panels - 1) + side(tasks) + 1.2, 3.2 + 0.2 * tasks)
    return figure


def _draw_energy(ax: Axes, found: dict[Task, list[Update]]) -> None:
    curves = [[energy(update.svd().values) for update in updates] for updates in found.values()]
    limit = max(len(curve) for task in curves for curve in task)
    for i, task in enumerate(curves):
        # Beyond a layer's own limit its energy stays at 1; an update of zeros has none.
        padded = [np.pad(c, (0, limit - len(c)), mode="edge") for c in task if c[-1] > 0]
        if padded:
            mean = np.mean(padded, axis=0)
            ax.plot(np.arange(1, limit + 1), mean, color=colour(i), ls=dashes(i), lw=1.4)
    for share in SHARES:
        ax.axhline(share, color=FAINT, lw=0.6)
    if limit > 8:
        ax.set_xscale("log", base=2)
        ax.xaxis.set_major_formatter("{x:.0f}")
    else:
        ax.set_xticks(range(1, limit + 1))
    ax.set_xlabel("k (largest singular values)")
    ax.set_ylabel("energy of the first k [share]")
    ax.set_title("Energy of ΔW, mean over layers")


def _draw_ranks(ax: Axes, layers: pd.DataFrame, tasks: tuple[str, ...]) -> None:
    guides(ax)
    for i, name in enumerate(tasks):
        of_task = layers[layers["task"] == name]
        ranks = of_task["effective_rank_95"].dropna().to_numpy(float)
        shifts = 0.5 * (np.arange(len(ranks)) / max(1, len(ranks) - 1) - 0.5)
        ax.plot(ranks, i + shifts, marker(i), color=colour(i), ms=3.2, mew=0, alpha=0.8)
        if len(ranks):
            ax.plot([ranks.mean()] * 2, [i - 0.36, i + 0.36], "-", color=INK, lw=1.4)
    random = float(layers["random_effective_rank_95"].mean())
    ax.axvline(random, color=INK, lw=0.8, ls="--")
    named_rows(ax, tasks)
    ax.set_xlim(0, None)
    ax.set_xlabel("effective rank at 95 % energy")
    ax.set_title("A dot per layer, bar: mean,\ndashed: random BA of this shape")


def _draw_pairs(ax: Axes, pairs: pd.DataFrame, tasks: tuple[str, ...]) -> None:
    means = pairs.groupby(["task_a", "task_b"])["effective_rank_95"].mean().reset_index()
    values = np.full((len(tasks), len(tasks)), np.nan)
    for a, b, rank in means.itertuples(index=False):
        i, j = tasks.index(a), tasks.index(b)
        values[i, j] = values[j, i] = rank
    texts = np.array([[f"{v:.0f}" for v in row] for row in values])
    limit = float(pairs[["rows", "columns"]].min(axis=1).max())
    heat_map(ax, values, texts, tasks, tasks, (0.0, limit), SCALE)
    ax.set_title("Effective rank (95 %) of W_i − W_j,\nmean over layers")
