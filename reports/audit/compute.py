"""Tables of what trials cost, recomputed from plain records."""

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

from reports.audit.records import Trial
from reports.audit.samples import sd
from reports.audit.second_way import Expected, Line, Numbers

HOUR = 3600


def at_work(trial: Trial) -> float:
    """Seconds between beginning and end of every attempt."""
    recorded = trial.recorded
    spans = cast(Sequence[Mapping[str, Any]], recorded.get("spans") or ())
    if not spans:
        return float(recorded["ended"]) - float(recorded["started"])
    return math.fsum(float(span["ended"]) - float(span["started"]) for span in spans)


def by_status(line: Line) -> Expected:
    """Of the trials of which one thing came."""
    trials = [t for t in line.records.trials if t.status == line.cells["status"]]
    seconds = [at_work(trial) for trial in trials]
    each = [cast(Mapping[str, float], t.recorded.get("seconds") or {}) for t in trials]
    stages = [math.fsum(of.values()) for of in each]
    numbers: Numbers = {"trials": len(trials), "seconds_mean": statistics.mean(seconds)}
    numbers |= {"attempts": sum(int(trial.recorded["attempts"]) for trial in trials)}
    numbers |= {"seconds_sd": sd(seconds)}
    numbers |= {"hours": math.fsum(seconds) / HOUR, "stage_hours": math.fsum(stages) / HOUR}
    return Expected(numbers, frozenset(trial.key for trial in trials))


def one_trial(line: Line) -> Expected:
    """What the record of a trial says."""
    (trial,) = [t for t in line.records.trials if t.key == line.cells["trial"]]
    recorded = trial.recorded
    numbers: Numbers = {"seed": trial.seed, "status": trial.status, "order": trial.order}
    numbers |= {"attempts": recorded["attempts"], "seconds": at_work(trial)}
    numbers |= {"device": recorded["device"], "host": recorded["host"]}
    for metric in line.records.margins:
        numbers[metric] = trial.value(metric, "final_mean", "routed")
    return Expected(numbers, frozenset({trial.key}))


def per_seed(trials: Iterable[Trial]) -> float | None:
    """Seconds at work of the trials of one seed, each trial once."""
    own = {trial.key: trial for trial in trials}.values()
    seeds = {trial.seed for trial in own}
    return math.fsum(map(at_work, own)) / len(seeds) if seeds else None


def priced(numbers: Numbers, seconds: float | None, to: str = "decide") -> Numbers:
    """What a further seed costs, and as many as were found to be needed. Where a line has another
    number of them, so are its minutes."""
    more = numbers.get(f"seeds_to_{to}")
    try:
        cost = None if more is None or seconds is None else float(more) * seconds / 60
    except ValueError:
        cost = more
    return {"seconds_per_seed": seconds, f"minutes_to_{to}": cost}


WAYS: Mapping[str, Callable[[Line], Expected]] = {
    "reports.kinds.checklist.compute_table": by_status,
    "reports.kinds.checklist.trials_table": one_trial,
}
