"""Tables of two factors, recomputed from plain records: cells by names of axes, F by totals."""

import json
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, cast

from moleflow.wording import from_fewest
from reports.audit.compute import per_seed, priced
from reports.audit.distributions import f_tail
from reports.audit.over_pictures import METRICS, Ends, Parts, of_parts
from reports.audit.pictures import columns
from reports.audit.records import Records, Trial
from reports.audit.second_way import Expected, Line, Numbers, described
from reports.audit.tests import (
    LEVEL,
    Tested,
    ends_of_noise,
    fewest,
    step_down,
    tested,
    verdict,
)
from reports.audit.words import Allowed, numbers_of_seeds, whole_units, without

Corner = tuple[bool, bool]
CORNERS: dict[str, Corner] = {
    "neither": (False, False),
    "first": (True, False),
    "second": (False, True),
    "both": (True, True),
}
STEPS: Mapping[str, tuple[tuple[str, str], tuple[str, str]]] = {
    "first": (("neither", "first"), ("second", "both")),
    "second": (("neither", "second"), ("first", "both")),
}
TOGETHER: Mapping[str, float] = {"both": 1, "second": -1, "first": -1, "neither": 1}
"""How often each corner counts in an interaction."""
MEANINGS = {
    "better": "they help each other",
    "worse": "they stand in each other’s way",
    "equivalent": "they add up",
    "undecided": "undecided",
}
"""Of the verdict on an interaction."""
NEEDED = ("seeds_to_decide", "seeds_to_decide_low", "seeds_to_decide_high")
ROUNDING = 1e-12


@dataclass(frozen=True)
class Cells:
    """A value per seed at each corner, by the corner's name."""

    values: Mapping[str, list[float]]
    used: Mapping[str, list[Trial]]
    have: int

    @property
    def keys(self) -> frozenset[str]:
        return frozenset(trial.key for of in self.used.values() for trial in of)

    @property
    def seeds(self) -> int:
        return len(self.values["both"])

    @property
    def seconds(self) -> float | None:
        """That one seed's trials were at work, at all corners."""
        return per_seed(trial for of in self.used.values() for trial in of)


NAMED = 3
"""Designs of a verdict that a sentence names; the others are counted."""


def designs(records: Records) -> dict[str, tuple[str, str]]:
    """Axes that cross, by the part of the union that they are in."""
    return dict(_designs(records.study, ""))


def _designs(study: Mapping[str, Any], part: str) -> list[tuple[str, tuple[str, str]]]:
    parts = cast(Mapping[str, Any], study.get("parts") or {})
    found = [
        one
        for name, inner in parts.items()
        for one in _designs(inner, f"{part}/{name}" if part else name)
    ]
    varying = [axis for axis in study["axes"] if {"field", "fields", "variants"} & set(axis)]
    names = [str(axis.get("field") or axis.get("name")) for axis in varying]
    crossed = len(varying) == 2 and all(_two_levels(axis) for axis in varying)
    return [*found, (part, (names[0], names[1]))] if crossed else found


def _two_levels(axis: Mapping[str, Any]) -> bool:
    levels = axis.get("variants") or axis.get("values") or ()
    return "fields" not in axis and not axis.get("when") and len(levels) == 2


def _within(records: Records, part: str, name: str) -> str | None:
    """The level that counts as *with*; None: the first that a trial has."""
    study = records.part(part)
    for axis in study["axes"]:
        if axis.get("name") == name and "baseline" in axis:
            return str(axis["baseline"])
    value: Any = study["base"]
    for step in name.split("."):
        value = cast(Any, value[step] if isinstance(value, Mapping) else None)
    return json.dumps(value)


def cells(records: Records, part: str, axes: tuple[str, str], line: Line) -> Cells | None:
    """None where no seed is whole."""
    name = f"cells {part} {line.cells['metric']} {line.cells.get('definition')}"
    if name not in records.known:
        records.known[name] = _cells(records, part, axes, line)
    return records.known[name]


