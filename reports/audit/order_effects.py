"""The second way to how far orders lie apart, which are best and worst, what a chosen one loses,
and what causes it: from the plain files that trials keep."""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
from jaxtyping import Float

from moleflow.errors import StoreError
from moleflow.wording import grouped
from reports.audit import every_order
from reports.audit.first_tasks import verdict_of
from reports.audit.known_tasks import (
    MOST_ENUMERATED,
    Known,
    Walks,
    along,
    kept_by,
    known,
    walks,
)
from reports.audit.orders import how, over
from reports.audit.records import Trial
from reports.audit.second_way import Expected, Line, Numbers
from reports.audit.tests import Layout
from reports.audit.words import bytes_compared

NOISE = 1e-12
MOST_DRAWN = 20_000
"""Orders of one task 0 that a page draws where it does not go through all."""


@dataclass(frozen=True)
class Group:
    """Trials that share task 0 and seed, and what one of them kept."""

    task0: str
    seed: int
    trials: tuple[Trial, ...]
    kept: Trial
    known: Known


@dataclass(frozen=True)
class Averaged:
    """Mean over the steps, mean over seeds, of the orders with one task 0."""

    others: tuple[str, ...]
    step: Float[np.ndarray, " K"]
    """Mean over the classes that are known, for every set of tasks."""
    exact: bool
    """Whether it is told of every order where these are too many to go through."""

    @property
    def walks(self) -> Walks:
        """Every order, or those that a page draws."""
        every = walks(len(self.others))
        return every if len(self.others) <= MOST_ENUMERATED else every.first(MOST_DRAWN)

    @cached_property
    def values(self) -> Float[np.ndarray, " n"]:
        """Of these orders."""
        return self.walks.running_mean(self.step[None])[0]

    @cached_property
    def ends(self) -> tuple[float, float]:
        """Smallest and largest."""
        if self.exact:
            low, high = every_order.ends(self.step)
            return low / self._steps, high / self._steps
        values = self.values
        return float(values.min()), float(values.max())

    @cached_property
    def mean_and_variance(self) -> tuple[float, float]:
        if self.exact:
            mean, variance = every_order.mean_and_variance(self.step)
            return mean / self._steps, variance / self._steps**2
        values = self.values
        return float(values.mean()), float(values.var())

    @cached_property
    def by_place(self) -> Float[np.ndarray, "m m"]:
        """Of each task, what it adds to the mean of all that it stands at a place."""
        mean, _ = self.mean_and_variance
        if self.exact:
            return every_order.by_place(self.step) / self._steps - mean
        values, orders = self.values, self.walks.orders
        found = np.zeros((len(self.others), len(self.others)))
        for task, place in np.ndindex(found.shape):
            found[task, place] = values[orders[:, place] == task].mean() - mean
        return found

    @property
    def _steps(self) -> int:
        return len(self.others) + 1

    def of(self, order: Sequence[str]) -> float:
        """Of an order of the tasks, the first of which is task 0."""
        return along(self.step, [self.others.index(task) for task in order[1:]])

    def one_with(self, value: float, said: Sequence[str]) -> tuple[str, ...]:
        """The order that is said to have an end, if it has; else one that has."""
        if sorted(said[1:]) == list(self.others) and abs(self.of(said) - value) < NOISE:
            return tuple(said)
        if self.exact:
            orders = map(every_order.least_order, (self.step, -self.step))
            order = min(orders, key=lambda one: abs(along(self.step, one) - value))
        else:
            order = self.walks.orders[int(np.abs(self.values - value).argmin())].tolist()
        return (said[0], *(self.others[task] for task in order))


def free(trial: Trial) -> bool:
    """Whether the order of its tasks leaves training alone."""
    return trial.order_free and len(trial.sequence) > 1


def groups(line: Line) -> list[Group]:
    """Those that have the line's metric of all classes."""
    name, have = _name("groups", line), line.records.known
    if name not in have:
        have[name] = _groups(line, line.cells["metric"])
    return have[name]


def _name(what: str, line: Line) -> str:
    return f"{what} of {sorted(trial.key for trial in line.setting)}, {line.cells['metric']}"


