"""The second way to how near tasks are to each other, and whether a near task 0 is a better one:
from the plain lists of scores, by logarithms."""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence

from moleflow.wording import counted
from reports.audit.correlations import correlated
from reports.audit.first_tasks import layout
from reports.audit.kept_scores import DISTANCE, rows_of
from reports.audit.records import Records, Trial
from reports.audit.second_way import Expected, Line, Numbers
from reports.audit.words import Allowed

Pairs = dict[tuple[str, str], float]


def ratios(records: Records, trials: Sequence[Trial]) -> Pairs:
    """Of two tasks, how much farther the first one's good pictures lie from the second than from
    their own; of the first trial that has all. Empty where none has."""
    for trial in trials:
        if len(trial.sequence) > 1 and trial.config["router"]["distance"] != "oracle":
            try:
                found = _medians(records, trial)
            except (OSError, KeyError, ValueError):
                continue
            names = {"+".join(task) for task in trial.sequence}
            if set(found) == {(a, b) for a in names for b in names}:
                return {(a, b): value / found[a, a] for (a, b), value in found.items()}
    return {}


def _medians(records: Records, trial: Trial) -> Pairs:
    task = {name: "+".join(of) for of in trial.sequence for name in of}
    far: dict[tuple[str, str], list[float]] = {}
    for row in rows_of(records, trial):
        for other in set(task.values()) if row["defect"] in ("", "good") else ():
            squared = float(row[DISTANCE + other])
            far.setdefault((task[row["class"]], other), []).append(squared)
    return {pair: _middle(sorted(squares)) for pair, squares in far.items()}


def _middle(squares: Sequence[float]) -> float:
    """Root of the middle one, or the mean of both roots."""
    n = len(squares)
    return (math.sqrt(squares[(n - 1) // 2]) + math.sqrt(squares[n // 2])) / 2


def similarity(line: Line) -> Expected:
    """Correlation over tasks 0 of the mean at the end with how far the other tasks lie."""
    near = ratios(line.records, line.finished)
    found = layout(line.finished, line.measured(line.finished))
    tasks = sorted({a for a, _ in near})
    if found is None or not near:
        return Expected({})
    names = [name for name in found[0].names if name in tasks]
    away = [
        statistics.mean(
            math.exp((math.log(near[a, b]) + math.log(near[b, a])) / 2) for b in tasks if b != a
        )
        for a in names
    ]
    ends = [found[0].means[found[0].names.index(name)] for name in names]
    numbers: Numbers = {"task_zeros": len(names)}
    rests = [layout(line.finished, _ends(line, metric)) for metric in line.records.margins]
    keys = frozenset(trial.key for one in rests if one for trial in one[1])
    return Expected(numbers | correlated(away, ends, line.cells.get("p", "")), keys)


def _ends(line: Line, metric: str) -> dict[str, float]:
    of = Line({"metric": metric}, "", (), line.setting, line.records)
    return of.measured(line.finished)


def nearest(trials: Sequence[Trial], records: Records) -> Allowed:
    """How many times as far as their own task the nearest other one is."""
    found = ratios(records, trials)
    return Allowed(values=tuple(sorted(v for (a, b), v in found.items() if a != b)[:1]))


def elsewhere(trials: Sequence[Trial], records: Records) -> Allowed:
    """Pictures that were sent to another task than their own when all were known."""
    return Allowed(frozenset({counted(sum(trial.sent[1] for trial in trials), "picture")}))


WAYS: Mapping[str, Callable[[Line], Expected]] = {
    "reports.class_distances.effect_table": similarity,
}
RULES: Mapping[str, Callable[[Sequence[Trial], Records], Allowed]] = {
    "reports.class_distances.similarity_map": nearest,
    "reports.class_distances._misrouted": elsewhere,
}
