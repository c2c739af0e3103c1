"""Tables of tasks 0, recomputed from plain records."""

import itertools
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import partial

from moleflow.wording import counted
from reports.audit import together
from reports.audit.best import NEARLY, chances, near, settles
from reports.audit.compute import per_seed, priced
from reports.audit.distributions import f_tail, t_quantile, t_tail
from reports.audit.over_pictures import METRICS, Parts, of_parts
from reports.audit.pictures import columns
from reports.audit.records import Records, Trial
from reports.audit.second_way import Expected, Line, Numbers, described
from reports.audit.tests import (
    LEVEL,
    SEEDS_FOR_PROOF,
    Layout,
    ends_of_noise,
    range_of,
    range_point,
)
from reports.audit.together import several
from reports.audit.words import Allowed, lost, numbers_of_seeds, whole_units, without

TO_SETTLE = ("seeds_to_settle", "seeds_to_settle_low", "seeds_to_settle_high")
BY_QUADRATURE = 1e-6
"""Of what two programs find for a point of the studentised range."""


def layout(
    trials: Sequence[Trial], values: Mapping[str, float]
) -> tuple[Layout, list[Trial]] | None:
    """Means by task 0 and seed, of seeds that have every order of every task 0."""
    have = [trial for trial in trials if trial.key in values]
    names = sorted({trial.task0 for trial in have})
    orders = {name: {t.order for t in have if t.task0 == name} for name in names}
    seeds = [
        seed
        for seed in sorted({trial.seed for trial in have})
        if all(
            {t.order for t in have if t.task0 == name and t.seed == seed} == orders[name]
            for name in names
        )
    ]
    if len(names) < 2 or len(seeds) < 2:
        return None
    rows = [
        tuple(
            statistics.mean(values[t.key] for t in have if (t.task0, t.seed) == (name, seed))
            for seed in seeds
        )
        for name in names
    ]
    return Layout(tuple(names), tuple(rows)), [t for t in have if t.seed in seeds]


def _of(line: Line) -> tuple[Layout, list[Trial]]:
    found = layout(line.finished, line.measured(line.finished))
    if found is None:
        raise ValueError("fewer than two tasks 0 or two seeds")
    return found


def effects(line: Line) -> Expected:
    """Of one task 0: mean, and difference to the mean of all with Šidák's interval."""
    found, used = _of(line)
    g, i = len(found.names), found.names.index(line.cells["task0"])
    difference = found.means[i] - statistics.mean(found.flat)
    error = found.sd * math.sqrt(Fraction(g - 1, g * found.seeds))
    tail = 1 - (1 - LEVEL) ** (1 / g)
    half = t_quantile(1 - tail / 2, found.df) * error
    p = f_tail((difference / error) ** 2, 1, found.df) if error else 1.0
    numbers: Numbers = {**described(found.values[i]), "effect": difference}
    numbers |= {"effect_low": difference - half, "effect_high": difference + half}
    numbers |= {"p_adjusted": 1 - (1 - p) ** g}
    chance = chances(found, found.seeds)[i]
    numbers |= {"probability_best": near(line.cells["probability_best"], chance)}
    own = line.cells["task0"]
    numbers |= together.chance(line, found, used)
    numbers |= columns(line, _parts(used, {own: 1}))
    if "why_not" in numbers:
        share = -1 / g
        factors = {name: share + (1 if name == own else 0) for name in found.names}
        beside = (difference - half, difference + half)
        of_effect = columns(line, _parts(used, factors), beside)
        numbers |= {f"effect_{end}": of_effect[end] for end in ("both_low", "both_high")}
    return Expected(numbers, frozenset(trial.key for trial in used))


def _parts(used: Sequence[Trial], factors: Mapping[str, float]) -> Parts:
    """Of a sum of means by task 0."""
    return [(factor, [t for t in used if t.task0 == name]) for name, factor in factors.items()]


def _tukey(found: Layout, i: int, j: int) -> tuple[float, float]:
    """Of the difference of two, by scipy's studentised range."""
    difference = found.means[i] - found.means[j]
    scale = found.sd / math.sqrt(found.seeds)
    half = range_point(len(found.names), found.df) * scale if scale else 0.0
    return difference - half, difference + half


