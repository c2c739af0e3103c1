"""Do components need each other: does one matter more where another is in?"""

from collections.abc import Mapping, Sequence

from moleflow.metrics.catalogue import Metric
from moleflow.wording import from_fewest, plural
from reports import crossing, doubt_columns, made, papers, picture_doubt
from reports.crossing import OnPictures
from reports.digits import OF_NOISE, left_out, percent, some
from reports.document import (
    Block,
    Document,
    Fold,
    Gallery,
    Listed,
    Number,
    Section,
    Source,
    Text,
    Words,
    computed,
    note,
)
from reports.evidence import Evidence, keys
from reports.further_seeds import soonest, to_decide
from reports.statistics import Verdict
from reports.two_by_two import KINDS, Crossed, Kind, crossed, designs, trial_keys

MOST_TOLD = 3
"""Designs that a sentence names of each verdict; tables have all."""
SUBJECT = "Interactions of components"
NONE = (
    "The study has no two factors of two levels each, so there is no interaction to speak of. "
    "Grids of more are in the report sensitivity."
)


def document(evidence: Evidence) -> Document:
    """The report of a study, or of a union of studies, with two factors of two levels."""
    return crossed_report(evidence, SUBJECT)


def crossed_report(evidence: Evidence, subject: str) -> Document:
    """What `interactions` and `context_synergy` are."""
    if not designs(evidence):
        return made.report(evidence, subject, [Text(NONE, "bad")], (), (NONE,))
    found: dict[tuple[str, Kind], list[Crossed]] = {
        (metric.name, kind): crossed(evidence, metric, kind)
        for metric in evidence.concluded
        for kind in KINDS
    }
    told = [
        sentence(metric, kind, found[metric.name, kind])
        for metric in evidence.concluded
        for kind in KINDS
    ]
    kept = picture_doubt.kept(evidence)
    pictures = crossing.on_pictures(evidence, kept)
    told += _on_other_pictures(found, pictures)
    sections = [
        _section(evidence, metric, {kind: found[metric.name, kind] for kind in KINDS}, pictures)
        for metric in evidence.concluded
    ]
    sections.append(
        Section("Seeds and test pictures", tuple(doubt_columns.explained(evidence, kept)))
    )
    return made.report(evidence, subject, [Listed(tuple(told))], sections, told)


def _meaning() -> Text:
    return note(
        "Better: two components help each other, worse: they stand in each other’s way, "
        "equivalent: each does the same, inside of the margin, whether the other is there or "
        "not. Values right after learning and final values are two questions, lest forgetting "
        f"pass for an effect of a component. {OF_NOISE}"
    )


def sentence(metric: Metric, kind: Kind, found: Sequence[Crossed]) -> Words:
    """n first, then which designs have which verdict."""
    known = [one for one in found if one.result is not None]
    source = computed(sentence, trial_keys(known))
    title = f"{metric.title} {KINDS[kind]}"
    if not known:
        return f"{title}: no design has two seeds at all four corners, so nothing is compared."
    n = f"n = {from_fewest((len(one.seeds) for one in known), 'seed')}"
    words: list[str | Number] = [f"{title} (", Number(n, source)]
    words.append(f", margin {percent(metric.margin, 1)} points")
    lost = left_out(sum(one.left_out for one in known), "trial")
    words += ["; ", Number(lost, source)] if lost else []
    decided = [o for o in known if o.result and o.result.contrast.verdict != "undecided"]
    words += ["): ", Number(f"{len(decided)} of {len(known)}", source)]
    have = "has" if len(decided) == 1 else "have"
    words.append(f" {plural(len(known), 'interaction')} {have} a verdict")
    for verdict in ("better", "worse", "equivalent"):
        words += _alike(verdict, decided)
    open_ = [
        (o.design.name, to_decide(o.result.contrast, o.seconds_per_seed), of_one(o))
        for o in known
        if o.result and o not in decided
    ]
    words += soonest(open_)
    nothing = [one.design.name for one in found if one.result is None]
    if nothing:
        words.append(f"; not compared, for want of two whole seeds: {some(nothing)}")
    return (*words, ".")


def of_one(one: Crossed) -> Source:
    """What is said of a design alone."""
    return computed(sentence, keys(one.records))


def _alike(verdict: Verdict, decided: Sequence[Crossed]) -> list[str | Number]:
    """Designs of one verdict, the largest interactions first."""
    every = [(o, o.result.contrast) for o in decided if o.result]
    alike = [(one, result) for one, result in every if result.verdict == verdict]
    source = computed(sentence, trial_keys([one for one, _ in alike]))
    words: list[str | Number] = []
    largest = sorted(alike, key=lambda of: -abs(of[1].difference))
    for i, (one, result) in enumerate(largest[:MOST_TOLD]):
        words += [", "] if i else ["; ", Number(crossing.MEANINGS[verdict], source), ": "]
        points = Number(f"{percent(result.difference)} points", of_one(one))
        words += [f"{one.design.name} (", points, ")"]
    more = len(alike) - MOST_TOLD
    return [*words, " and ", Number(f"{more} more", source)] if more > 0 else words


def _on_other_pictures(
    found: Mapping[tuple[str, Kind], Sequence[Crossed]], pictures: OnPictures
) -> list[Words]:
    """Which interactions stay clear of zero when test pictures are taken for a sample, too."""
    told: list[Words] = []
    for (metric, kind), of in found.items():
        decided = [
            (one.design.name, pictures(one, crossing.INTERACTION), result.interval)
            for one in of
            if one.result and (result := one.result.contrast).verdict in ("better", "worse")
        ]
        if decided and doubt_columns.has_pictures(metric, kind):
            by = _on_other_pictures
            told.append(doubt_columns.held(by, metric, decided, trial_keys(of)))
    return told


def _section(
    evidence: Evidence, metric: Metric, found: dict[Kind, list[Crossed]], pictures: OnPictures
) -> Section:
    figures = [crossing.lines_figure(metric, kind, of, pictures) for kind, of in found.items()]
    shown = tuple(figure for figure in figures if figure is not None)
    blocks: list[Block] = [_meaning()] if metric is evidence.concluded[0] else []
    blocks += [Gallery(shown)] if shown else []
    for kind, of in found.items():
        blocks.append(crossing.interaction_table(metric, kind, of, pictures))
    for kind, of in found.items():
        blocks.append(
            Fold(
                f"Each component by itself, {KINDS[kind]}",
                (
                    crossing.effects_table(metric, kind, of, pictures),
                    crossing.corners_table(metric, kind, of, pictures),
                ),
            )
        )
    if metric is evidence.concluded[-1]:
        blocks += papers.interactions(evidence)
    return Section(metric.title, tuple(blocks))
