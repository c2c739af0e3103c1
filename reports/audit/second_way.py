"""What the lines of a report's tables should hold, computed from plain records with Python's own
`statistics` (exact fractions), and by other formulas where there are others.

Each function takes a line of a table and gives the numbers that should stand in it, and the trials
that they rest on. It shares no code with what made the report.
"""

import json
import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias, cast

from moleflow.errors import StoreError
from moleflow.wording import counted
from reports.audit.distributions import f_quantile
from reports.audit.records import Records, Trial, finished
from reports.audit.samples import sd

Value: TypeAlias = str | float | int | None
Numbers: TypeAlias = dict[str, Value]
SEEDS_FOR_INTERVAL = 3
NOT_OF_LEDGER = (LookupError, ValueError, OSError, StopIteration, AssertionError, StoreError)
"""What a second way meets where a report tells of what the ledger has no more."""


@dataclass(frozen=True)
class Line:
    """A line of a table's file."""

    cells: Mapping[str, str]
    function: str
    """What made it, by its dotted name."""
    named: tuple[str, ...]
    """Trials that it names as its source."""
    setting: tuple[Trial, ...]
    """Planned trials of the setting that the table is of."""
    records: Records

    @property
    def finished(self) -> list[Trial]:
        return finished(self.setting)

    @property
    def by_order(self) -> Mapping[str, list[Trial]]:
        """Finished trials, grouped once for all lines of a table, which are of one setting."""
        known = self.records.known
        if known.get("grouped by order") is not self.setting:
            groups: dict[str, list[Trial]] = {}
            for trial in self.finished:
                groups.setdefault(trial.order, []).append(trial)
            known |= {"grouped by order": self.setting, "by order": groups}
        return known["by order"]

    def measured(self, trials: Iterable[Trial]) -> dict[str, float]:
        """What the line speaks of, by trial, of those that have it."""
        cells = self.cells
        name, step = cells.get("class", ""), int(cells.get("step") or 0)
        kind = "step" if name else cells.get("definition", "final_mean")
        routing = cells.get("routing") or "routed"
        found: dict[str, float] = {}
        for trial in trials:
            at = step or (len(trial.sequence) if name else 0)
            value = trial.value(cells["metric"], kind, routing, name, at)
            if value is not None:
                found[trial.key] = value
        return found


@dataclass(frozen=True)
class Expected:
    """What should stand in a line."""

    numbers: Numbers
    trials: frozenset[str] | None = None
    """On which it rests; None where the line need not name them one by one."""
    close: float = 1e-9
    """Of a fraction of 1: what another way of computing it may change, e.g. the order of a sum."""


def described(values: Sequence[float]) -> Numbers:
    """n, mean, sample sd, smallest and largest."""
    if not values:
        return {"n": 0, "mean": None, "sd": None, "min": None, "max": None}
    return {
        "n": len(values),
        "mean": statistics.mean(values),
        "sd": sd(values),
        "min": min(values),
        "max": max(values),
    }


def interval(values: Sequence[float]) -> Numbers:
    """95 % t interval of the mean, from F(1, n − 1) = t²; none below three values."""
    if len(values) < SEEDS_FOR_INTERVAL:
        return {"interval_low": None, "interval_high": None}
    n, middle = len(values), statistics.mean(values)
    half = math.sqrt(f_quantile(0.95, 1, n - 1) * statistics.variance(values) / n)
    return {"interval_low": middle - half, "interval_high": middle + half}


def by_seed(trials: Sequence[Trial], values: Mapping[str, float]) -> tuple[list[float], set[str]]:
    """Each seed's mean over orders, of seeds that have every order; and the trials in them."""
    have = [trial for trial in trials if trial.key in values]
    orders = {trial.order for trial in have}
    means: list[float] = []
    used: set[str] = set()
    for seed in sorted({trial.seed for trial in have}):
        of = {trial.order: trial for trial in have if trial.seed == seed}
        if set(of) == orders:
            means.append(statistics.mean(values[trial.key] for trial in of.values()))
            used |= {trial.key for trial in of.values()}
    return means, used


def over_trials(line: Line) -> Expected:
    """Of all trials that have the number."""
    values = line.measured(line.finished)
    return Expected(described(list(values.values())), frozenset(values))


def main(line: Line) -> Expected:
    """Over trials; the interval over seeds."""
    trials = line.finished
    values = line.measured(trials)
    seeds, _ = by_seed(trials, values)
    metric = line.cells["metric"]
    counts = sorted(
        {sum(_final(trial, name, metric) is not None for name in trial.classes) for trial in trials}
    )
    every = {name for trial in line.setting for name in trial.classes}
    span = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}" if counts else ""
    classes = f"{span} of {len(every)}" if counts and counts[-1] else "–"
    numbers = described(list(values.values())) | interval(seeds)
    return Expected({**numbers, "seeds": len(seeds), "classes": classes}, frozenset(values))