def _groups(line: Line, metric: str) -> list[Group]:
    alike: dict[tuple[str, int, tuple[str, ...]], list[Trial]] = {}
    for trial in filter(free, line.finished):
        tasks = tuple(sorted("+".join(task) for task in trial.sequence))
        alike.setdefault((trial.task0, trial.seed, tasks), []).append(trial)
    found: list[Group] = []
    for (task0, seed, _), trials in alike.items():
        kept = next((one for one in trials if whole(line, one)), None)
        if kept is None:
            continue
        plain = kept_by(line, kept.key)
        classes = plain["classes"]
        lost = any(metric in one["without"] or "" in one["without"] for one in classes)
        of = known(plain, metric)
        if lost or of is None:
            continue
        found.append(Group(task0, seed, tuple(trials), kept, of))
    return found


def whole(line: Line, trial: Trial) -> bool:
    try:
        return kept_by(line, trial.key)["trial"] == trial.key
    except (OSError, ValueError, StoreError):
        return False


def spread(line: Line) -> Expected:
    """A quantity's deviation over orders, and the largest difference."""
    every = groups(line)
    metric, quantity = line.cells["metric"], line.cells["quantity"]
    made = [(group, over(line, group.kept.key, metric, quantity)) for group in every]
    have = [(group, one) for group, one in made if one is not None]
    if not have:
        return Expected({})
    margin = line.records.margins.get(metric, 0.0)
    told: Numbers = {"margin": margin, "groups": len(have)}
    told |= {"how": how(len(have[0][0].known.others), quantity)}
    if all(one.orders == 1 for _, one in have):  # which nothing differs from
        nothing = dict.fromkeys(("sd", "largest_range", "task0", "seed", "verdict"))
        return Expected(told | {"orders": 1} | nothing)
    largest = max(one.range for _, one in have)
    widest = [(group, one) for group, one in have if largest - one.range < NOISE]
    beyond = "inside" if largest <= margin else "beyond"
    sd = statistics.mean(one.sd**2 for _, one in have) ** 0.5
    said = [one for one in widest if str(one[0].seed) == line.cells["seed"]] or widest
    told |= {"sd": sd, "largest_range": largest, "seed": said[0][0].seed}
    verdict = "no order matters" if largest <= NOISE else f"{beyond} the margin"
    return Expected({**told, "orders": said[0][1].orders, "verdict": verdict})


def _of_all_firsts(found: Sequence[Group]) -> list[Group]:
    """Of seeds that every task 0 has."""
    firsts, have = {g.task0 for g in found}, {(g.task0, g.seed) for g in found}
    return [g for g in found if all((first, g.seed) in have for first in firsts)]


def _seeds(found: Sequence[Group]) -> int:
    return len({group.seed for group in _of_all_firsts(found)})


def averaged(line: Line) -> dict[str, Averaged]:
    """By task 0, for the line's metric; none where no group has it."""
    name, have = _name("averaged", line), line.records.known
    if name not in have:
        have[name] = _averaged(_of_all_firsts(groups(line)))
    return have[name]


def _averaged(used: Sequence[Group]) -> dict[str, Averaged]:
    steps = {
        first: np.mean([group.known.step for group in used if group.task0 == first], axis=0)
        for first in sorted({group.task0 for group in used})
    }
    exact = _exact(used[0].known, *steps.values()) if used else False
    others = {group.task0: group.known.others for group in used}
    return {first: Averaged(others[first], step, exact) for first, step in steps.items()}


def _exact(of: Known, *steps: Float[np.ndarray, " K"]) -> bool:
    """Whether a page tells of every order though they are too many to go through."""
    return len(of.others) > MOST_ENUMERATED and not any(np.isnan(step).any() for step in steps)


def extremes(line: Line) -> Expected:
    """Best and worst order with a task 0, and the task whose places differ most."""
    found = groups(line)
    if not found:
        return Expected({})
    of = averaged(line)[line.cells["task0"]]
    low, high = of.ends
    numbers: Numbers = {"seeds": _seeds(found)}
    for name, end in (("best", high), ("worst", low)):
        said = line.cells[f"{name}_order"].split(" > ")
        numbers |= {name: end, f"{name}_order": " > ".join(of.one_with(end, said))}
    numbers |= {"difference": high - low}
    spans = dict(zip(of.others, np.ptp(of.by_place, axis=1).tolist(), strict=True))
    most = max(spans.values())
    said = line.cells["moving_task"]
    moving = [task for task, span in spans.items() if most - span < NOISE]
    numbers |= {"moved_by": most, "moving_task": said if said in moving else moving[0]}
    return Expected(numbers)


