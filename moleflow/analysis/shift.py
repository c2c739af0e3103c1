"""Distribution shift against adaptation: do far tasks need larger updates? (docs/method.md, 11)

Source: Mechanistic Analysis, experiment 4, which leaves the measures open.
"""

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from moleflow.analysis.inference import LEAST_FOR_INTERVAL, Correlation, pearson, spearman
from moleflow.analysis.moments import frechet, patch_moments
from moleflow.analysis.subject import Analysis, Subject, evenly, latents
from moleflow.analysis.updates import exact, updates_of
from moleflow.data.sequences import Task
from moleflow.drawing import (
    canvas,
    colour,
    guides,
    house_style,
    marker,
    name_legend,
    nothing_to_draw,
)
from moleflow.model import MoLEFlow

PICTURES = 32
"""Training pictures per class that the DIA's displacement is averaged over."""
SHIFTS = ("frechet_distance", "mean_distance", "covariance_distance")
SIZES = ("update_norm", "dia_parameter_change", "dia_displacement")
COLUMNS = (
    "task",
    "training_images",
    "patches",
    "frechet_squared",
    *SHIFTS,
    *SIZES,
)
LABELS = {
    "frechet_distance": "Fréchet distance to task 0",
    "mean_distance": "‖μ − μ₀‖",
    "covariance_distance": "‖Σ − Σ₀‖",
    "update_norm": "‖ΔW‖",
    "dia_parameter_change": "change of the DIA's parameters",
    "dia_displacement": "mean ‖z after − z before DIA‖",
}
NOTES = (
    "Features are the stored patch vectors (first D channels, before position code and adapter) of "
    "all training pictures; mean μ and covariance Σ in float64.",
    "frechet_distance is the 2-Wasserstein distance of the two Gaussians, "
    "√(‖μ−μ₀‖² + tr(Σ + Σ₀ − 2(Σ^½ Σ₀ Σ^½)^½)); frechet_squared is its square, the FID "
    "convention. mean_distance is ‖μ−μ₀‖₂, covariance_distance ‖Σ−Σ₀‖ (Frobenius).",
    "update_norm is the root of the summed squares of all ΔW = (α/r)·BA. dia_parameter_change is "
    "‖θ − θ_start‖ over the DIA's parameters, their start being drawn anew from the same named "
    f"streams. dia_displacement is the mean over patches of up to {PICTURES} training pictures per "
    "class, evenly taken.",
    "Correlations are over the tasks after the first: task 0 is at distance 0 from itself and "
    "trained the base too. Intervals (95 %): Fisher's z for Pearson, with the standard error of "
    "Bonett and Wright for Spearman. They treat tasks as independent and are not corrected for the "
    "number of correlations in the table.",
    "A task with more pictures takes more optimiser steps and may grow larger updates for that "
    "reason alone: look at training_images before reading a correlation as a law.",
)


def shift(subject: Subject) -> Analysis:
    """Each task's distance to task 0 beside the size of its adaptation, and their correlation."""
    table = pd.DataFrame(_rows(subject), columns=list(COLUMNS))
    later = table.iloc[1:]
    correlations = pd.DataFrame(
        [
            {"shift": x, "adaptation": y, "coefficient": name, **_numbers(found)}
            for x, y in itertools.product(SHIFTS, SIZES)
            for name, found in _correlations(later, x, y)
        ],
        columns=["shift", "adaptation", "coefficient", "n", "value", "low_95", "high_95"],
    )
    return Analysis(
        "shift",
        "Distribution shift against adaptation",
        {"shift": table, "shift_correlations": correlations},
        {
            "shift": "Every task's distance to task 0, and the size of its adaptation",
            "shift_correlations": "Correlations of distance and size, without task 0",
        },
        _figure(subject.tasks, table, correlations),
        "distances and norms",
        f"{len(table)} tasks",
        _finding(table, correlations),
        (*NOTES, *_missing(subject)),
    )


def _finding(table: pd.DataFrame, correlations: pd.DataFrame) -> str:
    sizes = [size for size in SIZES if table[size].notna().any()]
    if not sizes or len(table) < 2:
        return "There is no task after the first with an adaptation to measure."
    said = [f"{LABELS[size]}: {_spearman_text(correlations, size)}" for size in sizes]
    return f"Distance to task 0 against the size of the adaptation. {'; '.join(said)}."


def _rows(subject: Subject) -> Iterator[tuple[Any, ...]]:
    first = patch_moments(subject, subject.sequence[0])
    starts = _start(subject)
    for task, name in zip(subject.sequence, subject.tasks, strict=True):
        moments = patch_moments(subject, task)
        squared = frechet(moments, first).squared if task != subject.sequence[0] else 0.0
        images = sum(len(subject.features[c].train.patches) for c in task)
        yield (
            *(name, images, moments.patches, squared, math.sqrt(squared)),
            (moments.mean - first.mean).norm().item(),
            (moments.covariance - first.covariance).norm().item(),
            _update_norm(subject, task),
            _dia_change(subject, starts, task),
            _dia_displacement(subject, task),
        )


