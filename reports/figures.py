"""Figures of the task-order report; the same numbers give the same bytes."""
# pyright: reportUnknownMemberType=false

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from moleflow.data.sequences import task_name
from moleflow.drawing import FAINT, colour, heat_map, house_style, marker, shares
from moleflow.metrics.catalogue import COLUMNS, TITLES
from moleflow.metrics.means import mean
from moleflow.wording import grouped
from orchestration.records.ledger import Record
from reports import how_many, performance
from reports.confusions import Confusion
from reports.digits import percent
from reports.document import Figure, Number, Words, computed, drawn
from reports.evidence import Evidence, Setting, keys
from reports.performance import file_name, measured, observations, r_entries
from reports.statistics import NOISE, Observation

MOST_MATRICES = 6
"""Heat maps of one kind that are drawn."""
MOST_ROWS = 60
"""Orders up to which each has a line of its own in a figure."""
SMALLEST_SPAN = 0.05
"""Of the upper limit of a heat map's colours: what differs by less looks alike."""
Entries = list[performance.REntry]
"""Of an R matrix."""


def by_order(evidence: Evidence, setting: Setting) -> Figure | None:
    """A dot per trial for each order, coloured by task 0, with the order's mean as a bar; where
    orders are too many for a line each, a line per task 0."""
    found = {metric: observations(evidence, setting, metric) for metric in COLUMNS}
    shown = [m for m in ("image_auroc", "pixel_ap", "aupro") if found[m]]
    if not shown:
        return None
    present = {o.order for metric in shown for o in found[metric]}
    orders = [order for order in evidence.orders if order in present]
    firsts = {o.order: o.task0 for metric in shown for o in found[metric]}
    many = len(orders) > MOST_ROWS
    names = sorted(set(firsts.values()))
    rows = len(names) if many else len(orders)
    with house_style():
        canvas = Canvas(figsize=(2.75 * len(shown), 0.2 + 0.32 * rows))
        grid = {"left": 0, "right": 1, "bottom": 0, "top": 1, "wspace": 0.05}
        axes = canvas.subplots(1, len(shown), sharey=True, squeeze=False, gridspec_kw=grid)[0]
        for ax, metric in zip(axes, shown, strict=True):
            if many:
                _ranges(ax, names, firsts, found[metric])
            else:
                _dots(ax, orders, firsts, found[metric])
            ax.set_xlabel(f"{TITLES[metric]} [%]")
            shares(ax, "x")
        labels = [f"{evidence.tasks[firsts[order]]}  {evidence.orders[order]}" for order in orders]
        axes[0].set_yticks(range(rows), [evidence.tasks[n] for n in names] if many else labels)
        axes[0].set_ylim(rows - 0.4, -0.6)
    title = "Mean over classes at the end of the sequence, by order"
    explained: tuple[str | Number, ...] = (
        "A dot per trial, coloured by task 0; the bar is the order’s mean over seeds.",
    )
    if many:
        every = [r for metric in shown for r in measured(evidence, setting, metric)]
        explained = (
            Number(f"{len(orders)} orders", computed(by_order, keys(every))),
            " are too many for a line each (they are in tables/by_order.csv), so there is one for "
            "each task 0. Of its orders’ means over seeds: thin line from the smallest to the "
            "largest, thick line the middle nine of ten, bar their mean.",
        )
    caption = _order_caption(evidence, setting, explained, shown[0], found[shown[0]])
    name = file_name("by_order", setting)
    return drawn(canvas, name, title, "%", _n(evidence, setting, shown), caption)


def _n(evidence: Evidence, setting: Setting, metrics: Sequence[str]) -> Words:
    """Of each metric, where not all of them are of the same trials."""
    each = {metric: measured(evidence, setting, metric) for metric in metrics}
    if len({tuple(keys(of)) for of in each.values()}) == 1:
        return (how_many.trials(each[metrics[0]]),)
    told = [(", ", how_many.trials(of), f" ({TITLES[metric]})") for metric, of in each.items()]
    return tuple(word for words in told for word in words)[1:]