def regret(line: Line) -> Expected:
    """What an order lacks to the best of all, and the share of orders that are better."""
    found = groups(line)
    if not found:
        return Expected({})
    every, order = averaged(line), line.cells["order"].split(" > ")
    own = every[order[0]].of(order)
    best = max(one.ends[1] for one in every.values())
    better = np.concatenate([one.values > own + NOISE for one in every.values()])
    numbers: Numbers = {"value": own, "regret": best - own, "seeds": _seeds(found)}
    return Expected({**numbers, "better_orders": float(better.mean())})


def causes(line: Line) -> Expected:
    """Deviation over orders of what an oracle has, of what routing adds, or of both."""
    source = line.cells["source"]
    hashes: Numbers = {"hashes": _hashes(line)} if source == "training" else {}
    found = groups(line)
    if not found:
        return Expected(hashes)
    if source == "training":
        same = all(_same_bytes(group.trials) for group in found)
        sd: Numbers = (
            {"sd": 0.0 if same else "(bytes differ)"} if line.cells["sd"] else {"sd": None}
        )
        return Expected({**sd, "groups": len(_of_all_firsts(found)), **hashes})
    used = _of_all_firsts(found)
    exact = all(one.exact for one in averaged(line).values())
    variances: list[float] = []
    for group in used:
        both, oracle = group.known.step, _oracle(line.cells["metric"], group).step
        step = {"all together": both, "averaging": oracle}.get(source, both - oracle)
        variances.append(Averaged(group.known.others, step, exact).mean_and_variance[1])
    return Expected({"sd": math.sqrt(statistics.mean(variances)), "groups": len(variances)})


def _hashes(line: Line) -> str:
    """How many of those that were compared are equal."""
    pairs = bytes_compared(line.finished).values()
    return f"{grouped(sum(one for one, _ in pairs))} of {grouped(sum(of for _, of in pairs))}"


def _same_bytes(trials: Sequence[Trial]) -> bool:
    """Whether nothing that was trained has two hashes."""
    found: dict[str, set[str]] = {}
    for trial in trials:
        for name, digest in trial.recorded["hashes"].items():
            if name.split(" ")[0] in ("base", "bank"):
                found.setdefault(name, set()).add(digest)
    return all(len(digests) == 1 for digests in found.values())


def _oracle(metric: str, group: Group) -> Known:
    """Were each class scored as its own task's bank does it at the end."""
    names = [one.name for one in group.known.classes]
    of = {name: group.kept.value(metric, "step", "oracle", name) for name in names}
    return group.known.with_constant({name: value or 0.0 for name, value in of.items()})


def measured(line: Line) -> Expected:
    """Orders that were trained with one task 0, where they matter by design: the range of their
    means over seeds, and what may be said of it."""
    cells = line.cells
    trials = [t for t in line.finished if len(t.sequence) > 1 and not free(t)]
    values: dict[tuple[str, int], Fraction] = {}
    for trial in trials:
        value = _of_trial(trial, cells["metric"], cells["quantity"])
        if trial.task0 == cells["task0"] and value is not None:
            values[trial.order, trial.seed] = value
    orders = {order for order, _ in values}
    seeds = {seed for _, seed in values}
    seeds = {seed for seed in seeds if all((order, seed) in values for order in orders)}
    rows = [tuple(float(values[order, seed]) for seed in sorted(seeds)) for order in sorted(orders)]
    margin = line.records.margins.get(cells["metric"], 0.0)
    # The same test as of tasks 0, of groups that are orders; only its groups have another name.
    found = verdict_of(Layout(tuple(sorted(orders)), tuple(rows)), margin)
    numbers = {name: value for name, value in found.items() if name != "task_zeros"}
    return Expected(
        {**numbers, "orders": len(orders)},
        frozenset(t.key for t in trials if t.task0 == cells["task0"] and t.seed in seeds),
    )


def _of_trial(trial: Trial, metric: str, quantity: str) -> Fraction | None:
    if quantity == "final_mean":
        value = trial.value(metric, "final_mean", "routed")
        return None if value is None else Fraction(value)
    steps: list[Fraction] = []
    for step in range(1, len(trial.sequence) + 1):
        found = [trial.value(metric, "step", "routed", c, step) for c in trial.classes]
        known = [Fraction(value) for value in found if value is not None]
        steps += [statistics.mean(known)] if known else []
    return statistics.mean(steps) if steps else None


WAYS: Mapping[str, Callable[[Line], Expected]] = {
    "reports.order_spread.spread_table": spread,
    "reports.order_choice.extremes_table": extremes,
    "reports.order_choice.regret_table": regret,
    "reports.order_causes.causes_table": causes,
    "reports.order_causes.measured_table": measured,
}
