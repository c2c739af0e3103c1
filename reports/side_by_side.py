"""Settings side by side: at the end, right after learning, and what is lost between; curves over an
axis of numbers, and how much each axis of a grid moves the outcome."""
# pyright: reportUnknownMemberType=false

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure as Canvas

from moleflow.drawing import colour, guides, house_style, log_x, shares
from moleflow.metrics.catalogue import Metric
from moleflow.metrics.means import mean
from moleflow.wording import from_fewest
from orchestration.records.ledger import Record
from orchestration.studies.effects import PLACES, setting_name
from reports import how_many, tones
from reports.digits import ends, left_out, numbers, percent, plus_minus
from reports.document import (
    DASH,
    Cell,
    Figure,
    Line,
    Number,
    Table,
    Value,
    Words,
    computed,
    drawn,
    table,
)
from reports.doubt_columns import (
    ALONE,
    HEADER,
    Interval,
    Known,
    because,
    both,
    both_cell,
    both_fields,
    caption,
    has_pictures,
)
from reports.doubt_columns import sentence as doubts_sentence
from reports.evidence import Evidence, Setting, keys
from reports.performance import in_whole_seeds, interval_text
from reports.picture_doubt import Kept, of_setting
from reports.statistics import NOISE, Share, Summary, grid_importance, summarise
from reports.variants import called, called_by

HIGHEST = (
    " The highest of several means of test pictures is no estimate of what that setting gives "
    "elsewhere."
)
KINDS = {
    "final_mean": "At the end",
    "on_task_mean": "Right after learning",
    "forgetting/max_minus_last": "Forgetting",
}


@dataclass(frozen=True)
class Seeded:
    """A number of a setting, over seeds that have every order."""

    setting: Setting
    seeds: tuple[int, ...]
    values: tuple[float, ...]
    """A mean over orders for each seed."""
    records: tuple[Record, ...]
    left_out: int
    """Finished trials of seeds that lack an order."""

    @property
    def summary(self) -> Summary | None:
        return summarise(self.values)


def seeded(evidence: Evidence, setting: Setting, metric: str, definition: str) -> Seeded:
    """Of finished trials that have the number."""
    final = evidence.measurements.summary
    have = [r for r in setting.finished if final(r.key, metric, definition) is not None]
    used = in_whole_seeds(have)
    seeds = sorted({record.seed for record in used})
    values = tuple(
        mean(final(r.key, metric, definition) or 0.0 for r in used if r.seed == seed)
        for seed in seeds
    )
    return Seeded(setting, tuple(seeds), values, tuple(used), len(have) - len(used))


def settings_table(evidence: Evidence, metric: Metric, kept: Kept) -> Table:
    """Every setting: at the end, right after learning, forgetting, over seeds; at the end over test
    pictures, too."""
    rows: list[list[Cell | str]] = []
    data: list[Line] = []
    pictured = has_pictures(metric.name)
    made = [of_setting(evidence, s, kept, metric.name) for s in evidence.settings if pictured]
    shown = caption(made)
    for i, setting in enumerate(evidence.settings):
        cells: list[Cell | str] = []
        for definition in KINDS:
            one = seeded(evidence, setting, metric.name, definition)
            source, summary = computed(settings_table, keys(one.records)), one.summary
            told = f"[{interval_text(summary)}]" if summary and summary.interval else ""
            cells.append(Cell(plus_minus(summary), told, source))
            line: dict[str, Value] = {**setting.fields, "metric": metric.name}
            line |= {"definition": definition, **numbers(summary)}
            line |= ends(summary.interval if summary else None)
            at_end = has_pictures(metric.name, definition)
            data.append(Line(line | (both_fields(made[i]) if at_end else {}), source))
        if shown:
            cells.insert(1, both_cell(made[i], settings_table))
        trials = f"{len(setting.finished)} of {len(setting.trials)}"
        rows.append([Cell(called(setting), setting.also), trials, *cells])
    told = (
        f"{metric.title}, mean over classes, in percent (forgetting in points): mean ± sd over "
        "seeds, each a mean over its orders, and from three seeds on the 95 % interval",
        *(shown or (ALONE,)),
    )
    at_the_end, *others = KINDS.values()
    header = ("Setting", "Trials", at_the_end, *[HEADER] * bool(shown), *others)
    whole = computed(settings_table, keys(evidence.finished))
    return table(f"settings-{metric.name}", told, header, rows, data, whole, 2)


