"""Seeds and test pictures, the two sources of doubt, beside each other: tables, a figure, and what
is said of them."""
# pyright: reportUnknownMemberType=false

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from matplotlib.figure import Figure as Canvas

from moleflow.drawing import INK, colour, guides, house_style, name_legend, named_rows, shares
from moleflow.metrics.catalogue import TITLES
from moleflow.wording import counted, grouped
from reports import tones
from reports.digits import bracketed, good_and_anomalous, percent
from reports.document import (
    DASH,
    Block,
    Cell,
    Figure,
    Line,
    Number,
    Section,
    Source,
    Table,
    Value,
    Words,
    computed,
    drawn,
    note,
    table,
)
from reports.doubt_columns import HOW, NEGATIVE, NOT_KEPT, Interval, intervals, lacking
from reports.doubt_columns import sentence as of_means
from reports.evidence import Evidence, Setting, keys
from reports.performance import file_name
from reports.picture_doubt import METRICS, Doubted, Kept, of_setting
from reports.statistics import newcombe, summarise

SOURCES = ("seeds", "test pictures")
HEIGHTS = (-0.16, 0.16)
"""In the figure, of the lines of the two."""
SHOWN = "image_auroc"
"""The metric that the figure is of."""


def section(evidence: Evidence, setting: Setting, found: Kept) -> Section:
    """Of a setting's means at the end of the sequence."""
    blocks = [*short(evidence, setting, found), *lacking(found, setting.finished)]
    blocks += [note(HOW), note(NOT_KEPT)]
    one = of_setting(evidence, setting, found, SHOWN)
    blocks += [class_figure(setting, one)] if isinstance(one, Doubted) else []
    return Section("Seeds and test pictures", tuple(blocks))


def short(evidence: Evidence, setting: Setting, found: Kept) -> list[Block]:
    """The tables alone: of a mean over classes, and class by class in a file."""
    made = {metric: of_setting(evidence, setting, found, metric) for metric in METRICS}
    known = [one for one in made.values() if isinstance(one, Doubted)]
    return [doubt_table(setting, made), *([class_table(setting, known)] if known else [])]


def doubt_table(setting: Setting, made: Mapping[str, Doubted | str]) -> Table:
    """A line per metric: what seeds and what test pictures leave open, alone and together."""
    rows: list[list[Cell | str]] = []
    data: list[Line] = []
    for metric, one in made.items():
        source = computed(doubt_table, () if isinstance(one, str) else one.trials)
        rows.append(_row(metric, one, source))
        data.append(Line({**FIELDS, "metric": metric, **_fields(one)}, source))
    caption = (
        "Mean over classes at the end of the sequence, in percent, each seed’s a mean over its "
        "orders: what other seeds and what other test pictures would change. ± is one standard "
        "deviation of the mean, in points; of pictures that of what they do to all seeds alike, so "
        "that the squares of the two add up"
    )
    header = ("Metric", "Mean", "Seeds", "Test pictures", "± seeds", "± pictures")
    header += ("95 %, seeds", "95 %, pictures", "95 %, both")
    whole = computed(doubt_table, keys(setting.finished))
    return table(file_name("doubt", setting), caption, header, rows, data, whole)


def _row(metric: str, one: Doubted | str, source: Source) -> list[Cell | str]:
    if isinstance(one, str):
        return [TITLES[metric], Cell(DASH, one, source), *[DASH] * 7]
    good, anomalous = one.pictures
    of_seeds, both = intervals(one)
    left_out = f"{counted(one.left_out, 'trial')} left out" if one.left_out else ""
    apart = one.separated
    perfect = f"{apart} class{'' if apart == 1 else 'es'} at 100 %" if apart else ""
    below = NEGATIVE if one.both.images_negative else ""
    cells = [
        Cell(percent(one.both.mean), left_out),
        Cell(str(len(one.values))),
        Cell(grouped(good + anomalous), f"{grouped(good)} good, {grouped(anomalous)} anomalous"),
        Cell(percent(one.from_seeds)),
        Cell(percent(one.from_images), "\n".join(filter(None, (perfect, below)))),
        Cell(bracketed(of_seeds)),
        Cell(bracketed(one.alone.interval)),
        Cell(bracketed(both)),
    ]
    return [TITLES[metric], *(replace(cell, source=source) for cell in cells)]


FIELDS: dict[str, Value] = {"metric": "", "definition": "final_mean", "routing": "routed"}


