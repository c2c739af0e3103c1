"""What does each variant change against the baseline, and is that more than noise?"""

from collections.abc import Sequence

from reports import contrasts, made, performance, tradeoffs
from reports.digits import percent
from reports.document import (
    Block,
    Document,
    Gallery,
    Listed,
    Number,
    Section,
    Text,
    Words,
    computed,
    note,
)
from reports.evidence import Evidence, Setting
from reports.variants import Compared, baseline_of, called, compare, without_effect

SUBJECT = "Ablation"
VERDICTS = ("better", "worse", "equivalent", "undecided")
NO_BASELINE = "The study does not run its baseline, so nothing is compared."


def document(evidence: Evidence) -> Document:
    """The report of a study that varies settings around a baseline."""
    baseline = baseline_of(evidence)
    others = [setting for setting in evidence.settings if setting is not baseline]
    answer: list[Block] = []
    sections: list[Section] = []
    found: dict[str, list[Compared]] = {}
    if baseline is None:
        answer.append(Text(NO_BASELINE, "bad"))
    else:
        found = {m.name: compare(evidence, baseline, others, m) for m in evidence.concluded}
        answer.append(Listed(tuple(_sentences(evidence, found))))
        answer += _effectless(evidence, baseline, others)
        sections += [_contrasts(evidence, baseline, found), _classes(evidence, baseline, found)]
    sections.append(_tradeoffs(evidence))
    by_setting = [performance.main_table(evidence, s) for s in evidence.settings if s.finished]
    labels = [s.label or "all trials" for s in evidence.settings if s.finished]
    parts = tuple(Section(n, (t,)) for n, t in zip(labels, by_setting, strict=True))
    sections.append(Section("Each setting", parts))
    shown = baseline.finished if baseline else ()
    return made.report(evidence, SUBJECT, answer, sections, _headline(evidence, found), shown)


def _sentences(evidence: Evidence, found: dict[str, list[Compared]]) -> list[Words]:
    """One per metric: which variants are better, worse, equivalent, and which are not decided."""
    said: list[Words] = []
    for metric in evidence.concluded:
        every = found[metric.name]
        source = computed(_sentences, [r.key for c in every for pair in c.pairs for r in pair])
        seeds = sorted({c.result.n for c in every if c.result is not None})
        words: list[str | Number] = [f"{metric.title} ("]
        if seeds:
            span = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
            words += [Number(f"n = {span} seeds", source), ", "]
        words.append(f"margin {percent(metric.margin, 1)} points): ")
        for verdict in VERDICTS:
            alike = [c for c in every if c.result is not None and c.result.verdict == verdict]
            for i, compared in enumerate(alike):
                lead = f"{verdict}: " if i == 0 else "; "
                words += [lead, called(compared.setting), *_by_how_much(compared)]
            words += [". "] if alike else []
        nothing = [called(c.setting) for c in every if c.result is None]
        if nothing:
            words.append(f"Not compared, for want of finished pairs: {'; '.join(nothing)}.")
        said.append(tuple(words))
    return said


def _by_how_much(compared: Compared) -> list[str | Number]:
    result = compared.result
    assert result is not None
    source = computed(_sentences, [r.key for pair in compared.pairs for r in pair])
    words: list[str | Number] = [" (", Number(f"{percent(result.difference)} points", source)]
    more = result.seeds_to_decide if result.verdict == "undecided" else None
    if more:
        words.append(f"; {more} more seed{'' if more == 1 else 's'} would most likely tell")
    return [*words, ")"]


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
        blocks.append(contrasts.contrast_table(evidence, baseline, metric, found[metric.name]))
    figures = [contrasts.forest(metric, found[metric.name]) for metric in evidence.concluded]
    shown = tuple(figure for figure in figures if figure is not None)
    return Section("Against the baseline", (*blocks, *([Gallery(shown)] if shown else [])))


def _classes(evidence: Evidence, baseline: Setting, found: dict[str, list[Compared]]) -> Section:
    blocks: list[Block] = []
    for metric in evidence.concluded:
        drawn = contrasts.class_forest(evidence, metric, found[metric.name])
        blocks += [drawn] if drawn else []
        blocks.append(contrasts.class_table(evidence, baseline, metric, found[metric.name]))
    return Section("Class by class", tuple(blocks))


def _tradeoffs(evidence: Evidence) -> Section:
    found = tradeoffs.traded(evidence, evidence.settings)
    drawn = tradeoffs.pareto_figure(found)
    blocks: list[Block] = [drawn] if drawn else []
    return Section("What it costs", (*blocks, tradeoffs.pareto_table(found)))


def _headline(evidence: Evidence, found: dict[str, list[Compared]]) -> list[Words]:
    lines: list[Words] = []
    for metric in evidence.concluded:
        for compared in found.get(metric.name, []):
            result = compared.result
            told = (
                f"{result.verdict}, {percent(result.difference)} points, n = {result.n}"
                if result
                else "not compared"
            )
            lines.append(f"{metric.title}: {called(compared.setting)}: {told}")
    return lines
