"""Whether it matters which task is learned first: means by task 0, paired by seed."""
# pyright: reportUnknownMemberType=false

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from matplotlib.figure import Figure as Canvas

from moleflow.drawing import FAINT, INK, colour, house_style, named_rows, shares
from moleflow.metrics.catalogue import Metric
from moleflow.metrics.means import mean
from moleflow.wording import counted
from orchestration.records.ledger import Record
from reports.digits import (
    bracketed,
    needed,
    numbers,
    percent,
    plus_minus,
)
from reports.document import (
    DASH,
    Cell,
    Figure,
    Line,
    Number,
    Source,
    Table,
    Value,
    Words,
    computed,
    drawn,
    table,
)
from reports.doubt_columns import (
    ALONE,
    HEADER,
    Maker,
    both,
    both_cell,
    both_fields,
    caption,
    has_pictures,
)
from reports.evidence import Evidence, Setting, keys
from reports.further_seeds import Further, seconds_per_seed
from reports.performance import file_name, whole_seeds
from reports.picture_doubt import Doubted, Kept, Together, doubted, together
from reports.statistics import (
    Best,
    Equivalence,
    Needed,
    best,
    best_over_images,
    effects,
    equivalence,
    seeds_to_settle,
    seeds_to_settle_over_images,
    seeds_to_settle_range,
    seeds_to_settle_range_over_images,
    summarise,
    upper_over_images,
)

TOO = " on other test pictures too"
SETTLE = "settle it"


@dataclass(frozen=True)
class FirstTasks:
    """A metric's means by task 0 and seed."""

    metric: Metric
    names: tuple[str, ...]
    """Of the tasks 0, sorted."""
    seeds: tuple[int, ...]
    """That every task 0 has with all of its orders."""
    values: tuple[tuple[float, ...], ...]
    """[task 0, seed]: mean over the orders run with it."""
    records: tuple[Record, ...]
    left_out: int
    """Finished trials of seeds that lack an order or a task 0."""
    pictures: Together | str
    """What other test pictures would do to the means; in words why it is not known."""

    @property
    def verdict(self) -> Equivalence:
        return equivalence(self.values, self.metric.margin or 0.0)

    @cached_property
    def best(self) -> Best:
        return best(self.values)

    @cached_property
    def on_other_pictures(self) -> "OnOtherPictures | None":
        """Nothing where that is not known."""
        if isinstance(self.pictures, str):
            return None
        covariance = self.pictures.covariance
        return OnOtherPictures(
            best_over_images(self.values, covariance),
            upper_over_images(self.values, covariance),
            self._further(
                seeds_to_settle_over_images(self.values, covariance),
                seeds_to_settle_range_over_images(self.values, covariance),
            ),
        )

    @cached_property
    def settle(self) -> Further:
        """More seeds that would settle which is best."""
        return self._further(seeds_to_settle(self.values), seeds_to_settle_range(self.values))

    def _further(self, more: int | None, between: Needed) -> Further:
        asked = None if self.verdict.identical else between
        return Further(len(self.seeds), more, asked, seconds_per_seed(self.records))

    def source_of(self, by: Maker, name: str = "") -> Source:
        of = [r for r in self.records if not name or r.task0 == name]
        return computed(by, keys(of))


@dataclass(frozen=True)
class OnOtherPictures:
    """What is said over seeds, over seeds and test pictures."""

    best: Best
    upper: float
    """Of the largest difference."""
    settle: Further
    """More seeds that would settle which is best."""


def first_tasks(
    evidence: Evidence, setting: Setting, metric: Metric, kept: Kept
) -> FirstTasks | None:
    """None where fewer than two tasks 0, or two seeds of all of them, have finished."""
    of = "first tasks", setting.number, metric
    return evidence.once(lambda one: _first_tasks(one, setting, metric, kept), *of)