def on_other_pictures(evidence: Evidence, kept: Kept) -> list[Words]:
    """What they leave open of the settings' means, for each metric that it is known of; once where
    it is known of none."""
    every = {
        metric.name: [
            (called(s), of_setting(evidence, s, kept, metric.name)) for s in evidence.settings
        ]
        for metric in evidence.concluded
        if has_pictures(metric.name)
    }
    of = [one for made in every.values() for _, one in made]
    if of and all(isinstance(one, str) and one == of[0] for one in of):
        return [("What other test pictures would change is not known (", *because(of), ").")]
    return [doubts_sentence(metric, made) for metric, made in every.items()]


def sentences(evidence: Evidence) -> list[Words]:
    """Of every metric between which settings the means lie, and once what the highest is not."""
    each = [sentence(evidence, metric) for metric in evidence.concluded]
    told = [words for words, _ in each]
    if any(differ for _, differ in each):
        told[-1] = (*told[-1], HIGHEST)
    return [*told]


def sentence(evidence: Evidence, metric: Metric) -> tuple[tuple[str | Number, ...], bool]:
    """n first, then between which settings the means lie; and whether they differ."""
    known = [seeded(evidence, s, metric.name, "final_mean") for s in evidence.settings]
    found = [(one, summary) for one in known if (summary := one.summary) is not None]
    if not found:
        return (f"{metric.title}: no setting has finished.",), False
    low, high = (pick(found, key=lambda pair: pair[1].mean) for pick in (min, max))
    source = computed(sentence, [r.key for one, _ in found for r in one.records])
    n = f"n = {from_fewest((summary.n for _, summary in found), 'seed')}"
    lost = left_out(sum(one.left_out for one, _ in found), "trial")
    without = ("; ", Number(lost, source)) if lost else ()
    words: tuple[str | Number, ...] = (f"{metric.title} (", Number(n, source), *without, "): ")
    ends = [Number(f"{percent(summary.mean)} %", source) for _, summary in (low, high)]
    if len(found) == 1:
        alone = f" with {called(low[0].setting)}, the only one with a result."
        return (*words, ends[0], alone), False
    many = Number(f"{len(found)} settings", source)
    if ends[0] == ends[1]:
        equal = high[1].mean - low[1].mean <= NOISE
        alike = "equal" if equal else "less than 0.01 points apart"
        return (*words, "means of ", many, f" are {alike}: ", ends[0], "."), False
    between = (" lie between ", ends[0], f" ({called(low[0].setting)}) and ", ends[1])
    return (*words, "means of ", many, *between, f" ({called(high[0].setting)})."), True


def numeric_axes(evidence: Evidence) -> list[str]:
    """Names of axes whose every value is a number, with two values or more."""
    values: dict[str, set[str]] = {}
    for named in evidence.named:
        for name, value in named.axes.items():
            values.setdefault(name, set()).add(value)
    return [name for name, of in values.items() if len(of) > 1 and all(map(_is_number, of))]


def _is_number(text: str) -> bool:
    try:
        value = json.loads(text)
    except ValueError:
        return False
    return isinstance(value, (int, float)) and not isinstance(value, bool)


OverPictures = Mapping[str, Mapping[int, Known]]
"""Of means at the end, by metric and the setting's number."""


def over_pictures(evidence: Evidence, kept: Kept) -> OverPictures:
    """What pictures leave open of the means at the end, of metrics that it is known of."""
    return {
        metric.name: {
            s.number: of_setting(evidence, s, kept, metric.name) for s in evidence.settings
        }
        for metric in evidence.concluded
        if has_pictures(metric.name)
    }