def _cells(records: Records, part: str, axes: tuple[str, str], line: Line) -> Cells | None:
    within = [_within(records, part, name) for name in axes]
    named = [
        (trial, one)
        for trial in records.trials
        for one in (trial.axes, *trial.also)
        if one.get("part", "") == part and all(name in one for name in axes)
    ]
    for i, name in enumerate(axes):
        levels = list(dict.fromkeys(one[name] for _, one in named))
        within[i] = within[i] if within[i] in levels else levels[0]
    measured = line.measured([t for t, _ in named if t.status == "finished"])
    at: dict[str, dict[str, Trial]] = {corner: {} for corner in CORNERS}
    for trial, one in named:
        flags = (one[axes[0]] == within[0], one[axes[1]] == within[1])
        corner = next(name for name, of in CORNERS.items() if of == flags)
        if trial.key in measured:
            at[corner][trial.key] = trial
    orders = {trial.order for of in at.values() for trial in of.values()}
    seeds = [
        seed
        for seed in sorted({trial.seed for of in at.values() for trial in of.values()})
        if all({t.order for t in of.values() if t.seed == seed} == orders for of in at.values())
    ]
    if not seeds:
        return None
    used = {name: [t for t in of.values() if t.seed in seeds] for name, of in at.items()}
    values = {
        name: [statistics.mean(measured[t.key] for t in of if t.seed == seed) for seed in seeds]
        for name, of in used.items()
    }
    return Cells(values, used, sum(map(len, at.values())))


def _of(line: Line) -> Cells:
    axes = (line.cells["first"], line.cells["second"])
    found = cells(line.records, line.cells["part"], axes, line)
    if found is None:
        raise ValueError("no seed is whole at all corners")
    return found


def corners(line: Line) -> Expected:
    """At one corner, over seeds."""
    found = _of(line)
    name = line.cells["corner"]
    numbers = described(found.values[name]) | _on_pictures(line, found, {name: 1})
    return Expected(numbers, frozenset(t.key for t in found.used[name]))


def _on_pictures(
    line: Line, found: Cells | None, factors: Mapping[str, float], beside: Ends | None = None
) -> Numbers:
    """Of a sum over corners, of final values."""
    if line.cells["definition"] != "final_mean":
        return {}
    return columns(line, _parts(found, factors) if found else (), beside)


def _parts(found: Cells, factors: Mapping[str, float]) -> Parts:
    return [(factor, found.used[name]) for name, factor in factors.items()]


def _interaction(found: Cells, margin: float) -> Tested:
    v = found.values
    alone = [b - a for a, b in zip(v["neither"], v["first"], strict=True)]
    joined = [b - a for a, b in zip(v["second"], v["both"], strict=True)]
    return tested(alone, joined, margin)


def interactions(line: Line) -> Expected:
    """Paired by seed with Holm over designs, and the analysis of variance by totals."""
    records, margin = line.records, line.records.margins[line.cells["metric"]]
    own = cells(records, line.cells["part"], (line.cells["first"], line.cells["second"]), line)
    if own is None or own.seeds < 2:
        told: Numbers = {"verdict": None, "seeds": own.seeds if own else 0, "margin": margin}
        told |= {"left_out": own.have - len(own.keys)} if own else {}
        return Expected(told | _on_pictures(line, own, TOGETHER))
    others = _compared(records, line)
    results = {part: _interaction(found, margin) for part, found in others.items()}
    part = line.cells["part"]
    numbers = judged(results, part, margin, line.cells)
    numbers |= priced(numbers, own.seconds)
    anova = {name: _anova(found) for name, found in others.items()}
    f, p, share = anova[part]
    holm = step_down({name: one[1] for name, one in anova.items() if one[1] is not None})
    numbers |= {"f": f, "anova_p": p, "anova_p_holm": holm.get(part), "partial_eta2": share}
    robust = _hc3(own)
    numbers |= {"f_hc3": robust, "p_hc3": None}
    numbers |= {"p_hc3": f_tail(robust, 1, 4 * (own.seeds - 1))} if robust is not None else {}
    numbers |= {"df": 1, "df_residual": 4 * (own.seeds - 1), "left_out": own.have - len(own.keys)}
    numbers |= _on_pictures(line, own, TOGETHER, results[part].interval)
    return Expected(numbers, own.keys)


