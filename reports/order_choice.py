"""Which order is best, which worst, what makes it so, and what choosing one by a rule loses."""
# pyright: reportUnknownMemberType=false

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure as Canvas

from moleflow.data.sequences import order_name, task_name
from moleflow.drawing import TWO_SIDED, heat_map, house_style
from moleflow.metrics.means import mean
from moleflow.wording import ordinal
from reports.class_distances import Distances, greedy
from reports.digits import percent
from reports.document import (
    Cell,
    Figure,
    Line,
    Number,
    Table,
    Value,
    Words,
    computed,
    drawn,
    table,
)
from reports.evidence import Evidence, Setting
from reports.order_spread import Running
from reports.performance import file_name
from reports.statistics import NOISE
from reports.statistics.orders import running_means

ARROW = " → "


def extremes_table(evidence: Evidence, setting: Setting, found: Sequence[Running]) -> Table:
    """Best and worst order of each task 0, and the task whose place makes most of it."""
    rows: list[list[Cell | str]] = []
    data: list[Line] = []
    every = computed(extremes_table, [r.key for one in found for g in one.groups for r in g.trials])
    for one in found:
        for task0, over in one.over.items():
            source = one.source(extremes_table)
            task, effect = most_moving(one, task0)
            ends = ((over.maximum, over.best), (over.minimum, over.worst))
            cells = [
                Cell(
                    percent(value),
                    _named(evidence, one, task0, order) if over.range > NOISE else "",
                    source,
                )
                for value, order in ends
            ]
            gap = Cell(percent(over.range), source=source)
            told = Cell(evidence.tasks[task] if effect > NOISE else "–", _told(effect), source)
            rows.append([one.metric.title, evidence.tasks[task0], *cells, gap, told])
            line: dict[str, Value] = {"metric": one.metric.name, "task0": task0}
            line |= {"seeds": len(one.seeds)}
            for name, (value, order) in zip(("best", "worst"), ends, strict=True):
                whole = order_name(tuple((t,) for t in one.named(task0, order)))
                line |= {name: value, f"{name}_order": whole}
            line |= {"difference": over.range}
            data.append(Line(line | {"moving_task": task, "moved_by": effect}, source))
    caption = (
        "Best and worst order by task 0: mean over the steps and over seeds, in percent; and the "
        "task whose place moves it most, by the largest difference between its places"
        f"{_of_drawn(found)}"
    )
    header = ("Metric", "Task 0", "Best", "Worst", "Difference", "Made so by")
    name = file_name("order_extremes", setting)
    return table(name, caption, header, rows, data, every, {0, 1, 2, 3, 5})


def _of_drawn(found: Sequence[Running]) -> str:
    """For captions: metrics of which nothing is known of every order."""
    titles = [one.metric.title for one in found if not one.whole]
    return f"; all of drawn orders for {' and '.join(titles)}" if titles else ""


def _told(effect: float) -> str:
    return f"{percent(effect)} points by its place" if effect > NOISE else "no order differs"


def _named(evidence: Evidence, one: Running, task0: str, order: Sequence[int]) -> str:
    return ARROW.join(evidence.tasks[task] for task in one.named(task0, order))


def most_moving(one: Running, task0: str) -> tuple[str, float]:
    """The task between whose places means differ most, and by how much."""
    spans = np.ptp(one.over[task0].by_place, axis=1)
    return one.others[task0][int(spans.argmax())], float(spans.max())