def curve(evidence: Evidence, axis: str, pictures: OverPictures) -> Figure | None:
    """Means over an axis of numbers with bands of 95 %, over seeds and over seeds and pictures, a
    line for each value of the others."""
    groups = _along(evidence, axis)
    if not any(setting.finished for of in groups.values() for _, setting in of):
        return None
    metrics = evidence.concluded
    with house_style():
        canvas = Canvas(figsize=(3.9 * len(metrics), 2.9))
        plots = canvas.subplots(1, len(metrics), squeeze=False, gridspec_kw={"wspace": 0.28})[0]
        for ax, metric in zip(plots, metrics, strict=True):
            for i, (rest, of) in enumerate(groups.items()):
                points = _points(evidence, of, metric, pictures.get(metric.name, {}))
                named = called_by(rest) if rest else None
                x, middle = [p[0] for p in points], [100 * p[1].mean for p in points]
                ax.plot(x, middle, "o-", color=colour(i), lw=1.4, ms=4, label=named)
                whole = [(x, ends) for x, _, ends in points]
                tones.band(ax, whole, colour(i), tones.WITH_PICTURES)
                seeds = [(x, of.interval) for x, of, _ in points]
                tones.band(ax, seeds, colour(i), tones.OVER_SEEDS)
            _scaled(ax, [x for of in groups.values() for x, _ in of])
            ax.set_xlabel(axis)
            ax.set_ylabel(f"{metric.title} [%]")
            guides(ax)
            shares(ax, "y")
        if len(groups) > 1:
            plots[-1].legend(fontsize=6.5, loc="upper left", bbox_to_anchor=(1.0, 1.02))
    return _curve_figure(evidence, canvas, axis, groups, pictures)


def _along(evidence: Evidence, axis: str) -> dict[str, list[tuple[float, Setting]]]:
    """Settings by the value of an axis, by what else they are called; of names that lead along the
    same settings, or some of them, the first."""
    found: dict[str, dict[int, tuple[float, Setting]]] = {}
    for setting in evidence.settings:
        for axes in (name.axes for name in setting.names):
            if axis in axes:
                rest = setting_name({name: value for name, value in axes.items() if name != axis})
                at = float(axes[axis]), setting
                found.setdefault(rest, {}).setdefault(setting.number, at)
    kept: dict[str, list[tuple[float, Setting]]] = {}
    for rest, of in sorted(found.items(), key=lambda item: -len(item[1])):
        if not any(of.keys() <= {s.number for _, s in other} for other in kept.values()):
            kept[rest] = list(of.values())
    return {rest: kept[rest] for rest in found if rest in kept}


def _points(
    evidence: Evidence,
    of: Sequence[tuple[float, Setting]],
    metric: Metric,
    pictures: Mapping[int, Known],
) -> list[tuple[float, Summary, Interval]]:
    """The number of the axis, what seeds gave, and the interval over seeds and pictures."""
    found: list[tuple[float, Summary, Interval]] = []
    for x, setting in sorted(of, key=lambda pair: pair[0]):
        summary = seeded(evidence, setting, metric.name, "final_mean").summary
        if summary is not None:
            found.append((x, summary, both(pictures.get(setting.number, ""))))
    return found


def _scaled(ax: object, values: Sequence[float]) -> None:
    """Logarithmic where all are positive and span two powers of ten."""
    if min(values) > 0 and max(values) / min(values) >= 100:
        log_x(ax)  # pyright: ignore[reportArgumentType]


