"""Small and textured anomalies: does detection depend on area and texture? (docs/method.md, 11)

Source: Method Outline, failure cases 3 (area below 0.5 %) and 4 (textured background).
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from moleflow.analysis.inference import pearson, spearman, wilson
from moleflow.analysis.subject import Analysis, Subject, evenly
from moleflow.drawing import (
    INK,
    canvas,
    colour,
    guides,
    house_style,
    log_x,
    marker,
    name_legend,
    nothing_to_draw,
)
from moleflow.metrics.detection import binary_scores
from moleflow.types import Tensor

SMALL = 0.005
"""Area share below which Method Outline calls an anomaly very small."""
DETECTED = 0.95
"""A picture counts as detected if it beats this share of its class's good pictures."""
QUANTILES = 4
PICTURES = 32
"""Training pictures per class that texture is measured on."""
WINDOW = 3
PICTURE_COLUMNS = (
    "class",
    "picture",
    "defect",
    "area [share]",
    "area [px]",
    "beats_good [share]",
    "detected",
    "pixel_auroc",
    "pixel_ap",
)
BIN_COLUMNS = (
    "group",
    "pictures",
    "smallest_area [share]",
    "largest_area [share]",
    "detected [share]",
    "detected_low_95",
    "detected_high_95",
    "mean_beats_good [share]",
    "mean_pixel_auroc",
    "mean_pixel_ap",
    "mean_chance_pixel_ap",
)
CLASS_COLUMNS = (
    "class",
    "good_test_pictures",
    "anomalous_pictures",
    "texture [share]",
    "local_variance",
    "image_auroc",
    "pixel_ap",
    "detected [share]",
    "detected_low_95",
    "detected_high_95",
)
NOTES = (
    "Every anomalous test picture that has a mask, scored by its true task's bank. Area is that of "
    "the mask at the size of the anomaly map; a mask that vanishes there has area 0 and no pixel "
    "metrics (missing).",
    "beats_good: share of the class's good test pictures with a lower image score, equal ones "
    f"counting half. detected: beats at least {DETECTED:.0%} of them; with fewer than 20 good "
    "pictures that means all. Intervals: Wilson, 95 %; they treat pictures as independent.",
    "pixel_auroc and pixel_ap are of one picture alone. The chance level of pixel_ap is the area "
    "share itself: a small anomaly has a low pixel AP by arithmetic, before any lack of "
    "resolution. Compare it with mean_chance_pixel_ap; pixel_auroc has chance 0.5 at any area.",
    f"texture: variance of the normal patch features within {WINDOW} × {WINDOW} windows of the "
    f"grid (mean over windows, channels and up to {PICTURES} training pictures, evenly taken), "
    "as a share of their whole variance over patches and pictures. 0 is smooth, near 1 is "
    "texture finer than the window. local_variance is the same before the division.",
    "Area quantiles are over all classes together, so a quantile mixes classes of different "
    "difficulty; the pictures' table has the class of each.",
)
NONE_NOTE = "There is no anomalous test picture with a mask, so areas are missing."


def area(subject: Subject) -> Analysis:
    """Detection of every anomalous picture against its area, by quantile and by class."""
    pictures = pd.DataFrame(_picture_rows(subject), columns=list(PICTURE_COLUMNS))
    bins = pd.DataFrame(_bin_rows(pictures), columns=list(BIN_COLUMNS))
    classes = pd.DataFrame(_class_rows(subject, pictures), columns=list(CLASS_COLUMNS))
    correlations = pd.DataFrame(
        _correlation_rows(pictures, classes),
        columns=["of", "with", "coefficient", "n", "value", "low_95", "high_95"],
    )
    return Analysis(
        "area",
        "Small and textured anomalies",
        {
            "area": bins,
            "area_classes": classes,
            "area_correlations": correlations,
            "area_pictures": pictures,
        },
        {
            "area": "Anomalous pictures by area",
            "area_classes": "Every class: texture and detection",
            "area_correlations": "Correlations with area and texture",
            "area_pictures": "Every anomalous picture with a mask",
        },
        _figure(subject, pictures, classes),
        "shares",
        f"{len(pictures)} anomalous pictures with a mask",
        _finding(pictures),
        NOTES if len(pictures) else (NONE_NOTE, *NOTES),
    )


def _finding(pictures: pd.DataFrame) -> str:
    if not len(pictures):
        return "There is no anomalous test picture with a mask."
    small = pictures["area [share]"] < SMALL
    said = [
        f"{int(part['detected'].sum())} of {len(part)} {what}"
        for part, what in (
            (pictures[small], f"anomalies below {SMALL:.1%} of the picture"),
            (pictures[~small], "larger ones"),
        )
    ]
    return f"Detected: {' and '.join(said)}."


def _picture_rows(subject: Subject) -> Iterator[tuple[Any, ...]]:
    evaluation = subject.evaluation
    for name, own in subject.classes:
        labels, masks = evaluation.truth(name)
        if masks is None:
            continue
        scores = evaluation.scores(name, subject.sequence[own]).images
        maps = evaluation.maps(name, np.full(len(labels), own))
        for i in np.flatnonzero(labels):
            picture = subject.data[name].test[i]
            beats = share_beaten(float(scores[i]), scores[~labels])
            yield (
                *(name, f"{picture.path.parent.name}/{picture.path.name}", picture.defect),
                *(float(masks[i].mean()), int(masks[i].sum()), beats, beats >= DETECTED),
                *pixel_metrics(masks[i], maps[i]),
            )


def share_beaten(score: float, good: Float[np.ndarray, " n"]) -> float:
    """Share of the good pictures with a lower score; equal ones count half."""
    return float((np.sum(good < score) + 0.5 * np.sum(good == score)) / len(good))