def pairs(line: Line) -> Expected:
    """Two tasks 0."""
    found, used = _of(line)
    g, (i, j) = len(found.names), (found.names.index(line.cells[c]) for c in ("task0", "other"))
    difference, (low, high) = found.means[i] - found.means[j], _tukey(found, i, j)
    scale = found.sd / math.sqrt(found.seeds)
    margin = line.records.margins[line.cells["metric"]]
    inside = max(abs(low), abs(high)) < margin
    told = "equivalent" if inside else "different" if low * high > 0 else "undecided"
    numbers: Numbers = {"difference": difference, "difference_low": low, "difference_high": high}
    numbers |= {"p_adjusted": range_of(abs(difference) / scale, g, found.df) if scale else 1.0}
    numbers |= {"margin": margin, "verdict": told}
    signs = {line.cells["task0"]: 1, line.cells["other"]: -1}
    numbers |= columns(line, _parts(used, signs), (low, high))
    return Expected(numbers, frozenset(trial.key for trial in used), BY_QUADRATURE)


def verdicts(line: Line) -> Expected:
    """Of all tasks 0 together."""
    found, used = _of(line)
    numbers = verdict_of(found, line.records.margins[line.cells["metric"]])
    values = line.measured(line.finished)
    numbers |= {"left_out": len(values) - len(used)} | _best(found, line.cells)
    numbers |= priced(numbers, per_seed(used), "settle")
    numbers |= together.verdict(line, found, used, numbers)
    return Expected(numbers, frozenset(trial.key for trial in used))


def _best(found: Layout, cells: Mapping[str, str]) -> Numbers:
    """The likeliest, its probability, and the seeds that would settle it."""
    chance = dict(zip(found.names, chances(found, found.seeds), strict=True))
    leader, said = max(chance, key=lambda name: chance[name]), cells["leader"]
    if chance.get(said, -1.0) > chance[leader] - NEARLY:
        leader = said
    numbers: Numbers = {"leader": leader}
    numbers |= {"probability_best": near(cells["probability_best"], chance[leader])}
    for column, end in zip(TO_SETTLE, (1.0, *ends_of_noise(found.df)), strict=True):
        if column in cells:
            of = partial(chances, found, noise=end)
            fits = settles(found.seeds, cells[column], of)
            numbers[column] = (cells[column] or None) if fits else "(another number)"
    return numbers


def verdict_of(found: Layout, margin: float) -> Numbers:
    """Whether groups are the same within a margin."""
    g, s, spread = len(found.names), found.seeds, max(found.means) - min(found.means)
    numbers: Numbers = {"task_zeros": g, "seeds": s, "margin": margin}
    if found.identical:
        same = margin > 0 and s >= SEEDS_FOR_PROOF
        numbers |= {"range": 0.0, "upper": 0.0, "p": 1.0, "p_equivalence": 0.0 if same else 1.0}
        return numbers | {"verdict": "equivalent" if same else "undecided"}
    error = found.sd * math.sqrt(2 / s)
    p = f_tail(s * statistics.variance(found.means) / found.sd**2, g - 1, found.df)
    p_equivalence = t_tail((margin - spread) / error, found.df) if margin > 0 else 1.0
    numbers |= {"range": spread, "upper": spread + t_quantile(1 - LEVEL, found.df) * error}
    numbers |= {"p": p, "p_equivalence": p_equivalence}
    same, other = p_equivalence <= LEVEL, p <= LEVEL
    return numbers | {"verdict": "equivalent" if same else "different" if other else "undecided"}


def spans(trials: Sequence[Trial], records: Records) -> Allowed:
    """Numbers of seeds, ranges and their bounds, for any metric with a margin."""
    values: list[float] = []
    texts: set[str] = set()
    for metric, margin in records.margins.items():
        line = Line({"metric": metric}, "", (), tuple(trials), records)
        found = layout(trials, line.measured(trials))
        if found is not None:
            numbers = verdict_of(found[0], margin)
            values += [float(numbers[name] or 0.0) for name in ("range", "upper")]
            texts |= {f"n = {found[0].seeds} seeds", str(numbers["verdict"])}
            texts |= {f"{len(found[0].names)} tasks 0", f"{found[0].seeds} seeds"}
            texts.add(lost(trials, records, metric, len(found[1])))
    return Allowed(frozenset(texts), tuple(values))


