"""Two factors of two levels each: what each does with and without the other, and together.

A design is a study, or a part of a union, whose config varies along two axes with two levels. A
level counts as *with* where it is the base config's, or the axis' baseline.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from moleflow.metrics.catalogue import Metric
from moleflow.metrics.means import mean
from orchestration.records.ledger import Record
from orchestration.studies.axes import Grid, Variants, Zip
from orchestration.studies.points import points, written
from orchestration.studies.study import Study
from reports.evidence import Evidence, keys
from reports.further_seeds import seconds_per_seed
from reports.statistics import (
    Contrast,
    Interaction,
    contrast,
    holm,
    holm_interactions,
    interaction,
)

Corner = tuple[bool, bool]
"""Whether the first factor is in, and the second."""
CORNERS: tuple[Corner, ...] = ((False, False), (True, False), (False, True), (True, True))
Factored = Literal["first", "second"]
STEPS: Mapping[Factored, tuple[tuple[Corner, Corner], tuple[Corner, Corner]]] = {
    "first": (((False, False), (True, False)), ((False, True), (True, True))),
    "second": (((False, False), (False, True)), ((True, False), (True, True))),
}
"""Corners between which a factor's effect lies: without the other, and with it."""
Kind = Literal["on_task_mean", "final_mean"]
KINDS: Mapping[Kind, str] = {
    "on_task_mean": "right after its task was learned",
    "final_mean": "at the end of the sequence",
}
"""Forgetting is in the second alone: it must not pass for an effect of a component."""


@dataclass(frozen=True)
class Factor:
    """One of the two."""

    name: str
    """Of the field, or of the axis of variants."""
    within: str
    """Its level that counts as *with*, as trials' axes write it."""
    without: str

    def __str__(self) -> str:
        return f"{self.name} = {self.within} (not {self.without})"


@dataclass(frozen=True)
class Design:
    """Both factors, and the finished trials at each corner."""

    name: str
    """Of the part of a union; else both factors' names."""
    part: str
    """Empty where the whole study is the design."""
    first: Factor
    second: Factor
    corners: Mapping[Corner, tuple[Record, ...]]
    planned: int
    """Trials at all corners."""


@dataclass(frozen=True)
class Crossed:
    """A design on one metric: a value per seed and corner."""

    design: Design
    metric: Metric
    kind: Kind
    seeds: tuple[int, ...]
    """That have every order at every corner."""
    values: Mapping[Corner, tuple[float, ...]]
    records: tuple[Record, ...]
    left_out: int
    """Finished trials of other seeds."""
    result: Interaction | None = None
    """None for fewer than two seeds."""
    effects: Mapping[Factored, tuple[Contrast, Contrast]] = field(
        default_factory=dict[Factored, tuple[Contrast, Contrast]]
    )
    """Of a factor, in minus out: where the other is out, and where it is in. Empty without a seed
    that has every corner."""

    def at(self, corner: Corner) -> list[Record]:
        """Those that its value is of."""
        used = set(keys(self.records))
        return [record for record in self.design.corners[corner] if record.key in used]

    @property
    def seconds_per_seed(self) -> float | None:
        """At work of the trials of one seed, at all corners; None without a seed."""
        return seconds_per_seed(self.records)


def designs(evidence: Evidence) -> tuple[Design, ...]:
    """Every design of the study."""
    return tuple(_designs(evidence, evidence.plan.study, ""))


def _designs(evidence: Evidence, study: Study, part: str) -> Iterator[Design]:
    for name, inner in study.parts.items():
        yield from _designs(evidence, inner, f"{part}/{name}" if part else name)
    axes = study.varying_axes
    factors = [factor for axis in axes if (factor := _factor(study, axis))]
    if study.parts or len(axes) != 2 or len(factors) != 2:
        return
    first, second = factors
    corners: dict[Corner, list[str]] = {corner: [] for corner in CORNERS}
    for trial in evidence.plan.trials:
        for named in (trial.axes, *trial.also):
            if named.get("part", "") == part:
                at = (named[first.name] == first.within, named[second.name] == second.within)
                corners[at].append(trial.key)
    finished = {record.key: record for record in evidence.finished}
    found = {
        corner: tuple(finished[key] for key in dict.fromkeys(of) if key in finished)
        for corner, of in corners.items()
    }
    planned = len({key for of in corners.values() for key in of})
    name = part or f"{first.name} and {second.name}"
    yield Design(name, part, first, second, found, planned)


