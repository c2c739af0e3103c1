"""Numbers in sentences and captions on orders: what each may be, from the plain files that trials
keep."""

import itertools
import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import Float

from moleflow.streams import numpy_stream
from moleflow.wording import counted, grouped, ordinal
from reports.audit.known_tasks import MOST_ENUMERATED, kept_by
from reports.audit.order_effects import (
    MOST_DRAWN,
    Averaged,
    averaged,
    causes,
    free,
    groups,
    measured,
    whole,
)
from reports.audit.records import Records, Trial, finished
from reports.audit.second_way import Line
from reports.audit.words import Allowed, lost

NOISE = 1e-12
SAMPLE, SAMPLES, FEW_ORDERS = 5, 10_000, 200
"""Orders that a paper usually runs; samples that are drawn of them; orders of which a sample has
each once."""
BY_WEIGHT = ("different", "undecided", "equivalent")
"""The verdict that tells most comes first."""
Values = Mapping[str, Averaged]
"""By task 0."""


def _running(trials: Sequence[Trial], records: Records) -> dict[str, Values]:
    """Mean over the steps of every order, by metric; empty where tasks are too many."""
    found: dict[str, Values] = {}
    for metric in records.margins:
        line = _line(trials, records, metric)
        of = groups(line)
        if of and not of[0].known.many:
            found[metric] = averaged(line)
    return found


def _line(trials: Sequence[Trial], records: Records, metric: str, **cells: str) -> Line:
    return Line({"metric": metric, **cells}, "", (), tuple(trials), records)


def _sd(values: Values) -> float:
    """As many orders begin with each task 0."""
    means, variances = zip(*(of.mean_and_variance for of in values.values()), strict=True)
    return math.sqrt(statistics.mean(variances) + statistics.pvariance(means))


def _pool(values: Values) -> Float[np.ndarray, " n"]:
    """Of orders that a page draws, by task 0, in the order of the names of the tasks."""
    return np.concatenate([of.values for _, of in sorted(values.items())])


def how_far(trials: Sequence[Trial], records: Records) -> Allowed | None:
    """The widest range of one task 0, and the deviation over all orders."""
    found: list[float] = []
    for values in _running(trials, records).values():
        ends = [of.ends for of in values.values()]
        found += [max(high - low for low, high in ends), _sd(values)]
    return Allowed(values=tuple(found)) if found else None


def a_handful(trials: Sequence[Trial], records: Records) -> Allowed | None:
    """The deviation of the orders that were drawn by name, and that of all."""
    found: list[float] = []
    for metric, values in _running(trials, records).items():
        every = _pool(values)
        if len(every) <= SAMPLE:
            continue
        draws = numpy_stream("five random orders", metric)
        picked: list[int] = draws.choice(len(every), SAMPLE, replace=False).tolist()
        found += [statistics.stdev(every[picked].tolist()), _sd(values)]
    return Allowed(values=tuple(found)) if found else None


def such_samples(trials: Sequence[Trial], records: Records) -> Allowed | None:
    """Between which deviations nine of ten samples of orders lie, each of the report's draws."""
    found: list[float] = []
    for metric, values in _running(trials, records).items():
        every = _pool(values)
        if len(every) > SAMPLE:
            draws = numpy_stream("five random orders", metric)
            draws.choice(len(every), SAMPLE, replace=False)
            said = sorted(_deviation(every[of].tolist()) for of in _samples(len(every), draws))
            ends = statistics.quantiles(said, n=20, method="inclusive")
            found += [ends[0], ends[-1]]
    return Allowed(values=tuple(found)) if found else None


def _deviation(some: Sequence[float]) -> float:
    """By the differences of every two: there are ten thousand samples to go through."""
    n = len(some)
    squares = math.fsum((a - b) ** 2 for a, b in itertools.combinations(some, 2))
    return math.sqrt(squares / (n * (n - 1)))


def _samples(many: int, draws: np.random.Generator) -> list[list[int]]:
    """Places of orders; each order once in a sample, where they are few."""
    if many > FEW_ORDERS:
        return draws.integers(many, size=(SAMPLES, SAMPLE)).tolist()
    each: list[list[float]] = draws.random((SAMPLES, many)).tolist()
    return [sorted(range(len(one)), key=one.__getitem__)[:SAMPLE] for one in each]


def how_many(trials: Sequence[Trial], records: Records) -> Allowed:
    """Orders of the tasks, and seeds: by the tasks of the trials alone."""
    firsts, seeds = {trial.task0 for trial in trials}, {trial.seed for trial in trials}
    others = len(trials[0].sequence) - 1 if trials else 0
    many = math.factorial(others)
    texts = {f"{len(seeds)} seeds"} if len(seeds) > 1 else {f"seed {seed}" for seed in seeds}
    texts |= {f"{lead}{counted(len(firsts) * many, 'order')}" for lead in ("", "all ")}
    if others > MOST_ENUMERATED:
        texts.add(counted(len(firsts) * MOST_DRAWN, "drawn order"))
    return Allowed(frozenset(texts))


