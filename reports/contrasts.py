"""Tables and figures of variants against their baseline, over all classes and class by class."""
# pyright: reportUnknownMemberType=false

import itertools
from collections.abc import Iterable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from moleflow.drawing import FAINT, INK, colour, house_style
from moleflow.metrics.catalogue import Metric
from moleflow.wording import counted, from_fewest, plural
from reports import doubt_columns, further_seeds, performance, picture_doubt, tones
from reports.digits import (
    bracketed,
    contrasted,
    p_value,
    percent,
    plus_minus,
)
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
from reports.doubt_columns import Interval, Known
from reports.evidence import Evidence, Setting, keys
from reports.further_seeds import priced, to_decide
from reports.picture_doubt import Kept
from reports.statistics import Contrast, summarise
from reports.variants import Compared, Comparisons, no_ops_told, own_name

PLACE = 5
"""Of the interval over seeds and test pictures among the columns."""


def against_baselines(
    evidence: Evidence, kept: Kept, compared: Sequence[Comparisons]
) -> list[Table]:
    """A table per metric for every baseline of the study; none where it runs no baseline, or
    nothing besides."""
    return [
        family.named(contrast_table(evidence, family.baseline, metric, found[metric.name], kept))
        for family, found in compared
        if family.others
        for metric in evidence.concluded
    ]


def contrast_table(
    evidence: Evidence, baseline: Setting, metric: Metric, found: Sequence[Compared], kept: Kept
) -> Table:
    """Mean, difference to the baseline with its interval, and verdict of every variant; of a metric
    that kept scores tell the doubt of, the interval over seeds and test pictures too."""
    pictured = doubt_columns.has_pictures(metric.name)
    made = on_pictures(evidence, metric, found, kept)
    shown = doubt_columns.caption(made)
    head = _row(evidence, metric, baseline, None)
    rows: list[list[Cell | str]] = [[*head[:PLACE], *[DASH] * bool(shown), *head[PLACE:]]]
    data: list[Line] = []
    for i, compared in enumerate(found):
        source = computed(contrast_table, compared.trials)
        row = _row(evidence, metric, compared.setting, compared)
        beside = compared.result.interval if compared.result else None
        if shown:
            row.insert(PLACE, doubt_columns.both_cell(made[i], contrast_table, beside))
        rows.append(row)
        result = compared.result
        line: dict[str, Value] = {**compared.setting.fields, "baseline": baseline.label}
        line |= {"metric": metric.name}
        line |= {"definition": "final_mean", "margin": metric.margin}
        line |= {"seeds": result.n if result else 0, "pairs": len(compared.pairs)}
        line |= {"pairs_left_out": compared.left_out, **contrasted(result)}
        line |= {"verdict": compared.verdict}
        line |= {"baseline_seeds": len(baseline.seeds)}
        line |= priced(result, compared.seconds_per_seed)
        for before, of in (("", compared.setting), ("baseline_", baseline)):
            every = summarise(o.value for o in performance.observations(evidence, of, metric.name))
            line |= {f"{before}mean": every.mean if every else None}
            line |= {f"{before}sd": every.sd if every else None}
        line |= by_status(evidence, compared.setting)
        line |= doubt_columns.both_fields(made[i], beside) if pictured else {}
        data.append(Line(line, source))
    header = ("Setting", "Verdict", "Mean ± sd", "Difference", "95 % interval")
    header += (*[doubt_columns.HEADER] * bool(shown), "p (Holm)", "Seeds", further_seeds.HEADER)
    caption = (
        f"{metric.title}, mean over classes at the end of the sequence, in percent; "
        f"{further_seeds.IN_TABLE}",
        *(shown or (doubt_columns.ALONE,)),
    )
    every = [r.key for setting in (baseline, *(c.setting for c in found)) for r in setting.finished]
    whole = computed(contrast_table, every)
    return table(f"contrasts-{metric.name}", caption, header, rows, data, whole, 2)


def _row(
    evidence: Evidence, metric: Metric, setting: Setting, compared: Compared | None
) -> list[Cell | str]:
    observed = performance.observations(evidence, setting, metric.name)
    source = computed(contrast_table, keys(performance.measured(evidence, setting, metric.name)))
    mean = Cell(
        plus_minus(summarise(o.value for o in observed)), unfinished(evidence, setting), source
    )
    name = Cell(own_name(setting), setting.also)
    if compared is None:
        return [name, "baseline", mean, DASH, DASH, DASH, str(len(setting.seeds)), DASH]
    result = compared.result
    if result is None:
        return [name, DASH, mean, DASH, DASH, DASH, "0", DASH]
    pairs = computed(contrast_table, compared.trials)
    without = f"{counted(compared.left_out, 'pair')} left out" if compared.left_out else ""
    return [
        name,
        Cell(compared.verdict or DASH, source=pairs),
        mean,
        Cell(percent(result.difference), source=pairs),
        Cell(bracketed(result.interval), source=pairs),
        Cell(p_value(result.p_holm), source=pairs),
        Cell(str(result.n), without, pairs),
        to_decide(result, compared.seconds_per_seed).cell(pairs),
    ]