def _factor(study: Study, axis: Grid | Zip | Variants) -> Factor | None:
    """None where it has not two levels, or does not apply to every trial."""
    if axis.when or isinstance(axis, Zip):
        return None
    if isinstance(axis, Variants):
        others = [name for name in axis.variants if name != axis.baseline]
        return Factor(axis.name, axis.baseline, others[0]) if len(others) == 1 else None
    levels = list(dict.fromkeys(point.axes[axis.field] for point in points(study)))
    if len(levels) != 2:
        return None
    base = written(study.base, axis.field)
    within = base if base in levels else levels[0]
    return Factor(axis.field, within, next(level for level in levels if level != within))


def crossed(evidence: Evidence, metric: Metric, kind: Kind) -> list[Crossed]:
    """Every design on one metric; p-values and verdicts hold for all of them together."""
    found = [_crossed(evidence, design, metric, kind) for design in designs(evidence)]
    known = {one.design.name: one.result for one in found if one.result is not None}
    adjusted = holm_interactions(known)
    found = [
        replace(one, result=adjusted[one.design.name]) if one.result is not None else one
        for one in found
    ]
    return _simple_effects(found)


def _crossed(evidence: Evidence, design: Design, metric: Metric, kind: Kind) -> Crossed:
    def value(record: Record) -> float | None:
        return evidence.measurements.summary(record.key, metric.name, kind)

    have = {
        corner: [record for record in of if value(record) is not None]
        for corner, of in design.corners.items()
    }
    orders = {record.order for of in have.values() for record in of}
    every = sorted({record.seed for of in have.values() for record in of})
    seeds = [s for s in every if all(_orders(of, s) == orders for of in have.values())]
    used = {corner: [r for r in of if r.seed in seeds] for corner, of in have.items()}
    values = {
        corner: tuple(mean(value(r) or 0.0 for r in of if r.seed == s) for s in seeds)
        for corner, of in used.items()
    }
    records = tuple(record for of in used.values() for record in of)
    left_out = sum(map(len, have.values())) - len(records)
    found = Crossed(design, metric, kind, tuple(seeds), values, records, left_out)
    if len(seeds) < 2:
        return found
    neither, first, second, both = (values[corner] for corner in CORNERS)
    return replace(found, result=interaction(neither, first, second, both, metric.margin or 0.0))


def _orders(records: Sequence[Record], seed: int) -> set[str]:
    return {record.order for record in records if record.seed == seed}


def _simple_effects(found: Sequence[Crossed]) -> list[Crossed]:
    """With each factor's effect at both levels of the other; Holm over all of a factor's, those of
    the same trials once, which designs share where they leave the same components in."""
    effects: list[dict[Factored, tuple[Contrast, Contrast]]] = [{} for _ in found]
    for factor, steps in STEPS.items():
        different = {
            _rests_on(one, step): contrast(
                one.values[step[0]], one.values[step[1]], one.metric.margin or 0.0
            )
            for one in found
            if one.seeds
            for step in steps
        }
        adjusted = dict(zip(different, holm(list(different.values())), strict=True))
        for one, of in zip(found, effects, strict=True):
            if one.seeds:
                without, beside = (adjusted[_rests_on(one, step)] for step in steps)
                of[factor] = without, beside
    return [replace(one, effects=of) for one, of in zip(found, effects, strict=True)]


def _rests_on(one: Crossed, step: tuple[Corner, Corner]) -> tuple[frozenset[str], ...]:
    """Trials at two corners."""
    used = set(keys(one.records))
    return tuple(frozenset(keys(one.design.corners[corner])) & used for corner in step)


def trial_keys(found: Sequence[Crossed]) -> list[str]:
    """Of all that these rest on."""
    return keys(record for one in found for record in one.records)
