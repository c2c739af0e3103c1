"""The second way to how far orders lie apart, which are best and worst, what a chosen one loses,
and what causes it: every order of the plain files that trials keep, in exact fractions."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from moleflow.errors import StoreError
from moleflow.wording import grouped
from reports.audit.first_tasks import verdict_of
from reports.audit.orders import QUANTITIES, Steps, every_order_of, kept_by, mean_of
from reports.audit.records import Trial
from reports.audit.second_way import Expected, Line, Numbers
from reports.audit.tests import Layout
from reports.audit.words import bytes_compared

NOISE = 1e-12
Order = tuple[str, ...]
Valued = tuple[Mapping[str, list[str]], Steps]


@dataclass(frozen=True)
class Group:
    """Trials that share task 0 and seed, with every order of their tasks."""

    task0: str
    seed: int
    trials: tuple[Trial, ...]
    kept: Trial
    orders: tuple[Valued, ...]

    def of(self, quantity: str) -> dict[Order, Fraction]:
        """By order; of those that have it."""
        found = {tuple(order): QUANTITIES[quantity](order, steps) for order, steps in self.orders}
        return {order: value for order, value in found.items() if value is not None}


def free(trial: Trial) -> bool:
    """Whether the order of its tasks leaves training alone."""
    return trial.order_free and len(trial.sequence) > 1


def groups(line: Line) -> list[Group] | None:
    """Those that have the line's metric of all classes; None where orders are too many for this."""
    metric, known = line.cells["metric"], line.records.known
    name = f"groups of {sorted(trial.key for trial in line.setting)}, {metric}"
    if name not in known:
        known[name] = _groups(line, metric)
    return known[name]


def _groups(line: Line, metric: str) -> list[Group] | None:
    alike: dict[tuple[str, int, tuple[str, ...]], list[Trial]] = {}
    for trial in filter(free, line.finished):
        tasks = tuple(sorted("+".join(task) for task in trial.sequence))
        alike.setdefault((trial.task0, trial.seed, tasks), []).append(trial)
    found: list[Group] = []
    for (task0, seed, _), trials in alike.items():
        kept = next((one for one in trials if whole(line, one)), None)
        if kept is None:
            continue
        lost = [one["without"] for one in kept_by(line, kept.key)["classes"]]
        if any(metric in without or "" in without for without in lost):
            continue
        orders = every_order_of(line, kept.key, metric)
        if orders is None:
            return None
        found.append(Group(task0, seed, tuple(trials), kept, tuple(orders)))
    return found


def whole(line: Line, trial: Trial) -> bool:
    try:
        return kept_by(line, trial.key)["trial"] == trial.key
    except (OSError, ValueError, StoreError):
        return False


def spread(line: Line) -> Expected:
    """A quantity's deviation over orders, and the largest difference."""
    every = groups(line)
    if every is None:
        return Expected({})
    quantity = line.cells["quantity"]
    known = [(group, sorted(of.values())) for group in every if (of := group.of(quantity))]
    values = [one for _, one in known]
    margin = line.records.margins.get(line.cells["metric"], 0.0)
    if all(len(one) == 1 for one in values):  # which nothing differs from
        nothing = dict.fromkeys(("sd", "largest_range", "task0", "seed", "verdict"))
        told: Numbers = {"margin": margin, "groups": len(values), "orders": 1, "how": "every order"}
        return Expected(told | nothing)
    variances = [statistics.pvariance(one) for one in values]
    largest = max(float(one[-1] - one[0]) for one in values)
    widest = [(g, one) for g, one in known if largest - float(one[-1] - one[0]) < NOISE]
    beyond = "inside" if largest <= margin else "beyond"
    numbers: Numbers = {"sd": float(mean_of(variances)) ** 0.5, "largest_range": largest}
    numbers |= {"margin": margin, "groups": len(values), "how": "every order"}
    said = [one for one in widest if str(one[0].seed) == line.cells["seed"]] or widest
    numbers |= {"seed": said[0][0].seed, "orders": len(said[0][1])}
    verdict = "no order matters" if largest <= NOISE else f"{beyond} the margin"
    return Expected({**numbers, "verdict": verdict})


