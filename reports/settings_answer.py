"""What reports on orders and on task 0 answer of several settings together: a sentence each; what
is said of every setting by itself stands at the head of its section."""

from collections.abc import Sequence

from moleflow.metrics.catalogue import Metric
from moleflow.wording import counted, from_fewest
from reports import first_task, invariance, side_by_side
from reports.digits import left_out, percent, some
from reports.document import Number, Words, computed
from reports.evidence import Evidence, Setting, keys
from reports.first_task import FirstTasks
from reports.picture_doubt import Kept
from reports.variants import called

MOST_TOLD = 3
"""Settings that a sentence names of each verdict."""
VERDICTS = ("different", "equivalent", "undecided")
EACH = "Each setting’s own answer stands at the head of its section."


def on_orders(evidence: Evidence, settings: Sequence[Setting], kept: Kept) -> list[Words]:
    """Means, which task is first, what was compared bit by bit, and test pictures."""
    told = side_by_side.sentences(evidence)
    told += on_first_tasks(evidence, settings, kept)
    records = {record.key: record for setting in settings for record in setting.finished}
    told.append(invariance.compare([*records.values()]).words)
    return [*told, *side_by_side.on_other_pictures(evidence, kept)]


def on_first_tasks(evidence: Evidence, settings: Sequence[Setting], kept: Kept) -> list[Words]:
    """A sentence for each metric of which something is compared."""
    told: list[Words] = []
    for metric in evidence.concluded:
        every = [(s, first_task.first_tasks(evidence, s, metric, kept)) for s in settings]
        found = [(setting, of) for setting, of in every if of is not None]
        told += [_sentence(metric, found)] if found else []
    return told


def _sentence(metric: Metric, found: Sequence[tuple[Setting, FirstTasks]]) -> Words:
    source = computed(on_first_tasks, [k for _, of in found for k in keys(of.records)])
    lost = left_out(sum(of.left_out for _, of in found), "trial")
    words: list[str | Number] = [
        f"{metric.title}, which task is first (",
        Number(f"n = {from_fewest((len(of.seeds) for _, of in found), 'seed')}", source),
        f", margin {percent(metric.margin, 1)} points",
        *(["; ", Number(lost, source)] if lost else []),
        "): ",
    ]
    for verdict in VERDICTS:
        alike = [called(setting) for setting, of in found if of.verdict.verdict == verdict]
        if alike:
            told = f"{verdict} with {len(alike)} of {counted(len(found), 'setting')}"
            named = "" if verdict == "undecided" else f" ({some(alike, most=MOST_TOLD)})"
            words += [Number(told, source), f"{named}, "]
    setting, most = max(found, key=lambda one: one[1].verdict.range)
    widest = Number(f"{percent(most.verdict.range)} points", source)
    return (*words, "means of tasks 0 at most ", widest, f" apart ({called(setting)}).")
