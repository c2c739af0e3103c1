"""Numbers in sentences and captions on orders: what each may be, of every order of the plain files
that trials keep, in exact fractions."""

import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction

from moleflow.streams import numpy_stream
from reports.audit.order_effects import Order, averaged, causes, free, groups, measured, whole
from reports.audit.orders import kept_by, mean_of
from reports.audit.records import Records, Trial, finished
from reports.audit.second_way import Line
from reports.audit.words import Allowed, lost

NOISE = 1e-12
SAMPLE = 5
"""Orders that a paper usually runs."""
BY_WEIGHT = ("different", "undecided", "equivalent")
"""The verdict that tells most comes first."""
Values = dict[str, dict[Order, Fraction]]
"""By task 0 and order."""


def _running(trials: Sequence[Trial], records: Records) -> dict[str, Values]:
    """Mean over the steps of every order, by metric; empty where orders are too many."""
    found: dict[str, Values] = {}
    for metric in records.margins:
        of = groups(_line(trials, records, metric))
        if of:
            found[metric] = averaged(of)
    return found


def _line(trials: Sequence[Trial], records: Records, metric: str, **cells: str) -> Line:
    return Line({"metric": metric, **cells}, "", (), tuple(trials), records)


def _sd(values: Values) -> float:
    every = [value for of in values.values() for value in of.values()]
    return float(statistics.pvariance(every)) ** 0.5


def how_far(trials: Sequence[Trial], records: Records) -> Allowed | None:
    """The widest range of one task 0, and the deviation over all orders."""
    found: list[float] = []
    for values in _running(trials, records).values():
        ranges = [max(of.values()) - min(of.values()) for of in values.values()]
        found += [float(max(ranges)), _sd(values)]
    return Allowed(values=tuple(found)) if found else None


def a_handful(trials: Sequence[Trial], records: Records) -> Allowed | None:
    """The deviation of the orders that were drawn by name, and that of all."""
    found: list[float] = []
    for metric, values in _running(trials, records).items():
        # Orders by task 0, in the order of the names of the tasks.
        every = [of[order] for _, of in sorted(values.items()) for order in sorted(of)]
        if len(every) <= SAMPLE:
            continue
        draws = numpy_stream("five random orders", metric)
        picked: list[int] = draws.choice(len(every), SAMPLE, replace=False).tolist()
        some = [every[place] for place in picked]
        found += [float(statistics.variance(some)) ** 0.5, _sd(values)]
    return Allowed(values=tuple(found)) if found else None


def of_places(trials: Sequence[Trial], records: Records) -> Allowed | None:
    """What a task's place adds at most, mean over tasks 0."""
    found: list[float] = []
    for values in _running(trials, records).values():
        added: dict[tuple[str, int], list[Fraction]] = {}
        for of in values.values():
            middle = mean_of(list(of.values()))
            at: dict[tuple[str, int], list[Fraction]] = {}
            for order, value in of.items():
                for place, task in enumerate(order[1:]):
                    at.setdefault((task, place), []).append(value)
            for where, some in at.items():
                added.setdefault(where, []).append(mean_of(some) - middle)
        means = [float(mean_of(some)) for some in added.values()]
        most = max(map(abs, means))
        found += [one for one in means if most - abs(one) < NOISE]
    return Allowed(values=tuple(found)) if found else None


def largest_cause(trials: Sequence[Trial], records: Records) -> Allowed | None:
    """The deviation of what moves the mean over the steps most."""
    found: list[float] = []
    for metric in _running(trials, records):
        sds: list[float] = []
        for source in ("training", "routing among the tasks known", "averaging"):
            of = causes(_line(trials, records, metric, source=source, sd="0"))
            sd = of.numbers.get("sd")
            sds += [float(sd)] if isinstance(sd, (int, float)) else []
        found += [max(sds)] if sds else []
    return Allowed(values=tuple(found)) if found else None


def verdicts(trials: Sequence[Trial], records: Records) -> Allowed:
    """How many tasks 0 have which verdict on the orders that were trained with them."""
    texts: set[str] = set()
    for metric in records.margins:
        of: list[object] = []
        texts.add(lost(trials, records, metric, len(trials)))
        for task0 in {trial.task0 for trial in trials}:
            line = _line(trials, records, metric, quantity="final_mean", task0=task0)
            alike = [t for t in line.finished if t.task0 == task0]
            known = any(t.value(metric, "final_mean", "routed") is not None for t in alike)
            of += [measured(line).numbers["verdict"]] if known else []
        told = [f"{one} with {of.count(one)}" for one in BY_WEIGHT if one in of]
        if told:
            many = f" of {len(of)} task{'' if len(of) == 1 else 's'} 0"
            texts.add(", ".join([told[0] + many, *told[1:]]))
    return Allowed(frozenset(texts))


def counted(trials: Sequence[Trial], records: Records) -> Allowed:
    """Pairs of task 0 and seed, their orders, the trials, and those that are as was derived."""
    alike: dict[object, list[Trial]] = {}
    for trial in filter(free, trials):
        alike.setdefault(_together(trial), []).append(trial)
    orders = sum(math.factorial(len(of[0].sequence) - 1) for of in alike.values())
    same = len(trials) - sum(_differs(trial, records) for trial in trials)
    texts = {f"{len(alike)} pairs of task 0 and seed", f"{len(trials)} were run"}
    texts |= {f"{orders:,} orders".replace(",", "\u202f"), f"{same} of {len(trials)} trials"}
    return Allowed(frozenset(texts))


def differing(trials: Sequence[Trial], records: Records) -> Allowed:
    """Trials of which a number is not the one that was derived."""
    return Allowed(frozenset({f"{sum(_differs(trial, records) for trial in trials)} trials"}))


def _together(trial: Trial) -> tuple[object, ...]:
    return trial.task0, trial.seed, tuple(sorted(trial.sequence)), repr(trial.config)


def _differs(trial: Trial, records: Records) -> bool:
    line = Line({}, "", (), records.trials, records)
    alike = [t for t in finished(records.trials) if _together(t) == _together(trial)]
    kept = next((one for one in alike if whole(line, one)), None)
    if kept is None:
        return False
    return any(a != b for a, b in _pairs(line, kept, trial))


def _pairs(line: Line, kept: Trial, trial: Trial) -> Iterator[tuple[float, float | None]]:
    tasks = ["+".join(task) for task in trial.sequence]
    for one in kept_by(line, kept.key)["classes"]:
        for step in range(tasks.index(one["task"]) + 1, len(tasks) + 1):
            rivals = enumerate(one["rivals"])
            place = sum(2**bit for bit, rival in rivals if rival in tasks[:step])
            for metric, values in one["values"].items():
                measured = trial.value(metric, "step", "routed", one["name"], step)
                yield values[one["choice"][place]], measured


RULES: Mapping[str, Callable[[Sequence[Trial], Records], Allowed | None]] = {
    "reports.order_spread.sentence": how_far,
    "reports.order_spread.sample_figure": a_handful,
    "reports.order_choice.places_figure": of_places,
    "reports.order_causes.sentence": largest_cause,
    "reports.order_answer._of_orders": verdicts,
    "reports.all_orders.sentence": counted,
    "reports.all_orders.warning": differing,
}
