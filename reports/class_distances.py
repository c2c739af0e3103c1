"""How near classes are to each other, as the router sees it: from distances that trials keep."""
# pyright: reportUnknownMemberType=false

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure as Canvas

from moleflow.data.sequences import task_name
from moleflow.drawing import SCALE, heat_map, house_style
from moleflow.metrics.means import mean
from moleflow.wording import counted
from orchestration.records.ledger import Record
from reports import correlating, how_many
from reports.confusions import confusions
from reports.document import (
    Cell,
    Figure,
    Line,
    Number,
    Table,
    Words,
    computed,
    drawn,
    table,
)
from reports.evidence import Evidence, Setting, keys
from reports.first_task import FirstTasks
from reports.kept_scores import GOOD, kept_scores
from reports.performance import file_name
from reports.statistics import pearson


@dataclass(frozen=True)
class Distances:
    """Of the good test pictures of each task to each task, as multiples of that to their own."""

    tasks: tuple[str, ...]
    ratio: Mapping[tuple[str, str], float]
    """Median distance of a task's pictures to another task, over that to their own."""
    record: Record

    def between(self, one: str, other: str) -> float:
        """The same in both directions: the geometric mean."""
        return float((self.ratio[one, other] * self.ratio[other, one]) ** 0.5)


def distances_of(evidence: Evidence, setting: Setting) -> Distances | None:
    """Of the first finished trial whose scores say so: distances depend on neither order nor seed.

    None where no trial kept them, or the router is told the task.
    """
    for record in setting.finished:
        if len(record.sequence) > 1 and record.config.router.distance != "oracle":
            found = _read(evidence, record)
            if found is not None:
                return found
    return None


def _read(evidence: Evidence, record: Record) -> Distances | None:
    tasks = tuple(sorted(map(task_name, record.sequence)))
    values: dict[tuple[str, str], list[float]] = {}
    for one in kept_scores(evidence, record):
        if one.kind == GOOD:
            for other, squared in one.far.items():
                values.setdefault((one.task, other), []).append(squared**0.5)
    if set(values) != {(a, b) for a in tasks for b in tasks}:
        return None
    middle = {pair: statistics.median(found) for pair, found in values.items()}
    if any(middle[task, task] <= 0 for task in tasks):
        return None
    return Distances(tasks, {(a, b): middle[a, b] / middle[a, a] for a, b in middle}, record)


def greedy(found: Distances, first: str, nearest: bool) -> tuple[str, ...]:
    """After each task the nearest, or the farthest, of those that are left; of equals the first."""
    order, rest = [first], [task for task in found.tasks if task != first]
    pick = min if nearest else max
    while rest:
        order.append(pick(rest, key=lambda task: found.between(order[-1], task)))
        rest.remove(order[-1])
    return tuple(order)


def similarity_map(evidence: Evidence, setting: Setting, found: Distances) -> Figure:
    """Rows are the tasks of pictures, columns tasks that they are compared with; a number is how
    many of the row's pictures went there, over all trials."""
    tasks = found.tasks
    lost = _misrouted(setting, tasks)
    values = np.array([[np.log2(found.ratio[a, b]) for b in tasks] for a in tasks])
    texts = np.array(
        [[_cell(found.ratio[a, b], lost.get((a, b), 0)) for b in tasks] for a in tasks]
    )
    names = [evidence.tasks[task] for task in tasks]
    high = max(1.0, float(values.max()))
    with house_style():
        side = 0.62 * len(tasks)
        canvas = Canvas(figsize=(side, 0.8 * side))
        ax = canvas.add_axes((0, 0, 1, 1))
        heat_map(ax, values, texts, names, names, (min(0.0, float(values.min())), high),
                 SCALE.reversed(), 6.5)  # fmt: skip
    source = computed(similarity_map, [found.record.key])
    a, b = min(((a, b) for a in tasks for b in tasks if a != b), key=lambda p: found.ratio[p])
    many = counted(sum(lost.values()), "picture")
    caption: Words = (
        "Distance of a row’s good pictures to a column’s task, as a multiple of that to their own "
        "(dark is near); below it, how many of the row’s pictures were sent there, over all "
        f"trials. Nearest: {evidence.tasks[a]} to {evidence.tasks[b]}, ",
        Number(f"{found.ratio[a, b]:.2f} times", source),
        " as far as its own. ",
        Number(many, computed(_misrouted, keys(setting.finished))),
        " went to another task.",
    )
    title = "How near tasks are to each other for the router, and where pictures are lost"
    n = (how_many.trials(setting.finished),)
    return drawn(canvas, file_name("similarity", setting), title, "ratio", n, caption)


def effect_table(
    evidence: Evidence, setting: Setting, found: Sequence[FirstTasks], near: Distances
) -> Table:
    """Whether a task 0 that lies near the others is a better one."""
    rows: list[list[Cell | str]] = []
    data: list[Line] = []
    every = computed(effect_table, [r.key for one in found for r in one.records])
    for one in found:
        names = [name for name in one.names if name in near.tasks]
        if len(names) < 2:
            continue
        away = [mean(near.between(name, t) for t in near.tasks if t != name) for name in names]
        effects = [mean(one.values[one.names.index(name)]) for name in names]
        seen = pearson(away, effects, f"task 0 and distance {one.metric.name}")
        rows.append(correlating.row(one.metric.title, seen, every))
        data.append(correlating.line(one.metric.name, seen, every))
    caption = (
        "Pearson’s correlation over tasks 0 of the mean at the end of the sequence with the mean "
        "distance of the other tasks, as the router sees it (p by permutation)"
    )
    name = file_name("task0_similarity", setting)
    return table(name, caption, correlating.HEADER, rows, data, every)


def _cell(ratio: float, lost: int) -> str:
    shown = f"{ratio:.1f}" if ratio < 100 else f"{ratio:.0f}"
    return f"{shown}\n{lost} lost" if lost else shown


def _misrouted(setting: Setting, tasks: Sequence[str]) -> dict[tuple[str, str], int]:
    """After the last task, over trials."""
    lost: dict[tuple[str, str], int] = {}
    for one in confusions(setting.finished):
        own = {name: task for task in one.tasks for name in one.classes if name in task.split("+")}
        for name, row in zip(one.classes, one.counts, strict=True):
            for task, count in zip(one.tasks, row, strict=True):
                if count and own.get(name) not in (None, task):
                    pair = own[name], task
                    lost[pair] = lost.get(pair, 0) + count
    return {pair: n for pair, n in lost.items() if pair[0] in tasks and pair[1] in tasks}
