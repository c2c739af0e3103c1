"""What does each variant change against the baseline, and is that more than noise?"""

from reports import (
    class_contrasts,
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
    verdicts,
)
from reports.digits import OF_NOISE
from reports.document import (
    Block,
    Document,
    Gallery,
    Listed,
    Section,
    Text,
    note,
)
from reports.evidence import Evidence
from reports.picture_doubt import Kept
from reports.variants import (
    ByMetric,
    Family,
    called,
    called_by,
    comparisons,
    own_name,
    without_effect,
)

SUBJECT = "Ablation"
NO_BASELINE = "The study does not run its baseline, so nothing is compared."
APART = (
    "Verdicts hold for all comparisons of one part and one metric together (Holm), not over all "
    "{parts} parts: where nothing differs, each part has its own chance of 5 % of a false one."
)
HOW = (
    "Differences are variant minus baseline, paired by order and seed, averaged over orders within "
    "a seed: seeds are what repeats. Verdicts hold for all lines of a table together (Holm): "
    "better or worse where the difference is not zero, equivalent where it is smaller than the "
    "margin, undecided where these seeds do not tell. Intervals are those of one contrast alone, "
    "over seeds; “with pictures” takes the test pictures for a sample as well. " + OF_NOISE
)
ONE_SETTING = "The study has one setting, so nothing is compared."


def document(evidence: Evidence) -> Document:
    """The report of a study that varies settings around a baseline; of a union, each part around
    its own."""
    every = comparisons(evidence)
    compared = [(family, found) for family, found in every if family.others]
    kept = picture_doubt.kept(evidence)
    told = verdicts.sentences(evidence, every) or [ONE_SETTING if every else NO_BASELINE]
    answer: list[Block] = [Text(told[0], "plain" if every else "bad")]
    if compared:
        answer = [Listed((*told, *verdicts.on_other_pictures(evidence, every, kept)))]
    sections: list[Section] = []
    for family, found in compared:
        parts = (
            _contrasts(evidence, family, found, kept),
            _classes(evidence, family, found, kept),
            *_together(evidence, family),
        )
        title = family.part or "Parts of one setting"
        sections += [Section(title, parts)] if len(compared) > 1 else parts
    if len(compared) > 1:
        told = [*told, APART.format(parts=len(compared))]
        answer.append(note(told[-1]))
    sections += _effectless(evidence)
    sections.append(_tradeoffs(evidence))
    sections.append(_each(evidence, kept))
    sections += papers_by_class.sections(evidence)
    shown = compared[0][0].baseline.finished if compared else ()
    return made.report(evidence, SUBJECT, answer, sections, told, shown)


def _each(evidence: Evidence, kept: Kept) -> Section:
    """Every setting by itself."""
    each = [
        Section(
            called(setting) if setting.label else "all trials",
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


def _effectless(evidence: Evidence) -> list[Section]:
    """What changed nothing, as it should be; what is no matter of course heads every report."""
    told = [
        f"{called_by(found.setting)}: {found.what}."
        for found in without_effect(evidence)
        if found.expected
    ]
    return (
        [Section("What changed nothing, as it should be", (Listed(tuple(told)),))] if told else []
    )


def _contrasts(evidence: Evidence, family: Family, found: ByMetric, kept: Kept) -> Section:
    baseline = family.baseline
    blocks: list[Block] = [
        Text(f"Baseline: {own_name(baseline)}{f' ({baseline.also})' if baseline.also else ''}."),
    ]
    blocks += [note(HOW)] if family.number < 2 else []
    for metric in evidence.concluded:
        made_of = contrasts.contrast_table(evidence, baseline, metric, found[metric.name], kept)
        blocks.append(family.named(made_of))
    figures = [
        contrasts.forest(evidence, metric, found[metric.name], kept)
        for metric in evidence.concluded
    ]
    shown = tuple(family.named(figure) for figure in figures if figure is not None)
    return Section("Against the baseline", (*blocks, *([Gallery(shown)] if shown else [])))


def _classes(evidence: Evidence, family: Family, found: ByMetric, kept: Kept) -> Section:
    blocks: list[Block] = []
    for metric in evidence.concluded:
        of = found[metric.name]
        classes = [(one, class_contrasts.by_class(evidence, one, metric, kept)) for one in of]
        drawn = class_contrasts.class_forest(metric, classes)
        blocks += [family.named(drawn)] if drawn else []
        blocks.append(family.named(class_contrasts.class_table(family.baseline, metric, classes)))
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