def pixel_metrics(mask: np.ndarray, scores: np.ndarray) -> tuple[float, float]:
    """AUROC and AP of one picture's pixels; NaN where all are of one kind."""
    if mask.all() or not mask.any():
        return math.nan, math.nan
    found = binary_scores(mask.ravel(), scores.ravel())
    return found.auroc, found.ap


def _bin_rows(pictures: pd.DataFrame) -> Iterator[tuple[Any, ...]]:
    if not len(pictures):
        return
    areas = pictures["area [share]"].to_numpy()
    # By rank, so that equal areas cannot leave a quantile empty while there are pictures.
    ranks = np.argsort(np.argsort(areas, kind="stable"), kind="stable")
    quantile = ranks * QUANTILES // len(areas)
    for k in range(QUANTILES):
        yield _bin(f"area quantile {k + 1} of {QUANTILES}", pictures[quantile == k])
    yield _bin(f"area below {SMALL:.1%}", pictures[areas < SMALL])
    yield _bin(f"area from {SMALL:.1%}", pictures[areas >= SMALL])


def _bin(group: str, pictures: pd.DataFrame) -> tuple[Any, ...]:
    n, hits = len(pictures), int(pictures["detected"].sum())
    areas = pictures["area [share]"]
    chance = areas[pictures["pixel_ap"].notna()]
    return (
        *(group, n, areas.min(), areas.max(), hits / n if n else math.nan, *wilson(hits, n)),
        pictures["beats_good [share]"].mean(),
        pictures["pixel_auroc"].mean(),
        pictures["pixel_ap"].mean(),
        chance.mean(),
    )


def _class_rows(subject: Subject, pictures: pd.DataFrame) -> Iterator[tuple[Any, ...]]:
    for name, _ in subject.classes:
        data, found = subject.data[name], pictures[pictures["class"] == name]
        n, hits = len(found), int(found["detected"].sum())
        local, share = texture(subject.features[name].train.patches[..., : subject.dim])
        yield (
            *(name, data.test_good, data.test_anomalous, share, local),
            subject.metric(name, "image_auroc", "oracle"),
            subject.metric(name, "pixel_ap", "oracle"),
            *(hits / n if n else math.nan, *wilson(hits, n)),
        )


def texture(stored: Float[Tensor, "n h w d"]) -> tuple[float, float]:
    """Mean variance within windows, and its share of the whole variance.

    NaN where the grid is smaller than a window or nothing varies.
    """
    if min(stored.shape[1:3]) < WINDOW:
        return math.nan, math.nan
    patches = stored[torch.tensor(evenly(len(stored), PICTURES))].double()
    windows = patches.unfold(1, WINDOW, 1).unfold(2, WINDOW, 1)  # (N, h', w', D, 3, 3)
    local = windows.var(dim=(-2, -1), correction=0).mean().item()
    whole = patches.flatten(end_dim=2).var(dim=0, correction=0).mean().item()
    return local, local / whole if whole > 0 else math.nan


def _correlation_rows(pictures: pd.DataFrame, classes: pd.DataFrame) -> Iterator[tuple[Any, ...]]:
    for table, x, y in (
        (pictures, "area [share]", "beats_good [share]"),
        (pictures, "area [share]", "pixel_auroc"),
        (pictures, "area [share]", "pixel_ap"),
        (classes, "texture [share]", "image_auroc"),
        (classes, "texture [share]", "pixel_ap"),
    ):
        known = table[[x, y]].dropna()
        one, other = known[x].to_numpy(float), known[y].to_numpy(float)
        for name, found in (("pearson", pearson(one, other)), ("spearman", spearman(one, other))):
            yield x, y, name, found.n, found.value, found.low, found.high


def _figure(subject: Subject, pictures: pd.DataFrame, classes: pd.DataFrame) -> Figure:
    if not len(pictures):
        return nothing_to_draw("There is no anomalous test picture with a mask.")
    names = [name for name, _ in subject.classes]
    with house_style():
        figure = canvas(11.5, max(3.4, 0.7 + 0.19 * len(names)))
        axes = figure.subplots(1, 3)
        _draw_pictures(axes[0], pictures, names, "beats_good [share]")
        axes[0].set_title("Good pictures that an\nanomalous one beats")
        axes[0].axhline(DETECTED, color=INK, lw=0.8, ls="--")
        _draw_pictures(axes[1], pictures, names, "pixel_ap")
        low, high = axes[1].get_xlim()
        line = np.geomspace(low, high, 50)
        axes[1].plot(line, line, color=INK, lw=0.8, ls="--")
        axes[1].set_title("Pixel AP of one picture\n(dashed: chance)")
        _draw_textures(axes[2], classes)
        name_legend(figure, names)
    return figure


def _draw_textures(ax: Axes, classes: pd.DataFrame) -> None:
    guides(ax)
    points = zip(classes["texture [share]"], classes["image_auroc"], strict=True)
    for i, (x, y) in enumerate(points):
        ax.plot(x, y, marker(i), color=colour(i), ms=6, mew=0)
    ax.set_xlabel("texture [share of variance within 3 × 3 patches]")
    ax.set_title("Image AUROC of a class\nagainst its texture")


def _draw_pictures(ax: Axes, pictures: pd.DataFrame, names: list[str], column: str) -> None:
    guides(ax)
    shown = pictures[(pictures["area [share]"] > 0) & pictures[column].notna()]
    for i, name in enumerate(names):
        of_class = shown[shown["class"] == name]
        x, y = of_class["area [share]"], of_class[column]
        ax.plot(x, y, marker(i), color=colour(i), ms=3.6, mew=0, alpha=0.75)
    log_x(ax)
    ax.set_ylim(-0.03, 1.03)
    ax.set_xlabel("anomalous area [share of the picture]")