def judged(
    results: Mapping[str, Tested], name: str, margin: float, cells: Mapping[str, str]
) -> Numbers:
    """One of several contrasts of a table, of which these cells are a line."""
    one = results[name]
    numbers: Numbers = {"seeds": one.n, "margin": margin, "difference": one.difference}
    low, high = one.interval or (None, None)
    numbers |= {"interval_low": low, "interval_high": high, "p": one.p}
    known = {k: r.p for k, r in results.items() if r.p is not None}
    same = {k: r.p_equivalence for k, r in results.items() if r.p_equivalence is not None}
    adjusted, equivalent = step_down(known), step_down(same)
    if name not in adjusted:
        return numbers | {"verdict": "undecided", "p_holm": None, "p_equivalence_holm": None}
    told = verdict(one.difference, adjusted[name], equivalent[name])
    numbers |= {"p_holm": adjusted[name], "p_equivalence_holm": equivalent[name], "verdict": told}
    if told != "undecided":
        return numbers | dict.fromkeys(NEEDED)
    open_ = [sum(p > LEVEL for p in each.values()) for each in (adjusted, equivalent)]
    levels = (LEVEL / max(1, open_[0]), LEVEL / max(1, open_[1]))
    for column, end in zip(NEEDED, (1.0, *ends_of_noise(one.n - 1)), strict=True):
        if column in cells:
            other = replace(one, sd=(one.sd or 0.0) * end)
            numbers[column] = fewest(other, margin, levels, cells[column])
    return numbers


def _anova(found: Cells) -> tuple[float | None, float | None, float]:
    """F, p and partial η² of the interaction: balanced, so by totals."""
    n = found.seeds
    exact = {name: [Fraction(v) for v in of] for name, of in found.values.items()}
    total = {name: sum(of, Fraction(0)) for name, of in exact.items()}
    effect = (total["both"] - total["second"] - total["first"] + total["neither"]) ** 2 / (4 * n)
    squares = sum((v * v for of in exact.values() for v in of), Fraction(0))
    rest = squares - sum((t * t / n for t in total.values()), Fraction(0))
    largest = max(abs(v) for of in exact.values() for v in of)
    rounding = 4 * n * (Fraction(ROUNDING) * largest) ** 2
    if rest <= rounding:
        return None, None, 0.0 if effect <= rounding else 1.0
    f = float(effect / (rest / (4 * (n - 1))))
    return f, f_tail(f, 1, 4 * (n - 1)), float(effect / (effect + rest))


def _hc3(found: Cells) -> float | None:
    """F of the interaction with HC3 variances of the four means: Σe²/(n − 1)² each, for a mean of n
    values has leverage 1/n."""
    variances: list[float] = []
    rests: list[float] = []
    for of in found.values.values():
        rest = [value - statistics.mean(of) for value in of]
        rests += [abs(e) for e in rest]
        variances.append(math.fsum(e * e for e in rest) / (len(of) - 1) ** 2)
    largest = max(abs(v) for of in found.values.values() for v in of)
    if max(rests) * found.seeds / (found.seeds - 1) <= ROUNDING * largest:
        return None
    m = {name: statistics.mean(of) for name, of in found.values.items()}
    return (m["both"] - m["second"] - m["first"] + m["neither"]) ** 2 / math.fsum(variances)


def simple_effects(line: Line) -> Expected:
    """What a factor changes at one level of the other."""
    margin, factor = line.records.margins[line.cells["metric"]], line.cells["factor"]
    results: dict[str, Tested] = {}
    names: dict[str, str] = {}
    for part, axes in designs(line.records).items():
        found = cells(line.records, part, axes, line)
        for i, (before, after) in enumerate(STEPS[factor]) if found else ():
            assert found is not None
            sides = [sorted(t.key for t in found.used[corner]) for corner in (before, after)]
            names[f"{part} {i}"] = json.dumps(sides)  # of the same trials: one comparison
            results[json.dumps(sides)] = tested(found.values[before], found.values[after], margin)
    name = names[f"{line.cells['part']} {line.cells['other_in']}"]
    numbers = judged(results, name, margin, line.cells)
    before, after = STEPS[factor][int(line.cells["other_in"])]
    own = _of(line)
    numbers |= priced(numbers, per_seed([*own.used[before], *own.used[after]]))
    numbers |= _on_pictures(line, own, {before: -1, after: 1}, results[name].interval)
    return Expected(numbers, own.keys)


