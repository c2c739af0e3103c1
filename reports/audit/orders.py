"""The second way to what is said of all orders: every order is gone through, picture by picture of
the plain file that a trial keeps, in exact fractions."""

import hashlib
import itertools
import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from moleflow.sealed import unsealed
from reports.audit.second_way import Expected, Line, Numbers

MOST_TASKS = 6
"""120 orders; beyond, going through all of them takes minutes."""

Steps = list[dict[str, Fraction]]
"""Of an order, after each task: the numbers of the classes known."""


def all_orders(line: Line) -> Expected:
    """A line of `all_orders.csv`."""
    cells, (trial,) = line.cells, line.named
    every = every_order_of(line, trial, cells["metric"])
    if every is None:
        return Expected({})
    quantity = QUANTITIES[cells["quantity"]]
    found = [quantity(order, steps) for order, steps in every]
    values = sorted(value for value in found if value is not None)
    if not values:
        return Expected({})
    numbers: Numbers = {
        "orders": len(values),
        "minimum": float(values[0]),
        "maximum": float(values[-1]),
        "mean": float(statistics.mean(values)),
        "sd": float(statistics.pvariance(values)) ** 0.5,
        "q05": between(values, Fraction(5, 100)),
        "q50": between(values, Fraction(50, 100)),
        "q95": between(values, Fraction(95, 100)),
    }
    of = next(one for one in line.finished if one.key == trial)
    return Expected({**numbers, "seed": of.seed, "task0": of.task0})


Every = list[tuple[dict[str, list[str]], Steps]]
"""Of each order: tasks with their measured classes, and what is known after each."""


def every_order_of(line: Line, trial: str, metric: str) -> Every | None:
    """From what a trial keeps; None where there are too many."""
    known = line.records.known
    name = f"all orders of {trial}, {metric}"
    if name not in known:
        known[name] = _orders(line, trial, metric)
    return known[name]


def kept_by(line: Line, trial: str) -> dict[str, Any]:
    """The plain file.

    Raises:
        OSError, ValueError: there is none, or it is damaged.
    """
    path = line.records.artifacts(trial) / "all_orders.json"
    return json.loads(unsealed(path.read_bytes()))


def _orders(line: Line, trial: str, metric: str) -> Every | None:
    kept = kept_by(line, trial)
    if len(kept["tasks"]) > MOST_TASKS:
        return None
    classes = [one for one in kept["classes"] if metric in one["values"]]
    first, *others = kept["tasks"]
    found: Every = []
    for rest in itertools.permutations(others):
        order = {task: [c["name"] for c in classes if c["task"] == task] for task in (first, *rest)}
        steps = [_step(classes, list(order)[:n], metric) for n in range(1, len(order) + 1)]
        found.append((order, steps))
    return found


def _step(
    classes: Sequence[Mapping[str, Any]], known: Sequence[str], metric: str
) -> dict[str, Fraction]:
    found: dict[str, Fraction] = {}
    for one in classes:
        if one["task"] in known:
            place = sum(2**bit for bit, rival in enumerate(one["rivals"]) if rival in known)
            found[one["name"]] = Fraction(one["values"][metric][one["choice"][place]])
    return found


def mean_of(values: Sequence[Fraction]) -> Fraction:
    return sum(values, Fraction(0)) / len(values)


def _means(steps: Steps) -> list[Fraction]:
    return [mean_of(list(step.values())) for step in steps if step]


def _last(order: Mapping[str, list[str]], steps: Steps) -> Fraction | None:
    names = list(order.values())[-1]
    return mean_of([steps[-1][name] for name in names]) if names else None


def _just_learned(order: Mapping[str, list[str]], steps: Steps) -> Fraction:
    pairs = zip(order.values(), steps, strict=True)
    return mean_of([step[name] for names, step in pairs for name in names])


QUANTITIES: Mapping[str, Callable[[Mapping[str, list[str]], Steps], Fraction | None]] = {
    "running_mean": lambda order, steps: mean_of(_means(steps)),
    "worst_step": lambda order, steps: min(_means(steps)),
    "final_mean": lambda order, steps: _means(steps)[-1],
    "on_task_mean": _just_learned,
    "last_task": _last,
}


def between(values: Sequence[Fraction], share: Fraction) -> float:
    """Quantile of rising values, linear between ranks."""
    rank = share * (len(values) - 1)
    low = int(rank)
    high = min(low + 1, len(values) - 1)
    return float(values[low] + (values[high] - values[low]) * (rank - low))


def certificates(line: Line) -> Expected:
    """Hashes that two records have in common."""
    pair = [one for one in line.finished if one.key in line.named]
    if len(pair) != 2:
        return Expected({})
    one, other = pair if pair[0].key == line.cells["trial"] else pair[::-1]
    hashes = (one.recorded["hashes"], other.recorded["hashes"])
    both = {name: [of.get(name, "") for of in hashes] for name in sorted({*hashes[0], *hashes[1]})}
    equal = sum(first == second for first, second in both.values())
    digest = hashlib.sha256(json.dumps(both, separators=(",", ":")).encode()).hexdigest()[:20]
    numbers: Numbers = {"hashes": len(both), "equal": equal, "digest": digest, "seed": one.seed}
    numbers |= {"task0": one.task0, "order": one.order, "other_order": other.order}
    numbers |= {"trial": one.key, "other_trial": other.key, "device": one.recorded["device"]}
    return Expected(numbers)


def mismatches(line: Line) -> Expected:
    """One hash that two records have apart."""
    pair = {one.key: one for one in line.finished if one.key in line.named}
    one, other = (pair[line.cells[column]] for column in ("trial", "other_trial"))
    name = line.cells["name"]
    apart = one.recorded["hashes"][name] != other.recorded["hashes"][name]
    same = (one.task0, one.seed) == (other.task0, other.seed)
    numbers: Numbers = {"name": name if apart and same else "(the same)", "seed": one.seed}
    numbers |= {"task0": one.task0, "order": one.order, "other_order": other.order}
    numbers |= {"trial": one.key, "other_trial": other.key}
    return Expected(numbers, frozenset(pair))


WAYS: Mapping[str, Callable[[Line], Expected]] = {
    "reports.all_orders.all_orders_table": all_orders,
    "reports.invariance.certificate_table": certificates,
    "reports.invariance.mismatch_table": mismatches,
}
