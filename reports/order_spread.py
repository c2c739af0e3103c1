"""How far orders lie apart, and how far a handful of them misleads."""
# pyright: reportUnknownMemberType=false

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from moleflow.drawing import FAINT, INK, colour, house_style, marker, named_rows, shares
from moleflow.metrics.catalogue import Metric
from moleflow.streams import numpy_stream
from moleflow.wording import counted, grouped
from reports.all_orders import QUANTITIES, Group, Orders
from reports.digits import percent
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
from reports.evidence import Evidence, Setting
from reports.performance import file_name
from reports.statistics import NOISE
from reports.statistics.orders import (
    MOST_ENUMERATED,
    MOST_EXACT,
    ClassTable,
    How,
    OverOrders,
    every_order,
    of_orders,
    of_sets,
    running_means,
    sets_of,
)
from reports.statistics.orders.drawn import drawn_orders

ONE_EACH = "one order each: nothing to compare"
SAMPLE = 5
"""Orders that a paper usually runs."""
DRAWS = 10_000
MOST_SHOWN = 20_000
"""Orders of one task 0 that figures are of, where all are too many."""
MOST_LINES = 60
"""Different values of one task 0 up to which each is drawn as a line."""
BINS = 120
DRAWN_PARTS: dict[How, str] = {
    "exact extremes": "sd of a million drawn",
    "drawn": "all of a million drawn",
}
"""What is not of every order, by how numbers were had."""


@dataclass(frozen=True)
class Running:
    """Mean over the steps of every order, by task 0: means over seeds.

    What is told is of every order; where they are too many, figures are of drawn ones. Where some
    step has no number, as before the first class with masks, all is of those.
    """

    metric: Metric
    seeds: tuple[int, ...]
    """That every task 0 has."""
    others: Mapping[str, tuple[str, ...]]
    """By task 0, names of the other tasks."""
    orders: Int[np.ndarray, "n m"]
    """Every order or drawn ones: places among the other tasks; the same for every task 0."""
    values: Mapping[str, Float[np.ndarray, " n"]]
    """By task 0, of these orders."""
    over: Mapping[str, OverOrders]
    """By task 0."""
    whole: bool
    """Whether `over` is of every order."""
    groups: tuple[Group, ...]

    @property
    def of_seeds(self) -> tuple[str | Number, ...]:
        """For people: what each number is of."""
        source = self.source(Running)
        if len(self.seeds) == 1:
            return (Number(f"seed {self.seeds[0]}", source),)
        return ("each the mean of ", Number(f"{len(self.seeds)} seeds", source))

    @property
    def pool(self) -> Float[np.ndarray, " n"]:
        """Of every order that figures are of."""
        return np.concatenate(list(self.values.values()))

    @property
    def counted(self) -> Number:
        """For people: how many orders values are of, and whether these are all there are."""
        return self._counted("all ") if self.whole else self.some

    @property
    def n(self) -> tuple[str | Number, ...]:
        """How many orders something is told of, and what each number is of."""
        return (self._counted("") if self.whole else self.some, ", ", *self.of_seeds)

    @property
    def some(self) -> Number:
        """For people: how many orders lie in `values`."""
        what = "drawn order" if self.drawn else "order"
        return Number(counted(len(self.pool), what), self.source(Running))

    def _counted(self, lead: str) -> Number:
        many = len(self.values) * math.factorial(self.orders.shape[1])
        return Number(lead + counted(many, "order"), self.source(Running))

    @property
    def drawn(self) -> bool:
        """Whether figures are of drawn orders."""
        return self.orders.shape[1] > MOST_ENUMERATED

    @property
    def several(self) -> bool:
        """Whether there are more orders than a paper's sample has."""
        return len(self.pool) > SAMPLE

    @property
    def sd(self) -> float:
        """Of all orders, whatever their task 0, which as many begin with each."""
        if not self.drawn:
            return float(self.pool.std())
        middles = np.array([one.mean for one in self.over.values()])
        within = np.array([one.sd**2 for one in self.over.values()])
        return float(np.sqrt(within.mean() + middles.var()))

    @property
    def best(self) -> float:
        """Of all orders of all tasks 0."""
        return max(one.maximum for one in self.over.values())

    def source(self, by: object) -> Source:
        every = (record.key for group in self.groups for record in group.trials)
        return computed(by, every)  # pyright: ignore[reportArgumentType]

    def named(self, task0: str, order: Sequence[int]) -> tuple[str, ...]:
        """The tasks of an order."""
        return (task0, *(self.others[task0][task] for task in order))


