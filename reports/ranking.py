"""Many variants together: ranks over classes, and aggregates that a few bad runs do not sway."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from moleflow.metrics.catalogue import Metric
from moleflow.wording import counted
from orchestration.records.ledger import Record
from reports.digits import bracketed, ends, p_value, percent
from reports.document import (
    DASH,
    Cell,
    Line,
    Number,
    Source,
    Table,
    Value,
    Words,
    computed,
    table,
)
from reports.evidence import Evidence, Setting, keys
from reports.performance import measured
from reports.statistics import (
    SEEDS_FOR_INTERVAL,
    Aggregate,
    Ranks,
    friedman,
    interquartile_mean,
    probability_of_improvement,
    seed_bootstrap,
)
from reports.variants import Family, own_name

MANY, CLASSES = 5, 3
"""Settings, the baseline among them, and classes, from which on they are ranked."""
HOW = (
    "Ranks: in each class settings are ranked by their mean over seeds, 1 is best. Friedman’s test "
    "(Iman and Davenport’s F) asks whether all rank alike; two settings are told apart where "
    "their average ranks differ by more than Nemenyi’s critical difference (5 % for all pairs). "
    "It takes classes for independent, which those of one data set are roughly at most. "
    "Interquartile mean: of the middle half of all runs of a class, its interval over whole seeds "
    "drawn anew. P(improvement): that a run of the setting is above one of the baseline, a mean "
    "over classes, seeds drawn anew for each class apart. Both as Agarwal et al. 2021; percentile "
    "intervals of few seeds are narrow."
)


@dataclass(frozen=True)
class Together:
    """Settings on the seeds, orders and classes that all have; the first is the baseline."""

    metric: Metric
    settings: tuple[Setting, ...]
    values: tuple[Float[np.ndarray, "s c"], ...]
    """By setting, each a mean over orders."""
    records: tuple[tuple[Record, ...], ...]

    @property
    def seeds(self) -> int:
        return self.values[0].shape[0]

    @property
    def classes(self) -> int:
        return self.values[0].shape[1]

    def n(self, classes: str, seeds: str) -> Words:
        """How many classes and seeds, with words after each."""
        source = computed(Together.n, self.trials)
        each = (
            Number(counted(self.classes, "class"), source),
            Number(counted(self.seeds, "seed"), source),
        )
        return (each[0], classes, each[1], seeds)

    @property
    def trials(self) -> list[str]:
        """Of all settings."""
        return keys(record for of in self.records for record in of)

    @cached_property
    def ranks(self) -> Ranks:
        return friedman(np.stack([of.mean(axis=0) for of in self.values], axis=1))

    @cached_property
    def middles(self) -> tuple[Aggregate, ...]:
        """Interquartile means."""
        name = self.metric.name
        return tuple(seed_bootstrap(interquartile_mean, of, name) for of in self.values)

    def apart(self, one: int) -> list[int]:
        """Settings that Nemenyi's difference tells from it."""
        average, least = self.ranks.average, self.ranks.critical_difference
        return [i for i, rank in enumerate(average) if abs(rank - average[one]) > least]


def together(evidence: Evidence, family: Family, metric: Metric) -> Together | None:
    """None where fewer settings, classes or than two seeds are common to all."""
    every = (family.baseline, *family.others)
    settings = [setting for setting in every if measured(evidence, setting, metric.name)]
    if len(settings) < MANY or settings[0] is not family.baseline:
        return None
    runs = [
        {(record.order, record.seed): record for record in measured(evidence, of, metric.name)}
        for of in settings
    ]
    orders, seeds = _common(runs)
    records = [[of[order, seed] for seed in seeds for order in orders] for of in runs]
    finals = [[evidence.measurements.finals(r, metric.name) for r in of] for of in records]
    if len(seeds) < 2:
        return None
    classes = sorted(set[str].intersection(*(set(one) for of in finals for one in of)))
    if len(classes) < CLASSES:
        return None
    values = tuple(_values(of, classes, len(seeds)) for of in finals)
    return Together(metric, tuple(settings), values, tuple(map(tuple, records)))


def _values(
    finals: Sequence[Mapping[str, float]], classes: Sequence[str], seeds: int
) -> Float[np.ndarray, "s c"]:
    """By seed, means over orders."""
    each = np.array([[one[c] for c in classes] for one in finals])
    return each.reshape(seeds, -1, len(classes)).mean(axis=1)


def _common(runs: Sequence[Mapping[tuple[str, int], Record]]) -> tuple[list[str], list[int]]:
    """Orders and seeds that all settings have, every seed with every order."""
    places = set(runs[0]).intersection(*runs[1:])
    orders = sorted({order for order, _ in places})
    seeds = sorted({seed for _, seed in places})
    return orders, [seed for seed in seeds if all((order, seed) in places for order in orders)]