def _first_tasks(
    evidence: Evidence, setting: Setting, metric: Metric, kept: Kept
) -> FirstTasks | None:
    final = evidence.measurements.summary
    have = [r for r in setting.finished if final(r.key, metric.name, "final_mean") is not None]
    names = sorted({record.task0 for record in have})
    whole = [whole_seeds([r for r in have if r.task0 == name]) for name in names]
    seeds = [seed for seed in (whole[0] if whole else []) if all(seed in one for one in whole)]
    if len(names) < 2 or len(seeds) < 2:
        return None
    used = [record for record in have if record.seed in seeds]

    def value(name: str, seed: int) -> float:
        alike = [r for r in used if (r.task0, r.seed) == (name, seed)]
        return mean(final(r.key, metric.name, "final_mean") or 0.0 for r in alike)

    values = tuple(tuple(value(name, seed) for seed in seeds) for name in names)
    pictures: Together | str = "trials keep no scores that tell it"
    if has_pictures(metric.name):
        groups = [[r for r in used if r.task0 == name] for name in names]
        pictures = together(evidence, kept, metric.name, groups)
    left_out = len(have) - len(used)
    return FirstTasks(metric, tuple(names), tuple(seeds), values, tuple(used), left_out, pictures)


def of_pictures(
    evidence: Evidence, found: FirstTasks, kept: Kept, factors: Mapping[str, float]
) -> Doubted | str:
    """Of a sum of means by task 0, each so often."""
    of = {name: [r for r in found.records if r.task0 == name] for name in factors}
    parts = [(factor, of[name]) for name, factor in factors.items()]
    return doubted(evidence, kept, found.metric.name, parts)


def effects_table(evidence: Evidence, setting: Setting, found: FirstTasks, kept: Kept) -> Table:
    """Per task 0: mean, difference to the mean of all with an interval that holds for all tasks 0
    together, and the probability to be the best; both over test pictures, too."""
    rows: list[list[Cell | str]] = []
    data: list[Line] = []
    chances = found.best.probability
    every = found.source_of(effects_table)
    share = 1 / len(found.names)
    means = on_other_pictures(evidence, found, kept)
    shown = caption([one for _, one in means])
    for i, one in enumerate(effects(found.values)):
        name, summary = found.names[i], summarise(found.values[i])
        low, high = one.interval
        own = found.source_of(effects_table, name)
        interval = Cell(bracketed(one.interval), source=every)
        cells = [Cell(plus_minus(summary), f"n = {len(found.seeds)} seeds", own)]
        cells += [Cell(percent(one.difference), source=every), interval]
        cells.append(Cell(_chance(chances[i]), source=every))
        line: dict[str, Value] = {"task0": name, "metric": found.metric.name}
        line |= {"definition": "final_mean", **numbers(summary), "effect": one.difference}
        line |= {"effect_low": low, "effect_high": high, "p_adjusted": one.p}
        line |= {"probability_best": chances[i]}
        if means:
            factors = {of: (of == name) - share for of in found.names}
            effect = of_pictures(evidence, found, kept, factors)
            line |= both_fields(means[i][1])
            ends = both(effect, one.interval) or (None, None)
            line |= {"effect_both_low": ends[0], "effect_both_high": ends[1]}
            others = found.on_other_pictures
            line |= {"probability_best_both": others.best.probability[i] if others else None}
            if shown:
                cells.append(_chance_on_others(found, i))
                cells.insert(3, both_cell(effect, effects_table, one.interval))
                cells.insert(1, both_cell(means[i][1], effects_table))
        rows.append([evidence.tasks[name], *cells])
        data.append(Line(line, every))
    told = (
        f"{found.metric.title} by task 0, in percent: mean ± sd over seeds, and the difference to "
        "the mean of all tasks 0 with 95 % intervals that hold for all of them together (Šidák)"
        "; P(best): the probability to have the highest true mean",
        *(shown or (ALONE,)),
    )
    beside = [HEADER] * bool(shown)
    header = ("Task 0", "Mean ± sd", *beside, "Effect", "95 % interval", *beside, "P(best)")
    header += tuple(beside)
    name = file_name(f"task0_effects-{found.metric.name}", setting)
    return table(name, told, header, rows, data, every)


def _chance(probability: float) -> str:
    return f"{100 * probability:.0f} %"


