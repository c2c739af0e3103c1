"""Figures, drawn without any global state of matplotlib; the same numbers give the same bytes."""
# pyright: reportUnknownMemberType=false

import io
import re
import warnings
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from moleflow.data.sequences import task_name
from moleflow.house_style import FAINT, INK, MARKERS, PALETTE, SCALE, STYLE
from orchestration.records.ledger import Record
from reports.evidence import METRICS, Evidence, Setting
from reports.performance import file_name, observations, r_entries
from reports.routing import Confusion
from reports.statistics import Observation, Summary

MOST_MATRICES = 6
"""Heat maps of one kind that are drawn."""


@dataclass(frozen=True)
class Figure:
    """A drawn figure with the words under it."""

    name: str
    """File name below `figures/`, without its ending."""
    caption: str
    svg: str
    png: bytes

    @property
    def inline(self) -> str:
        """The SVG element alone, for HTML: text in the page's colour, no links, ids of its own."""
        body = self.svg[self.svg.index("<svg") :]
        body = re.sub(r' xmlns(:xlink)?="[^"]*"', "", body)
        body = body.replace(INK, "currentColor")
        body = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{self.name}-", body)
        body = re.sub(r"<!--.*?-->", "", body, flags=re.DOTALL)
        body = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", body, count=1)
        return re.sub(r'(<svg[^>]*?) width="([\d.]+)pt"', r'\1 style="width:\2pt"', body, count=1)


@contextmanager
def _style() -> Generator[None, None, None]:
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        # A class name may hold letters that the font lacks; the tables show them.
        warnings.filterwarnings("ignore", message="Glyph .* missing", category=UserWarning)
        yield


def _finish(canvas: Canvas, name: str, caption: str) -> Figure:
    svg, png = io.StringIO(), io.BytesIO()
    empty = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    canvas.savefig(svg, format="svg", bbox_inches="tight", transparent=True, metadata=empty)
    canvas.savefig(
        png,
        format="png",
        dpi=160,
        bbox_inches="tight",
        facecolor="white",
        metadata={"Software": None},
    )
    return Figure(name, caption, svg.getvalue(), png.getvalue())


def by_order(evidence: Evidence, setting: Setting) -> Figure | None:
    """A dot per trial for each order, coloured by task 0, with the order's mean as a bar."""
    found = {metric: observations(evidence, setting, metric) for metric in METRICS}
    shown = [m for m in ("image_auroc", "pixel_ap", "aupro") if found[m]]
    if not shown:
        return None
    present = {o.order for metric in shown for o in found[metric]}
    orders = [order for order in evidence.orders if order in present]
    firsts = {o.order: o.task0 for metric in shown for o in found[metric]}
    with _style():
        height = 0.2 + 0.32 * len(orders)
        canvas = Canvas(figsize=(2.75 * len(shown), height))
        grid = {"left": 0, "right": 1, "bottom": 0, "top": 1, "wspace": 0.05}
        axes = canvas.subplots(1, len(shown), sharey=True, squeeze=False, gridspec_kw=grid)[0]
        for ax, metric in zip(axes, shown, strict=True):
            _dots(ax, orders, firsts, found[metric])
            ax.set_xlabel(f"{METRICS[metric]} [%]")
        labels = [f"{evidence.tasks[firsts[order]]}  {evidence.orders[order]}" for order in orders]
        axes[0].set_yticks(range(len(orders)), labels)
        axes[0].set_ylim(len(orders) - 0.4, -0.6)
        counts = ", ".join(f"{METRICS[m]} n = {len(found[m])}" for m in shown)
        caption = (
            "Mean over classes at the end of the sequence: a dot per trial, coloured by task 0; "
            f"the bar is the order’s mean over seeds (trials: {counts})."
        )
        return _finish(canvas, file_name("by_order", setting), caption)


