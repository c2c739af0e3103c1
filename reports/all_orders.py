"""Every order of the tasks, computed from what trials keep of the router's choices."""

import itertools
import math
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from moleflow.data.sequences import task_name
from moleflow.errors import StoreError
from moleflow.metrics.catalogue import TITLES
from moleflow.metrics.means import mean
from moleflow.wording import counted, grouped
from orchestration.cluster.allowance import allowed_cpus
from orchestration.records.all_orders import AllOrders, ClassInOrders, read_kept
from orchestration.records.ledger import Record
from orchestration.sharing.roles import order_free
from reports import how_many
from reports.digits import some
from reports.document import Line, Number, Table, Value, Words, computed, table
from reports.evidence import Evidence, Setting, classes_of, keys, trained_alike
from reports.performance import file_name
from reports.statistics.orders import (
    ClassTable,
    Distribution,
    Quantity,
    distributions_beside,
)

COLUMNS = (
    *("metric", "quantity", "task0", "seed", "orders"),
    *("minimum", "maximum", "mean", "sd", "q05", "q50", "q95"),
)
QUANTITIES: dict[Quantity, str] = {
    "running_mean": "mean over the steps",
    "worst_step": "worst step",
    "on_task_mean": "mean when just learned",
    "last_task": "last task",
    "final_mean": "end of the sequence",
}


@dataclass(frozen=True)
class Group:
    """Trials that share task 0, seed and settings, and so all that was trained."""

    task0: str
    seed: int
    kept: AllOrders
    record: Record
    """The trial that kept it."""
    trials: tuple[Record, ...]
    """All that were run, in whatever order of their tasks."""

    @property
    def others(self) -> tuple[str, ...]:
        """Names of the tasks beside task 0, sorted: their numbers in orders."""
        return tuple(sorted(self.kept.tasks[1:]))

    def tables(self, metric: str) -> tuple[ClassTable, ...]:
        """Of the classes that have the metric; none where one of them could not be kept."""
        if self.without(metric):
            return ()
        measured = (one for one in self.kept.classes if metric in one.values)
        return tuple(self._table(one, metric) for one in measured)

    def without(self, metric: str) -> tuple[tuple[str, str], ...]:
        """Classes of which the metric was measured and not kept, and why."""
        found = ((one.name, one.without.get(metric, one.without.get(""))) for one in self._measured)
        return tuple((name, why) for name, why in found if why)

    @cached_property
    def _measured(self) -> tuple[ClassInOrders, ...]:
        return tuple(sorted(self.kept.classes, key=lambda one: one.name))

    def _table(self, one: ClassInOrders, metric: str) -> ClassTable:
        place = {task: i for i, task in enumerate(self.others)}
        values = np.array(one.values[metric])[list(one.choice)]
        rivals = tuple(place[task] for task in one.rivals)
        return ClassTable(place.get(one.task, -1), rivals, values)


@dataclass(frozen=True)
class Derived:
    """A metric in all orders of one group."""

    metric: str
    group: Group
    found: tuple[Distribution, ...]


@dataclass(frozen=True)
class Orders:
    """Of a setting."""

    groups: tuple[Group, ...]
    derived: tuple[Derived, ...]
    by_design: tuple[Record, ...]
    """Trials in which the order matters by design, or is none."""
    silent: tuple[Words, ...]
    """Why of some trials nothing is known of other orders."""

    @property
    def trials(self) -> list[str]:
        return keys(record for group in self.groups for record in group.trials)


def orders_of(evidence: Evidence, setting: Setting) -> Orders:
    """All orders of a setting's tasks, for each task 0 and seed that was trained."""
    alike: dict[tuple[str, int, tuple[str, ...]], list[Record]] = {}
    free = [record for record in setting.finished if _free(record)]
    for record in free:
        alike.setdefault(trained_alike(record), []).append(record)
    groups: list[Group] = []
    silent: list[Words] = []
    nothing: list[Record] = []
    for (task0, seed, _), records in sorted(alike.items()):
        kept = _kept(evidence, records, silent)
        if kept is not None:
            groups.append(Group(task0, seed, *kept, tuple(records)))
        else:
            nothing += records
    if nothing:
        silent.append(_nothing_kept(evidence, nothing, free))
    by_design = tuple(record for record in setting.finished if not _free(record))
    return Orders(tuple(groups), _derived(groups), by_design, tuple(silent))


def _free(record: Record) -> bool:
    """Whether it tells of other orders."""
    return order_free(record.config) and len(record.sequence) > 1


def _nothing_kept(evidence: Evidence, of: Sequence[Record], free: Sequence[Record]) -> Words:
    """Of which pairs of task 0 and seed nothing is derived."""
    pairs = dict.fromkeys(map(trained_alike, of))
    named = "; ".join(f"{evidence.tasks[task0]}, seed {seed}" for task0, seed, _ in pairs)
    every = len({trained_alike(record) for record in free})
    return (
        "Of ",
        Number(f"{len(pairs)} of {counted(every, 'pair')}", computed(_nothing_kept, keys(of))),
        " of task 0 and seed no trial kept what the router can choose: it was run by an earlier "
        f"version, or lost its all_orders.json. Nothing is derived of them ({named}), and means "
        "over seeds are of those that have every task 0.",
    )


def _derived(groups: Sequence[Group]) -> tuple[Derived, ...]:
    """Side by side on as many CPUs as there are: numpy computes without the interpreter's lock."""
    with ThreadPoolExecutor(allowed_cpus()) as workers:
        return tuple(one for of_group in workers.map(_derived_of, groups) for one in of_group)


