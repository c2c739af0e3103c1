"""Tables and figures of designs of two factors."""
# pyright: reportUnknownMemberType=false

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from moleflow.drawing import FAINT, INK, colour, house_style, shares
from moleflow.metrics.catalogue import Metric
from moleflow.wording import counted, from_fewest
from reports import further_seeds, tones
from reports.digits import bracketed, contrasted, p_value, percent, plus_minus
from reports.document import (
    DASH,
    Cell,
    Figure,
    Line,
    Number,
    Source,
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
    both,
    both_cell,
    both_fields,
    both_note,
    caption,
)
from reports.doubt_columns import has_pictures as known_of
from reports.evidence import Evidence, keys
from reports.further_seeds import priced, seconds_per_seed, to_decide
from reports.picture_doubt import Kept, doubted
from reports.statistics import Contrast, Effect, summarise
from reports.two_by_two import CORNERS, KINDS, STEPS, Corner, Crossed, Kind, trial_keys

CORNER_NAMES: dict[Corner, str] = {
    (False, False): "neither",
    (True, False): "first",
    (False, True): "second",
    (True, True): "both",
}
MEANINGS = {
    "better": "they help each other",
    "worse": "they stand in each other’s way",
    "equivalent": "they add up",
    "undecided": "undecided",
}
"""Of the verdict on an interaction."""
PLACE = 4
"""Of the interval over seeds and test pictures among the columns of interactions."""
INTERACTION: Mapping[Corner, float] = {
    corner: 1 if corner[0] == corner[1] else -1 for corner in CORNERS
}
"""How often each corner's mean counts in it."""
OnPictures: TypeAlias = Callable[[Crossed, Mapping[Corner, float]], Known]
"""What test pictures leave open of a sum over corners, each so often."""


def on_pictures(evidence: Evidence, kept: Kept) -> OnPictures:
    """Of final values of metrics of pictures; of others nothing is known."""

    def of(one: Crossed, factors: Mapping[Corner, float]) -> Known:
        if not known_of(one.metric.name, one.kind):
            return ""
        parts = [(factor, one.at(corner)) for corner, factor in factors.items()]
        return doubted(evidence, kept, one.metric.name, parts)

    return of


def source_of(by: object, one: Crossed) -> Source:
    return computed(by, keys(one.records))  # pyright: ignore[reportArgumentType]


def interaction_table(
    metric: Metric, kind: Kind, found: Sequence[Crossed], pictures: OnPictures
) -> Table:
    """What both do together beyond what each does alone."""
    rows: list[list[Cell | str]] = []
    data: list[Line] = []
    made = [pictures(one, INTERACTION) for one in found]
    shown = caption(made)
    for one, of in zip(found, made, strict=True):
        source = source_of(interaction_table, one)
        beside = one.result.contrast.interval if one.result else None
        line: dict[str, Value] = {"design": one.design.name, "part": one.design.part}
        line |= {"first": one.design.first.name, "second": one.design.second.name}
        line |= {"metric": metric.name, "definition": kind, "margin": metric.margin}
        line |= {"seeds": len(one.seeds), "left_out": one.left_out}
        line |= both_fields(of, beside) if known_of(metric.name, kind) else {}
        data.append(Line(line | _told(one), source))
        row = [one.design.name, *_row(one, source)]
        row[PLACE:PLACE] = [both_cell(of, interaction_table, beside)] if shown else []
        rows.append(row)
    told = (
        f"{metric.title} {KINDS[kind]}, in points: (both − second) − (first − neither), paired by "
        "seed; interval of one design alone, verdict and p for all together (Holm); "
        f"{further_seeds.IN_TABLE}. Beside it the analysis of variance that papers print, which "
        "takes runs of one seed for independent",
        *(shown or (ALONE,)),
    )
    header = ("Components", "Verdict", "Interaction", "95 % interval", *[HEADER] * bool(shown),
              "p (Holm)", "Seeds", further_seeds.HEADER, "F", "p (Holm)", "Partial η²",
              "p, HC3")  # fmt: skip
    whole = computed(interaction_table, trial_keys(found))
    name = f"interactions-{metric.name}-{kind}"
    return table(name, told, header, rows, data, whole, 2)


def _told(one: Crossed) -> dict[str, Value]:
    if one.result is None:
        return {"verdict": None}
    result, effect = one.result.contrast, one.result.anova.interaction
    line = contrasted(result) | priced(result, one.seconds_per_seed)
    line |= {"f": effect.f, "anova_p": effect.p}
    line |= {"df_residual": one.result.anova.residual_df, "anova_p_holm": one.result.p_holm}
    line |= {"partial_eta2": effect.partial_eta2, "f_hc3": effect.f_robust}
    return line | {"p_hc3": effect.p_robust}