def _order_caption(
    evidence: Evidence,
    setting: Setting,
    explained: tuple[str | Number, ...],
    metric: str,
    found: Sequence[Observation],
) -> Words:
    """How dots and bars are to be read, and which orders are the lowest and the highest."""
    values = _values_of_orders(found)
    means = {name: mean(values[o]) for o, name in evidence.orders.items() if o in values}
    if len(means) < 2:
        return explained
    low, high = min(means, key=lambda n: means[n]), max(means, key=lambda n: means[n])
    source = computed(by_order, keys(measured(evidence, setting, metric)))
    if means[high] - means[low] <= NOISE:
        return (
            *explained,
            f" {TITLES[metric]} is ",
            Number(f"{percent(means[low])} %", source),
            " with every order.",
        )
    return (
        *explained,
        f" {TITLES[metric]} of orders lies between ",
        Number(f"{percent(means[low])} %", source),
        f" ({low}) and ",
        Number(f"{percent(means[high])} %", source),
        f" ({high}).",
    )


def _dots(
    ax: Axes, orders: Sequence[str], firsts: Mapping[str, str], found: Sequence[Observation]
) -> None:
    names = sorted(set(firsts.values()))
    of_orders = _values_of_orders(found)
    for y, order in enumerate(orders):
        i = names.index(firsts[order])
        values = [100 * value for value in of_orders.get(order, ())]
        # Equal numbers would hide each other, so dots are shifted a little, by rank.
        shifts = 0.26 * (np.arange(len(values)) - (len(values) - 1) / 2) / max(1, len(values) - 1)
        ax.plot(values, y + shifts, marker(i), color=colour(i), ms=4.2, mew=0, alpha=0.85)
        if values:
            middle = mean(values)
            ax.plot([middle, middle], [y - 0.33, y + 0.33], "-", color=colour(i), lw=1.6)
        if y and firsts[order] != firsts[orders[y - 1]]:
            ax.axhline(y - 0.5, color=FAINT, lw=0.6)
    _few_marks(ax)


def _ranges(
    ax: Axes, names: Sequence[str], firsts: Mapping[str, str], found: Sequence[Observation]
) -> None:
    """Of each task 0, how far its orders' means lie apart."""
    means: dict[str, list[float]] = {}
    for order, values in _values_of_orders(found).items():
        means.setdefault(firsts[order], []).append(100 * mean(values))
    for y, name in enumerate(names):
        if name not in means:
            continue
        low, inner, outer, high = np.quantile(means[name], (0, 0.05, 0.95, 1))
        ax.plot([low, high], [y, y], "-", color=colour(0), lw=1.0)
        ax.plot([inner, outer], [y, y], "-", color=colour(0), lw=4.0, alpha=0.6)
        middle = mean(means[name])
        ax.plot([middle, middle], [y - 0.33, y + 0.33], "-", color=colour(1), lw=1.6)
    _few_marks(ax)


def _values_of_orders(found: Sequence[Observation]) -> dict[str, list[float]]:
    by: dict[str, list[float]] = {}
    for one in found:
        by.setdefault(one.order, []).append(one.value)
    return by


def _few_marks(ax: Axes) -> None:
    ax.grid(axis="x", color=FAINT, lw=0.4)
    ax.set_axisbelow(True)
    ax.margins(x=0.09)
    ax.tick_params(axis="y", length=0)
    ax.locator_params(axis="x", nbins=4)