def _dots(
    ax: Axes, orders: Sequence[str], firsts: Mapping[str, str], found: Sequence[Observation]
) -> None:
    names = sorted(set(firsts.values()))
    for y, order in enumerate(orders):
        i = names.index(firsts[order])
        color, marker = PALETTE[i % len(PALETTE)], MARKERS[i // len(PALETTE) % len(MARKERS)]
        values = [100 * o.value for o in found if o.order == order]
        # Equal numbers would hide each other, so dots are shifted a little, by rank.
        shifts = 0.26 * (np.arange(len(values)) - (len(values) - 1) / 2) / max(1, len(values) - 1)
        ax.plot(values, y + shifts, marker, color=color, ms=4.2, mew=0, alpha=0.85)
        if values:
            ax.plot([float(np.mean(values))] * 2, [y - 0.33, y + 0.33], "-", color=color, lw=1.6)
        if y and firsts[order] != firsts[orders[y - 1]]:
            ax.axhline(y - 0.5, color=FAINT, lw=0.6)
    ax.grid(axis="x", color=FAINT, lw=0.4)
    ax.set_axisbelow(True)
    ax.margins(x=0.09)
    ax.tick_params(axis="y", length=0)
    ax.locator_params(axis="x", nbins=4)
    ax.ticklabel_format(axis="x", useOffset=False)


def r_matrices(evidence: Evidence, setting: Setting) -> list[Figure]:
    """One heat map of R (image AUROC, routed, mean over seeds) per order, at most six of them."""
    drawn: list[Figure] = []
    matrices: dict[str, tuple[list[Record], list[tuple[int, str, Summary]]]] = {}
    for order, name in evidence.orders.items():
        records = [record for record in setting.finished if record.order == order]
        entries = r_entries(evidence, records, "image_auroc") if records else []
        if entries and len(matrices) < MOST_MATRICES:
            matrices[name] = (records, entries)
    low = min((s.mean for _, entries in matrices.values() for *_, s in entries), default=0.0)
    for name, (records, entries) in matrices.items():
        tasks = [evidence.tasks[task_name(task)] for task in records[0].sequence]
        classes = [c for task in records[0].sequence for c in task]
        values = np.full((len(tasks), len(classes)), np.nan)
        for step, class_name, summary in entries:
            values[step - 1, classes.index(class_name)] = 100 * summary.mean
        texts = np.array([[f"{v:.1f}" if v == v else "" for v in row] for row in values])
        caption = (
            f"{name}, task 0 {tasks[0]}: image AUROC of each class after each task, routed, in "
            f"percent; mean over n = {len(records)} seed{'' if len(records) == 1 else 's'}."
        )
        after = [f"after {task}" for task in tasks]
        drawn.append(
            _heat_map(
                file_name(f"r_matrix-{name}", setting),
                caption,
                values,
                texts,
                after,
                classes,
                (100 * low, 100.0),
            )
        )
    return drawn


def confusions(evidence: Evidence, setting: Setting, found: Sequence[Confusion]) -> list[Figure]:
    """A heat map for each way in which classes make several tasks, at most six of them."""
    several = [one for one in found if len(one.tasks) > 1]
    return [_confusion(evidence, setting, one) for one in several[:MOST_MATRICES]]


def _confusion(evidence: Evidence, setting: Setting, found: Confusion) -> Figure:
    """Counts of the router's choices; colour is the share of the class's images."""
    counts = np.array(found.counts, dtype=float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    texts = np.array([[str(n) if n else "" for n in row] for row in found.counts])
    caption = (
        "Router after the last task: rows are true classes, columns the tasks chosen; images "
        f"summed over n = {found.trials} trials."
    )
    name = found.file_name("routing", setting)
    tasks = [evidence.tasks[task] for task in found.tasks]
    shares[counts == 0] = np.nan
    return _heat_map(name, caption, shares, texts, found.classes, tasks, (0.0, 1.0))


def _heat_map(
    name: str,
    caption: str,
    values: np.ndarray,
    texts: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    limits: tuple[float, float],
) -> Figure:
    """Cells with numbers; NaN stays empty. Colours span the limits, or 5 % of the upper one."""
    top = limits[1]
    low = min(limits[0], 0.95 * top)
    size = 0.42 if max(len(rows), len(columns)) > 8 else 0.52
    with _style():
        # The axes fill the canvas, so cells have one size; saving adds room for the labels.
        canvas = Canvas(figsize=(size * len(columns), size * 0.72 * len(rows)))
        ax = canvas.add_axes((0, 0, 1, 1))
        ax.imshow(np.ma.masked_invalid(values), cmap=SCALE, vmin=low, vmax=top, aspect="auto")
        for (i, j), text in np.ndenumerate(texts):
            dark = (values[i, j] - low) / (top - low) > 0.55
            color = "#ffffff" if dark else "#1b2430"
            ax.text(j, i, text, ha="center", va="center", fontsize=7.5, color=color)
        ax.set_xticks(range(len(columns)), columns, rotation=40, ha="right", rotation_mode="anchor")
        ax.set_yticks(range(len(rows)), rows)
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        return _finish(canvas, name, caption)
