"""The second way to tables of many variants together: scipy's test, ranks by counting, and every
bootstrap sample drawn again, one after another."""

import math
import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from moleflow.streams import numpy_stream
from moleflow.wording import counted
from reports.audit.contrasts import together
from reports.audit.distributions import f_tail, middle_of
from reports.audit.records import Records, Trial, finished
from reports.audit.second_way import SEEDS_FOR_INTERVAL, Expected, Line, Numbers
from reports.audit.tests import range_point
from reports.audit.words import Allowed

MANY, MOST_LINES = 5, 7
"""Settings from which on they are ranked; lines of which a figure has room."""
DRAWS = 2000
Runs = list[list[float]]
"""By seed, of each class; a mean over orders."""


@dataclass(frozen=True)
class Found:
    """By label, of the settings of a table; the baseline first."""

    values: dict[str, Runs]
    trials: dict[str, frozenset[str]]
    ranks: dict[str, float]
    """Average over classes."""


def _of(line: Line, setting: str) -> Found:
    """Computed once for all settings of a table."""
    cells, known = line.cells, line.records.known
    baseline, metric = cells["baseline"], cells["metric"]
    labels = {baseline, *together(line.records, setting, baseline)}
    name = f"rankings {baseline} {metric} {sorted(labels)}"
    if name not in known:
        known[name] = _found(line.records, sorted(labels), metric)
    return known[name]


def _found(records: Records, labels: Sequence[str], metric: str) -> Found:
    """On the seeds, orders and classes that all settings have."""
    of_labels = {label: _known(records.labelled[label], metric) for label in labels}
    have = {label: of for label, of in of_labels.items() if of}
    first = next(iter(have.values())) if have else dict[tuple[str, int], Trial]()
    places = [p for p in first if all(p in of for of in have.values())]
    orders = {order for order, _ in places}
    seeds = sorted({s for _, s in places if {o for o, t in places if t == s} == orders})
    used = {
        label: [[of[order, seed] for order in orders] for seed in seeds]
        for label, of in have.items()
    }
    every = [trial for of in used.values() for run in of for trial in run]
    classes = sorted(
        {c for t in every for c in t.classes if all(c in _ends(u, metric) for u in every)}
    )
    values = {
        label: [[statistics.mean(_ends(t, metric)[c] for t in run) for c in classes] for run in of]
        for label, of in used.items()
    }
    trials = {label: frozenset(t.key for run in of for t in run) for label, of in used.items()}
    return Found(values, trials, _ranks(values))


def _known(trials: Sequence[Trial], metric: str) -> dict[tuple[str, int], Trial]:
    return {
        (t.order, t.seed): t
        for t in finished(trials)
        if t.value(metric, "final_mean", "routed", "", 0) is not None
    }


def _ends(trial: Trial, metric: str) -> dict[str, float]:
    """By class, at the end of the sequence."""
    found = {
        c: trial.value(metric, "step", "routed", c, len(trial.sequence)) for c in trial.classes
    }
    return {name: value for name, value in found.items() if value is not None}


def _means(values: Mapping[str, Runs]) -> dict[str, list[float]]:
    """Of each class over seeds."""
    return {
        label: [statistics.mean(c) for c in zip(*of, strict=True)] for label, of in values.items()
    }


def _ranks(values: Mapping[str, Runs]) -> dict[str, float]:
    """By counting what is above in each class; equal ones share their places."""
    means = _means(values)
    return {
        label: statistics.mean(
            0.5 + sum((v > x) + 0.5 * (v == x) for v in column)
            for x, column in zip(own, zip(*means.values(), strict=True), strict=True)
        )
        for label, own in means.items()
    }


def ranking(line: Line) -> Expected:
    """One setting."""
    label, baseline = line.cells["setting"], line.cells["baseline"]
    found = _of(line, label if label != baseline else _variant(line))
    own, base = found.values[label], found.values[baseline]
    several = len(own) >= SEEDS_FOR_INTERVAL
    numbers: Numbers = {"seeds": len(own), "classes": len(own[0])}
    numbers |= {"average_rank": found.ranks[label], "interquartile_mean": _middle(own)}
    metric = line.cells["metric"]
    low, high = middle_of(_middles(own, metric)) if several else (None, None)
    numbers |= {"interval_low": low, "interval_high": high}
    chances = None if label == baseline else _chances(base, own, metric)
    numbers |= {"improvement": None if chances is None else _chance(base, own)}
    low, high = middle_of(chances) if several and chances is not None else (None, None)
    numbers |= {"improvement_low": low, "improvement_high": high}
    return Expected(numbers, found.trials[label] | found.trials[baseline])


def _variant(line: Line) -> str:
    """A setting that is compared with this baseline: of its part of a union, or of those that
    have a part for themselves."""
    baseline, parts = line.cells["baseline"], line.records.parts
    records = line.records
    usual = records.labelled[baseline][0].config
    others = [label for label in parts if records.labelled[label][0].config != usual]
    own = records.once(label for label in others if parts[label] == parts[baseline])
    return (own if len(own) + 1 >= MANY else records.once(others))[0]


