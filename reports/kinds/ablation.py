"""What does each variant change against the baseline, and is that more than noise?"""

from reports import (
    contrasts,
    doubt_columns,
    doubts,
    made,
    papers_by_class,
    performance,
    picture_doubt,
    ranking,
    ranking_figures,
    tradeoffs,
)
from reports.digits import OF_NOISE, left_out, percent, span
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
from reports.evidence import Evidence
from reports.further_seeds import to_decide
from reports.picture_doubt import Kept
from reports.variants import (
    ByMetric,
    Compared,
    Family,
    by_class,
    called,
    called_by,
    comparisons,
    without_effect,
)

SUBJECT = "Ablation"
VERDICTS = ("better", "worse", "equivalent", "undecided")
NO_BASELINE = "The study does not run its baseline, so nothing is compared."
APART = (
    "Verdicts hold for all comparisons of one part and one metric together (Holm), not over all "
    "{parts} parts: where nothing differs, each part has its own chance of 5 % of a false one."
)
ONE_SETTING = "The study has one setting, so nothing is compared."


def document(evidence: Evidence) -> Document:
    """The report of a study that varies settings around a baseline; of a union, each part around
    its own."""
    every = comparisons(evidence)
    compared = [(family, found) for family, found in every if family.others]
    kept = picture_doubt.kept(evidence)
    nothing = Text(ONE_SETTING) if every else Text(NO_BASELINE, "bad")
    answer: list[Block] = [] if compared else [nothing]
    sections: list[Section] = []
    for family, found in compared:
        said = Listed((*_sentences(evidence, found), *_on_other_pictures(evidence, found, kept)))
        parts = (
            _contrasts(evidence, family, found, kept),
            _classes(evidence, family, found),
            *_together(evidence, family),
        )
        if len(compared) > 1:
            title = family.part or "Parts of one setting"
            answer.append(Section(title, (said,)))
            sections.append(Section(title, parts))
        else:
            answer.append(said)
            sections += parts
    if len(compared) > 1:
        answer.append(note(APART.format(parts=len(compared))))
    answer += _effectless(evidence)
    sections.append(_tradeoffs(evidence))
    sections.append(_each(evidence, kept))
    sections += papers_by_class.sections(evidence)
    shown = compared[0][0].baseline.finished if compared else ()
    headline = [line for _, found in compared for line in _headline(evidence, found)]
    headline += [APART.format(parts=len(compared))] if len(compared) > 1 else []
    headline = headline or [nothing.words]
    return made.report(evidence, SUBJECT, answer, sections, headline, shown)


def _each(evidence: Evidence, kept: Kept) -> Section:
    """Every setting by itself."""
    each = [
        Section(
            setting.label or "all trials",
            (
                *made.names(setting),
                performance.main_table(evidence, setting),
                *doubts.short(evidence, setting, kept),
            ),
        )
        for setting in evidence.settings
        if setting.finished
    ]
    return Section("Each setting", (*doubt_columns.explained(evidence, kept), *each))


def _sentences(evidence: Evidence, found: ByMetric) -> list[Words]:
    """One per metric: which variants are better, worse, equivalent, and which are not decided."""
    said: list[Words] = []
    for metric in evidence.concluded:
        every = found[metric.name]
        source = computed(_sentences, [key for one in every for key in one.trials])
        seeds = [c.result.n for c in every if c.result is not None]
        words: list[str | Number] = [f"{metric.title} ("]
        if seeds:
            words += [Number(f"n = {span(seeds)} seeds", source), ", "]
        words.append(f"margin {percent(metric.margin, 1)} points")
        lost = left_out(sum(c.left_out for c in every if c.result is not None), "pair")
        words += ["; ", Number(lost, source)] if lost else []
        words.append("): ")
        for verdict in VERDICTS:
            alike = [c for c in every if c.result is not None and c.result.verdict == verdict]
            of_them = computed(_sentences, [key for c in alike for key in c.trials])
            for i, compared in enumerate(alike):
                words += ["; "] if i else [Number(verdict, of_them), ": "]
                words += [called(compared.setting), *_by_how_much(compared)]
            words += [". "] if alike else []
        nothing = [called(c.setting) for c in every if c.result is None]
        if nothing:
            words.append(f"Not compared, for want of finished pairs: {'; '.join(nothing)}.")
        said.append(tuple(words))
    return said