def _start(subject: Subject) -> MoLEFlow:
    """The model as it was before any training: all of it is drawn from named streams."""
    model = subject.model
    fresh = MoLEFlow(model.config, model.grid, model.seed, model.first, model.channels)
    for task in subject.sequence:
        fresh.new_bank(task)
    return fresh


def _update_norm(subject: Subject, task: Task) -> float:
    norms = [float(np.linalg.norm(update.svd().values)) for update in updates_of(subject, task)]
    return math.hypot(*norms) if norms else math.nan


def _dia_change(subject: Subject, start: MoLEFlow, task: Task) -> float:
    before, after = start.banks[task].dia, subject.model.banks[task].dia
    pairs = zip(before.parameters(), after.parameters(), strict=True)
    norms = [float(np.linalg.norm(exact(q) - exact(p))) for p, q in pairs]
    return math.hypot(*norms) if norms else math.nan


def _dia_displacement(subject: Subject, task: Task) -> float:
    if len(subject.model.banks[task].dia) == 0:
        return math.nan
    total, count = 0.0, 0
    for name in task:
        stored = subject.features[name].train.patches
        picked = stored[torch.tensor(evenly(len(stored), PICTURES))]
        for before, after in latents(subject, task, picked):
            moved = (after.double() - before.double()).norm(dim=-1)
            total, count = total + moved.sum().item(), count + moved.numel()
    return total / count


def _correlations(table: pd.DataFrame, x: str, y: str) -> Iterator[tuple[str, Correlation]]:
    known = table[[x, y]].dropna()
    one, other = known[x].to_numpy(float), known[y].to_numpy(float)
    yield "pearson", pearson(one, other)
    yield "spearman", spearman(one, other)


def _numbers(found: Correlation) -> dict[str, int | float]:
    return {"n": found.n, "value": found.value, "low_95": found.low, "high_95": found.high}


def _missing(subject: Subject) -> list[str]:
    config, later = subject.model.config, len(subject.sequence) - 1
    notes: list[str] = []
    if config.lora == "off" or config.flow.blocks == 0:
        notes.append("update_norm is missing: this trial has no low-rank updates.")
    if config.dia.blocks == 0:
        notes.append("DIA sizes are missing: this trial has no deep invertible adapter.")
    if later < LEAST_FOR_INTERVAL:
        notes.append(
            f"With {later} tasks after the first no interval exists (Fisher's z needs "
            f"{LEAST_FOR_INTERVAL}), and with fewer than 3 no coefficient: they are missing."
        )
    return notes


def _figure(tasks: tuple[str, ...], table: pd.DataFrame, correlations: pd.DataFrame) -> Figure:
    sizes = [size for size in SIZES if table[size].notna().any()]
    if not sizes or len(tasks) < 2:
        return nothing_to_draw("There is no task after the first with an adaptation to measure.")
    with house_style():
        figure = canvas(1.8 + 3.3 * len(sizes), max(3.0, 0.7 + 0.19 * len(tasks)))
        axes = figure.subplots(1, len(sizes), squeeze=False)[0]
        for ax, size in zip(axes, sizes, strict=True):
            guides(ax)
            for i in range(len(tasks)):
                at = table["frechet_distance"].iloc[i], table[size].iloc[i]
                face = "white" if i == 0 else colour(i)
                ax.plot(*at, marker(i), ms=6, mfc=face, mec=colour(i), mew=1.2)
            ax.set_xlabel(LABELS["frechet_distance"])
            ax.set_title(f"{LABELS[size]}\n{_spearman_text(correlations, size)}")
            ax.margins(0.08)
            ax.set_ylim(bottom=0)
        name_legend(figure, [f"{tasks[0]} (task 0: open, not in ρ)", *tasks[1:]])
    return figure


def _spearman_text(correlations: pd.DataFrame, size: str) -> str:
    chosen = correlations[
        (correlations["shift"] == "frechet_distance")
        & (correlations["adaptation"] == size)
        & (correlations["coefficient"] == "spearman")
    ].iloc[0]
    if math.isnan(chosen["value"]):
        return f"Spearman’s ρ: not defined for n = {chosen['n']}"
    text = f"Spearman’s ρ {chosen['value']:.2f}"
    if math.isnan(chosen["low_95"]):
        text += f", no interval (n = {chosen['n']})"
    else:
        text += f" [{chosen['low_95']:.2f}, {chosen['high_95']:.2f}], n = {chosen['n']}"
    return text.replace("-", "−")