def places_figure(evidence: Evidence, setting: Setting, found: Running) -> Figure:
    """Mean over tasks 0 of what a task at a place adds to the mean over the steps."""
    tasks = sorted({task for names in found.others.values() for task in names})
    size = found.orders.shape[1]
    sums, counts = np.zeros((len(tasks), size)), np.zeros((len(tasks), size))
    for task0, names in found.others.items():
        rows = [tasks.index(name) for name in names]
        sums[rows] += found.over[task0].by_place
        counts[rows] += 1
    values = 100 * sums / counts
    most = max(0.01, float(np.abs(values).max()))
    texts = np.array([[f"{v:+.2f}".replace("-", "−") for v in row] for row in values])
    names = [evidence.tasks[task] for task in tasks]
    columns = [ordinal(place + 2) for place in range(size)]
    with house_style():
        canvas = Canvas(figsize=(max(1.6, 0.55 * size), 0.36 * len(tasks)))
        ax = canvas.add_axes((0, 0, 1, 1))
        heat_map(ax, values, texts, names, columns, (-most, most), TWO_SIDED, 7.0)
        ax.set_xticks(range(size), columns, rotation=0, ha="center")
    i, j = divmod(int(np.abs(values).argmax()), size)
    source = found.source(places_figure)
    caption: Words = (
        "What it adds to the mean over the steps that a task is learned at a place, against all "
        f"orders with the same task 0. Most: {names[i]} as the ",
        Number(f"{columns[j]} task, {texts[i, j]} points", source),
        ".",
    )
    title = f"{found.metric.title}: the place of a task"
    name = file_name(f"places-{found.metric.name}", setting)
    return drawn(canvas, name, title, "points", found.n, caption)


def rules(
    evidence: Evidence, setting: Setting, tasks: Sequence[str], near: Distances | None
) -> dict[str, tuple[str, ...]]:
    """Orders that people choose, by what they are called."""
    first = sorted(tasks)[0]
    found = {"alphabetical": tuple(sorted(tasks))}
    if near is not None and set(near.tasks) == set(tasks):
        found["greedy, similar next"] = greedy(near, first, nearest=True)
        found["greedy, dissimilar next"] = greedy(near, first, nearest=False)
    own = tuple(map(task_name, setting.trials[0].sequence))
    if set(own) == set(tasks):
        found[f"the study’s first ({evidence.orders[order_name(setting.trials[0].sequence)]})"] = (
            own
        )
    return found


def regret_table(
    evidence: Evidence, setting: Setting, found: Sequence[Running], near: Distances | None
) -> Table:
    """What is lost against the best order of all, and how many orders are better."""
    rows: list[list[Cell | str]] = []
    data: list[Line] = []
    every = computed(regret_table, [r.key for one in found for g in one.groups for r in g.trials])
    for one in found:
        tasks = sorted({*one.values, *(t for names in one.others.values() for t in names)})
        pool, source = one.pool, one.source(regret_table)
        for rule, order in rules(evidence, setting, tasks, near).items():
            value = value_of(one, order)
            if value is None:
                continue
            regret = max(one.best - value, 0.0)
            better = share_better(pool, value)
            shown = ARROW.join(evidence.tasks[task] for task in order)
            cells = [Cell(percent(value), shown, source), Cell(percent(regret), source=source)]
            cells.append(Cell(f"{100 * better:.0f} %", source=source))
            rows.append([one.metric.title, rule, *cells])
            line: dict[str, Value] = {"metric": one.metric.name, "rule": rule}
            line |= {"order": order_name(tuple((task,) for task in order)), "value": value}
            line |= {"regret": regret, "better_orders": better, "seeds": len(one.seeds)}
            data.append(Line(line, source))
        missing = [task for task in tasks if task not in one.values]
        if missing:
            rows.append([one.metric.title, "not trained as task 0", ", ".join(missing), "–", "–"])
    of = "drawn" if any(one.drawn for one in found) else "all"
    caption = (
        "Orders that people choose: mean over the steps and over seeds, what is lost against the "
        f"best order of all in points, and the share of {of} orders that are better"
        f"{_of_drawn(found)}"
    )
    header = ("Metric", "Order", "Value", "Regret", "Better orders")
    return table(file_name("order_regret", setting), caption, header, rows, data, every, 3)


def share_better(pool: Float[np.ndarray, " n"], value: float) -> float:
    """Beyond rounding: the mean of an order is not better than itself, summed in another way."""
    return float((pool > value + NOISE).mean())


def value_of(one: Running, order: Sequence[str]) -> float | None:
    """Of an order, mean over seeds; None where its task 0 was not trained."""
    alike = [group for group in one.groups if group.task0 == order[0]]
    if not alike:
        return None
    wanted = np.array([[alike[0].others.index(task) for task in order[1:]]])
    return mean(float(running_means(g.tables(one.metric.name), wanted)[0]) for g in alike)
