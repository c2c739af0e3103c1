"""Which task the router takes a picture for, how clearly, and what its mistakes cost.

Source: docs/method.md, 11; Method Outline, failure case 1 (feature overlap between tasks).
"""

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from moleflow.analysis.inference import wilson
from moleflow.analysis.subject import Analysis, Subject
from moleflow.drawing import (
    INK,
    TWO_SIDED,
    canvas,
    colour,
    heat_map,
    house_style,
    marker,
    named_rows,
    side,
    two_digits,
)
from moleflow.metrics.catalogue import CONCLUDED

METRICS = tuple(metric.name for metric in CONCLUDED)
COLUMNS = (
    "class",
    "task",
    "pictures",
    "accuracy [share]",
    "accuracy_low_95",
    "accuracy_high_95",
    "most_confused_with",
    "margin_min",
    "margin_5_percent",
    "margin_median",
    "relative_margin_min",
    *(f"{metric}_{what}" for metric in METRICS for what in ("oracle", "routed", "loss")),
)
NOTES = (
    "All test pictures, good and anomalous, after the last task.",
    "margin: squared distance to the nearest wrong task minus that to the true task; below 0 the "
    "picture goes astray. relative_margin divides by the sum of the two distances and lies between "
    "-1 and 1. With one task there is no wrong one (missing).",
    "Cosine of task prototypes μ (mean routing feature of the training pictures): raw, and with "
    "the mean of all prototypes taken out. Features after a ReLU are all positive, so raw cosines "
    "are high for any two tasks; Method Outline (carpet and grid 0.72) does not say which it "
    "gives.",
    "loss: metric under the true task minus metric under the routed one, in points of 1. It can be "
    "negative: a wrong bank may happen to score better.",
    "accuracy: Wilson’s 95 % interval; it treats pictures as independent.",
)
RIDGE_NOTE = (
    "There are fewer training pictures than channels, so most directions of a task's covariance "
    "hold only the ridge λ = {regularisation:g}: squared distances and margins are in units of "
    "1/λ there. They rank tasks, but say nothing in standard deviations."
)
ORACLE_NOTE = (
    "The router of this trial was told the true task: accuracy and margins (all 1) are given, not "
    "earned."
)


def routing(subject: Subject) -> Analysis:
    """Confusion, margins, prototype cosines, and the loss from misrouting."""
    evaluation = subject.evaluation
    confusion = pd.DataFrame(_counts(subject), columns=["class", *subject.tasks])
    margins = {name: _margins(evaluation.routing(name).distances, t) for name, t in subject.classes}
    table = pd.DataFrame(_rows(subject, confusion, margins), columns=list(COLUMNS))
    cosines = pd.DataFrame(
        _cosine_rows(subject), columns=["task_a", "task_b", "cosine", "centred_cosine"]
    )
    return Analysis(
        "routing",
        "Routing",
        {"routing": table, "routing_confusion": confusion, "routing_cosines": cosines},
        {
            "routing": "Every class: accuracy, margins, and what misrouting costs",
            "routing_confusion": "Pictures of a class by the task that the router chose",
            "routing_cosines": "Cosines of the tasks' prototypes",
        },
        _figure(subject, confusion, margins),
        "pictures; cosine; relative margin",
        f"{int(table['pictures'].sum())} test pictures",
        _finding(subject, table, confusion),
        (*NOTES, *_router_notes(subject)),
    )


def _finding(subject: Subject, table: pd.DataFrame, confusion: pd.DataFrame) -> str:
    if len(subject.tasks) == 1:
        return "There is one task, so the router had nothing to choose."
    hits = sum(int(confusion[subject.tasks[t]].iloc[i]) for i, (_, t) in enumerate(subject.classes))
    said = f"{hits} of {int(table['pictures'].sum())} test pictures went to their own task"
    loss = 100 * float(table["image_auroc_loss"].mean())
    if math.isnan(loss):
        return f"{said}."
    points = f"{loss:.2f}".replace("-", "−")
    return f"{said}; misrouting costs {points} points of image AUROC, mean over classes."


def _counts(subject: Subject) -> Iterator[list[Any]]:
    for name, _ in subject.classes:
        chosen = subject.evaluation.routing(name).chosen
        yield [name, *np.bincount(chosen, minlength=len(subject.tasks)).tolist()]


def _margins(distances: np.ndarray, own: int) -> np.ndarray:
    """Margin and relative margin of every picture, (2, N); empty where there is one task only."""
    others = np.delete(distances, own, axis=1)
    if others.shape[1] == 0:
        return np.empty((2, 0))
    wrong, right = others.min(axis=1), distances[:, own]
    both = wrong + right
    relative = np.divide(wrong - right, both, out=np.full_like(both, np.nan), where=both > 0)
    return np.stack([wrong - right, relative])