def _curve_figure(
    evidence: Evidence,
    canvas: Canvas,
    axis: str,
    groups: dict[str, list[tuple[float, Setting]]],
    pictures: OverPictures,
) -> Figure:
    settings = [setting for of in groups.values() for _, setting in of]
    records = [record for setting in settings for record in setting.finished]
    source = computed(curve, keys(records))
    drawn_ = [
        ends
        for metric in evidence.concluded
        for of in groups.values()
        for _, one, whole in _points(evidence, of, metric, pictures.get(metric.name, {}))
        for ends in (one.interval, whole)
    ]
    words: list[str | Number] = [
        f"Means over seeds, from three on with their 95 % intervals. {_tones(evidence, pictures)}."
        f"{tones.beyond(drawn_)} "
    ]
    for metric in evidence.concluded:
        ranges = [_range(evidence, [s for _, s in of], metric) for of in groups.values()]
        known = [one for one in ranges if one is not None]
        if known:
            most = Number(f"{percent(max(known))} points", source)
            alike = ", all else alike" if len(groups) > 1 else ""
            words += [f"{metric.title}: highest minus lowest mean{alike}, ", most, ". "]
    title = f"What {axis} changes"
    name = f"curve-{axis.replace('.', '_')}"
    return drawn(canvas, name, title, "%", (how_many.seeds(records),), tuple(words))


def _range(evidence: Evidence, settings: Sequence[Setting], metric: Metric) -> float | None:
    """Largest minus smallest mean at the end; None where fewer than two have one."""
    every = [seeded(evidence, s, metric.name, "final_mean").summary for s in settings]
    means = [summary.mean for summary in every if summary]
    return max(means) - min(means) if len(means) > 1 else None


def _tones(evidence: Evidence, pictures: OverPictures) -> str:
    """What the bands are over."""
    known = {name for name, of in pictures.items() if any(both(one) for one in of.values())}
    alone = [metric.title for metric in evidence.concluded if metric.name not in known]
    said = [tones.told(True, "band").capitalize()] if known else []
    said += [f"{', '.join(alone)}: {tones.told(False, 'band')}"] if alone else []
    return "; ".join(said)


def importance(evidence: Evidence, metric: Metric) -> tuple[Share, ...] | None:
    """Shares of the variance over a full grid of two axes or more; None where it is not full,
    or no grid."""
    names = [
        name
        for name in dict.fromkeys(k for t in evidence.plan.trials for k in t.axes)
        if name not in (*PLACES, "part")
        and len({t.axes.get(name) for t in evidence.plan.trials}) > 1
    ]
    levels = [list(dict.fromkeys(t.axes.get(n) for t in evidence.plan.trials)) for n in names]
    if len(names) < 2:
        return None
    found = [seeded(evidence, s, metric.name, "final_mean") for s in evidence.settings]
    at: dict[tuple[str | None, ...], Seeded] = {}
    for one in found:
        for place in {tuple(name.axes.get(n) for n in names) for name in one.setting.names}:
            if place in at:  # parts of a union that call other configs alike are no one grid
                return None
            at[place] = one
    seeds = sorted(set[int].intersection(*(set(one.seeds) for one in found)))
    places = list(itertools.product(*levels))
    if not seeds or any(place not in at for place in places):
        return None
    cells = [[at[p].values[at[p].seeds.index(seed)] for seed in seeds] for p in places]
    shape = (*(len(of) for of in levels), len(seeds))
    return grid_importance(np.array(cells).reshape(shape), names)


def importance_table(evidence: Evidence, metric: Metric, found: Sequence[Share]) -> Table:
    """Which axis moves the outcome, and which only together."""
    source = computed(importance_table, keys(evidence.finished))
    rows: list[list[Cell | str]] = []
    data: list[dict[str, Value]] = []
    for share in found:
        told = DASH if share.share is None else f"{100 * share.share:.1f} %"
        noise = DASH
        if share.noise is not None and share.variance > 0:
            noise = f"{100 * min(1.0, share.noise / share.variance):.0f} % of it"
        rows.append([" × ".join(share.axes), Cell(told, source=source), Cell(noise, source=source)])
        line: dict[str, Value] = {"axes": " x ".join(share.axes), "metric": metric.name}
        line |= {"definition": "final_mean", "variance": share.variance, "share": share.share}
        data.append(line | {"noise": share.noise})
    caption = (
        f"{metric.title}: shares of the variance of means over the whole grid (exact functional "
        "analysis of variance), and how much of each share noise between seeds explains on average"
    )
    header = ("Axes", "Share", "Explained by noise")
    return table(f"importance-{metric.name}", caption, header, rows, data, source)
