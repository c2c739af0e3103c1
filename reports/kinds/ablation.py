"""What does each variant change against the baseline, and is that more than noise?"""
# pyright: reportUnknownMemberType=false

from collections.abc import Sequence

from matplotlib.figure import Figure as Canvas

from moleflow.drawing import FAINT, INK, colour, house_style
from moleflow.metrics.catalogue import Metric
from reports import made, performance, provenance
from reports.digits import percent, plus_minus
from reports.document import (
    DASH,
    Block,
    Cell,
    Document,
    Figure,
    Gallery,
    Line,
    Listed,
    Number,
    Section,
    Table,
    Text,
    Value,
    Words,
    computed,
    drawn,
    note,
    table,
)
from reports.evidence import Evidence, Setting, keys
from reports.statistics import summarise
from reports.variants import Compared, baseline_of, called, compare, without_effect

SUBJECT = "Ablation"
VERDICTS = ("better", "worse", "equivalent", "undecided")


def document(evidence: Evidence) -> Document:
    """The report of a study that varies settings around a baseline."""
    baseline = baseline_of(evidence)
    others = [setting for setting in evidence.settings if setting is not baseline]
    sections: list[Section] = [made.asked(evidence)]
    answer = made.incomplete(evidence)
    if baseline is None:
        answer.append(Text("The study does not run its baseline, so nothing is compared.", "bad"))
        found: dict[str, list[Compared]] = {}
    else:
        found = {m.name: compare(evidence, baseline, others, m) for m in evidence.concluded}
        answer.append(Listed(tuple(_sentences(evidence, found))))
        answer += _effectless(evidence, baseline, others)
        sections.append(_contrasts(evidence, baseline, found))
    by_setting = [performance.main_table(evidence, s) for s in evidence.settings if s.finished]
    labels = [s.label or "all trials" for s in evidence.settings if s.finished]
    parts = tuple(Section(n, (t,)) for n, t in zip(labels, by_setting, strict=True))
    sections += [Section("Each setting", parts), made.unfinished(evidence)]
    return Document(
        title=evidence.plan.name,
        subject=SUBJECT,
        question=evidence.plan.study.question,
        answer=tuple(answer),
        sections=tuple(sections),
        headline="\n".join(_headline(evidence, found)),
        warnings=provenance.notices(evidence),
        end=made.end(evidence),
    )


def _sentences(evidence: Evidence, found: dict[str, list[Compared]]) -> list[Words]:
    """One per metric: which variants are better, worse, equivalent, and which are not decided."""
    said: list[Words] = []
    for metric in evidence.concluded:
        parts = [f"{metric.title} (margin {percent(metric.margin, 1)} points): "]
        for verdict in VERDICTS:
            names = [
                called(c.setting) + _more_seeds(c, verdict)
                for c in found[metric.name]
                if c.result is not None and c.result.verdict == verdict
            ]
            if names:
                parts.append(f"{verdict}: {'; '.join(names)}. ")
        nothing = [called(c.setting) for c in found[metric.name] if c.result is None]
        if nothing:
            parts.append(f"not compared, for want of finished pairs: {'; '.join(nothing)}.")
        source = computed(
            _sentences, [r.key for c in found[metric.name] for pair in c.pairs for r in pair]
        )
        said.append((Number("".join(parts).strip(), source),))
    return said


def _more_seeds(compared: Compared, verdict: str) -> str:
    if verdict != "undecided" or compared.result is None:
        return ""
    more = compared.result.seeds_to_decide
    return f" ({more} more seed{'' if more == 1 else 's'} would most likely tell)" if more else ""


def _effectless(evidence: Evidence, baseline: Setting, others: Sequence[Setting]) -> list[Block]:
    told = [(called(other), without_effect(evidence, baseline, other)) for other in others]
    return [Text(f"{label}: {what}.", "bad") for label, what in told if what]


def _contrasts(evidence: Evidence, baseline: Setting, found: dict[str, list[Compared]]) -> Section:
    blocks: list[Block] = [
        Text(f"Baseline: {called(baseline)}."),
        note(
            "Differences are variant minus baseline, paired by order and seed, averaged over "
            "orders within a seed: seeds are what repeats. Verdicts hold for all lines of a table "
            "together (Holm): better or worse where the difference is not zero, equivalent where "
            "it is smaller than the margin, undecided where these seeds do not tell. Intervals are "
            "those of one contrast alone."
        ),
    ]
    for metric in evidence.concluded:
        blocks.append(contrast_table(evidence, baseline, metric, found[metric.name]))
    figures = [_forest(metric, found[metric.name]) for metric in evidence.concluded]
    shown = tuple(figure for figure in figures if figure is not None)
    return Section("Against the baseline", (*blocks, *([Gallery(shown)] if shown else [])))