def _rows(
    subject: Subject, confusion: pd.DataFrame, margins: dict[str, np.ndarray]
) -> Iterator[tuple[Any, ...]]:
    for (name, own), line in zip(subject.classes, confusion.to_numpy(), strict=True):
        counts = line[1:].astype(int)
        wrong = counts.copy()
        wrong[own] = 0
        hits, n = int(counts[own]), int(counts.sum())
        margin, relative = margins[name]
        spread = np.quantile(margin, (0, 0.05, 0.5)) if len(margin) else [math.nan] * 3
        yield (
            *(name, subject.tasks[own], n, hits / n, *wilson(hits, n)),
            subject.tasks[int(wrong.argmax())] if wrong.any() else "",
            *map(float, spread),
            float(relative.min()) if len(relative) else math.nan,
            *itertools.chain.from_iterable(_losses(subject, name, m) for m in METRICS),
        )


def _losses(subject: Subject, name: str, metric: str) -> tuple[float, float, float]:
    oracle = subject.metric(name, metric, "oracle")
    routed = subject.metric(name, metric, "routed")
    return oracle, routed, oracle - routed


def _cosines(subject: Subject, centred: bool) -> np.ndarray:
    """(T, T) cosines of the prototypes; NaN for a prototype without length."""
    means = np.stack([prototype.mean.numpy() for prototype in subject.prototypes])
    if centred:
        means = means - means.mean(axis=0)
    norms = np.linalg.norm(means, axis=1, keepdims=True)
    units = np.divide(means, norms, out=np.full_like(means, np.nan), where=norms > 0)
    return units @ units.T


def _cosine_rows(subject: Subject) -> Iterator[tuple[str, str, float, float]]:
    raw, centred = _cosines(subject, centred=False), _cosines(subject, centred=True)
    for i, j in itertools.combinations(range(len(subject.tasks)), 2):
        yield subject.tasks[i], subject.tasks[j], float(raw[i, j]), float(centred[i, j])


def _router_notes(subject: Subject) -> list[str]:
    router = subject.model.config.router
    if router.distance == "oracle":
        return [ORACLE_NOTE]
    few = any(
        sum(len(subject.features[c].train.means) for c in task) <= subject.dim
        for task in subject.sequence
    )
    if router.distance == "mahalanobis" and router.covariance == "ridge" and few:
        return [RIDGE_NOTE.format(regularisation=router.regularisation)]
    return []


def _figure(subject: Subject, confusion: pd.DataFrame, margins: dict[str, np.ndarray]) -> Figure:
    tasks, names = subject.tasks, [name for name, _ in subject.classes]
    with house_style():
        figure = canvas(7 + side(len(tasks)) * 2, 1.6 + 0.8 * side(len(names)))
        axes = figure.subplots(
            1, 3, width_ratios=(side(len(tasks)), side(len(tasks)), 3.2), squeeze=False
        )[0]
        counts = confusion[list(tasks)].to_numpy(float)
        shares = counts / counts.sum(axis=1, keepdims=True)
        shares[counts == 0] = np.nan
        texts = np.array([[f"{n:.0f}" for n in row] for row in counts])
        heat_map(axes[0], shares, texts, names, tasks, (0.0, 1.0))
        axes[0].set_title("Pictures of a class (rows)\nby chosen task (columns)")
        cosines = _cosines(subject, centred=True)
        np.fill_diagonal(cosines, np.nan)
        heat_map(axes[1], cosines, two_digits(cosines), tasks, tasks, (-1.0, 1.0), TWO_SIDED)
        axes[1].set_title("Cosine of task prototypes,\ntheir mean taken out")
        _draw_margins(axes[2], subject, margins)
    return figure


def _draw_margins(ax: Axes, subject: Subject, margins: dict[str, np.ndarray]) -> None:
    for row, (name, own) in enumerate(subject.classes):
        values = np.sort(margins[name][1])
        shifts = 0.6 * (np.arange(len(values)) / max(1, len(values) - 1) - 0.5)
        ax.plot(values, row + shifts, marker(own), color=colour(own), ms=2.6, mew=0, alpha=0.7)
    ax.axvline(0, color=INK, lw=0.8, ls="--")
    named_rows(ax, [name for name, _ in subject.classes])
    ax.set_xlim(-1.05, 1.05)
    ax.set_xlabel("relative margin")
    ax.set_title("Margin of every test picture\n(left of the dashed line: astray)")
