"""The second way to variance components: totals of a balanced design in exact fractions, and what
test pictures do by the variance of a sum over trials."""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from reports.audit import likelihood
from reports.audit.distributions import chi2_quantile
from reports.audit.first_tasks import layout
from reports.audit.kept_scores import Contributions, Scores, kept
from reports.audit.over_pictures import (
    BY_SAMPLES,
    METRICS,
    contributions,
    covariance,
    measured,
    sizes_of,
    told,
)
from reports.audit.records import Records, Trial
from reports.audit.second_way import Expected, Line, Numbers, Value
from reports.audit.tests import difference_interval

NOISE = Fraction(1, 10**12)
CLASS, PICTURES = "class", "test pictures"
Run = tuple[str, ...]
"""Task 0, an order that training knows, and seed of trials that share their training."""


@dataclass(frozen=True)
class Estimate:
    """Of a variance component."""

    levels: int
    estimate: float
    low: float | None
    high: float | None


def components(line: Line) -> Expected:
    """Of a balanced design by totals, of others by their likelihood."""
    found = layout(line.finished, line.measured(line.finished))
    if found is None:
        raise ValueError("fewer than two tasks 0 or two seeds")
    used, metric = found[1], line.cells["metric"]
    parts, method = _parts(line, used, metric)
    numbers = _numbers(parts, line.cells["source"]) | {"method": method}
    if method == "REML":
        numbers = {name: _near(line.cells[name], value) for name, value in numbers.items()}
    return Expected(numbers, frozenset(t.key for t in used))


def _parts(line: Line, used: Sequence[Trial], metric: str) -> tuple[dict[str, Estimate], str]:
    """Computed once for all sources of a table."""
    name = f"components {metric} {sorted(trial.key for trial in used)}"
    if name not in line.records.known:
        known, levels = _values(used, metric)
        each = math.prod(len(set(of)) for of in levels.values())
        crossed = len(set(zip(*levels.values(), strict=True))) == each == len(known)
        alike = max(known) - min(known) <= NOISE * max(map(abs, known))
        by = _of_nothing if alike else _estimates if crossed else _likeliest
        parts = by(known, levels)
        if CLASS in parts:
            parts = _with_pictures(parts, _from_pictures(line.records, used, metric))
        line.records.known[name] = parts, "ANOVA" if crossed or alike else "REML"
    return line.records.known[name]


def _near(said: str, value: Value) -> Value:
    """What is said, where two descents may come to it as well as to this."""
    if not isinstance(value, float) or not said:
        return value
    return float(said) if math.isclose(float(said), value, rel_tol=1e-3, abs_tol=1e-9) else value


def _likeliest(y: Sequence[Fraction], levels: Mapping[str, Sequence[str]]) -> dict[str, Estimate]:
    found = likelihood.components([float(value) for value in y], list(levels.values()))
    counts = _counts(len(y), levels)
    return {name: Estimate(counts[name], *of) for name, of in zip(counts, found, strict=True)}


def _of_nothing(y: Sequence[Fraction], levels: Mapping[str, Sequence[str]]) -> dict[str, Estimate]:
    return {name: Estimate(n, 0.0, 0.0, 0.0) for name, n in _counts(len(y), levels).items()}