def sentence(found: Together) -> Words:
    """Whether they rank differently, and which are told from the baseline."""
    ranks, source = found.ranks, computed(sentence, found.trials)
    p = p_value(ranks.p)
    apart = set(found.apart(0))
    better = [i for i in apart if ranks.average[i] < ranks.average[0]]
    worse = [i for i in apart if ranks.average[i] > ranks.average[0]]
    told = [
        f"{word}: {', '.join(sorted(own_name(found.settings[i]) for i in those))}"
        for word, those in (("above the baseline", better), ("below it", worse))
        if those
    ]
    differ = "differ" if ranks.p <= 0.05 else "are not shown to differ"
    return (
        f"{found.metric.title}: ranks of the settings over classes {differ} (Friedman p ",
        Number(p if p.startswith("<") else f"= {p}", source),
        ", ",
        Number(f"n = {counted(ranks.blocks, 'class')}", source),
        "). ",
        f"By ranks {'; '.join(told)}." if told else "None is told from the baseline by its rank.",
    )


def ranking_table(found: Together) -> Table:
    """A line per setting, the best rank first."""
    order = sorted(range(len(found.settings)), key=lambda i: (found.ranks.average[i], i))
    pairs = [_line(found, i) for i in order]
    caption = (
        f"{found.metric.title} at the end of the sequence, in percent, by average rank over ",
        *found.n("; ", ", over which alone the interval is"),
    )
    header = ("Setting", "Average rank", "Interquartile mean", "95 % interval", "P(improvement)")
    whole = computed(ranking_table, found.trials)
    rows, lines = [row for row, _ in pairs], [line for _, line in pairs]
    return table(f"ranking-{found.metric.name}", caption, header, rows, lines, whole)


def _line(found: Together, i: int) -> tuple[list[Cell], Line]:
    """Of a setting; against the baseline, unless it is that."""
    setting, rank, middle = found.settings[i], found.ranks.average[i], found.middles[i]
    source = computed(ranking_table, keys((*found.records[0], *found.records[i])))
    values, name = found.values, found.metric.name
    chance = probability_of_improvement(values[0], values[i], name) if i else None
    known = found.seeds >= SEEDS_FOR_INTERVAL
    of_middle = middle.interval if known else None
    low, high = chance.interval if chance and known else (None, None)
    cells = [
        Cell(own_name(setting)),
        Cell(f"{rank:.2f}", source=computed(ranking_table, found.trials)),
        Cell(percent(middle.value), source=source),
        Cell(bracketed(of_middle), source=source),
        _improved(chance, known, source),
    ]
    line: dict[str, Value] = {"setting": setting.label, "baseline": found.settings[0].label}
    line |= {"metric": name, "seeds": found.seeds, "classes": found.classes}
    line |= {"average_rank": rank, "interquartile_mean": middle.value, **ends(of_middle)}
    line |= {"improvement": chance.value if chance else None}
    return cells, Line(line | {"improvement_low": low, "improvement_high": high}, source)


def _improved(chance: Aggregate | None, known: bool, source: Source) -> Cell:
    if chance is None:
        return Cell(DASH)
    low, high = (f"{100 * end:.0f}" for end in chance.interval)
    return Cell(f"{100 * chance.value:.0f} %", f"[{low}, {high}]" if known else "", source)


def tests_table(found: Sequence[Together]) -> Table:
    """Friedman's test and Nemenyi's difference, a line per metric."""
    rows: list[list[str]] = []
    data: list[Line] = []
    for one in found:
        ranks, settings = one.ranks, len(one.settings)
        best = min(range(1, settings), key=lambda i: one.ranks.average[i])
        cells = [str(settings), str(ranks.blocks), f"{ranks.chi2:.2f}", p_value(ranks.p)]
        rows.append([one.metric.title, *cells, f"{ranks.critical_difference:.2f}"])
        line: dict[str, Value] = {"metric": one.metric.name}
        line |= {"baseline": one.settings[0].label, "settings": settings, "classes": ranks.blocks}
        line |= {"chi2": ranks.chi2, "p": ranks.p, "best_variant": one.settings[best].label}
        line |= {"critical_difference": ranks.critical_difference}
        data.append(Line(line, computed(tests_table, one.trials)))
    header = ("Metric", "Settings", "Classes", "χ²", "p", "Critical difference")
    caption = "Friedman’s test over classes, and what ranks must differ by (Nemenyi)"
    source = computed(tests_table, [key for one in found for key in one.trials])
    return table("rank_tests", caption, header, rows, data, source)