def running(metric: Metric, found: Orders) -> Running | None:
    """None where trials learn different tasks, no seed has every task 0, the metric is not known of
    all classes, or one task comes after task 0."""
    groups = [group for group in found.groups if group.tables(metric.name)]
    if not groups or len({tuple(sorted(group.kept.tasks)) for group in found.groups}) > 1:
        return None
    firsts = sorted({group.task0 for group in groups})
    have = {name: {g.seed for g in groups if g.task0 == name} for name in firsts}
    seeds = [s for s in sorted(have[firsts[0]]) if all(s in one for one in have.values())]
    used = tuple(group for group in groups if group.seed in seeds)
    others = len(groups[0].others)
    if not seeds or not 1 < others <= MOST_EXACT:
        return None
    orders = shown_orders(others)
    alike = {name: [g.tables(metric.name) for g in used if g.task0 == name] for name in firsts}
    values = {
        name: np.mean([running_means(tables, orders) for tables in of], axis=0)
        for name, of in alike.items()
    }
    many = others > MOST_ENUMERATED
    steps = {name: mean_step(of, others) for name, of in alike.items()} if many else {}
    exact = many and not any(np.isnan(step).any() for step in steps.values())
    over = {
        name: of_sets(steps[name]) if exact else of_orders(values[name], orders) for name in firsts
    }
    whole = exact or not many
    named = {group.task0: group.others for group in used}
    return Running(metric, tuple(seeds), named, orders, values, over, whole, used)


def mean_step(of: Sequence[Sequence[ClassTable]], others: int) -> Float[np.ndarray, " k"]:
    """Over seeds: what every set of known tasks has at its step."""
    return np.mean([sets_of(tables, others).step for tables in of], axis=0)


def shown_orders(others: int) -> Int[np.ndarray, "n m"]:
    """Every order, or of too many the first that are drawn."""
    if others > MOST_ENUMERATED:
        return drawn_orders(others)[:MOST_SHOWN].astype(np.int64)
    return every_order(others)


def spread_table(evidence: Evidence, setting: Setting, found: Orders) -> Table:
    """Per metric and quantity: how far apart orders with one task 0 and seed lie."""
    rows: list[list[Cell | str]] = []
    data: list[Line] = []
    source = computed(spread_table, found.trials)
    for metric in evidence.concluded:
        for quantity, title in QUANTITIES.items():
            alike = [
                (one.group, of)
                for one in found.derived
                for of in one.found
                if (one.metric, of.quantity) == (metric.name, quantity)
            ]
            if not alike:
                continue
            if all(one.orders == 1 for _, one in alike):
                rows.append([f"{metric.title}, {title}", ONE_EACH, *[DASH] * 3, "1"])
                nothing = dict.fromkeys(("sd", "largest_range", "task0", "seed"))
                line: dict[str, Value] = {"metric": metric.name, "quantity": quantity, **nothing}
                line |= {"margin": metric.margin, "orders": 1, "groups": len(alike)}
                data.append(Line(line | {"verdict": None, "how": alike[0][1].how}, source))
                continue
            widest, of = max(alike, key=lambda pair: pair[1].maximum - pair[1].minimum)
            ranges = [one.maximum - one.minimum for _, one in alike]
            typical = float(np.sqrt(np.mean([one.sd**2 for _, one in alike])))
            largest, margin = max(ranges), metric.margin or 0.0
            inside = "inside" if largest <= margin else "beyond"
            verdict = "no order matters" if largest <= NOISE else f"{inside} the margin"
            where = f"{evidence.tasks[widest.task0]}, seed {widest.seed}" if largest > NOISE else ""
            cells = (percent(typical), percent(largest), percent(margin, 1))
            shown = [Cell(cells[0], source=source), Cell(cells[1], where, source)]
            shown += [Cell(cells[2], source=source)]
            shown += [Cell(grouped(of.orders), DRAWN_PARTS.get(of.how, ""), source)]
            rows.append([f"{metric.title}, {title}", verdict, *shown])
            line = {"metric": metric.name, "quantity": quantity, "sd": typical}
            line |= {"largest_range": largest, "task0": widest.task0, "seed": widest.seed}
            line |= {"margin": margin, "orders": of.orders, "groups": len(alike)}
            data.append(Line(line | {"verdict": verdict, "how": of.how}, source))
    caption = (
        "Orders with one task 0 and seed, in points: standard deviation over all of them (divided "
        "by their number, since they are all there are, and not by n − 1 as sd over seeds or "
        "trials; root mean square over task 0 and seed), and the largest difference between two "
        "of them; exact, but for what is said to be of drawn orders"
    )
    header = ("Over all orders", "Verdict", "sd", "Largest difference", "Margin", "Orders each")
    name = file_name("order_spread", setting)
    return table(name, caption, header, rows, data, source, 2)