def sentence(trials: Sequence[Trial], records: Records) -> Allowed:
    """The same, and what is likely to be best, over seeds and on other pictures too."""
    known, short = spans(trials, records), records.short
    values, texts = list(known.values), set(known.texts)
    for metric, margin in records.margins.items():
        line = Line({"metric": metric}, "", (), tuple(trials), records)
        found = layout(trials, line.measured(trials))
        if found is None:
            continue
        each = [chances(found[0], found[0].seeds)]
        of = several(line, *found) if metric in METRICS else ""
        if not isinstance(of, str):
            numbers = verdict_of(found[0], margin)
            values.append(of.upper(float(numbers["range"] or 0), float(numbers["upper"] or 0)))
            each.append(of.chances(found[0].seeds))
        for of_all in each:
            likely = max(of_all)
            texts |= {f"{said} %" for said in _near(100 * likely)}
            named = zip(found[0].names, of_all, strict=True)
            texts |= {short[name] for name, one in named if one > likely - NEARLY}
        texts.add(whole_units(per_seed(found[1])))
    return Allowed(frozenset(texts), tuple(values))


def over_settings(trials: Sequence[Trial], records: Records) -> Allowed:
    """Seeds, how many settings have which verdict, and the largest range, for any metric with a
    margin."""
    named = {trial.key for trial in trials}
    values: list[float] = []
    texts: set[str] = set()
    for metric, margin in records.margins.items():
        told, seeds, left_out = list[str](), list[int](), 0
        for of in records.settings:
            own = [trial for trial in of if trial.key in named]
            line = Line({"metric": metric}, "", (), tuple(of), records)
            found = layout(own, line.measured(own))
            if found is not None:
                numbers = verdict_of(found[0], margin)
                told.append(str(numbers["verdict"]))
                values.append(float(numbers["range"] or 0.0))
                seeds.append(found[0].seeds)
                left_out += len(line.measured(line.finished)) - len(found[1])
        texts |= {
            f"{one} with {told.count(one)} of {counted(len(told), 'setting')}" for one in told
        }
        texts |= numbers_of_seeds(seeds) | {without(left_out, "trial")}
    return Allowed(frozenset(texts - {""}), tuple(values))


def _near(percents: float) -> range:
    """Whole ones that may be said of it."""
    return range(
        math.ceil(percents - 100 * NEARLY - 0.5), math.floor(percents + 100 * NEARLY + 0.5) + 1
    )


def on_other_pictures(trials: Sequence[Trial], records: Records) -> Allowed:
    """How many of the differences that are not zero over seeds stay so over pictures."""
    texts: set[str] = set()
    for metric in METRICS:
        line = Line({"metric": metric}, "", (), tuple(trials), records)
        found = layout(trials, line.measured(trials))
        if found is None or metric not in records.margins:
            continue
        each, used = found
        clear = decided = 0
        for i, j in itertools.combinations(range(len(each.names)), 2):
            beside = _tukey(each, i, j)
            if beside[0] * beside[1] > 0:
                signs = {each.names[i]: 1, each.names[j]: -1}
                both = of_parts(records, _parts(used, signs), metric)
                low, high = (0.0, 0.0) if isinstance(both, str) else both.both(beside)
                decided, clear = decided + 1, clear + ((low or 0) * (high or 0) > 0)
        texts.add(f"{clear} of {decided}")
    return Allowed(frozenset(texts))


WAYS: Mapping[str, Callable[[Line], Expected]] = {
    "reports.first_task.effects_table": effects,
    "reports.first_task_pairs.pairs_table": pairs,
    "reports.first_task.verdicts_table": verdicts,
}
RULES: Mapping[str, Callable[[Sequence[Trial], Records], Allowed]] = {
    "reports.kinds.task0.sentence": sentence,
    "reports.order_answer._of_first": sentence,
    "reports.kinds.task0._on_other_pictures": on_other_pictures,
    "reports.first_task.dots": spans,
    "reports.settings_answer.on_first_tasks": over_settings,
}