def _counts(n: int, levels: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Degrees of freedom of the residual, and levels."""
    own = {name: len(set(of)) for name, of in levels.items()}
    return {"residual": n - 1 - sum(count - 1 for count in own.values()), **own}


def _apart(used: Sequence[Trial]) -> bool:
    """Whether orders that training knows were run with one task 0."""
    free = all(trial.order_free for trial in used)
    return not free and len({t.order for t in used}) > len({t.task0 for t in used})


def _run(trial: Trial, apart: bool) -> Run:
    return (trial.task0, *([trial.order] if apart else []), str(trial.seed))


def _values(used: Sequence[Trial], metric: str) -> tuple[list[Fraction], dict[str, list[str]]]:
    """A mean over orders that training does not know for each run and class, and their levels of
    every source of several."""
    alike: dict[tuple[str, ...], list[Fraction]] = {}
    several = _apart(used)
    for t in used:
        for c in t.classes:
            value = t.value(metric, "step", "routed", c, len(t.sequence))
            if value is not None:
                alike.setdefault((*_run(t, several), c), []).append(Fraction(value))
    names = ("task 0", *(["order"] if several else []), "seed", CLASS)
    levels = {name: [key[i] for key in alike] for i, name in enumerate(names)}
    means = [sum(values, Fraction(0)) / len(values) for values in alike.values()]
    return means, {name: of for name, of in levels.items() if len(set(of)) > 1}


def _numbers(parts: Mapping[str, Estimate], source: str) -> Numbers:
    if source not in parts:
        raise ValueError(f"no part of the variance is known of {source}")
    own, total = parts[source], sum(max(0.0, one.estimate) for one in parts.values())
    numbers: Numbers = {"levels": own.levels, "variance": own.estimate}
    numbers |= {"share": max(0.0, own.estimate) / total if total > 0 else None}
    numbers |= {"sd": math.sqrt(max(0.0, own.estimate))}
    ends = {"sd_low": own.low, "sd_high": own.high}
    return numbers | {at: None if end is None else math.sqrt(end) for at, end in ends.items()}


def _estimates(y: Sequence[Fraction], levels: Mapping[str, Sequence[str]]) -> dict[str, Estimate]:
    n, whole = len(y), sum(y, Fraction(0)) ** 2 / len(y)
    mean_squares: dict[str, Fraction] = {}
    rest, df = sum((v * v for v in y), Fraction(0)) - whole, n - 1
    for name, of in levels.items():
        totals: dict[str, Fraction] = {}
        for level, value in zip(of, y, strict=True):
            totals[level] = totals.get(level, Fraction(0)) + value
        each = Fraction(n, len(totals))
        part = sum((t * t for t in totals.values()), Fraction(0)) / each - whole
        mean_squares[name] = part / (len(totals) - 1)
        rest, df = rest - part, df - (len(totals) - 1)
    noise = rest / df
    low, high = (float(df * noise) / chi2_quantile(p, df) for p in (0.975, 0.025))
    found = {"residual": Estimate(df, float(noise), low, high)}
    for name, square in mean_squares.items():
        count = len(set(levels[name]))
        ends = difference_interval(float(square), count - 1, float(noise), df)
        low, high = (max(0.0, end * count / n) for end in ends)
        found[name] = Estimate(count, float((square - noise) * count / n), low, high)
    return found


def _with_pictures(parts: dict[str, Estimate], variance: float | None) -> dict[str, Estimate]:
    """What the pictures do, taken from the class."""
    if variance is None:
        return parts
    own = parts[CLASS]
    low, high = (None if end is None else max(0.0, end - variance) for end in (own.low, own.high))
    of_class = Estimate(own.levels, own.estimate - variance, low, high)
    return {**parts, CLASS: of_class, PICTURES: Estimate(0, variance, None, None)}


def _from_pictures(records: Records, used: Sequence[Trial], metric: str) -> float | None:
    """Mean over classes of the mean covariance of two runs' values over samples of pictures: of
    all pairs at once, from the variance of their sum."""
    have = kept(records)
    runs: dict[Run, list[Trial]] = {}
    for trial in used:
        runs.setdefault(_run(trial, _apart(used)), []).append(trial)
    if metric not in METRICS or not all(told(records, trial, metric) for trial in used):
        return None
    each: list[float] = []
    for name in measured(used[0], metric):
        scores = [[have[trial.key][name] for trial in run] for run in runs.values()]
        sizes = sizes_of(scores[0][0])
        if min(sizes) < 2:
            return None
        if metric == BY_SAMPLES:
            terms = [[(trial, 1 / len(run)) for trial in run] for run in runs.values()]
            table = np.array(covariance(have, terms, metric, name, sizes))
            each.append(float(table[~np.eye(len(table), dtype=bool)].mean()))
            continue
        apart = [_mean(run, metric, name) for run in scores]
        together = _variance(_added(apart, [1.0] * len(apart)))
        pairs = len(apart) * (len(apart) - 1)
        each.append((together - math.fsum(map(_variance, apart))) / pairs)
    return max(0.0, statistics.fmean(each))


def _mean(run: Sequence[Scores], metric: str, name: str) -> Contributions:
    known = {id(of): contributions(of, metric, name) for of in run}
    return _added([known[id(of)] for of in run], [1 / len(run)] * len(run))


def _added(each: Sequence[Contributions], weights: Sequence[float]) -> Contributions:
    good, bad = (
        [math.fsum(w * v for w, v in zip(weights, column, strict=True))
         for column in zip(*(of[kind] for of in each), strict=True)]
        for kind in (0, 1)
    )  # fmt: skip
    return good, bad


def _variance(of: Contributions) -> float:
    return sum(len(kind) * statistics.variance(kind) for kind in of)


WAYS: Mapping[str, Callable[[Line], Expected]] = {
    "reports.variance.components_table": components,
}