def _fields(one: Doubted | str) -> dict[str, Value]:
    known = None if isinstance(one, str) else one
    of_seeds, both = intervals(known) if known else (None, None)
    good, anomalous = known.pictures if known else (None, None)
    return {
        "mean": known.both.mean if known else None,
        "seeds": len(known.values) if known else 0,
        "classes": len(known.classes) if known else None,
        "good": good,
        "anomalous": anomalous,
        "sd_seeds": known.from_seeds if known else None,
        "sd_pictures": known.from_images if known else None,
        "sd_pictures_alone": known.alone.sd if known else None,
        "sd_pictures_bootstrap": known.alone.sd_drawn if known else None,
        "draws": max(known.alone.draws, known.over_images[0].draws) if known else None,
        **_ends("seeds", of_seeds),
        **_ends("pictures", known.alone.interval if known else None),
        **_ends("both", both),
        "classes_separated": known.separated if known else None,
        "trials_left_out": known.left_out if known else None,
        "why_not": one if isinstance(one, str) else "",
    }


def _ends(name: str, interval: Interval) -> dict[str, Value]:
    low, high = interval or (None, None)
    return {f"{name}_low": low, f"{name}_high": high}


def class_table(setting: Setting, made: Sequence[Doubted]) -> Table:
    """Every class, for other programs; the figure shows them."""
    data: list[Line] = []
    for one in made:
        source = computed(class_table, one.trials)
        for c, of in enumerate(_classes(one)):
            line: dict[str, Value] = {"class": one.classes[c], **FIELDS, "metric": one.metric}
            line |= {"good": of.good, "anomalous": of.anomalous, "seeds": len(one.values)}
            line |= {"mean": of.mean, "sd_seeds": of.sd_seeds}
            line |= {"sd_pictures_alone": of.sd_pictures}
            line |= {**_ends("seeds", of.seeds), **_ends("pictures", of.pictures)}
            data.append(Line(line, source))
    caption = "Every class: what seeds and what test pictures leave open"
    every = [key for one in made for key in one.trials]
    whole = computed(class_table, every)
    return table(file_name("doubt_by_class", setting), caption, (), (), data, whole)


@dataclass(frozen=True)
class OfClass:
    """A class's mean over seeds."""

    good: int
    anomalous: int
    mean: float
    sd_seeds: float | None
    """Of the mean."""
    sd_pictures: float
    """Were the seeds all there are."""
    seeds: Interval
    pictures: Interval
    """Newcombe's, of an AUROC of so many pictures: it says something at 100 %, too."""


def _classes(one: Doubted) -> list[OfClass]:
    found: list[OfClass] = []
    for c, (images, over) in enumerate(zip(one.images, one.over_images, strict=True)):
        summary = summarise(map(float, one.values[:, c]))
        assert summary is not None
        m = int(images.anomalous.sum())
        n = len(images.anomalous) - m
        sd = None if summary.sd is None else summary.sd / math.sqrt(summary.n)
        pictures = newcombe(summary.mean, m, n) if one.metric == SHOWN else None
        of_pictures = math.sqrt(max(0.0, float(over.covariance.mean())))
        found.append(OfClass(n, m, summary.mean, sd, of_pictures, summary.interval, pictures))
    return found


def class_figure(setting: Setting, one: Doubted) -> Figure:
    """Two intervals for each class."""
    found = _classes(one)
    with house_style():
        canvas = Canvas(figsize=(5.6, 0.7 + 0.34 * len(found)))
        ax = canvas.subplots()
        for y, of in enumerate(found):
            for i, interval in enumerate((of.seeds, of.pictures)):
                tones.level(ax, y + HEIGHTS[i], interval, colour(i), 2.2)
            ax.plot([100 * of.mean], [y], "o", color=INK, ms=3.6)
        named_rows(ax, one.classes)
        ax.set_xlabel(f"{TITLES[one.metric]} [%]")
        guides(ax)
        shares(ax, "x")
        name_legend(canvas, SOURCES, lines=True)
    source = computed(class_figure, one.trials)
    most = max(range(len(found)), key=lambda c: found[c].sd_pictures)
    of = found[most]
    caption: Words = (
        "Mean over seeds (dot) with the 95 % interval over seeds (upper line, from three seeds on) "
        "and over test pictures (lower line). Test pictures leave most open for "
        f"{one.classes[most]}, of {good_and_anomalous(of.good, of.anomalous)} ones: sd ",
        Number(f"{percent(of.sd_pictures)} points", source),
        f".{tones.beyond(of.seeds for of in found)}",
    )
    title = f"{TITLES[one.metric]} of each class: what seeds and what test pictures leave open"
    n = (Number(counted(len(one.values), "seed"), source),)
    return drawn(canvas, file_name("doubt_by_class", setting), title, "%", n, caption)


def sentence(evidence: Evidence, setting: Setting, found: Kept) -> Words:
    """Which of the two sources leaves more open, of the metric that the figure shows."""
    return of_means(SHOWN, [(setting.label, of_setting(evidence, setting, found, SHOWN))])
