"""The second way to what is said of all orders: from the plain file that a trial keeps, order by
order, or of every order at once where they are too many."""

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from jaxtyping import Float

from reports.audit import every_order, many_tasks
from reports.audit.certificates import hashes_of
from reports.audit.known_tasks import (
    MOST_ENUMERATED,
    MOST_EXACT,
    Known,
    kept_by,
    known,
    walks,
)
from reports.audit.second_way import Expected, Line, Numbers

SHARES = (Fraction(5, 100), Fraction(50, 100), Fraction(95, 100))
HOW = {
    "running_mean": "exact moments",
    "worst_step": "exact extremes",
    "on_task_mean": "exact moments",
    "last_task": "closed form",
    "final_mean": "closed form",
}
"""Where orders are too many to go through all."""
SAMPLED = 97
"""Every so many values one is sorted, to tell which of all are near a quantile."""


@dataclass(frozen=True)
class Over:
    """A quantity over all orders with one task 0."""

    orders: int
    """That have it."""
    minimum: float
    maximum: float
    mean: float
    sd: float
    quantiles: tuple[float, ...]

    @property
    def range(self) -> float:
        return self.maximum - self.minimum


def all_orders(line: Line) -> Expected:
    """A line of `all_orders.csv`."""
    cells, (trial,) = line.cells, line.named
    found = over(line, trial, cells["metric"], cells["quantity"])
    if found is None:
        return Expected({})
    low, half, high = found.quantiles
    of = next(one for one in line.finished if one.key == trial)
    numbers: Numbers = {"orders": found.orders, "minimum": found.minimum}
    numbers |= {"maximum": found.maximum, "mean": found.mean, "sd": found.sd}
    numbers |= {"q05": low, "q50": half, "q95": high}
    return Expected({**numbers, "seed": of.seed, "task0": of.task0})


def over(line: Line, trial: str, metric: str, quantity: str) -> Over | None:
    """None where no order has it, or some order has none of it and they are too many."""
    name, have = f"all orders of {trial}", line.records.known
    if name not in have:
        have[name] = _of_trial(kept_by(line, trial))
    return have[name].get((metric, quantity))


Found = dict[tuple[str, str], Over]
"""By metric and quantity."""


def _of_trial(kept: Mapping[str, Any]) -> Found:
    metrics = sorted({metric for one in kept["classes"] for metric in one["values"]})
    of = {metric: one for metric in metrics if (one := known(kept, metric)) is not None}
    if any(one.many for one in of.values()):
        return _of_drawn(of)
    found: Found = {}
    for metric, one in of.items():
        step, many = one.step, math.factorial(len(one.others))
        if not math.isnan(step[-1]):
            found[metric, "final_mean"] = _repeated([float(step[-1])], many)
        values = sorted(value for value in one.last() if value is not None)
        if values:
            found[metric, "last_task"] = _repeated(values, many // len(one.others))
    few = len(kept["tasks"]) - 1 <= MOST_ENUMERATED
    whole = {metric: one for metric, one in of.items() if few or not np.isnan(one.step).any()}
    for quantity, some in (("running_mean", whole), ("worst_step", whole), ("on_task_mean", of)):
        for metric, values in zip(some, _along([*some.values()], quantity), strict=True):
            made = _of_values(values) if few else _of_every(some[metric], quantity, values)
            found[metric, quantity] = made
    return found


def _of_drawn(of: Mapping[str, Known]) -> Found:
    """Where nothing but drawn orders tells of all."""
    others = len(next(iter(of.values())).others)
    many, found = math.factorial(others), Found()
    for quantity, values in many_tasks.of_drawn(of, others).items():
        for metric, some in zip(of, values, strict=True):
            found[metric, quantity] = replace(_of_values(some), orders=many)
    for metric, one in of.items():
        end = math.fsum(c.numbers[-1] for c in one.classes) / len(one.classes)
        found[metric, "final_mean"] = _repeated([end], many)
    return found


def how(tasks: int, quantity: str) -> str:
    """What numbers of a quantity are of, with so many tasks beside task 0."""
    if tasks <= MOST_ENUMERATED:
        return "every order"
    return HOW[quantity] if tasks <= MOST_EXACT or quantity == "final_mean" else "drawn"


def _along(of: Sequence[Known], quantity: str) -> Float[np.ndarray, "c n"]:
    """Order by order."""
    if not of:
        return np.empty((0, 0))
    every = walks(len(of[0].others))
    if quantity == "on_task_mean":
        return every.on_task_mean(of)
    way = every.running_mean if quantity == "running_mean" else every.worst_step
    return way(np.array([one.step for one in of]))


def _of_values(values: Float[np.ndarray, " n"]) -> Over:
    ends = (float(values.min()), float(values.max()))
    said = (float(values.mean()), float(values.std()))
    return Over(len(values), *ends, *said, _quantiles(values))


def _quantiles(values: Float[np.ndarray, " n"]) -> tuple[float, ...]:
    """Linear between ranks; of many values those near by a sample are sorted."""
    sample = np.sort(values[::SAMPLED])
    return tuple(_quantile(values, sample, share) for share in SHARES)


def _quantile(
    values: Float[np.ndarray, " n"], sample: Float[np.ndarray, " s"], share: Fraction
) -> float:
    rank, at = share * (len(values) - 1), int(share * len(sample))
    reach = len(sample) // 50 + 5
    low, high = sample[max(at - reach, 0)], sample[min(at + reach, len(sample) - 1)]
    below = int(np.count_nonzero(values < low))
    near = np.sort(values[(values >= low) & (values <= high)])
    place = math.floor(rank) - below
    if not 0 <= place < len(near) - 1:
        return float(np.quantile(values, float(share)))
    return float(near[place] + (near[place + 1] - near[place]) * float(rank - math.floor(rank)))


def _of_every(of: Known, quantity: str, values: Float[np.ndarray, " n"]) -> Over:
    """What has a formula of every order, and the rest of the orders that the report draws."""
    many, quantiles = math.factorial(len(of.others)), _quantiles(values)
    if quantity == "worst_step":
        step = of.step
        ends = (float(step.min()), every_order.best_worst_step(step))
        return Over(many, *ends, float(values.mean()), float(values.std()), quantiles)
    if quantity == "running_mean":
        parts, sum_of = len(of.others) + 1, (of.step, None)
    else:
        start = np.zeros(1 << len(of.others))
        start[0] = of.at_start
        parts, sum_of = len(of.classes), (start, of.learned)
    low, high = every_order.ends(*sum_of)
    mean, variance = every_order.mean_and_variance(*sum_of)
    return Over(many, low / parts, high / parts, mean / parts, variance**0.5 / parts, quantiles)


def _repeated(values: Sequence[float], each: int) -> Over:
    """Of rising values, each of which as many orders have."""
    many, middle = each * len(values), math.fsum(values) / len(values)
    sd = math.sqrt(math.fsum((value - middle) ** 2 for value in values) / len(values))
    quantiles: list[float] = []
    for share in SHARES:
        rank = share * (many - 1)
        low, high = (values[at // each] for at in (math.floor(rank), math.ceil(rank)))
        quantiles.append(low + (high - low) * float(rank - math.floor(rank)))
    return Over(many, values[0], values[-1], middle, sd, tuple(quantiles))


def certificates(line: Line) -> Expected:
    """Hashes that two records have in common."""
    pair = [one for one in line.finished if one.key in line.named]
    if len(pair) != 2:
        return Expected({})
    one, other = pair if pair[0].key == line.cells["trial"] else pair[::-1]
    both = hashes_of(one, other)
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