def _chance_on_others(found: FirstTasks, i: int) -> Cell:
    """To be the best over seeds and test pictures."""
    of, others = found.pictures, found.on_other_pictures
    if isinstance(of, str) or others is None:
        return Cell(DASH, str(of), computed(effects_table))
    left_out = f"{counted(of.left_out, 'trial')} left out" if of.left_out else ""
    return Cell(_chance(others.best.probability[i]), left_out, computed(effects_table, of.trials))


def on_other_pictures(
    evidence: Evidence, found: FirstTasks, kept: Kept
) -> list[tuple[str, Doubted | str]]:
    """Means by name of task 0; none of a metric that kept scores tell nothing of."""
    if not has_pictures(found.metric.name):
        return []
    return [
        (evidence.tasks[name], of_pictures(evidence, found, kept, {name: 1}))
        for name in found.names
    ]


def verdicts_table(evidence: Evidence, setting: Setting, found: Sequence[FirstTasks]) -> Table:
    """Per metric: range of the means, verdict inside the margin, and what would settle it."""
    rows: list[list[Cell | str]] = []
    data: list[Line] = []
    for one in found:
        verdict, chance, more = one.verdict, one.best, one.settle
        source = one.source_of(verdicts_table)
        margin = one.metric.margin or 0.0
        leader = one.names[chance.leader]
        others = one.on_other_pictures
        upper, likely, settle = _below(evidence, one, others) if others else ("", "", "")
        cells = [
            Cell(percent(verdict.range)),
            Cell(percent(verdict.upper), upper),
            Cell(percent(margin, 1)),
            Cell(str(len(one.seeds))),
            Cell(_named(evidence, one, chance), likely),
            more.cell(source, settle),
        ]
        row: list[Cell | str] = [one.metric.title, verdict.verdict]
        rows.append([*row, *(replace(cell, source=source) for cell in cells)])
        line: dict[str, Value] = {"metric": one.metric.name, "definition": "final_mean"}
        line |= {"task_zeros": len(one.names), "seeds": len(one.seeds), "margin": margin}
        line |= {"range": verdict.range, "upper": verdict.upper, "p": verdict.p}
        line |= {"p_equivalence": verdict.p_equivalence, "verdict": verdict.verdict}
        line |= {"leader": leader, "probability_best": chance.probability[chance.leader]}
        line |= {"seeds_to_settle": more.more, **needed("seeds_to_settle", more.between)}
        line |= {"seconds_per_seed": more.seconds, "minutes_to_settle": more.minutes}
        line |= {"left_out": one.left_out}
        data.append(Line(line | _fields_on_others(one), source))
    known = [one.metric.title for one in found if one.on_other_pictures]
    alone = [one.metric.title for one in found if not one.on_other_pictures]
    caption = (
        "Between tasks 0, in points: largest − smallest mean, and the smallest margin inside which "
        "they would be equivalent (95 %). Most likely best, with its probability; seeds that would "
        "most likely settle which is best, if means and noise stayed as they are, below from the "
        "fewest to the most that a 95 % interval of the noise leaves open, and how long the trials "
        "of one were at work. Over seeds"
        + (f"; below, {HEADER}: over test pictures too" if known else "")
        + (f"; {', '.join(alone)} over seeds alone" if alone else "")
    )
    header = ("Metric", "Verdict", "Range", "Up to", "Margin", "Seeds", "Best", "Seeds to settle")
    every = computed(verdicts_table, [r.key for one in found for r in one.records])
    return table(file_name("task0_verdicts", setting), caption, header, rows, data, every, 2)


def _named(evidence: Evidence, found: FirstTasks, of: Best) -> str:
    """The likeliest to be best."""
    leader = evidence.tasks[found.names[of.leader]]
    return f"{leader} ({_chance(of.probability[of.leader])})"


def _below(evidence: Evidence, found: FirstTasks, others: OnOtherPictures) -> tuple[str, str, str]:
    """What stands below the largest difference, the likeliest, and the seeds to settle it."""
    told = percent(others.upper), _named(evidence, found, others.best)
    return f"{told[0]} {HEADER}", f"{told[1]} {HEADER}", others.settle.short(HEADER)