def _middle(runs: Runs) -> float:
    """Mean of the middle half."""
    flat = sorted(value for run in runs for value in run)
    cut = len(flat) // 4
    return statistics.mean(flat[cut : len(flat) - cut])


def _middles(runs: Runs, metric: str) -> list[float]:
    draw = numpy_stream("reports", "seed bootstrap", metric)
    chosen = draw.integers(0, len(runs), (DRAWS, len(runs)))
    return [_middle([runs[seed] for seed in of]) for of in chosen.tolist()]


def _chance(base: Runs, own: Runs) -> float:
    """Mean over classes of how often a run is above one of the baseline."""
    return statistics.mean(
        statistics.mean((v > b) + 0.5 * (v == b) for v in of for b in of_base)
        for of, of_base in zip(zip(*own, strict=True), zip(*base, strict=True), strict=True)
    )


def _chances(base: Runs, own: Runs, metric: str) -> list[float]:
    draw = numpy_stream("reports", "probability of improvement", metric)
    classes = len(own[0])
    of_own, of_base = (
        draw.multinomial(len(runs), np.full(len(runs), 1 / len(runs)), size=(DRAWS, classes))
        for runs in (own, base)
    )
    total = np.zeros(DRAWS)
    for c in range(classes):
        for i, run in enumerate(own):
            for j, other in enumerate(base):
                won = (run[c] > other[c]) + 0.5 * (run[c] == other[c])
                total += won * of_own[:, c, i] * of_base[:, c, j]
    return (total / (classes * len(own) * len(base))).tolist()


def tests(line: Line) -> Expected:
    """Of one metric, over all settings."""
    found = _of(line, line.cells["best_variant"])
    numbers = _tested(found)
    others = {k: rank for k, rank in found.ranks.items() if k != line.cells["baseline"]}
    said = line.cells["best_variant"]
    best = min(others.values())
    numbers |= {"best_variant": said if others.get(said) == best else "(another setting)"}
    return Expected(numbers, frozenset[str]().union(*found.trials.values()))


def _tested(found: Found) -> Numbers:
    """By sums of ranks, with the correction for equal values (Demšar 2006; Conover 1999)."""
    columns = list(zip(*_means(found.values).values(), strict=True))
    k, n = len(found.values), len(columns)
    squares = math.fsum((n * rank) ** 2 for rank in found.ranks.values())
    ties = sum(size**3 - size for column in columns for size in Counter(column).values())
    whole = 12 * squares / (n * k * (k + 1)) - 3 * n * (k + 1)
    kept = 1 - ties / (n * (k**3 - k))
    chi2 = whole / kept if kept > 0 else 0.0
    room = n * (k - 1) - chi2
    if room > 1e-9:
        p = f_tail((n - 1) * chi2 / room, k - 1, (k - 1) * (n - 1))
    else:  # one of so many orders, in every further class
        alike = math.prod(map(math.factorial, Counter(columns[0]).values()))
        p = (alike / math.factorial(k)) ** (n - 1)
    numbers: Numbers = {"settings": k, "classes": n, "chi2": chi2, "p": p}
    most = range_point(k, math.inf)
    return numbers | {"critical_difference": most * math.sqrt(k * (k + 1) / (12 * n))}


def sentence(trials: Sequence[Trial], records: Records) -> Allowed:
    """Numbers of classes, p-values and critical differences of what is ranked."""
    texts, values = set[str](), list[float]()
    for metric in records.margins:
        for labels in _tables(trials, records):
            found = _found(records, labels, metric)
            if len(found.values) >= MANY:
                numbers = _tested(found)
                many = counted(int(str(numbers["classes"])), "class")
                runs = next(iter(found.values.values()))
                texts |= {f"n = {many}", many}
                texts |= {
                    counted(len(runs), "seed"),
                    counted(max(0, len(found.values) - MOST_LINES), "setting"),
                }
                texts |= {"< 0.001"} if float(numbers["p"] or 0.0) < 0.001 else set()
                values += [float(numbers[name] or 0.0) for name in ("p", "critical_difference")]
    return Allowed(frozenset(texts), tuple(values))


def _tables(trials: Sequence[Trial], records: Records) -> list[list[str]]:
    """Labels of settings whose trials are named: all, and those of each part of a union, since a
    trial may be in several."""
    named = {trial.key for trial in trials}
    labels = [k for k, of in records.labelled.items() if any(t.key in named for t in of)]
    parts = {records.parts[label] for label in labels}
    each = [[label for label in labels if records.parts[label] == part] for part in sorted(parts)]
    return [records.once(of) for of in (labels, *each)]


WAYS: Mapping[str, Callable[[Line], Expected]] = {
    "reports.ranking.ranking_table": ranking,
    "reports.ranking.tests_table": tests,
}
RULES: Mapping[str, Callable[[Sequence[Trial], Records], Allowed]] = {
    "reports.ranking.sentence": sentence,
    "reports.ranking_figures.ranks": sentence,
    "reports.ranking_figures.profiles": sentence,
    "reports.ranking.Together.n": sentence,
}