def contrast_table(
    evidence: Evidence, baseline: Setting, metric: Metric, found: Sequence[Compared]
) -> Table:
    """Mean, difference to the baseline with its interval, and verdict of every variant."""
    rows: list[list[Cell | str]] = [_row(evidence, metric, baseline, None)]
    data: list[Line] = []
    for compared in found:
        rows.append(_row(evidence, metric, compared.setting, compared))
        source = computed(contrast_table, [r.key for pair in compared.pairs for r in pair])
        result = compared.result
        line: dict[str, Value] = {"setting": compared.setting.label, "metric": metric.name}
        line |= {"definition": "final_mean", "margin": metric.margin}
        line |= {"seeds": result.n if result else 0, "pairs": len(compared.pairs)}
        line |= {"pairs_left_out": compared.left_out}
        low, high = result.interval if result and result.interval else (None, None)
        line |= {"difference": result.difference if result else None}
        line |= {"interval_low": low, "interval_high": high}
        line |= {"p": result.p if result else None, "p_holm": result.p_holm if result else None}
        line |= {"p_equivalence_holm": result.p_equivalence_holm if result else None}
        line |= {"verdict": result.verdict if result else None}
        line |= {"seeds_to_decide": result.seeds_to_decide if result else None}
        data.append(Line(line, source))
    header = ("Setting", "Verdict", "Mean ± sd", "Difference", "95 % interval", "p (Holm)", "Seeds")
    caption = f"{metric.title}, mean over classes at the end of the sequence, in percent"
    every = [r.key for setting in (baseline, *(c.setting for c in found)) for r in setting.finished]
    whole = computed(contrast_table, every)
    return table(f"contrasts-{metric.name}", caption, header, rows, data, whole, 2)


def _row(
    evidence: Evidence, metric: Metric, setting: Setting, compared: Compared | None
) -> list[Cell | str]:
    observed = performance.observations(evidence, setting, metric.name)
    source = computed(contrast_table, keys(performance.measured(evidence, setting, metric.name)))
    stopped = len(setting.trials) - len(setting.finished)
    mean = Cell(
        plus_minus(summarise(o.value for o in observed)),
        f"{stopped} of {len(setting.trials)} trials did not finish" if stopped else "",
        source,
    )
    name = called(setting)
    if compared is None:
        return [name, "baseline", mean, DASH, DASH, DASH, str(len(setting.seeds))]
    result = compared.result
    if result is None:
        return [name, DASH, mean, DASH, DASH, DASH, "0"]
    pairs = computed(contrast_table, [r.key for pair in compared.pairs for r in pair])
    interval = f"[{', '.join(map(percent, result.interval))}]" if result.interval else DASH
    p = DASH if result.p_holm is None else _p_value(result.p_holm)
    left_out = f"{compared.left_out} pairs left out" if compared.left_out else ""
    return [
        name,
        Cell(result.verdict, source=pairs),
        mean,
        Cell(percent(result.difference), source=pairs),
        Cell(interval, source=pairs),
        Cell(p, source=pairs),
        Cell(str(result.n), left_out, pairs),
    ]


def _p_value(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _forest(metric: Metric, found: Sequence[Compared]) -> Figure | None:
    """Differences with their intervals, and the margin within which none matters."""
    shown = [(c, c.result) for c in found if c.result is not None]
    if not shown:
        return None
    with house_style():
        canvas = Canvas(figsize=(5.2, 0.5 + 0.3 * len(shown)))
        axes = canvas.subplots()
        margin = 100 * (metric.margin or 0.0)
        axes.axvspan(-margin, margin, color=FAINT, alpha=0.3, lw=0)
        axes.axvline(0, color=INK, lw=0.6)
        for y, (_, result) in enumerate(shown):
            low, high = result.interval or (result.difference, result.difference)
            axes.plot([100 * low, 100 * high], [y, y], "-", color=colour(0), lw=1.6)
            axes.plot([100 * result.difference], [y], "o", color=colour(0), ms=4.5)
        axes.set_yticks(range(len(shown)), [called(c.setting) for c, _ in shown])
        axes.set_ylim(len(shown) - 0.5, -0.5)
        axes.set_xlabel(f"Difference in {metric.title} [points]")
    decided = sum(result.verdict != "undecided" for _, result in shown)
    source = computed(_forest, [r.key for c, _ in shown for pair in c.pairs for r in pair])
    caption: Words = (
        "Variant minus baseline with its 95 % interval; the grey band is the margin. ",
        Number(f"{decided} of {len(shown)}", source),
        " variants have a verdict.",
    )
    seeds = sorted({result.n for _, result in shown})
    n = f"{seeds[0]} seeds" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]} seeds"
    title = f"{metric.title} against the baseline"
    return drawn(canvas, f"forest-{metric.name}", title, "points", n, caption)


def _headline(evidence: Evidence, found: dict[str, list[Compared]]) -> list[str]:
    lines = [f"NOTE: {notice}" for notice in provenance.notices(evidence)]
    for metric in evidence.concluded:
        for compared in found.get(metric.name, []):
            result = compared.result
            told = (
                f"{result.verdict}, {percent(result.difference)} points, n = {result.n}"
                if result
                else "not compared"
            )
            lines.append(f"{metric.title}: {called(compared.setting)}: {told}")
    if not evidence.finished:
        lines.append("No trial has finished, so there are no results.")
    return [line[:100] for line in lines]