def _fields_on_others(found: FirstTasks) -> dict[str, Value]:
    others, of = found.on_other_pictures, found.pictures
    why_not = of if isinstance(of, str) and has_pictures(found.metric.name) else ""
    return {
        "upper_both": others.upper if others else None,
        "leader_both": found.names[others.best.leader] if others else None,
        "probability_best_both": max(others.best.probability) if others else None,
        "seeds_to_settle_both": others.settle.more if others else None,
        **needed("seeds_to_settle_both", others.settle.between if others else None),
        "trials_left_out": None if isinstance(of, str) else of.left_out,
        "why_not": why_not,
    }


def most_likely(evidence: Evidence, found: FirstTasks, by: Maker) -> list[str | Number]:
    """The best task 0 with its probability, over seeds and over pictures too, and what would settle
    it."""
    source, others = found.source_of(by), found.on_other_pictures
    settle = _to_settle(found, by)
    settle = ["; ", *settle] if settle else []
    words: list[str | Number] = [Number(evidence.tasks[found.names[found.best.leader]], source)]
    words += [", ", Number(_chance(max(found.best.probability)), source), " over seeds"]
    if others is None:
        return [*words, " alone", *settle]
    if others.best.leader != found.best.leader:
        words += ["; ", Number(evidence.tasks[found.names[others.best.leader]], source)]
    words += [", ", Number(_chance(max(others.best.probability)), source), TOO]
    of = found.pictures
    lost = 0 if isinstance(of, str) else of.left_out
    if lost:
        words += [" (without ", Number(counted(lost, "trial"), source)]
        words.append(" whose scores cannot be used)")
    return [*words, *settle]


def _to_settle(found: FirstTasks, by: Maker) -> list[str | Number]:
    """How many more seeds would most likely do it, what each costs, and what the pictures make of
    it; nothing where it is settled on other pictures too, or no seed differs."""
    source, own, others = found.source_of(by), found.settle, found.on_other_pictures
    words = own.words(source, SETTLE) if own.more else []
    if others is None or not others.settle.between or others.settle.more == 0:
        return words
    if words:
        return [*words, "; ", *others.settle.short_words(TOO.strip(), source)]
    return [f"{TOO.strip()}, ", *others.settle.words(source, SETTLE)]


def dots(evidence: Evidence, setting: Setting, found: Sequence[FirstTasks]) -> Figure:
    """A dot per task 0 and seed, its mean as a bar, and the margin around the mean of all."""
    names = found[0].names
    with house_style():
        canvas = Canvas(figsize=(3.4 * len(found), 0.4 + 0.34 * len(names)))
        axes = canvas.subplots(1, len(found), sharey=True, squeeze=False)[0]
        for ax, one in zip(axes, found, strict=True):
            middle = 100 * mean(v for row in one.values for v in row)
            half = 50 * (one.metric.margin or 0.0)
            ax.axvspan(middle - half, middle + half, color=FAINT, alpha=0.3, lw=0)
            for y, name in enumerate(names):
                if name in one.names:
                    row = [100 * v for v in one.values[one.names.index(name)]]
                    ax.plot(row, [y] * len(row), "o", color=colour(0), ms=4, mew=0, alpha=0.6)
                    ax.plot([mean(row)] * 2, [y - 0.3, y + 0.3], "-", color=INK, lw=1.4)
            ax.set_xlabel(f"{one.metric.title} [%]")
            shares(ax, "x")
            named_rows(ax, [evidence.tasks[name] for name in names])
    source = computed(dots, [r.key for one in found for r in one.records])
    caption: list[str | Number] = [
        "A dot per seed, the bar is the mean over seeds; the grey band is as wide as the margin. "
    ]
    for one in found:
        caption += [
            f"{one.metric.title}: means of tasks 0 lie within ",
            Number(f"{percent(one.verdict.range)} points", source),
            " (",
            Number(one.verdict.verdict, source),
            "). ",
        ]
    words: Words = tuple(caption)
    first = found[0].source_of(dots)
    seeds = Number(f"{len(found[0].seeds)} seeds", first)
    n = (seeds, " for each of ", Number(f"{len(names)} tasks 0", first))
    title = "Mean over classes at the end of the sequence, by task 0"
    return drawn(canvas, file_name("task0", setting), title, "%", n, words)
