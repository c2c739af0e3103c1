"""What answers say of settings against their baselines: a sentence per metric; tables have all."""

from collections.abc import Sequence

from moleflow.metrics.catalogue import Metric
from moleflow.wording import from_fewest, plural
from reports import doubt_columns, picture_doubt
from reports.digits import left_out, percent, some
from reports.document import Number, Words, computed
from reports.evidence import Evidence
from reports.further_seeds import soonest, to_decide
from reports.picture_doubt import Kept
from reports.statistics import Contrast
from reports.variants import Compared, Comparisons, called, no_ops_told, own_name

MOST_TOLD = 3
"""Settings that a sentence names of each verdict."""
Told = tuple[str, Compared, Contrast]
"""What a setting is called in the sentence, and its comparison."""


def sentences(evidence: Evidence, compared: Sequence[Comparisons]) -> list[Words]:
    """How many settings are better, worse or as good as their baselines, which differ most, and
    which further seeds would decide soonest; of all parts of a union together. None where the study
    runs no baseline, or nothing besides."""
    families = [(family, found) for family, found in compared if family.others]
    if not families:
        return []
    alone = len(families) == 1
    against = f" against {own_name(families[0][0].baseline)}" if alone else ", each against its own"
    against += "" if alone else " baseline"
    name = own_name if alone else called
    return [
        _sentence(
            metric, against, [(name(c.setting), c) for _, of in families for c in of[metric.name]]
        )
        for metric in evidence.concluded
    ]


def _sentence(metric: Metric, against: str, every: Sequence[tuple[str, Compared]]) -> Words:
    known = [(name, c, c.result) for name, c in every if c.result is not None and not c.no_op]
    idle = [name for name, c in every if c.no_op]
    without = [name for name, c in every if c.result is None]
    apart = f"not compared, for want of finished pairs: {some(without, most=MOST_TOLD)}"
    left = [*([no_ops_told(idle)] if idle else []), *([apart] if without else [])]
    if not known:
        return f"{metric.title}{against}: {'; '.join(left)}."
    whole = computed(sentences, [key for _, c, _ in known for key in c.trials])
    decided = sum(result.verdict != "undecided" for _, _, result in known)
    lost = left_out(sum(c.left_out for _, c, _ in known), "pair")
    words: list[str | Number] = [
        f"{metric.title}{against} (",
        Number(f"n = {from_fewest((result.n for _, _, result in known), 'seed')}", whole),
        f", margin {percent(metric.margin, 1)} points",
        *(["; ", Number(lost, whole)] if lost else []),
        "): ",
        Number(f"{decided} of {len(known)}", whole),
        f" {plural(len(known), 'comparison')} {'has' if decided == 1 else 'have'} a verdict",
    ]
    for verdict in ("better", "worse", "equivalent"):
        words += _alike(verdict, [told for told in known if told[2].verdict == verdict])
    if not decided:
        words += _largest(known)
    open_ = [
        (name, to_decide(result, c.seconds_per_seed), computed(sentences, c.trials))
        for name, c, result in known
        if result.verdict == "undecided"
    ]
    return (*words, *soonest(open_), *(f"; {one}" for one in left), ".")


def _largest(told: Sequence[Told]) -> list[str | Number]:
    """The difference that is largest, where none has a verdict."""
    name, c, result = max(told, key=lambda one: abs(one[2].difference))
    own = computed(sentences, c.trials)
    points = Number(f"{percent(result.difference)} points", own)
    return ["; largest difference: ", Number(name, own), " (", points, ")"]


def _alike(verdict: str, told: Sequence[Told]) -> list[str | Number]:
    """Those of one verdict, the largest differences first."""
    source = computed(sentences, [key for _, c, _ in told for key in c.trials])
    words: list[str | Number] = []
    largest = sorted(told, key=lambda one: -abs(one[2].difference))
    for i, (name, c, result) in enumerate(largest[:MOST_TOLD]):
        own = computed(sentences, c.trials)
        points = Number(f"{percent(result.difference)} points", own)
        words += [", "] if i else ["; ", Number(verdict, source), ": "]
        words += [Number(name, own), " (", points, ")"]
    more = len(told) - MOST_TOLD
    return [*words, " and ", Number(f"{more} more", source)] if more > 0 else words


def on_other_pictures(
    evidence: Evidence, compared: Sequence[Comparisons], kept: Kept
) -> list[Words]:
    """Which differences stay clear of zero when test pictures are taken for a sample, too: a
    sentence for each metric of which some are better or worse."""
    families = [found for family, found in compared if family.others]
    name = own_name if len(families) == 1 else called
    said: list[Words] = []
    for metric in (m for m in evidence.concluded if doubt_columns.has_pictures(m.name)):
        every = [c for found in families for c in found[metric.name]]
        sure = [
            (c, c.result) for c in every if c.result and c.result.verdict in ("better", "worse")
        ]
        decided: list[doubt_columns.Decided] = [
            (
                name(c.setting),
                picture_doubt.of_difference(evidence, c, kept, metric.name),
                r.interval,
            )
            for c, r in sure
        ]
        if decided:
            trials = [key for c, _ in sure for key in c.trials]
            said.append(doubt_columns.held(on_other_pictures, metric.name, decided, trials))
    return said
