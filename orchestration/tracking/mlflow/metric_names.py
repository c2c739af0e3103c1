"""Which of a trial's numbers its run shows, and where: docs/tracking.md.

A view draws a section of charts for what stands before the last `/`: no name has two. All numbers
are in the ledger; sent is what people look for, not what equals another number by law or follows
from it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from moleflow.metrics.catalogue import HEADLINES
from orchestration.records.events import Epoch, Event, Load, Metrics, Number
from orchestration.records.ledger import Record
from orchestration.tracking.mlflow.naming import called

NAME = re.compile(r"(?P<summary>summary_)?(?P<of>selection_)?(?P<oracle>oracle_)?(?P<metric>[^/]+)")
"""How events call a metric, before `/` and the class, `mean` or a summary's definition."""
SHOWN = frozenset(metric.name for metric in HEADLINES)
MEGABYTE = 1e6
ROUTING = "routing_accuracy"
TRAINING = frozenset({"loss", "grad_norm"})
"""Of an epoch's numbers; the learning rate follows from the config."""
TRANSFER = {
    "backward_transfer_last_minus_own": "backward_transfer",
    "backward_transfer_mean_over_pairs": "backward_transfer_over_pairs",
    "forgetting_max_minus_last": "forgetting",
}
"""Of the summaries; the others follow from these and the last mean."""


def tracked(events: Iterable[Event], misrouted: bool) -> tuple[list[Number], bool]:
    """Numbers of a trial's events by the names that its run has them by.

    While the router sends every picture to its own task, numbers under the true task are those that
    are routed, and not sent; from the first step on at which it does not, they are.

    Args:
        misrouted: whether an earlier event of the trial told of a picture that was.

    Returns:
        Also whether any event has by now.
    """
    found: list[Number] = []
    for event in events:
        if isinstance(event, Metrics):
            misrouted |= event.numbers.get(f"{ROUTING}/mean", 1.0) < 1.0
            named = _measured(event.numbers, misrouted)
        elif isinstance(event, Epoch):
            named = _trained(event)
        else:
            continue
        found += [Number(name, event.step, event.time, value) for name, value in named]
    return found, misrouted


def loads(events: Iterable[Event], started: float, last: int) -> tuple[list[Number], int]:
    """What the trial's process used of its machine, by the names under which MLflow's view draws
    it; steps are seconds since the trial's start. Where the clock was set back, what it tells
    before it has come so far again is not taken: no step is there twice.

    Args:
        started: in seconds since 1970.
        last: step of the last of the trial's loads that was taken; -1: none.

    Returns:
        Also the last step by now.
    """
    found: list[Number] = []
    for event in events:
        step = round(event.time - started)
        if event.load is not None and step > last:
            last = step
            each = _load(event.load).items()
            found += [Number(f"system/{name}", step, event.time, value) for name, value in each]
    return found, last


def _load(load: Load) -> dict[str, float]:
    found = {"cpu_cores": load.cores, "memory_usage_megabytes": load.memory / MEGABYTE}
    if load.host_cores:
        found["cpu_utilization_percentage"] = 100 * load.cores / load.host_cores
    if load.host_memory:
        found["memory_usage_percentage"] = 100 * load.memory / load.host_memory
    if load.gpu_total:
        found["gpu_0_memory_usage_megabytes"] = load.gpu_used / MEGABYTE
        found["gpu_0_memory_usage_percentage"] = 100 * load.gpu_used / load.gpu_total
        found["gpu_0_memory_reserved_megabytes"] = load.gpu_memory / MEGABYTE
    return found


def timings(record: Record) -> dict[str, float]:
    """Wall seconds in all attempts: `seconds/total`, and by kind of stage, `seconds/adapter`."""
    values = {"seconds/total": record.working_seconds}
    for stage, seconds in record.seconds.items():
        kind = f"seconds/{stage.kind}"
        values[kind] = values.get(kind, 0.0) + seconds
    return values


def _trained(event: Epoch) -> Iterator[tuple[str, float]]:
    for name, value in event.numbers.items():
        if name in TRAINING:
            yield f"training/{name} {called(event.stage.task)}", value


def _measured(numbers: Mapping[str, float], misrouted: bool) -> Iterator[tuple[str, float]]:
    for name, value in numbers.items():
        kind, _, what = name.partition("/")
        found = NAME.fullmatch(kind)
        if found is not None and (misrouted or not found["oracle"]):
            shown = _shown(found, what)
            if shown:
                yield shown, value


def _shown(found: re.Match[str], what: str) -> str:
    """Empty: it is not."""
    metric, headline = found["metric"], found["metric"] in SHOWN
    if found["summary"]:
        sent = headline and what in TRANSFER and not (found["oracle"] or found["of"])
        return f"transfer/{metric} {TRANSFER[what]}" if sent else ""
    if what != "mean":
        plain = headline and not (found["oracle"] or found["of"])
        return f"by_class/{metric} {called(what)}" if plain else ""
    if found["of"]:
        return "" if found["oracle"] else f"training/selection_{metric}"
    if found["oracle"] or metric == ROUTING:
        return f"oracle/{metric}"
    return f"{metric}/mean" if headline else f"by_class/{metric} mean"
