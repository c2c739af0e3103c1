"""Every order of a trial's tasks, as far as the router can tell them apart (docs/method.md, 8.4).

Base and banks being the same in every order, orders differ in which tasks a picture can be sent to
at a step. A class is therefore measured for every set of *rivals*: tasks that are nearest to some
picture of it when they are known.
"""

import csv
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from moleflow.data.catalog import ClassData
from moleflow.data.sequences import task_name
from moleflow.errors import DivergedError
from moleflow.evaluation import SequenceEvaluation
from moleflow.metrics.catalogue import METRICS
from moleflow.types import Float
from orchestration.records.all_orders import RIVALS_FILE, AllOrders, ClassInOrders, write_kept
from orchestration.sharing.roles import order_free
from orchestration.studies.expansion import Trial

MOST_RIVALS = 13
"""A class with more is left out: each doubles the sets. 15 tasks leave 13 beside task 0 and its
own."""
MOST_PIXEL_CHOICES = 32
"""Pixel metrics sort all pixels of a class anew for each choice of the router; of a class with more
choices only image metrics and routing are kept."""


@dataclass(frozen=True)
class Reach:
    """What the router may choose for a class's N pictures."""

    rivals: tuple[int, ...]
    """Indices of tasks."""
    chosen: tuple[np.ndarray, ...]
    """Every choice that some set of rivals leads to, (N,) indices of tasks."""
    choice: tuple[int, ...]
    """For every set of rivals (bit b: rivals[b] is known), which of `chosen`."""


class TiedError(Exception):
    """Pictures are equally near to two tasks, so that the one learned first would have them."""


def write_all_orders(
    folder: Path, trial: Trial, data: Mapping[str, ClassData], evaluation: SequenceEvaluation
) -> None:
    """Write what a finished trial knows of other orders, where they share what it has trained."""
    if not order_free(trial.config) or len(trial.sequence) < 2:
        return
    classes = tuple(
        _class_in_orders(trial, name, own, evaluation)
        for own, task in enumerate(trial.sequence)
        for name in task
    )
    names = tuple(map(task_name, trial.sequence))
    write_kept(folder, AllOrders(trial=trial.key, tasks=names, classes=classes))
    _write_rivals(folder / RIVALS_FILE, trial, data, evaluation)


def reach(distances: Float[np.ndarray, "n t"], own: int) -> Reach:
    """Choices of the nearest task among those known, task 0 and the class's own among them.

    Raises:
        TiedError: a choice depends on which of two tasks was learned first.
    """
    known = list(dict.fromkeys((0, own)))
    near = distances[:, known].min(axis=1)
    others = [t for t in range(distances.shape[1]) if t not in known]
    rivals = tuple(t for t in others if (distances[:, t] < near).any())
    _refuse_ties(distances, own, others)
    contested = np.flatnonzero((distances[:, others] < near[:, None]).any(axis=1))
    usual = np.take(known, distances[:, known].argmin(axis=1))
    if len(rivals) > MOST_RIVALS:
        return Reach(rivals, (), ())
    places: dict[bytes, int] = {}
    chosen: list[np.ndarray] = []
    choice: list[int] = []
    for known_set in range(1 << len(rivals)):
        columns = [*known, *(t for b, t in enumerate(rivals) if known_set >> b & 1)]
        found = usual.copy()
        nearest = distances[contested][:, columns].argmin(axis=1)
        found[contested] = np.take(columns, nearest)
        place = places.setdefault(found.tobytes(), len(chosen))
        if place == len(chosen):
            chosen.append(found)
        choice.append(place)
    return Reach(rivals, tuple(chosen), tuple(choice))


def _refuse_ties(distances: Float[np.ndarray, "n t"], own: int, others: list[int]) -> None:
    """Task 0 is learned first in every order, and so may tie with any."""
    columns = sorted({*others, own} - {0})
    near = distances[:, columns]
    able = (near < distances[:, :1]) & (near <= distances[:, own, None])
    values = np.sort(np.where(able, near, np.nan), axis=1)  # NaN is last, and equal to nothing
    tied = int((values[:, 1:] == values[:, :-1]).any(axis=1).sum())
    if tied:
        raise TiedError(
            f"{tied} pictures are equally near to two tasks, of which the one learned first has "
            "them"
        )


def _class_in_orders(
    trial: Trial, name: str, own: int, evaluation: SequenceEvaluation
) -> ClassInOrders:
    tasks = tuple(map(task_name, trial.sequence))
    nothing: dict[str, str] = {}
    kept = ClassInOrders(
        name=name, task=tasks[own], rivals=(), choice=(), values={}, without=nothing
    )
    try:
        found = reach(evaluation.routing(name).distances, own)
    except TiedError as error:
        return kept.model_copy(update={"without": {"": str(error)}})
    kept = kept.model_copy(update={"rivals": tuple(tasks[t] for t in found.rivals)})
    if not found.choice:
        why = f"{len(found.rivals)} tasks contend for its pictures; up to {MOST_RIVALS} are counted"
        return kept.model_copy(update={"without": {"": why}})
    every = len(found.chosen) <= MOST_PIXEL_CHOICES
    measure = evaluation.metrics_under if every else evaluation.image_metrics_under
    try:
        values = _values(found, own, lambda chosen: measure(name, chosen))
    except DivergedError as error:  # under a bank that this order does not score it by
        return kept.model_copy(update={"without": {"": str(error)}})
    without = nothing
    if not every and evaluation.truth(name)[1] is not None:
        ways = f"{len(found.chosen)} ways; up to {MOST_PIXEL_CHOICES} are measured"
        why = f"its pictures can be routed in {ways}"
        without = {metric.name: why for metric in METRICS if metric.needs_masks}
    return kept.model_copy(update={"choice": found.choice, "values": values, "without": without})


def _values(
    found: Reach, own: int, measure: Callable[[np.ndarray], dict[str, float]]
) -> dict[str, tuple[float, ...]]:
    """Of each choice; the router's accuracy as `SequenceEvaluation` has it."""
    rows = [
        measure(chosen) | {"routing_accuracy": float((chosen == own).mean())}
        for chosen in found.chosen
    ]
    return {metric: tuple(row[metric] for row in rows) for metric in rows[0]}


def _write_rivals(
    path: Path, trial: Trial, data: Mapping[str, ClassData], evaluation: SequenceEvaluation
) -> None:
    """Pictures that another task than their own can have: distance and score under it."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["class", "picture", "task", "squared_distance", "score"])
        for own, task in enumerate(trial.sequence):
            for name in task:
                for row in _rivals_of(trial, name, own, data[name], evaluation):
                    writer.writerow([name, *row])


def _rivals_of(
    trial: Trial, name: str, own: int, data: ClassData, evaluation: SequenceEvaluation
) -> Iterator[tuple[str, str, float, float | str]]:
    distances = evaluation.routing(name).distances
    first, mine = distances[:, 0], distances[:, own]
    for other, task in enumerate(trial.sequence):
        near = distances[:, other]
        wins = near <= mine if other == 0 else (near < first) & (near <= mine)
        if other == own or not wins.any():
            continue
        try:
            scores = evaluation.scores(name, task).images
        except DivergedError:
            scores = None  # said in `all_orders.json`
        for i in np.flatnonzero(wins):
            path = data.test[i].path
            score = "" if scores is None else float(scores[i])
            yield (f"{path.parent.name}/{path.name}", task_name(task), float(near[i]), score)