def _final(trial: Trial, name: str, metric: str) -> float | None:
    return trial.value(metric, "step", "routed", name, len(trial.sequence))


def over_seeds(line: Line) -> Expected:
    """Of the trials with this task 0, or this order; a number for each seed."""
    cells = line.cells
    trials = [
        trial
        for trial in line.finished
        if trial.task0 == cells["task0"] and cells.get("order", trial.order) == trial.order
    ]
    means, used = by_seed(trials, line.measured(trials))
    numbers: Numbers = {**described(means), **interval(means), "trials": len(trials)}
    partly = {trial.seed for trial in trials if not _whole(trial.seed, trials)}
    return Expected({**numbers, "left_out": len(partly)}, frozenset(used))


def _whole(seed: int, trials: Sequence[Trial]) -> bool:
    """Whether it has every order."""
    return {t.order for t in trials if t.seed == seed} == {t.order for t in trials}


def one_order(line: Line) -> Expected:
    """An entry of R: over the seeds of one order."""
    values = line.measured(line.by_order.get(line.cells["order"], ()))
    return Expected(described(list(values.values())), frozenset(values))


def ranges(line: Line) -> Expected:
    """Largest minus smallest when one thing changes: `source` says what."""
    trials = line.finished
    values = line.measured(trials)
    have = [trial for trial in trials if trial.key in values]
    firsts = {trial.task0 for trial in have}
    groups: dict[object, list[float]] = {}
    if line.cells["source"] == "task0":
        groups[0] = [
            statistics.mean(values[t.key] for t in have if t.task0 == first) for first in firsts
        ]
    else:
        for trial in have:
            same = (trial.task0, trial.seed) if line.cells["source"] == "order" else trial.order
            groups.setdefault(same, []).append(values[trial.key])
    found = [max(group) - min(group) for group in groups.values() if len(group) > 1]
    return Expected(
        {
            "mean_range": statistics.mean(found) if found else None,
            "largest_range": max(found, default=None),
            "groups": len(found),
            "task_zeros": len(firsts),
        },
        frozenset(values),
    )


def variance(line: Line) -> Expected:
    """Sums of squares by totals: Σ T²/n − G²/N, instead of by deviations from means."""
    values = line.measured(line.finished)
    have = [trial for trial in line.finished if trial.key in values]
    orders = {(t.task0, t.order) for t in have}
    seeds = sorted(
        seed
        for seed in {trial.seed for trial in have}
        if {(t.task0, t.order) for t in have if t.seed == seed} == orders
    )
    used = [trial for trial in have if trial.seed in seeds]
    firsts = {trial.task0 for trial in used}
    exact = {trial.key: Fraction(values[trial.key]) for trial in used}

    def squares(of: Callable[[Trial], object]) -> Fraction:
        groups: dict[object, list[Fraction]] = {}
        for trial in used:
            groups.setdefault(of(trial), []).append(exact[trial.key])
        parts = [sum(g, Fraction(0)) ** 2 / len(g) for g in groups.values()]
        return sum(parts, Fraction(0))

    whole, all_ = squares(lambda _: 0), squares(lambda t: t.key)
    first, order = squares(lambda t: t.task0), squares(lambda t: (t.task0, t.order))
    seed = squares(lambda t: t.seed)
    sums = {
        "task 0": (len(firsts) - 1, first - whole),
        "order within task 0": (len(orders) - len(firsts), order - first),
        "seed": (len(seeds) - 1, seed - whole),
        "rest (interactions)": (
            (len(orders) - 1) * (len(seeds) - 1),
            all_ - order - seed + whole,
        ),
    }
    df, part = sums[line.cells["source"]]
    spread = max(exact.values()) - min(exact.values()) if exact else Fraction(0)
    share = float(part / (all_ - whole)) if df and spread > Fraction(1, 10**12) else None
    counts = {"trials": len(used), "task_zeros": len(firsts)}
    counts |= {"orders": len(orders), "seeds": len(seeds), "left_out": len(have) - len(used)}
    return Expected(
        {"df": df, "sum_of_squares": float(part), "share": share, **counts},
        frozenset(trial.key for trial in used),
    )


def disparity(line: Line) -> Expected:
    """AOPD and MOPD: ranges of each class's final number over orders, averaged over groups."""
    groups: dict[object, list[Trial]] = {}
    for trial in line.finished:
        alike = trial.task0 if line.cells["scope"] == "same task 0" else ""
        groups.setdefault((alike, trial.seed), []).append(trial)
    several = [trials for trials in groups.values() if len(trials) > 1]
    opd: dict[str, float] = {}
    for name in sorted({c for trials in several for c in trials[0].classes}):
        found: list[float] = []
        for trials in several:
            values = [_final(trial, name, line.cells["metric"]) for trial in trials]
            known = [value for value in values if value is not None]
            if len(known) == len(trials):
                found.append(max(known) - min(known))
        if found:
            opd[name] = statistics.mean(found)
    numbers: Numbers = {"aopd": statistics.mean(opd.values()) if opd else None}
    numbers |= {"mopd": max(opd.values(), default=None), "classes": len(opd)}
    return Expected({**numbers, "groups": len(several) if opd else 0})


