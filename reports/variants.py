"""Settings of a study against their baseline: which trials pair, and what their differences say."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from moleflow.metrics.catalogue import Metric
from moleflow.metrics.means import mean
from orchestration.records.ledger import Record
from orchestration.sharing.no_effect import NoEffect, baseline_config, no_effects
from orchestration.studies.effects import part_of
from orchestration.studies.named_settings import BASE, NamedSetting
from reports.digits import some
from reports.document import Figure, Table
from reports.evidence import Evidence, Setting, keys
from reports.further_seeds import seconds_per_seed
from reports.performance import whole_seeds
from reports.statistics import Contrast, contrast, holm

Named = TypeVar("Named", Table, Figure)
IN_PART = re.compile(r"(?:(?P<rest>.*), )?part = (?P<part>.*)", re.DOTALL)
"""A label of a setting of a union."""
NO_OP = "no-op"
Pair = tuple[Record, Record]
"""A baseline's trial and a variant's, of one order and seed."""


@dataclass(frozen=True)
class Compared:
    """A variant against the baseline on one metric."""

    setting: Setting
    pairs: tuple[Pair, ...]
    """Both finished, both have the metric, and their seed has every order that any pair has."""
    result: Contrast | None
    """Over seeds, each a mean over orders; None where no pair is whole."""
    left_out: int
    """Pairs of seeds that lack an order."""
    no_op: bool
    """Its numbers are the baseline's to the bit, in every trial that both have finished."""

    @property
    def verdict(self) -> str | None:
        """What is told of it: a no-op is no evidence, so that it has none of the verdicts."""
        if self.result is None:
            return None
        return NO_OP if self.no_op else self.result.verdict

    @property
    def trials(self) -> list[str]:
        """Keys of all of its pairs."""
        return keys(record for pair in self.pairs for record in pair)

    @property
    def seconds_per_seed(self) -> float | None:
        """At work of the trials of one seed, baseline's and variant's; None without a seed."""
        return seconds_per_seed(record for pair in self.pairs for record in pair)


@dataclass(frozen=True)
class Family:
    """Settings that one baseline is compared with; verdicts hold for all of them together."""

    part: str
    """Of a union; empty for all of a study."""
    number: int
    """From 1 where there are parts, for names of tables."""
    baseline: Setting
    others: tuple[Setting, ...]

    def named(self, block: Named) -> Named:
        """A table or figure of this family, called so."""
        return replace(block, name=f"{block.name}-part{self.number}") if self.number else block


ByMetric = Mapping[str, Sequence[Compared]]
Comparisons = tuple[Family, ByMetric]
"""What one baseline is compared with."""


def families(evidence: Evidence) -> list[Family]:
    """Each part of a union against its own baseline, which parts may share; settings of parts that
    have one alone, and another config, against the study's. None without a baseline.

    A config is one setting of a family, whatever its names there: once among its verdicts.
    """
    of_part: dict[str, list[NamedSetting]] = {}
    for name in evidence.named:
        of_part.setdefault(name.part, []).append(name)
    found: list[Family] = []
    alone: list[NamedSetting] = []
    for part, names in of_part.items():
        settings = evidence.settings_of(names)
        if part and len(settings) == 1:
            alone += names
            continue
        wanted = baseline_config(part_of(evidence.plan.study, {"part": part} if part else {}))
        own = next((s for s in settings if s.trials[0].config == wanted), None)
        if own is not None:
            others = tuple(s for s in settings if s.trials[0].config != wanted)
            found.append(Family(part, len(found) + 1 if part else 0, own, others))
    main = baseline_of_all(evidence)
    if main is not None:
        config = main.trials[0].config
        settings = evidence.settings_of(alone)
        rest = tuple(setting for setting in settings if setting.trials[0].config != config)
        found += [Family("", 0, main, rest)] if rest else []
    return found


def baseline_of_all(evidence: Evidence) -> Setting | None:
    """The base config, with the changes of the baselines of its axes of variants."""
    wanted = baseline_config(evidence.plan.study)
    return next((s for s in evidence.settings if s.trials[0].config == wanted), None)