def sentence(trials: Sequence[Trial], records: Records) -> Allowed:
    """Seeds, interactions and verdicts of the designs that just these trials are of, for any metric
    with a margin."""
    values, seeds, texts = list[float](), set[int](), set[str]()
    named = frozenset(trial.key for trial in trials)
    for metric, margin in records.margins.items():
        for kind in ("on_task_mean", "final_mean"):
            line = Line({"metric": metric, "definition": kind}, "", (), tuple(trials), records)
            found = _compared(records, line)
            results = {part: _interaction(one, margin) for part, one in found.items()}
            told = {part: judged(results, part, margin, {})["verdict"] for part in results}
            lost = sum(one.have - len(one.keys) for one in found.values())
            texts.add(without(lost, "trial"))
            if frozenset[str]().union(*(one.keys for one in found.values())) == named:
                texts.add(f"{sum(of != 'undecided' for of in told.values())} of {len(told)}")
            for part, one in found.items():
                alike = [other for p, other in found.items() if told[p] == told[part]]
                if frozenset[str]().union(*(other.keys for other in alike)) == named:
                    texts |= {MEANINGS[str(told[part])], f"{len(alike) - NAMED} more"}
                if one.keys == named:
                    texts |= {str(told[part]), whole_units(one.seconds)}
                values += [results[part].difference] if one.keys <= named else []
                seeds.add(one.seeds)
            texts |= _seeds_of(records, line, named)
    return Allowed(numbers_of_seeds(seeds) | texts, tuple(values))


def _seeds_of(records: Records, line: Line, named: frozenset[str]) -> set[str]:
    """From the fewest to the most of all designs that have some, where just these are named."""
    each = [cells(records, part, axes, line) for part, axes in designs(records).items()]
    found = [one for one in each if one and one.seeds]
    many = sorted(one.seeds for one in found)
    if not many or frozenset[str]().union(*(one.keys for one in found)) != named:
        return set()
    return {from_fewest(many, "seed")}


def _compared(records: Records, line: Line) -> dict[str, Cells]:
    """Of designs that have two seeds at all corners, by their part."""
    found = {part: cells(records, part, axes, line) for part, axes in designs(records).items()}
    return {part: one for part, one in found.items() if one and one.seeds > 1}


def on_other_pictures(trials: Sequence[Trial], records: Records) -> Allowed:
    """How many interactions that are better or worse stay clear of zero over pictures, too."""
    texts: set[str] = set()
    for metric in METRICS:
        margin = records.margins.get(metric)
        line = Line({"metric": metric, "definition": "final_mean"}, "", (), tuple(trials), records)
        every = {
            part: found
            for part, axes in (designs(records) if margin is not None else {}).items()
            if (found := cells(records, part, axes, line)) and found.seeds > 1
        }
        results = {part: _interaction(found, margin or 0.0) for part, found in every.items()}
        clear = decided = 0
        for part, one in results.items():
            if judged(results, part, margin or 0.0, {})["verdict"] in ("better", "worse"):
                found = of_parts(records, _parts(every[part], TOGETHER), metric)
                low, high = (0.0, 0.0) if isinstance(found, str) else found.both(one.interval)
                decided, clear = decided + 1, clear + ((low or 0) * (high or 0) > 0)
        texts.add(f"{clear} of {decided}")
    return Allowed(frozenset(texts))


WAYS: Mapping[str, Callable[[Line], Expected]] = {
    "reports.crossing.corners_table": corners,
    "reports.crossing.interaction_table": interactions,
    "reports.crossing.effects_table": simple_effects,
}
RULES: Mapping[str, Callable[[Sequence[Trial], Records], Allowed]] = {
    "reports.kinds.interactions.sentence": sentence,
    "reports.kinds.interactions._on_other_pictures": on_other_pictures,
    "reports.crossing.lines_figure": sentence,
}