def _row(one: Crossed, source: Source) -> list[Cell | str]:
    if one.result is None:
        few = Cell(DASH, f"{counted(one.design.planned, 'trial')} planned", source)
        return [few, *[Cell(DASH)] * 3, Cell(str(len(one.seeds)), source=source), *[Cell(DASH)] * 5]
    result, effect = one.result.contrast, one.result.anova.interaction
    texts = [percent(result.difference), bracketed(result.interval)]
    left = f"{counted(one.left_out, 'trial')} left out" if one.left_out else ""
    return [
        Cell(result.verdict, "" if result.verdict == "undecided" else MEANINGS[result.verdict]),
        *(Cell(text, source=source) for text in texts),
        Cell(p_value(result.p_holm), source=source),
        Cell(str(result.n), left, source),
        to_decide(result, one.seconds_per_seed).cell(source),
        *_anova(one, effect, source),
    ]


def _anova(one: Crossed, effect: Effect, source: Source) -> list[Cell]:
    assert one.result is not None
    df = f"df 1, {one.result.anova.residual_df}"
    f = DASH if effect.f is None else f"{effect.f:.2f}"
    return [
        Cell(f, df, source),
        Cell(p_value(one.result.p_holm), source=source),
        Cell(f"{effect.partial_eta2:.2f}", source=source),
        Cell(p_value(effect.p_robust), source=source),
    ]


def corners_table(
    metric: Metric, kind: Kind, found: Sequence[Crossed], pictures: OnPictures
) -> Table:
    """Means at the four corners."""
    rows: list[list[Cell | str]] = []
    data: list[Line] = []
    every: list[Known] = []
    for one in found:
        cells: list[Cell | str] = []
        for corner in CORNERS:
            summary = summarise(one.values.get(corner, ()))
            of = computed(corners_table, keys(one.at(corner)))
            on_pictures = pictures(one, {corner: 1})
            every.append(on_pictures)
            cells.append(Cell(plus_minus(summary), both_note(on_pictures), of))
            line: dict[str, Value] = {"design": one.design.name, "part": one.design.part}
            line |= {"first": one.design.first.name, "second": one.design.second.name}
            line |= {"corner": CORNER_NAMES[corner], "metric": metric.name, "definition": kind}
            line |= {"n": summary.n if summary else 0, "mean": summary.mean if summary else None}
            line |= {"sd": summary.sd if summary else None}
            line |= both_fields(on_pictures) if known_of(metric.name, kind) else {}
            data.append(Line(line, of))
        rows.append([one.design.name, *cells])
    told = (
        f"{metric.title} {KINDS[kind]}, in percent: mean ± sd over seeds, with neither component, "
        f"with one of them, and with both",
        *caption(every),
    )
    header = ("Components", "Neither", "First only", "Second only", "Both")
    whole = computed(corners_table, trial_keys(found))
    return table(f"corners-{metric.name}-{kind}", told, header, rows, data, whole)


def effects_table(
    metric: Metric, kind: Kind, found: Sequence[Crossed], pictures: OnPictures
) -> Table:
    """What each factor does without the other, and with it."""
    rows: list[list[Cell | str]] = []
    data: list[Line] = []
    made = [
        (one, factor, other_in, result, before, after, pictures(one, {before: -1, after: 1}))
        for one in found
        for factor, results in one.effects.items()
        for other_in, (result, (before, after)) in enumerate(
            zip(results, STEPS[factor], strict=True)
        )
    ]
    shown = caption([of for *_, of in made])
    for one, factor, other_in, result, before, after, of in made:
        source = source_of(effects_table, one)
        first, second = one.design.first, one.design.second
        own, other = (first, second) if factor == "first" else (second, first)
        where = f"{other.name} = {other.within if other_in else other.without}"
        line: dict[str, Value] = {"design": one.design.name, "part": one.design.part}
        line |= {"first": first.name, "second": second.name, "factor": factor}
        line |= {"other_in": other_in, "metric": metric.name, "definition": kind}
        line |= {"seeds": result.n, "margin": result.margin, **contrasted(result)}
        took = seconds_per_seed([*one.at(before), *one.at(after)])
        line |= priced(result, took)
        line |= both_fields(of, result.interval) if known_of(metric.name, kind) else {}
        data.append(Line(line, source))
        cells = [*_effect_cells(result, source), to_decide(result, took).cell(source)]
        cells[3:3] = [both_cell(of, effects_table, result.interval)] if shown else []
        rows.append([one.design.name, own.name, where, *cells])
    told = (
        f"{metric.title} {KINDS[kind]}, in points: what a component changes, with the other out "
        f"and in, paired by seed; verdicts for all lines of one factor together (Holm); "
        f"{further_seeds.IN_TABLE}",
        *(shown or (ALONE,)),
    )
    header = ("Components", "Effect of", "Where", "Verdict", "Difference", "95 % interval",
              *[HEADER] * bool(shown), "p (Holm)", "Seeds", further_seeds.HEADER)  # fmt: skip
    whole = computed(effects_table, trial_keys(found))
    name = f"simple_effects-{metric.name}-{kind}"
    return table(name, told, header, rows, data, whole, 4)