def _derived_of(group: Group) -> list[Derived]:
    tables = {metric: found for metric in TITLES if (found := group.tables(metric))}
    every = distributions_beside([*tables.values()], len(group.others))
    return [Derived(metric, group, of) for metric, of in zip(tables, every, strict=True)]


def _kept(
    evidence: Evidence, records: Sequence[Record], silent: list[Words]
) -> tuple[AllOrders, Record] | None:
    """What the first of the trials that kept it says."""
    for record in records:
        try:
            kept = read_kept(evidence.folder.artifacts(record.key), record.key)
        except StoreError as error:
            silent.append(str(error))
            continue
        if kept is not None:
            return kept, record
    return None


def all_orders_table(setting: Setting, found: Orders) -> Table:
    """A line for each metric, quantity, task 0 and seed; a file only."""
    lines = [
        Line(_line(one, of), computed(all_orders_table, [one.group.record.key]))
        for metric in TITLES
        for quantity in QUANTITIES
        for one in found.derived
        for of in one.found
        if (one.metric, of.quantity) == (metric, quantity)
    ]
    caption = (
        "Every metric over all orders, for each task 0 and seed that was trained; of more than "
        "eight tasks quantiles, and the worst step’s mean and sd, are of a million drawn orders, "
        "of more than sixteen all numbers but the end’s"
    )
    source = computed(all_orders_table, found.trials)
    name = file_name("all_orders", setting)
    return table(name, caption, (), (), lines, source, fields=COLUMNS)


def _line(one: Derived, of: Distribution) -> dict[str, Value]:
    low, half, high = of.quantiles
    return {
        "metric": one.metric,
        "quantity": of.quantity,
        "task0": one.group.task0,
        "seed": one.group.seed,
        "orders": of.orders,
        "minimum": of.minimum,
        "maximum": of.maximum,
        "mean": of.mean,
        "sd": of.sd,
        "q05": low,
        "q50": half,
        "q95": high,
    }


@dataclass(frozen=True)
class Checked:
    """Trials whose measured numbers were compared with those derived for their order."""

    trials: tuple[Record, ...]
    numbers: int
    differing: tuple[str, ...]
    """Keys of trials of which a number is another one."""


def checked(evidence: Evidence, groups: Iterable[Group]) -> Checked:
    """Compare, to the last digit, every routed number of every step of the trials that were run."""
    trials: list[Record] = []
    differing: list[str] = []
    numbers = 0
    for group in groups:
        for record in group.trials:
            trials.append(record)
            pairs = list(_pairs(evidence, group, record))
            numbers += len(pairs)
            if any(one != other for one, other in pairs):
                differing.append(record.key)
    return Checked(tuple(trials), numbers, tuple(differing))


def _pairs(evidence: Evidence, group: Group, record: Record) -> Iterable[tuple[float, float]]:
    """Derived and measured; what was not measured equals nothing."""
    names = [task_name(task) for task in record.sequence]
    for one in group.kept.classes:
        own, rivals = names.index(one.task), {task: 1 << i for i, task in enumerate(one.rivals)}
        known = list(itertools.accumulate(rivals.get(task, 0) for task in names))[own:]
        for metric, values in one.values.items():
            measured = evidence.measurements.along(record, one.name, metric)[own:]
            yield from zip((values[one.choice[place]] for place in known), measured, strict=True)


def warning(compared: Checked) -> Words:
    """Of trials whose numbers are not those derived for their order."""
    return (
        "Measured numbers are not those that were derived for their order in ",
        Number(counted(len(compared.differing), "trial"), computed(warning, compared.differing)),
        f" ({some(compared.differing)}): what is said of all orders here is "
        "not to be trusted before it is known why.",
    )


def sentence(found: Orders, compared: Checked) -> Words:
    """What was computed, and how it was checked."""
    if not found.groups:
        if found.by_design:
            return (
                "In ",
                how_many.trials(found.by_design),
                " the order matters by design, or there is one task; nothing is derived for orders "
                "that were not run.",
            )
        return "No finished trial kept what other orders would have given."
    orders = sum(math.factorial(len(group.others)) for group in found.groups)
    ran = len(compared.trials)
    same = ran - len(compared.differing)
    source = computed(sentence, found.trials)
    words: Words = (
        "Task 0 and seed given, orders differ in which tasks are known at a step, and so in where "
        "the router can send a picture. Of ",
        Number(f"{counted(len(found.groups), 'pair')} of task 0 and seed", source),
        " all orders are told of, each counted once for each seed: ",
        Number(counted(orders, "order"), source),
        ", of which ",
        Number(f"{grouped(ran)} {'was' if ran == 1 else 'were'} run", source),
        ". Derived and measured numbers agree to the last digit in ",
        Number(f"{grouped(same)} of {counted(ran, 'trial')}", source),
        " (",
        Number(f"n = {counted(compared.numbers, 'number')}", source),
        ").",
    )
    return words


def measured_running_mean(evidence: Evidence, record: Record, metric: str) -> float | None:
    """Of the order that a trial was run in."""
    means: list[float] = []
    for step in range(1, len(record.sequence) + 1):
        values = [
            value
            for name in classes_of(record)
            if (value := evidence.measurements.entry(record, step, name, metric)) is not None
        ]
        means += [mean(values)] if values else []
    return mean(means) if means else None
