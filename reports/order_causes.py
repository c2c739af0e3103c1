"""Where an order effect comes from, and what measured orders say where none can be derived."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from moleflow.metrics.catalogue import Metric
from moleflow.metrics.means import mean
from orchestration.records.ledger import Record
from orchestration.sharing.roles import order_free
from reports.all_orders import Group, measured_running_mean
from reports.digits import percent
from reports.document import Cell, Line, Number, Table, Value, Words, computed, table
from reports.evidence import Evidence, Setting, keys
from reports.invariance import Invariance
from reports.order_spread import Running
from reports.performance import file_name
from reports.statistics import NOISE, Equivalence, equivalence
from reports.statistics.orders import ClassTable, running_mean, running_means, sets_of


@dataclass(frozen=True)
class Parts:
    """Standard deviations over orders of the mean over the steps: of what it would be if every
    picture were scored by its own task's bank, of what the router adds, and of both together.

    The first moves only because a mean over steps counts classes that are learned early more often.
    """

    averaging: float
    routing: float
    whole: float


def parts(evidence: Evidence, one: Running, group: Group) -> Parts:
    """Of every order of a group, or of the drawn ones where `one` is of those."""
    every, oracle = group.tables(one.metric.name), _oracle(evidence, one.metric, group)
    if one.whole and one.drawn:
        both, alone = (sets_of(tables, len(group.others)).step for tables in (every, oracle))
        return Parts(*(running_mean(step).sd for step in (alone, both - alone, both)))
    both, alone = (running_means(tables, one.orders) for tables in (every, oracle))
    return Parts(*(float(values.std()) for values in (alone, both - alone, both)))


def _oracle(evidence: Evidence, metric: Metric, group: Group) -> tuple[ClassTable, ...]:
    names = [c.name for c in sorted(group.kept.classes, key=lambda c: c.name)
             if metric.name in c.values]  # fmt: skip
    kept = {one.name: one for one in group.kept.classes}
    places = {task: i for i, task in enumerate(group.others)}
    found: list[ClassTable] = []
    for name in names:
        value = evidence.measurements.final(group.record, name, metric.name, "oracle")
        own = places.get(kept[name].task, -1)
        found.append(ClassTable(own, (), np.array([math.nan if value is None else value])))
    return tuple(found)


def causes_table(
    evidence: Evidence, setting: Setting, found: Sequence[Running], compared: Invariance
) -> Table:
    """Standard deviation over orders with one task 0 and seed, by what causes it."""
    rows: list[list[Cell | str]] = []
    data: list[Line] = []
    source = computed(causes_table, [r.key for o in found for g in o.groups for r in g.trials])
    proof = compared.proof
    for one in found:
        both = [parts(evidence, one, group) for group in one.groups]
        averaging = _rms([of.averaging for of in both])
        routing = _rms([of.routing for of in both])
        whole = _rms([of.whole for of in both])
        shown = {
            "training": (0.0 if proof else None, proof or "not compared in this study"),
            "routing among the tasks known": (routing, "which task can take a picture"),
            "averaging": (averaging, "classes learned early are in more of the means"),
            "all together": (whole, "parts may cancel"),
        }
        for cause, (sd, told) in shown.items():
            size = Cell(percent(sd, 3), source=source)
            rows.append([one.metric.title, Cell(cause, told), size])
            line: dict[str, Value] = {"metric": one.metric.name, "source": cause, "sd": sd}
            data.append(Line(line | {"groups": len(both)}, source))
    caption = (
        "Where orders differ from in the mean over the steps: standard deviation over all orders "
        "with one task 0 and seed, in points (root mean square over task 0 and seed)"
    )
    name = file_name("order_causes", setting)
    return table(name, caption, ("Metric", "Cause", "sd"), rows, data, source, 2)


def _rms(values: Sequence[float]) -> float:
    return math.sqrt(mean(value**2 for value in map(float, values)))


@dataclass(frozen=True)
class Measured:
    """Orders of one task 0 that were trained where the order matters by design, compared."""

    metric: Metric
    quantity: str
    """`final_mean` or `running_mean`."""
    task0: str
    orders: int
    seeds: int
    result: Equivalence
    records: tuple[Record, ...]
    left_out: int
    """Finished trials of seeds that lack an order."""


def measured(evidence: Evidence, setting: Setting, metric: Metric, quantity: str) -> list[Measured]:
    """Of every task 0 that has two orders with the same two seeds, or more."""
    found: list[Measured] = []
    bound = _bound(setting)
    for task0 in sorted({record.task0 for record in bound}):
        alike = [record for record in bound if record.task0 == task0]
        made = _layout(evidence, alike, metric, quantity)
        if made is not None:
            values, used, have = made
            result = equivalence(values, metric.margin or 0.0)
            size = len(values), len(values[0])
            lost = have - len(used)
            found.append(Measured(metric, quantity, task0, *size, result, tuple(used), lost))
    return found


def _bound(setting: Setting) -> list[Record]:
    return [r for r in setting.finished if not order_free(r.config) and len(r.sequence) > 1]


def measured_table(evidence: Evidence, setting: Setting) -> Table | None:
    """Orders that were trained where the order matters by design: verdict inside the margin.

    Orders of one task 0 are compared, each with the same seeds; None where none can be.
    """
    rows: list[list[Cell | str]] = []
    data: list[Line] = []
    every = [
        one
        for metric in evidence.concluded
        for quantity in ("final_mean", "running_mean")
        for one in measured(evidence, setting, metric, quantity)
    ]
    for one in every:
        found, margin = one.result, one.metric.margin
        source = computed(measured_table, keys(one.records))
        title = "end of the sequence" if one.quantity == "final_mean" else "mean over the steps"
        cells = [percent(found.range), percent(found.upper), percent(margin, 1)]
        cells += [str(one.orders), str(one.seeds)]
        told = [f"{one.metric.title}, {title}", evidence.tasks[one.task0], found.verdict]
        rows.append([*told, *(Cell(text, source=source) for text in cells)])
        line: dict[str, Value] = {"metric": one.metric.name, "quantity": one.quantity}
        line |= {"task0": one.task0, "orders": one.orders, "seeds": one.seeds}
        data.append(Line(line | _numbers(found) | {"margin": margin}, source))
    if not rows:
        return None
    caption = (
        "Orders that were trained, with one task 0: largest − smallest mean over seeds, and the "
        "smallest margin inside which orders would be equivalent (95 %), in points; over seeds "
        "alone"
    )
    header = ("Metric", "Task 0", "Verdict", "Range", "Up to", "Margin", "Orders", "Seeds")
    whole = computed(measured_table, keys(_bound(setting)))
    return table(file_name("order_measured", setting), caption, header, rows, data, whole, 3)


def _numbers(found: Equivalence) -> dict[str, Value]:
    return {
        "range": found.range,
        "upper": found.upper,
        "p": found.p,
        "p_equivalence": found.p_equivalence,
        "verdict": found.verdict,
    }


def _layout(
    evidence: Evidence, records: Sequence[Record], metric: Metric, quantity: str
) -> tuple[list[list[float]], list[Record], int] | None:
    """[order, seed] of seeds that have every order, their trials, and how many have the value; None
    below two of each."""
    values: dict[tuple[str, int], float] = {}
    for record in records:
        if quantity == "running_mean":
            value = measured_running_mean(evidence, record, metric.name)
        else:
            value = evidence.measurements.summary(record.key, metric.name, "final_mean")
        if value is not None:
            values[record.order, record.seed] = value
    orders = sorted({order for order, _ in values})
    seeds = sorted({seed for _, seed in values})
    seeds = [seed for seed in seeds if all((order, seed) in values for order in orders)]
    if len(orders) < 2 or len(seeds) < 2:
        return None
    used = [record for record in records if record.seed in seeds]
    return [[values[order, seed] for seed in seeds] for order in orders], used, len(values)


def sentence(found: Sequence[Running], table_: Table) -> Words:
    """What causes most of the order effect, by metric."""
    words: list[str | Number] = []
    for one in found:
        sds = {
            str(line.values["source"]): float(line.values["sd"] or 0.0)
            for line in table_.lines
            if line.values["metric"] == one.metric.name
        }
        whole = sds.pop("all together", 0.0)
        cause, most = max(sds.items(), key=lambda of: of[1])
        source = one.source(sentence)
        size = Number(f"{percent(whole, 3)} points", source)
        part = Number(f"{percent(most, 3)} points", source)
        if whole <= NOISE:
            cancel: Words = (f"; {cause} and another cause cancel, sd ", part)
            words += [f"There is no order effect on {one.metric.title} (sd ", size]
            words += [*(cancel if most > NOISE else ()), "). "]
        else:
            alone = all(sd <= NOISE for other, sd in sds.items() if other != cause)
            words += [f"The order effect on {one.metric.title} (sd ", size, ") comes "]
            words += ["from " if alone else "mostly from ", Number(cause, source)]
            words += [" alone. "] if alone else [" (sd ", part, "). "]
    return tuple(words)
