"""What the deep invertible adapter does to the latent space (docs/method.md, 11).

Source: Method Outline 3.4.3.1, which does not define its shares.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle

from moleflow.analysis.subject import Analysis, Subject, evenly, latents
from moleflow.data.sequences import Task
from moleflow.drawing import FAINT, INK, PALETTE, canvas, house_style, named_rows, nothing_to_draw
from moleflow.streams import numpy_stream
from moleflow.types import Float, Tensor

BLOCK = 64
"""Channels brought to float64 at once."""
PATCHES_PER_CHANNEL = 10
"""Patches per channel below which a D x D least-squares map would fit noise."""
POINTS = 600
PICTURED = 3
"""Tasks whose latents are drawn: first, middle, last, as Method Outline proposes."""
CIRCLE = 2.4477
"""Radius that holds 95 % of a two-dimensional standard normal."""
STATISTICS = ("mean_norm", "sd", "absolute_skewness", "kurtosis")
SHARES = ("scale", "shift", "residual")
COLUMNS = (
    "task",
    "patches",
    *(f"{name}_{when}" for name in STATISTICS for when in ("before", "after")),
    "displacement",
    *(f"{name} [share]" for name in SHARES),
    "residual_linear_mixing [share]",
    "residual_nonlinear [share]",
    "scale_deviation",
    "offset_norm",
)
IDEAL = {"mean_norm": 0.0, "sd": 1.0, "absolute_skewness": 0.0, "kurtosis": 3.0}
LABELS = {
    "mean_norm": "‖μ‖",
    "sd": "σ, mean over channels",
    "absolute_skewness": "|skewness|, mean",
    "kurtosis": "kurtosis, mean",
}
COLOURS = {
    "scale [share]": PALETTE[0],
    "shift [share]": PALETTE[4],
    "residual_linear_mixing [share]": PALETTE[2],
    "residual_nonlinear [share]": PALETTE[1],
    "residual [share]": PALETTE[6],
}
NOTES = (
    "z of the patches of the task's good test pictures under its own bank, before and after the "
    "adapter. mean_norm is ‖μ‖₂ over channels; sd, |skewness| and kurtosis are per channel, then "
    "averaged over channels. Kurtosis is not the excess: a normal variable has 3. N(0, I) has "
    "0, 1, 0, 3.",
    "Decomposition: per channel z_after = S·z_before + m + r by least squares, so "
    "Δz = (S − 1)·(z_before − mean) [scale] + mean Δz [shift] + r [residual]. The three are "
    "orthogonal over the patches, and a share is the part's sum of squares over that of Δz: they "
    "sum to 1. The mean of z_before is taken out of the scale term; with it, scale and shift would "
    "overlap and their shares would depend on where zero is. Method Outline gives shares of ‖Δz‖ "
    "(38, 31, 31 %) without saying how three norms were made to sum to 100 %, so its numbers "
    "cannot be compared with these.",
    "The residual is what no per-channel affine map explains. It is not all non-linear: it also "
    "holds linear mixing between channels, which Method Outline counts as non-linear. "
    "residual_linear_mixing is the part that one D × D linear map of z_before explains in "
    f"addition, residual_nonlinear the rest; both are missing below {PATCHES_PER_CHANNEL} "
    "patches per channel, where such a map would fit noise (at that limit it still takes up to a "
    "tenth of what is pure noise).",
    "scale_deviation is the root mean square of S − 1 over channels, offset_norm is ‖m‖₂; "
    "displacement is the root mean square of ‖Δz‖ over patches.",
    f"Pictures: z on the two axes along which z_before varies most, up to {POINTS} patches drawn "
    "at random; the circle holds 95 % of N(0, I). Other axes vary less: see sd.",
)
OFF_NOTE = "All is missing: this trial has no deep invertible adapter (dia.blocks: 0)."


@dataclass(frozen=True)
class Shape:
    """How far a cloud of latents is from N(0, I)."""

    mean_norm: float
    sd: float
    absolute_skewness: float
    kurtosis: float


@dataclass(frozen=True)
class Parts:
    """Shares of ‖Δz‖² and the affine map behind them."""

    displacement: float
    scale: float
    shift: float
    residual: float
    linear_mixing: float
    nonlinear: float
    scale_deviation: float
    offset_norm: float


def dia_effect(subject: Subject) -> Analysis:
    """Shape of z before and after, shares of the change, and pictures of three tasks."""
    has_dia = subject.model.config.dia.blocks > 0
    clouds: dict[str, tuple[Tensor, Tensor]] = {}
    rows: list[tuple[Any, ...]] = []
    pictured = _pictured(len(subject.sequence))
    for t, (task, name) in enumerate(zip(subject.sequence, subject.tasks, strict=True)):
        if not has_dia:
            continue
        before, after = good_latents(subject, task)
        rows.append((name, len(before), *_numbers(before, after)))
        if t in pictured:
            clouds[name] = _projected(before, after, name)
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return Analysis(
        "dia_effect",
        "What the deep invertible adapter does",
        {"dia_effect": table},
        {"dia_effect": "Shape of z before and after the adapter, and shares of the change"},
        _figure(table, clouds),
        "moments; shares of ‖Δz‖²",
        f"{len(table)} tasks, {int(table['patches'].sum())} patches",
        _finding(table),
        NOTES if has_dia else (OFF_NOTE, *NOTES),
    )


def _finding(table: pd.DataFrame) -> str:
    if not len(table):
        return "This trial has no deep invertible adapter."
    means = {name: 100 * table[f"{name} [share]"].mean() for name in SHARES}
    return (
        f"Of the change of z, on average over tasks, scale makes {means['scale']:.0f} %, shift "
        f"{means['shift']:.0f} %, and what no map of single channels explains "
        f"{means['residual']:.0f} %; mean σ goes from {table['sd_before'].mean():.2f} to "
        f"{table['sd_after'].mean():.2f} (N(0, I): 1)."
    )


def good_latents(subject: Subject, task: Task) -> tuple[Float[Tensor, "p d"], Float[Tensor, "p d"]]:
    """z before and after the adapter, of all patches of the task's good test pictures."""
    before: list[Tensor] = []
    after: list[Tensor] = []
    for name in task:
        good = [i for i, picture in enumerate(subject.data[name].test) if not picture.anomalous]
        stored = subject.features[name].test.patches[torch.tensor(good)]
        for one, other in latents(subject, task, stored):
            before.append(one.flatten(end_dim=2))
            after.append(other.flatten(end_dim=2))
    return torch.cat(before), torch.cat(after)