def sample_figure(evidence: Evidence, setting: Setting, found: Running) -> Figure:
    """All orders by task 0 with five random ones marked, and what five random ones say."""
    pool, firsts = found.pool, list(found.values)
    draws = numpy_stream("five random orders", found.metric.name)
    picked = draws.choice(len(pool), SAMPLE, replace=False)
    deviations = _deviations(pool, draws)
    with house_style():
        canvas = Canvas(figsize=(8.2, 1.1 + 0.34 * (len(firsts) + 1)))
        left, right = canvas.subplots(1, 2, width_ratios=(1.5, 1))
        _all_orders(left, found)
        left.plot(100 * pool[picked], [len(firsts)] * SAMPLE, marker(1), color=colour(1), ms=5)
        names = [evidence.tasks[name] for name in firsts]
        named_rows(left, [*names, f"{SAMPLE} at random"])
        left.set_xlabel(f"{found.metric.title}, mean over the steps [%]")
        shares(left, "x")
        right.hist(100 * deviations, bins=40, color=FAINT)
        right.axvline(100 * found.sd, color=INK, lw=1.4)
        right.axvline(100 * float(pool[picked].std(ddof=1)), color=colour(1), lw=1.4, ls="--")
        right.set_xlabel(f"sd that {SAMPLE} random orders say [points]")
        right.set_yticks([])
        right.spines["left"].set_visible(False)
        canvas.tight_layout()
    said = float(pool[picked].std(ddof=1))
    low, high = (float(q) for q in np.quantile(deviations, (0.05, 0.95)))
    source = found.source(sample_figure)
    few = all(len(_different(values)) <= MOST_LINES for values in found.values.values())
    lines = "a line per order, by task 0" if few else "by task 0, the higher the more orders"
    caption: Words = (
        f"Left: {lines}; below, {SAMPLE} orders at random. Right: what "
        f"{grouped(DRAWS)} such samples say. {SAMPLE} random orders say sd ",
        Number(f"{percent(said)} points", source),
        " (dashed); ",
        *_truth(found),
        Number(f"{percent(found.sd)} points", source),
        " (line). Nine of ten such samples say between ",
        Number(f"{percent(low)} and {percent(high)} points", computed(_deviations, source.trials)),
        ".",
    )
    title = f"{found.metric.title}: all orders, and a paper's sample of {SAMPLE}"
    name = file_name(f"five_orders-{found.metric.name}", setting)
    return drawn(canvas, name, title, "%", (found.some, ", ", *found.of_seeds), caption)


def _truth(found: Running) -> tuple[str | Number, ...]:
    if not found.whole:
        return (found.some, " say ")
    return ("the truth of ", found.counted, " is ") if found.drawn else ("the truth is ",)


def _deviations(
    pool: Float[np.ndarray, " n"], draws: np.random.Generator
) -> Float[np.ndarray, " d"]:
    """Of samples without repetition where there are few orders."""
    if len(pool) <= 200:
        picked = draws.random((DRAWS, len(pool))).argsort(axis=1)[:, :SAMPLE]
    else:
        picked = draws.integers(len(pool), size=(DRAWS, SAMPLE))
    return pool[picked].std(axis=1, ddof=1)


def _different(values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " d"]:
    return np.unique(values.round(6))


def _all_orders(ax: Axes, found: Running) -> None:
    ends = (100 * found.pool.min(), 100 * found.pool.max())
    for y, values in enumerate(found.values.values()):
        shown = 100 * _different(values)
        if len(shown) <= MOST_LINES:
            ax.vlines(shown, y - 0.3, y + 0.3, color=colour(0), lw=1.1, alpha=0.8)
        else:
            counts, edges = np.histogram(100 * values, bins=BINS, range=ends)
            half = 0.38 * np.append(counts, 0) / counts.max()
            ax.fill_between(edges, y - half, y + half, step="post", color=colour(0), lw=0)
        ax.plot([100 * values.mean()], [y], "D", color=INK, ms=3.5)


def sentence(found: Sequence[Running], proved: bool) -> Words:
    """What the order after task 0 changes.

    Args:
        proved: whether trials of other orders were trained apart and had the same bytes.
    """
    lead = (
        "Once task 0 is chosen, the order of the other tasks changes nothing at the end of the "
        "sequence"
        f"{'' if proved else ' (by design; no trials of this study were compared)'}"
        "; it moves the mean over the steps "
    )
    words: list[str | Number] = [lead]
    for i, one in enumerate(found):
        source = one.source(sentence)
        widest = max(of.range for of in one.over.values())
        words += [
            f"{', and' if i else ''} of {one.metric.title} by up to ".lstrip(),
            Number(f"{percent(widest)} points", source),
            " (",
            *one.of_seeds,
            "; over ",
            one.counted,
            ", whatever their task 0, sd is ",
            Number(f"{percent(one.sd)} points", source),
            ")",
        ]
    return (*words, ".")