def _of_all_firsts(found: Sequence[Group]) -> list[Group]:
    """Of seeds that every task 0 has."""
    firsts, have = {g.task0 for g in found}, {(g.task0, g.seed) for g in found}
    return [g for g in found if all((first, g.seed) in have for first in firsts)]


def _seeds(found: Sequence[Group]) -> int:
    return len({group.seed for group in _of_all_firsts(found)})


def averaged(found: Sequence[Group]) -> dict[str, dict[Order, Fraction]]:
    """Mean over the steps of every order, by task 0: means over seeds."""
    used = _of_all_firsts(found)
    made: dict[str, dict[Order, Fraction]] = {}
    for first in sorted({group.task0 for group in used}):
        of = [group.of("running_mean") for group in used if group.task0 == first]
        made[first] = {order: mean_of([one[order] for one in of]) for order in of[0]}
    return made


def extremes(line: Line) -> Expected:
    """Best and worst order with a task 0, and the task whose places differ most."""
    found = groups(line)
    if not found:
        return Expected({})
    values = averaged(found)[line.cells["task0"]]
    numbers: Numbers = {"seeds": _seeds(found)}
    for name, end in (("best", max(values.values())), ("worst", min(values.values()))):
        said = tuple(line.cells[f"{name}_order"].split(" > "))
        ends = [order for order, value in values.items() if float(abs(value - end)) < NOISE]
        numbers |= {
            name: float(end),
            f"{name}_order": " > ".join(said if said in ends else ends[0]),
        }
    numbers |= {"difference": float(max(values.values()) - min(values.values()))}
    spans = {task: _span(values, task) for task in next(iter(values))[1:]}
    most = max(spans.values())
    said = line.cells["moving_task"]
    moving = [task for task, span in spans.items() if float(abs(span - most)) < NOISE]
    numbers |= {"moved_by": float(most), "moving_task": said if said in moving else moving[0]}
    return Expected(numbers)


def _span(values: Mapping[Order, Fraction], task: str) -> Fraction:
    places: dict[int, list[Fraction]] = {}
    for order, value in values.items():
        places.setdefault(order.index(task), []).append(value)
    means = [mean_of(at) for at in places.values()]
    return max(means) - min(means)


def regret(line: Line) -> Expected:
    """What an order lacks to the best of all, and the share of orders that are better."""
    found = groups(line)
    if not found:
        return Expected({})
    every = {order: v for of in averaged(found).values() for order, v in of.items()}
    own = every[tuple(line.cells["order"].split(" > "))]
    better = sum(float(value - own) > NOISE for value in every.values())
    numbers: Numbers = {"value": float(own), "regret": float(max(every.values()) - own)}
    numbers |= {"seeds": _seeds(found)}
    return Expected({**numbers, "better_orders": better / len(every)})


def causes(line: Line) -> Expected:
    """Deviation over orders of what an oracle has, of what routing adds, or of both."""
    source, variances = line.cells["source"], list[Fraction]()
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
    for group in _of_all_firsts(found):
        both, oracle = group.of("running_mean"), _oracle(line, group)
        values = {"all together": both, "averaging": oracle}.get(source)
        values = values or {order: both[order] - oracle[order] for order in both}
        variances.append(statistics.pvariance(list(values.values())))
    return Expected({"sd": float(mean_of(variances)) ** 0.5, "groups": len(variances)})


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


def _oracle(line: Line, group: Group) -> dict[Order, Fraction]:
    """Of every order, were each class scored as its own task's bank does it at the end."""
    found: dict[Order, Fraction] = {}
    for order, _ in group.orders:
        steps: list[Fraction] = []
        known: list[Fraction] = []
        for names in order.values():
            for name in names:
                value = group.kept.value(line.cells["metric"], "step", "oracle", name)
                known.append(Fraction(value if value is not None else 0))
            steps += [mean_of(known)] if known else []
        found[tuple(order)] = mean_of(steps)
    return found


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
        steps += [mean_of(known)] if known else []
    return mean_of(steps) if steps else None


WAYS: Mapping[str, Callable[[Line], Expected]] = {
    "reports.order_spread.spread_table": spread,
    "reports.order_choice.extremes_table": extremes,
    "reports.order_choice.regret_table": regret,
    "reports.order_causes.causes_table": causes,
    "reports.order_causes.measured_table": measured,
}