def shape(z: Float[Tensor, "p d"]) -> Shape:
    """Moments per channel in float64, a few channels at a time."""
    found: list[Tensor] = []
    for channels in z.split(BLOCK, dim=1):
        x = channels.double()
        mean = x.mean(dim=0)
        x = x - mean
        variance = x.square().mean(dim=0)
        skewness = x.pow(3).mean(dim=0) / variance.pow(1.5)
        kurtosis = x.pow(4).mean(dim=0) / variance.square()
        found.append(torch.stack([mean, variance.sqrt(), skewness.abs(), kurtosis]))
    mean, sd, skewness, kurtosis = torch.cat(found, dim=1)
    return Shape(
        mean.norm().item(), sd.mean().item(), skewness.mean().item(), kurtosis.mean().item()
    )


def decompose(before: Float[Tensor, "p d"], after: Float[Tensor, "p d"]) -> Parts:
    """Shares of scale, shift and residual in ‖Δz‖²; NaN where nothing moves."""
    x, y = before.double(), after.double()
    mean_x, mean_y = x.mean(dim=0), y.mean(dim=0)
    x, y = x - mean_x, y - mean_y
    slope = (x * y).sum(dim=0) / x.square().sum(dim=0)
    residual = y - slope * x
    scale = ((slope - 1).square() * x.square().sum(dim=0)).sum().item()
    shift = len(x) * (mean_y - mean_x).square().sum().item()
    rest = residual.square().sum().item()
    total = scale + shift + rest
    mixing = _mixing(x, residual)
    return Parts(
        displacement=math.sqrt(total / len(x)),
        scale=_share(scale, total),
        shift=_share(shift, total),
        residual=_share(rest, total),
        linear_mixing=_share(mixing, total),
        nonlinear=_share(rest - mixing, total),
        scale_deviation=(slope - 1).square().mean().sqrt().item(),
        offset_norm=(mean_y - slope * mean_x).norm().item(),
    )


def _share(part: float, total: float) -> float:
    return part / total if total > 0 else math.nan


def _mixing(x: Float[Tensor, "p d"], residual: Float[Tensor, "p d"]) -> float:
    """Sum of squares of the residual that a linear map of all channels explains."""
    if len(x) < PATCHES_PER_CHANNEL * x.shape[1]:
        return math.nan
    fitted = x @ torch.linalg.lstsq(x, residual, driver="gelsd").solution
    return fitted.square().sum().item()


def _numbers(before: Tensor, after: Tensor) -> Iterator[float]:
    one, other, parts = shape(before), shape(after), decompose(before, after)
    for name in STATISTICS:
        yield getattr(one, name)
        yield getattr(other, name)
    yield from (parts.displacement, parts.scale, parts.shift, parts.residual)
    yield from (parts.linear_mixing, parts.nonlinear, parts.scale_deviation, parts.offset_norm)