def _by_how_much(compared: Compared) -> list[str | Number]:
    result = compared.result
    assert result is not None
    source = computed(_sentences, compared.trials)
    points = Number(f"{percent(result.difference)} points", source)
    more = to_decide(result, compared.seconds_per_seed).words(source)
    return [" (", points, *(["; "] if more else []), *more, ")"]


def _effectless(evidence: Evidence) -> list[Block]:
    """What changed nothing, as it should be; what is no matter of course heads every report."""
    return [
        Text(f"{called_by(found.setting)}: {found.what}.", "note")
        for found in without_effect(evidence)
        if found.expected
    ]


def _on_other_pictures(evidence: Evidence, found: ByMetric, kept: Kept) -> list[Words]:
    """Which differences stay clear of zero when test pictures are taken for a sample, too."""
    said: list[Words] = []
    for metric in (m for m in evidence.concluded if doubt_columns.has_pictures(m.name)):
        decided: list[doubt_columns.Decided] = []
        trials: list[str] = []
        for c in found[metric.name]:
            if c.result is not None and c.result.verdict in ("better", "worse"):
                of = picture_doubt.of_difference(evidence, c, kept, metric.name)
                decided.append((called(c.setting), of, c.result.interval))
                trials += c.trials
        if decided:
            said.append(doubt_columns.held(_on_other_pictures, metric.name, decided, trials))
    return said


def _contrasts(evidence: Evidence, family: Family, found: ByMetric, kept: Kept) -> Section:
    baseline = family.baseline
    blocks: list[Block] = [
        Text(f"Baseline: {called(baseline)}{f' ({baseline.also})' if baseline.also else ''}."),
        note(
            "Differences are variant minus baseline, paired by order and seed, averaged over "
            "orders within a seed: seeds are what repeats. Verdicts hold for all lines of a table "
            "together (Holm): better or worse where the difference is not zero, equivalent where "
            "it is smaller than the margin, undecided where these seeds do not tell. Intervals are "
            "those of one contrast alone, over seeds; “with pictures” takes the test pictures for "
            f"a sample as well. {OF_NOISE}"
        ),
    ]
    for metric in evidence.concluded:
        made_of = contrasts.contrast_table(evidence, baseline, metric, found[metric.name], kept)
        blocks.append(family.named(made_of))
    figures = [
        contrasts.forest(evidence, metric, found[metric.name], kept)
        for metric in evidence.concluded
    ]
    shown = tuple(family.named(figure) for figure in figures if figure is not None)
    return Section("Against the baseline", (*blocks, *([Gallery(shown)] if shown else [])))


def _classes(evidence: Evidence, family: Family, found: ByMetric) -> Section:
    blocks: list[Block] = []
    for metric in evidence.concluded:
        classes = [(one, by_class(evidence, one, metric)) for one in found[metric.name]]
        drawn = contrasts.class_forest(metric, classes)
        blocks += [family.named(drawn)] if drawn else []
        blocks.append(family.named(contrasts.class_table(family.baseline, metric, classes)))
    return Section("Class by class", tuple(blocks))


def _together(evidence: Evidence, family: Family) -> list[Section]:
    """Where variants are many."""
    every = [ranking.together(evidence, family, metric) for metric in evidence.concluded]
    found = [one for one in every if one is not None]
    if not found:
        return []
    blocks: list[Block] = [Text(ranking.sentence(one)) for one in found]
    for one in found:
        figures = ranking_figures.ranks(one), ranking_figures.profiles(one)
        blocks.append(family.named(ranking.ranking_table(one)))
        blocks.append(Gallery(tuple(family.named(figure) for figure in figures)))
    blocks += [family.named(ranking.tests_table(found)), note(ranking.HOW)]
    return [Section("All variants together", tuple(blocks))]


def _tradeoffs(evidence: Evidence) -> Section:
    found = tradeoffs.traded(evidence, evidence.settings)
    drawn = tradeoffs.pareto_figure(found)
    blocks: list[Block] = [drawn] if drawn else []
    return Section("What it costs", (*blocks, tradeoffs.pareto_table(found)))


def _headline(evidence: Evidence, found: ByMetric) -> list[Words]:
    lines: list[Words] = []
    for metric in evidence.concluded:
        for compared in found[metric.name]:
            result = compared.result
            told = (
                f"{result.verdict}, {percent(result.difference)} points, n = {result.n}"
                if result
                else "not compared"
            )
            lines.append(f"{metric.title}: {called(compared.setting)}: {told}")
    return lines
