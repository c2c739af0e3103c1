"""The second way to how near tasks are to each other, and whether a near task 0 is a better one:
from the plain lists of scores, by logarithms, exact fractions and every permutation."""

import itertools
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

from moleflow.streams import numpy_stream
from reports.audit.distributions import normal_quantile
from reports.audit.first_tasks import layout
from reports.audit.kept_scores import DISTANCE, rows_of
from reports.audit.records import Records, Trial
from reports.audit.second_way import Expected, Line, Numbers
from reports.audit.words import Allowed

Pairs = dict[tuple[str, str], float]
EVERY, DRAWS = 8, 9999
"""Pairs up to which every order of them is tried; else orders that are drawn."""
ROUNDING = 1e-12


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
    return Expected(numbers | _correlation(away, ends, line.cells.get("p", "")), keys)


def _ends(line: Line, metric: str) -> dict[str, float]:
    of = Line({"metric": metric}, "", (), line.setting, line.records)
    return of.measured(line.finished)


def _correlation(x: Sequence[float], y: Sequence[float], said: str) -> Numbers:
    names = ("correlation", "correlation_low", "correlation_high", "p")
    a, b = _away(x), _away(y)
    if a is None or b is None:
        return dict.fromkeys(names)
    squares = sum(v * v for v in a) * sum(v * v for v in b)
    r = float(sum(v * w for v, w in zip(a, b, strict=True))) / math.sqrt(squares)
    ends: list[float | None] = [None, None]
    if len(x) > 3 and 1 - abs(r) > ROUNDING:
        half = normal_quantile(0.975) / math.sqrt(len(x) - 3)
        odds = [(1 + r) / (1 - r) * math.exp(2 * sign * half) for sign in (-1, 1)]
        ends = [(one - 1) / (one + 1) for one in odds]
    p = _as_strong([float(v) for v in a], [float(v) for v in b], said)
    return dict(zip(names, (r, *ends, p), strict=True))


def _away(values: Sequence[float]) -> list[Fraction] | None:
    """From their mean; None where nothing varies."""
    if max(values) - min(values) <= ROUNDING * max(map(abs, values)):
        return None
    exact = [Fraction(value) for value in values]
    middle = sum(exact, Fraction(0)) / len(exact)
    return [value - middle for value in exact]


def _as_strong(a: Sequence[float], b: Sequence[float], said: str) -> float:
    """Share of orders with a product at least as large; of drawn ones what is said, where it is
    that but for the drawing."""
    size = math.sqrt(math.fsum(v * v for v in a) * math.fsum(v * v for v in b))
    least = abs(math.fsum(v * w for v, w in zip(a, b, strict=True))) - ROUNDING * size
    if len(a) <= EVERY:
        strong = [
            abs(sum(v * w for v, w in zip(a, order, strict=True))) >= least
            for order in itertools.permutations(b)
        ]
        return sum(strong) / len(strong)
    draws = numpy_stream("audit", "orders of pairs", len(a))
    strong = list[bool]()
    for _ in range(DRAWS):
        order: list[int] = draws.permutation(len(b)).tolist()
        strong.append(abs(sum(v * b[i] for v, i in zip(a, order, strict=True))) >= least)
    p = (1 + sum(strong)) / (DRAWS + 1)
    apart = 5 * math.sqrt(2 * p * (1 - p) / DRAWS) + 2 / DRAWS
    return float(said) if said and abs(float(said) - p) <= apart else p


def nearest(trials: Sequence[Trial], records: Records) -> Allowed:
    """How many times as far as their own task the nearest other one is."""
    found = ratios(records, trials)
    return Allowed(values=tuple(sorted(v for (a, b), v in found.items() if a != b)[:1]))


WAYS: Mapping[str, Callable[[Line], Expected]] = {
    "reports.class_distances.effect_table": similarity,
}
RULES: Mapping[str, Callable[[Sequence[Trial], Records], Allowed]] = {
    "reports.class_distances.similarity_map": nearest,
}