def _pictured(tasks: int) -> list[int]:
    return sorted({0, tasks // 2, tasks - 1}) if tasks > PICTURED else evenly(tasks, PICTURED)


def _projected(before: Tensor, after: Tensor, name: str) -> tuple[Tensor, Tensor]:
    """Both clouds, thinned alike, on the first two principal axes of the one before."""
    x = before.double()
    centred = x - x.mean(dim=0)
    _, vectors = torch.linalg.eigh(centred.T @ centred)
    axes = vectors[:, [-1, -2]]
    draws = numpy_stream("analysis", "dia_effect", name)
    picked = torch.from_numpy(draws.permutation(len(x))[:POINTS])
    return x[picked] @ axes, after[picked].double() @ axes


def _figure(table: pd.DataFrame, clouds: dict[str, tuple[Tensor, Tensor]]) -> Figure:
    if not len(table):
        return nothing_to_draw("This trial has no deep invertible adapter.")
    tall = 0.9 + 0.22 * len(table)
    with house_style():
        figure = canvas(11.0, tall + 2.5)
        upper, lower = figure.subfigures(2, 1, height_ratios=(tall, 2.5), squeeze=False)[:, 0]
        axes = upper.subplots(1, 5, sharey=True, width_ratios=(1, 1, 1, 1, 1.7))
        for ax, name in zip(axes, STATISTICS, strict=False):
            _draw_statistic(ax, table, name)
        _draw_shares(axes[4], table)
        named_rows(axes[0], list(table["task"]))
        upper.legend(handles=_markers(), loc="outside lower left", ncols=3)
        bars = axes[4].get_legend_handles_labels()
        upper.legend(*bars, loc="outside lower right", ncols=len(bars[0]))
        pictures = lower.subplots(1, 2 * len(clouds), squeeze=False)[0]
        for k, (name, pair) in enumerate(clouds.items()):
            _draw_clouds(pictures[2 * k : 2 * k + 2], name, pair)
    return figure


def _draw_statistic(ax: Axes, table: pd.DataFrame, name: str) -> None:
    before, after = table[f"{name}_before"], table[f"{name}_after"]
    rows = np.arange(len(table))
    ax.axvline(IDEAL[name], color=INK, lw=0.8, ls="--")
    ax.hlines(rows, before, after, color=FAINT, lw=1.2)
    ax.plot(before, rows, "o", color=PALETTE[6], ms=4.5, mew=0)
    ax.plot(after, rows, "D", color=PALETTE[0], ms=4.2, mew=0)
    ax.set_title(LABELS[name])
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", color=FAINT, lw=0.4)
    ax.set_axisbelow(True)
    ax.margins(x=0.1)
    ax.locator_params(axis="x", nbins=4)


def _markers() -> list[Line2D]:
    return [
        Line2D([], [], color=PALETTE[6], marker="o", ls="", ms=4.5, mew=0, label="before"),
        Line2D([], [], color=PALETTE[0], marker="D", ls="", ms=4.2, mew=0, label="after"),
        Line2D([], [], color=INK, ls="--", lw=0.8, label="N(0, I)"),
    ]


def _draw_shares(ax: Axes, table: pd.DataFrame) -> None:
    """Stacked bars; the residual in its two parts where every task has them."""
    split = bool(table["residual_nonlinear [share]"].notna().all())
    names = [name for name in COLOURS if split != (name == "residual [share]")]
    names = names if split else ["scale [share]", "shift [share]", "residual [share]"]
    left = np.zeros(len(table))
    for name in names:
        label = name.removesuffix(" [share]").removeprefix("residual_").replace("_", " ")
        width = table[name].to_numpy(float)
        bars = ax.barh(range(len(table)), width, left=left, height=0.7, color=COLOURS[name])
        bars.set_label(label)
        left = left + width
    ax.set_xlim(0, 1)
    ax.set_title("shares of ‖Δz‖²")
    ax.tick_params(axis="y", length=0)


def _draw_clouds(axes: np.ndarray, name: str, pair: tuple[Tensor, Tensor]) -> None:
    limit = 1.05 * max(CIRCLE, *(float(cloud.abs().max()) for cloud in pair))
    for ax, cloud, when in zip(axes, pair, ("before", "after"), strict=True):
        color = PALETTE[6] if when == "before" else PALETTE[0]
        x, y = cloud.numpy().T
        ax.plot(x, y, ".", color=color, ms=2.2, mew=0, alpha=0.6, rasterized=True)
        ax.add_patch(Circle((0, 0), CIRCLE, fill=False, ec=INK, lw=0.8, ls="--"))
        ax.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
        ax.set_title(f"{name},\n{when}")
        ax.locator_params(nbins=3)