def called(setting: Setting) -> str:
    """A variant's own name, else the values of its fields; of a union, the part before it."""
    return called_by(setting.label)


def called_by(label: str) -> str:
    """As `called`, of a setting's label."""
    own, part = _apart(label)
    return f"{part}: {own}" if part else own


def own_name(setting: Setting) -> str:
    """As `called`, where all that stands beside it is of the same part."""
    return _apart(setting.label)[0]


def _apart(label: str) -> tuple[str, str]:
    """What a setting is called in its part, and the part; empty where a study is no union."""
    found = IN_PART.fullmatch(label)
    rest, part = (found["rest"] or "", found["part"]) if found else (label, "")
    name = rest.removeprefix("variant = ")
    return (name if ", " not in name else rest) or BASE, part


def comparisons(evidence: Evidence) -> list[Comparisons]:
    """Of every baseline."""
    return [
        (
            family,
            {
                metric.name: compare(evidence, family.baseline, family.others, metric)
                for metric in evidence.concluded
            },
        )
        for family in families(evidence)
    ]


def compare(
    evidence: Evidence, baseline: Setting, others: Sequence[Setting], metric: Metric
) -> list[Compared]:
    """Every other setting against the baseline; p-values and verdicts hold for all together."""
    found = [_compared(evidence, baseline, other, metric) for other in others]
    results = iter(holm([one.result for one in found if one.result is not None]))
    return [one if one.result is None else replace(one, result=next(results)) for one in found]


def _compared(evidence: Evidence, baseline: Setting, other: Setting, metric: Metric) -> Compared:
    final = evidence.measurements.summary
    values = {
        record.key: value
        for record in (*baseline.finished, *other.finished)
        if (value := final(record.key, metric.name, "final_mean")) is not None
    }
    have = [pair for pair in pairs(baseline, other) if all(one.key in values for one in pair)]
    seeds = whole_seeds([one for one, _ in have])
    kept = tuple(pair for pair in have if pair[0].seed in seeds)
    result = over_seeds(kept, values, metric) if kept else None
    return Compared(other, kept, result, len(have) - len(kept), is_no_op(evidence, baseline, other))


def over_seeds(kept: Sequence[Pair], values: Mapping[str, float], metric: Metric) -> Contrast:
    """Of trials' values by key, each seed's a mean over its orders."""
    seeds = sorted({one.seed for one, _ in kept})
    before, after = (
        [mean(values[pair[i].key] for pair in kept if pair[0].seed == seed) for seed in seeds]
        for i in (0, 1)
    )
    return contrast(before, after, metric.margin or 0.0)


def pairs(baseline: Setting, other: Setting) -> Iterator[Pair]:
    """Finished trials of one order and seed."""
    known = {(record.order, record.seed): record for record in baseline.finished}
    for record in other.finished:
        if (record.order, record.seed) in known:
            yield known[record.order, record.seed], record


def is_no_op(evidence: Evidence, baseline: Setting, other: Setting) -> bool:
    """Whether every final number of every class is the baseline's, to the bit."""
    of = evidence.outcomes
    both = [(of[one.key].numbers, of[two.key].numbers) for one, two in pairs(baseline, other)]
    return bool(both) and all(one and one == two for one, two in both)


def no_ops(evidence: Evidence) -> dict[int, Setting]:
    """Baselines by the numbers of the settings that are no-ops against them."""
    return {
        other.number: family.baseline
        for family in families(evidence)
        for other in family.others
        if is_no_op(evidence, family.baseline, other)
    }


def no_ops_told(names: Sequence[str]) -> str:
    """What is said of no-ops instead of a verdict."""
    return f"no-op, with the baseline’s numbers to the bit: {some(names)}"


def without_effect(evidence: Evidence) -> list[NoEffect]:
    """Settings that changed nothing, to the bit, against their baseline."""
    return no_effects(evidence.plan, evidence.outcomes)