def _effect_cells(result: Contrast, source: Source) -> list[Cell | str]:
    texts = [percent(result.difference), bracketed(result.interval)]
    texts += [p_value(result.p_holm), str(result.n)]
    return [Cell(result.verdict, source=source), *(Cell(text, source=source) for text in texts)]


def lines_figure(
    metric: Metric, kind: Kind, found: Sequence[Crossed], pictures: OnPictures
) -> Figure | None:
    """Per design two lines, the second factor out and in; parallel lines are no interaction."""
    shown = [one for one in found if one.seeds]
    if not shown:
        return None
    columns = min(3, len(shown))
    lines = -(-len(shown) // columns)
    with house_style():
        canvas = Canvas(figsize=(2.9 * columns, 2.3 * lines))
        grid = {"wspace": 0.25, "hspace": 0.75}
        axes = canvas.subplots(lines, columns, sharey=True, squeeze=False, gridspec_kw=grid)
        alike = len({one.design.first for one in shown}) == 1
        for i, ax in enumerate(axes.flat):
            if i < len(shown):
                _lines(ax, shown[i], pictures)
                if not alike:
                    ax.legend(loc="best", fontsize=6.5)
            else:
                ax.set_axis_off()
        for ax in axes.flat:  # all have been drawn, and share their limits
            shares(ax, "y")
        if alike:
            place = {"loc": "lower left", "bbox_to_anchor": (0.11, 0.96)}
            canvas.legend(*axes[0][0].get_legend_handles_labels(), ncols=2, **place)
        for row in axes:
            row[0].set_ylabel(f"{metric.title} [%]")
    source = computed(lines_figure, trial_keys(shown))
    n = Number(from_fewest((len(one.seeds) for one in shown), "seed"), source)
    title = f"{metric.title} {KINDS[kind]}"
    name = f"crossed-{metric.name}-{kind}"
    return drawn(canvas, name, title, "%", (n,), _caption(shown, pictures))


def _lines(ax: Axes, one: Crossed, pictures: OnPictures) -> None:
    second = one.design.second
    for j, first in enumerate((False, True)):
        means = [summarise(one.values[first, within]) for within in (False, True)]
        for x in (0, 1):
            over_seeds, whole = _intervals(one, (first, bool(x)), pictures)
            tones.upright(ax, x + 0.03 * j, over_seeds, whole, colour(j), 1.4)
        label = f"{one.design.first.name} = {_level(one, first)}"
        middles = [100 * summary.mean for summary in means if summary]
        ax.plot([0, 1], middles, marker="os"[j], color=colour(j), lw=1.6, label=label)
    ax.set_xticks([0, 1], [second.without, second.within])
    ax.set_xlim(-0.3, 1.3)
    ax.set_xlabel(second.name)
    ax.set_title(one.design.name, color=INK)
    ax.grid(axis="y", color=FAINT, lw=0.4)


def _intervals(one: Crossed, corner: Corner, pictures: OnPictures) -> tuple[Interval, Interval]:
    """Of a corner's mean, over seeds, and over seeds and pictures."""
    summary = summarise(one.values[corner])
    return summary.interval if summary else None, both(pictures(one, {corner: 1}))


def _level(one: Crossed, within: bool) -> str:
    return one.design.first.within if within else one.design.first.without


def _caption(shown: Sequence[Crossed], pictures: OnPictures) -> Words:
    """Which lines are not parallel."""
    each = [_intervals(one, corner, pictures) for one in shown for corner in CORNERS]
    known = any(whole for _, whole in each)
    words: list[str | Number] = [
        f"Means with 95 % intervals, {tones.told(known, 'upright line')}; lines that are parallel "
        f"show no interaction.{tones.beyond(ends for of in each for ends in of)} "
    ]
    for one in shown:
        if one.result is not None:
            result, source = one.result.contrast, computed(lines_figure, keys(one.records))
            points = Number(f"{percent(result.difference)} points", source)
            words += [f"{one.design.name}: ", Number(result.verdict, source), ", ", points, ". "]
    return tuple(words)