def of_places(trials: Sequence[Trial], records: Records) -> Allowed | None:
    """What a task's place adds at most, mean over tasks 0, and which place that is."""
    found: list[str] = []
    for values in _running(trials, records).values():
        added: dict[tuple[str, int], list[float]] = {}
        for of in values.values():
            for task, row in zip(of.others, of.by_place.tolist(), strict=True):
                for place, value in enumerate(row):
                    added.setdefault((task, place), []).append(value)
        means = {where: statistics.mean(some) for where, some in added.items()}
        most = max(map(abs, means.values()))
        for (_, place), one in means.items():
            if most - abs(one) < NOISE:
                points = f"{100 * one:+.2f}".replace("-", "−")
                found.append(f"{ordinal(place + 2)} task, {points} points")
    return Allowed(frozenset(found)) if found else None


def largest_cause(trials: Sequence[Trial], records: Records) -> Allowed | None:
    """The deviation of the mean over the steps, and of what moves it most, and its name."""
    found: list[float] = []
    names: set[str] = set()
    for metric in _running(trials, records):
        sds: dict[str, float] = {}
        for source in ("training", "routing among the tasks known", "averaging"):
            of = causes(_line(trials, records, metric, source=source, sd="0"))
            sd = of.numbers.get("sd")
            sds |= {source: float(sd)} if isinstance(sd, (int, float)) else {}
        whole = causes(_line(trials, records, metric, source="all together", sd="0"))
        sd = whole.numbers.get("sd")
        if sds and isinstance(sd, (int, float)):
            found += [max(sds.values()), float(sd)]
            names |= {name for name, one in sds.items() if max(sds.values()) - one < NOISE}
    return Allowed(frozenset(names), tuple(found)) if found else None


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


def derived(trials: Sequence[Trial], records: Records) -> Allowed:
    """Pairs of task 0 and seed, their orders, the trials, and those that are as was derived."""
    alike: dict[object, list[Trial]] = {}
    for trial in filter(free, trials):
        alike.setdefault(trial.training, []).append(trial)
    orders = sum(math.factorial(len(of[0].sequence) - 1) for of in alike.values())
    same = len(trials) - sum(_differs(trial, records) for trial in trials)
    were = "was" if len(trials) == 1 else "were"
    texts = {
        f"{counted(len(alike), 'pair')} of task 0 and seed",
        f"{grouped(len(trials))} {were} run",
    }
    texts |= {counted(orders, "order"), f"{grouped(same)} of {counted(len(trials), 'trial')}"}
    texts.add(f"n = {counted(sum(_compared(trial, records) for trial in trials), 'number')}")
    return Allowed(frozenset(texts))


def differing(trials: Sequence[Trial], records: Records) -> Allowed:
    """Trials of which a number is not the one that was derived."""
    return Allowed(frozenset({counted(sum(_differs(trial, records) for trial in trials), "trial")}))


def nothing_kept(trials: Sequence[Trial], records: Records) -> Allowed:
    """Of how many pairs of task 0 and seed no trial kept it, of all of their settings."""
    named = {trial.key for trial in trials}
    own = [of for of in records.settings if any(trial.key in named for trial in of)]
    every = {trial.training for of in own for trial in finished(of) if free(trial)}
    line = Line({}, "", (), records.trials, records)
    known = {trial.training for of in own for trial in finished(of) if whole(line, trial)}
    pairs = {trial.training for trial in trials}
    fits = pairs == every - known
    return Allowed(frozenset({f"{len(pairs)} of {counted(len(every), 'pair')}"} if fits else ()))


def _differs(trial: Trial, records: Records) -> bool:
    return any(a != b for a, b in _measured_too(trial, records))


def _compared(trial: Trial, records: Records) -> int:
    """Numbers of a trial that were derived, too."""
    return len(_measured_too(trial, records))


def _measured_too(trial: Trial, records: Records) -> list[tuple[float, float | None]]:
    """Derived and measured numbers of a trial."""
    line = Line({}, "", (), records.trials, records)
    alike = [t for t in finished(records.trials) if t.training == trial.training]
    kept = next((one for one in alike if whole(line, one)), None)
    return [] if kept is None else list(_pairs(line, kept, trial))


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
    "reports.order_spread._deviations": such_samples,
    "reports.order_spread.Running": how_many,
    "reports.order_choice.places_figure": of_places,
    "reports.order_causes.sentence": largest_cause,
    "reports.order_answer._of_orders": verdicts,
    "reports.all_orders.sentence": derived,
    "reports.all_orders._nothing_kept": nothing_kept,
    "reports.all_orders.warning": differing,
}
