"""What the report on routing answers: of several settings one sentence on what the router chose,
and one per metric on what its mistakes cost, with the settings where it is least and most."""

from collections.abc import Sequence

from moleflow.metrics.catalogue import Metric
from moleflow.wording import counted
from reports import confusions, routing
from reports.digits import percent
from reports.document import Number, Words, computed
from reports.evidence import Evidence, Setting, keys
from reports.performance import one_task_sentence
from reports.statistics import NOISE, Summary
from reports.variants import called


def of_setting(evidence: Evidence, setting: Setting) -> list[Words]:
    """Of one setting."""
    told = confusions.sentence(confusions.confusions(setting.finished))
    if one_task_sentence(setting):
        return [told]
    return [told, *(routing.sentence(evidence, setting, m) for m in evidence.concluded)]


def sentences(evidence: Evidence, settings: Sequence[Setting]) -> list[Words]:
    """Of all settings that have finished trials."""
    several = [setting for setting in settings if not one_task_sentence(setting)]
    if len(settings) < 2 or not several:
        return [words for setting in settings[:1] for words in of_setting(evidence, setting)]
    told = [_choices(several), *(_cost(evidence, several, m) for m in evidence.concluded)]
    joint = [called(setting) for setting in settings if setting not in several]
    if joint:
        told.append(f"There is one task, and so nothing to choose, with {', '.join(joint)}.")
    return told


def _choices(settings: Sequence[Setting]) -> Words:
    """Pictures of all settings together, and the setting with the smallest share."""
    records = {record.key: record for setting in settings for record in setting.finished}
    whole = confusions.sentence(confusions.confusions([*records.values()]))
    each = [(setting, confusions.confusions(setting.finished)) for setting in settings]
    shares = [
        (sum(one.correct for one in of) / images, setting)
        for setting, of in each
        if (images := sum(one.images for one in of))
    ]
    if len(shares) < 2:
        return whole
    low, high = (pick(share for share, _ in shares) for pick in (min, max))
    if high - low <= NOISE:
        return (*whole, " The share is the same with every setting.")
    least = next(setting for share, setting in shares if share == low)
    source = computed(_choices, keys(least.finished))
    return (*whole, " Fewest: ", Number(f"{percent(low)} %", source), f" with {called(least)}.")


def _cost(evidence: Evidence, settings: Sequence[Setting], metric: Metric) -> Words:
    """Mean over classes at the end, of the settings where it is least and most."""
    known: list[tuple[Setting, Summary]] = []
    for setting in settings:
        lost = routing.lost(evidence, setting, metric)
        known += [(setting, lost)] if lost else []
    if not known:
        return f"{metric.title}: no finished trial has it, routed and with an oracle."
    whole = [key for setting, _ in known for key in keys(setting.finished)]
    source = computed(_cost, whole)
    trials = Number(f"n = {counted(sum(lost.n for _, lost in known), 'trial')}", source)
    many = Number(f"{len(known)} settings", source)
    if all(max(abs(lost.low), abs(lost.high)) <= NOISE for _, lost in known):
        return (f"{metric.title}: misrouting costs nothing with any of ", many, " (", trials, ").")
    least, most = (pick(known, key=lambda of: of[1].mean) for pick in (min, max))
    ends = [
        Number(f"{percent(lost.mean)} points", computed(_cost, keys(setting.finished)))
        for setting, lost in (least, most)
    ]
    return (
        f"{metric.title}: at the end of the sequence, mean over classes, misrouting costs from ",
        ends[0],
        f" ({called(least[0])}) to ",
        ends[1],
        f" ({called(most[0])}) with ",
        many,
        " (",
        trials,
        f"; margin {percent(metric.margin, 1)} points).",
    )