def on_pictures(
    evidence: Evidence, metric: Metric, found: Sequence[Compared], kept: Kept
) -> list[Known]:
    """What test pictures leave open of each difference; nothing of a metric that kept scores do not
    tell it of."""
    pictured = doubt_columns.has_pictures(metric.name)
    return [
        picture_doubt.of_difference(evidence, one, kept, metric.name) if pictured else ""
        for one in found
    ]


def forest(
    evidence: Evidence, metric: Metric, found: Sequence[Compared], kept: Kept
) -> Figure | None:
    """Differences with their intervals, over seeds and over seeds and pictures, and the margin
    within which none matters."""
    made = on_pictures(evidence, metric, found, kept)
    shown = [(c, c.result, of) for c, of in zip(found, made, strict=True) if c.result is not None]
    if not shown:
        return None
    with house_style():
        canvas = Canvas(figsize=(5.2, 0.5 + 0.3 * len(shown)))
        axes = canvas.subplots()
        both = [doubt_columns.both(of, result.interval) for _, result, of in shown]
        each = zip(itertools.count(), (result for _, result, _ in shown), both, strict=False)
        intervals(axes, metric, each, 2.2, 4.5)
        axes.set_yticks(range(len(shown)), [own_name(c.setting) for c, _, _ in shown])
        axes.set_ylim(len(shown) - 0.5, -0.5)
        axes.set_xlabel(f"Difference in {metric.title} [points]")
    source = computed(forest, [key for c, _, _ in shown for key in c.trials])
    caption: Words = (
        f"Variant minus baseline with its 95 % interval, {tones.told(any(both), 'line')}; the grey "
        "band is the margin. ",
        *_decided([c for c, _, _ in shown]),
    )
    n = Number(from_fewest((result.n for _, result, _ in shown), "seed"), source)
    title = f"{metric.title} against the baseline"
    return drawn(canvas, f"forest-{metric.name}", title, "points", (n,), caption)


def _decided(shown: Sequence[Compared]) -> tuple[str | Number, ...]:
    """How many have a verdict; no-ops apart."""
    real = [c for c in shown if not c.no_op]
    idle = [own_name(c.setting) for c in shown if c.no_op]
    told = no_ops_told(idle)
    if not real:
        return (f"All are {told}.",)
    decided = sum(c.verdict != "undecided" for c in real)
    source = computed(forest, [key for c in real for key in c.trials])
    have = f" {plural(len(real), 'variant')} {'has' if decided == 1 else 'have'} a verdict"
    return (Number(f"{decided} of {len(real)}", source), have, f"; {told}." if idle else ".")


def intervals(
    ax: Axes,
    metric: Metric,
    results: Iterable[tuple[int, Contrast, Interval]],
    line: float,
    dot: float,
) -> None:
    """Each difference at its height with its intervals, on the band of the margin."""
    margin = 100 * (metric.margin or 0.0)
    ax.axvspan(-margin, margin, color=FAINT, alpha=0.3, lw=0)
    ax.axvline(0, color=INK, lw=0.6)
    for y, result, both in results:
        tones.across(ax, y, result.interval, both, colour(0), line)
        ax.plot([100 * result.difference], [y], "o", color=colour(0), ms=dot)


def by_status(evidence: Evidence, setting: Setting) -> dict[str, Value]:
    """Trials of a setting by what came of them."""
    own = {trial.key for trial in setting.trials}
    status = [record.status for record in evidence.records if record.key in own]
    kinds = ("finished", "diverged", "stopped", "failed")
    counts: dict[str, Value] = {kind: sum(s == kind for s in status) for kind in kinds}
    return counts | {"not_run": len(own) - len(status)}


def unfinished(evidence: Evidence, setting: Setting) -> str:
    """What did not finish; empty where all did."""
    counts = by_status(evidence, setting)
    told = [
        f"{n} {kind.replace('_', ' ')}" for kind, n in counts.items() if n and kind != "finished"
    ]
    return f"of {counted(len(setting.trials), 'trial')}: {', '.join(told)}" if told else ""