def r_matrices(evidence: Evidence, setting: Setting) -> list[Figure]:
    """One heat map of R (image AUROC, routed, mean over seeds) per order, at most six of them."""
    matrices: dict[str, tuple[list[Record], Entries]] = {}
    for order, records in performance.by_order(setting.finished, evidence).items():
        entries = r_entries(evidence, records, "image_auroc")
        if entries:
            matrices[evidence.orders[order]] = (records, entries)
        if len(matrices) == MOST_MATRICES:
            break
    low = min((s.mean for _, entries in matrices.values() for _, _, s, _ in entries), default=0.0)
    return [
        _r_matrix(evidence, setting, name, records, entries, 100 * low)
        for name, (records, entries) in matrices.items()
    ]


def _r_matrix(
    evidence: Evidence,
    setting: Setting,
    name: str,
    records: Sequence[Record],
    entries: Entries,
    low: float,
) -> Figure:
    tasks = [evidence.tasks[task_name(task)] for task in records[0].sequence]
    classes = [c for task in records[0].sequence for c in task]
    values = np.full((len(tasks), len(classes)), np.nan)
    for step, class_name, summary, _ in entries:
        values[step - 1, classes.index(class_name)] = 100 * summary.mean
    texts = np.array([[f"{v:.1f}" if v == v else "" for v in row] for row in values])
    after = [f"after {task}" for task in tasks]
    canvas = heat_cells(values, texts, after, classes, (low, 100.0))
    title = f"{name}, task 0 {tasks[0]}: image AUROC of each class after each task, routed"
    source = computed(r_matrices, keys(records))
    falls = {c: _fall(values[:, j]) for j, c in enumerate(classes)}
    most = max(falls, key=lambda c: falls[c])
    caption: Words = "Mean over seeds. No class ends lower than it began."
    if falls[most] > 0:
        fell = Number(f"{percent(falls[most] / 100)} points", source)
        caption = ("Mean over seeds. The largest fall from the first to the last entry is ", fell)
        caption += (f", of {most}.",)
    n = (how_many.seeds(records),)
    return drawn(canvas, file_name(f"r_matrix-{name}", setting), title, "%", n, caption)


def _fall(column: np.ndarray) -> float:
    known = column[~np.isnan(column)]
    return float(known[0] - known[-1]) if len(known) else 0.0


def confusions(evidence: Evidence, setting: Setting, found: Sequence[Confusion]) -> list[Figure]:
    """A heat map for each way in which classes make several tasks, at most six of them."""
    several = [one for one in found if len(one.tasks) > 1]
    return [_confusion(evidence, setting, one) for one in several[:MOST_MATRICES]]


def _confusion(evidence: Evidence, setting: Setting, found: Confusion) -> Figure:
    """Counts of the router's choices; colour is the share of the class's images."""
    counts = np.array(found.counts, dtype=float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    texts = np.array([[grouped(n) if n else "" for n in row] for row in found.counts])
    tasks = [evidence.tasks[task] for task in found.tasks]
    shares[counts == 0] = np.nan
    canvas = heat_cells(shares, texts, found.classes, tasks, (0.0, 1.0))
    source = computed(confusions, found.keys)
    caption = (
        "Rows are true classes, columns the tasks chosen; colour is the share of the class’s "
        "images. ",
        Number(f"{grouped(found.correct)} of {grouped(found.images)}", source),
        " went to their own task.",
    )
    name, title = found.file_name("routing", setting), "Router’s choices after the last task"
    return drawn(canvas, name, title, "images", (how_many.trials(found.records),), caption)


def heat_cells(
    values: np.ndarray,
    texts: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    limits: tuple[float, float],
) -> Canvas:
    """Cells of one size with numbers; NaN stays empty."""
    low, top = limits
    size = 0.42 if max(len(rows), len(columns)) > 8 else 0.52
    with house_style():
        # The axes fill the canvas, so cells have one size; saving adds room for the labels.
        canvas = Canvas(figsize=(size * len(columns), size * 0.72 * len(rows)))
        spans = (min(low, (1 - SMALLEST_SPAN) * top), top)
        ax = canvas.add_axes((0, 0, 1, 1))
        heat_map(ax, values, texts, rows, columns, spans, fontsize=7.5)
    return canvas
