"""What a report on task order answers of a metric: how much, and what task 0, order and seed do."""

from collections import Counter
from collections.abc import Sequence

from moleflow.metrics.catalogue import Metric
from moleflow.wording import counted
from reports import first_task, how_many, order_causes, performance, sensitivity
from reports.digits import left_out, percent, plus_minus
from reports.document import Number, Words, computed
from reports.evidence import Evidence, Setting, keys
from reports.order_causes import Measured
from reports.picture_doubt import Kept
from reports.statistics import NOISE, Observation, Spread, summarise


def sentences(evidence: Evidence, setting: Setting, kept: Kept) -> tuple[Words, ...]:
    """Some of each metric that something is concluded on, each number with its n."""
    found: list[Words] = []
    for metric in evidence.concluded:
        observed = performance.observations(evidence, setting, metric.name)
        summary = summarise(o.value for o in observed)
        if summary is None:
            continue
        ranges = sensitivity.spreads(observed)
        classes = performance.classes_measured(evidence, setting, metric.name)
        found.append(
            (
                f"{metric.title} at the end of the sequence: ",
                _number(evidence, setting, metric, f"{plus_minus(summary)} %"),
                " (n = ",
                how_many.trials(performance.measured(evidence, setting, metric.name)),
                ", mean over ",
                _number(evidence, setting, metric, f"{classes} classes"),
                ")",
                *_of_first(evidence, setting, metric, observed, ranges["task0"], kept),
                *_of_orders(evidence, setting, metric, ranges["order"]),
                *_of_seeds(evidence, setting, metric, ranges["seed"]),
                ".",
            )
        )
    return tuple(found)


def _number(evidence: Evidence, setting: Setting, metric: Metric, text: str) -> Number:
    of = keys(performance.measured(evidence, setting, metric.name))
    return Number(text, computed(sentences, of))


def _of_first(
    evidence: Evidence,
    setting: Setting,
    metric: Metric,
    observed: Sequence[Observation],
    between: Spread | None,
    kept: Kept,
) -> Words:
    """The verdict on task 0 and which is most likely best; the range alone where too few seeds were
    run for one."""
    if between is None:
        return ()
    found = first_task.first_tasks(evidence, setting, metric, kept)
    firsts = len({o.task0 for o in observed})
    if found is None:
        within = _number(evidence, setting, metric, f"{percent(between.mean)} points")
        few = _number(evidence, setting, metric, f"n = {firsts}")
        return (". Means by task 0 lie within ", within, " (", few, "; too few seeds to judge)")
    source, likely = found.source_of(_of_first), not found.verdict.identical
    lost = left_out(found.left_out, "trial")
    return (
        ". Which task is first: ",
        Number(found.verdict.verdict, source),
        " (means within ",
        Number(f"{percent(found.verdict.range)} points", source),
        f", margin {percent(metric.margin, 1)}, ",
        Number(f"n = {len(found.seeds)} seeds", source),
        " of ",
        Number(f"{len(found.names)} tasks 0", source),
        *(["; ", Number(lost, source)] if lost else []),
        ")",
        *(
            (". Most likely best: ", *first_task.most_likely(evidence, found, _of_first))
            if likely
            else ()
        ),
    )


def _of_orders(
    evidence: Evidence, setting: Setting, metric: Metric, between: Spread | None
) -> Words:
    """Whether orders with one task 0 differ, and where they do by design, the verdicts."""
    if between is None:
        return ()
    groups = _number(evidence, setting, metric, f"n = {counted(between.groups, 'group')}")
    if between.largest <= NOISE:
        return (". Orders with the same task 0 and seed do not differ (", groups, ")")
    within = _number(evidence, setting, metric, f"{percent(between.largest)} points")
    told: Words = (". Orders with the same task 0 and seed lie within ", within, " (", groups, ")")
    found = order_causes.measured(evidence, setting, metric, "final_mean")
    if not found:
        return told
    of = [record for one in found for record in one.records]
    source = computed(_of_orders, keys(of))
    lost = left_out(sum(one.left_out for one in found), "trial")
    without = (" (", Number(lost, source), ")") if lost else ()
    return (*told, ", the order after task 0: ", Number(by_verdict(found), source), *without)


def by_verdict(found: Sequence[Measured]) -> str:
    """How many tasks 0 have which verdict, e.g. `different with 1 of 4 tasks 0, undecided with 3`.

    The verdict that tells most comes first.
    """
    many = Counter(one.result.verdict for one in found)
    told = [f"{v} with {many[v]}" for v in ("different", "undecided", "equivalent") if many[v]]
    told[0] += f" of {counted(len(found), 'task')} 0"
    return ", ".join(told)


def _of_seeds(evidence: Evidence, setting: Setting, metric: Metric, within: Spread | None) -> Words:
    if within is None:
        return ()
    number = _number(evidence, setting, metric, f"{percent(within.largest)} points")
    orders = _number(evidence, setting, metric, f"n = {counted(within.groups, 'order')}")
    return (". Seeds of one order lie within ", number, " (", orders, ")")