def confusion(line: Line) -> Expected:
    """Images of a class that the router gave to a task, over the trials that the line names."""
    count = 0
    for trial in line.finished:
        if trial.key not in line.named:
            continue
        classes, tasks = trial.routing.get("classes", []), trial.routing.get("tasks", [])
        if line.cells["class"] in classes and line.cells["task"] in tasks:
            row = trial.routing["counts"][classes.index(line.cells["class"])]
            count += row[tasks.index(line.cells["task"])]
    return Expected({"images": count})


def data(line: Line) -> Expected:
    """Pictures of a class, as the records that the line names have them; of a class that none has,
    what was planned."""
    name, kinds = line.cells["class"], ("train", "test_good", "test_anomalous", "masks")
    prints = {
        t.key: cast(Mapping[str, str], t.recorded.get("fingerprints") or {}).get(name, "")
        for t in line.records.trials
    }
    told = [t for t in line.records.trials if t.status and (prints[t.key] or name in t.data)]
    mine = next((trial for trial in told if trial.key in line.named), None)
    if mine is None:
        return Expected({**dict.fromkeys(kinds), "records": 0}, frozenset())
    own = prints[mine.key], mine.data.get(name)
    alike = [trial for trial in told if (prints[trial.key], trial.data.get(name)) == own]
    counts: Numbers = {kind: (own[1] or {}).get(kind) for kind in kinds}
    counts |= {"fingerprint": own[0], "records": len(alike)}
    return Expected(counts, frozenset(trial.key for trial in alike))


def missing(line: Line) -> Expected:
    """A planned trial without a record."""
    found = [t for t in line.records.trials if t.key == line.cells["trial"] and not t.status]
    seed: Value = found[0].seed if found else "(no such trial)"
    return Expected({"seed": seed, "order": found[0].order if found else "(no such trial)"})


def failures(line: Line) -> Expected:
    """A trial that diverged or failed."""
    for trial in line.records.trials:
        if trial.key == line.cells["trial"]:
            told = {"seed": trial.seed, "status": trial.status, "order": trial.order}
            at: Mapping[str, Any] = trial.recorded.get("stopped") or {}
            why = (
                f"{at['place']}. of {at['among']} after {counted(at['tasks'], 'task')}"
                if at
                else None
            )
            of = {k: trial.failure.get(k) for k in ("stage", "kind", "message")}
            return Expected({**told, **of, "message": of["message"] or why})
    return Expected({"status": "(no such trial)"})


def orders(line: Line) -> Expected:
    """An order of the plan and its task 0."""
    firsts = {trial.order: trial.task0 for trial in line.records.trials}
    task0 = firsts.get(line.cells["order"], "(no such order)")
    return Expected({"task0": task0, "name": short_name(line)})


def short_name(line: Line) -> str:
    """What pages call the line's order; empty where the plan has none of it."""
    return line.records.order_names.get(line.cells.get("order", ""), "")


def settings(line: Line) -> Expected:
    """A config field's value in each setting, as JSON, each once."""
    found: dict[str, None] = {}
    for trials in line.records.settings:
        values = _flat(trials[0].config)
        if line.cells["field"] in values:
            found[json.dumps(values[line.cells["field"]])] = None
    # A field that came later than the plan has its neutral value there, which the plan cannot tell.
    return Expected({"value": " | ".join(found)} if found else {})


def _flat(config: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Values by dotted name."""
    found: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, Mapping):
            found |= _flat(cast(Mapping[str, Any], value), f"{before}{name}.")
        else:
            found[f"{before}{name}"] = value
    return found


WAYS: Mapping[str, Callable[[Line], Expected]] = {
    "reports.performance.main_table": main,
    "reports.performance.task0_table": over_seeds,
    "reports.performance.order_table": over_seeds,
    "reports.performance.class_table": over_trials,
    "reports.performance.transfer_table": over_trials,
    "reports.performance.r_matrix_table": one_order,
    "reports.sensitivity.spread_table": ranges,
    "reports.sensitivity.decomposition_table": variance,
    "reports.sensitivity.disparity_table": disparity,
    "reports.confusions.confusion_table": confusion,
    "reports.provenance.data_table": data,
    "reports.provenance.missing_table": missing,
    "reports.provenance.failures_table": failures,
    "reports.provenance.orders_table": orders,
    "reports.provenance.config_table": settings,
}
"""By what made the line. What stands in none is not checkable, and is counted so."""
