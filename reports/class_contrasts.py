"""Tables and figures of variants against their baseline class by class: each class by itself, over
seeds and over seeds and test pictures."""
# pyright: reportUnknownMemberType=false

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from moleflow.drawing import house_style, named_rows
from moleflow.metrics.catalogue import Metric
from moleflow.wording import from_fewest
from reports import contrasts, doubt_columns, picture_doubt, tones
from reports.digits import bracketed, ends, percent
from reports.document import Figure, Line, Number, Table, Value, Words, computed, drawn, table
from reports.doubt_columns import Interval, Known
from reports.evidence import Evidence, Setting, classes_of
from reports.picture_doubt import Kept
from reports.statistics import Contrast
from reports.variants import Compared, over_seeds, own_name

TITLE = 34
"""Letters of a panel's title that fit above it."""
MOST_PANELS = 12
"""Variants that the figure by class has room for."""


@dataclass(frozen=True)
class ClassDifference:
    """One class of a variant against the baseline."""

    name: str
    result: Contrast
    """Over seeds, each a mean over orders."""
    pictures: Known
    """What test pictures leave open of it; empty of a metric that they tell nothing of."""

    @property
    def both(self) -> Interval:
        """Over seeds and pictures."""
        return doubt_columns.both(self.pictures, self.result.interval)


def by_class(
    evidence: Evidence, compared: Compared, metric: Metric, kept: Kept
) -> list[ClassDifference]:
    """Every class that both trials of every pair have the metric of."""
    records = [record for pair in compared.pairs for record in pair]
    pictured = doubt_columns.has_pictures(metric.name)
    of = picture_doubt.of_difference(evidence, compared, kept, metric.name) if pictured else ""
    found: list[ClassDifference] = []
    for name in sorted({name for one, _ in compared.pairs for name in classes_of(one)}):
        values = {r.key: evidence.measurements.final(r, name, metric.name) for r in records}
        known = {key: value for key, value in values.items() if value is not None}
        if len(known) == len(values):
            result = over_seeds(compared.pairs, known, metric)
            found.append(
                ClassDifference(name, result, of if isinstance(of, str) else of.of_class(name))
            )
    return found


ByClass: TypeAlias = Sequence[tuple[Compared, Sequence[ClassDifference]]]
"""Variants against the baseline, and the classes of each."""


def class_table(baseline: Setting, metric: Metric, found: ByClass) -> Table:
    """Differences of every class, for other programs; the figure shows them."""
    data: list[Line] = []
    pictured = doubt_columns.has_pictures(metric.name)
    for compared, classes in found:
        source = computed(class_table, compared.trials)
        for one in classes:
            line: dict[str, Value] = {"setting": compared.setting.label}
            line |= {"baseline": baseline.label, "class": one.name, "metric": metric.name}
            line |= {"seeds": one.result.n, "difference": one.result.difference}
            line |= ends(one.result.interval)
            line |= doubt_columns.both_fields(one.pictures, one.result.interval) if pictured else {}
            data.append(Line(line, source))
    caption = f"{metric.title} of every class: variant minus baseline, paired by seed, with the "
    caption += (
        "interval over seeds and that over seeds and test pictures"
        if pictured
        else "interval over seeds"
    )
    every = [key for compared, _ in found for key in compared.trials]
    name = f"contrasts_by_class-{metric.name}"
    fields = ("setting", "baseline", "class", "metric", "seeds", "difference")
    fields += ("interval_low", "interval_high")
    fields += tuple(doubt_columns.both_fields("")) if pictured else ()
    return table(name, caption, (), (), data, computed(class_table, every), 1, fields)


def class_forest(metric: Metric, found: ByClass) -> Figure | None:
    """A panel per variant, a line per class."""
    shown = [(c, of) for c, of in found if of][:MOST_PANELS]
    if not shown:
        return None
    names = list(dict.fromkeys(one.name for _, of in shown for one in of))
    columns = min(4, len(shown))
    lines = -(-len(shown) // columns)
    with house_style():
        canvas = Canvas(figsize=(2.4 * columns + 0.8, (0.9 + 0.2 * len(names)) * lines))
        longest = max(len(textwrap.wrap(own_name(c.setting), TITLE)) for c, _ in shown)
        grid = {"wspace": 0.12, "hspace": (0.95 + 0.15 * longest) / (0.5 + 0.2 * len(names))}
        axes = canvas.subplots(
            lines, columns, sharex=True, sharey=True, squeeze=False, gridspec_kw=grid
        )
        for i, ax in enumerate(axes.flat):
            if i >= len(shown):
                ax.set_axis_off()
                continue
            _panel(ax, metric, *shown[i], names)
            if i + columns >= len(shown):  # nothing stands below
                ax.tick_params(labelbottom=True)
                ax.set_xlabel("Difference [points]")
    return _class_figure(canvas, metric, shown)


def _panel(
    ax: Axes,
    metric: Metric,
    compared: Compared,
    of: Sequence[ClassDifference],
    names: Sequence[str],
) -> None:
    each = ((names.index(one.name), one.result, one.both) for one in of)
    contrasts.intervals(ax, metric, each, 1.2, 3.2)
    ax.set_title(textwrap.fill(own_name(compared.setting), TITLE), fontsize=8)
    named_rows(ax, names)


def _class_figure(canvas: Canvas, metric: Metric, shown: ByClass) -> Figure:
    """The caption says which class moves most."""
    compared, most = max(
        ((c, one) for c, of in shown for one in of), key=lambda pair: abs(pair[1].result.difference)
    )
    source = computed(class_forest, compared.trials)
    pictured = any(one.both for _, of in shown for one in of)
    widest = most.both or most.result.interval
    interval = [Number(f"{bracketed(widest)}", source)] if widest else []
    caption: Words = (
        "Variant minus baseline with the 95 % interval of each class by itself, "
        f"{tones.told(pictured, 'line')}; the grey band is the margin. What changes most is "
        f"{most.name}, with {own_name(compared.setting)}: ",
        Number(f"{percent(most.result.difference)} points", source),
        *([", 95 % ", *interval] if interval else []),
        ".",
    )
    every = computed(class_forest, [key for c, _ in shown for key in c.trials])
    n = Number(from_fewest((one.result.n for _, of in shown for one in of), "seed"), every)
    title = f"{metric.title} of each class against the baseline"
    return drawn(canvas, f"forest_by_class-{metric.name}", title, "points", (n,), caption)
