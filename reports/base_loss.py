"""Whether the training loss of the base, which learns task 0, foretells the result."""
# pyright: reportUnknownMemberType=false

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure as Canvas

from moleflow.drawing import colour, guides, house_style, shares
from moleflow.metrics.means import mean
from orchestration.records.stages import StageRef
from reports import correlating
from reports.correlating import chance, signed
from reports.document import (
    Block,
    Cell,
    Figure,
    Line,
    Number,
    Source,
    Table,
    Text,
    Words,
    computed,
    drawn,
    note,
    table,
)
from reports.evidence import Evidence, Setting, keys
from reports.first_task import FirstTasks
from reports.performance import file_name
from reports.statistics import ALPHA, Correlation, pearson, summarise

FEWEST = 4
"""Tasks 0. Of three there is no interval."""
MEANING = (
    "The unit is the task 0: mean over its seeds. Losses of different tasks 0 are of different "
    "pictures, so a lower one may say that these are easier to describe, and not that the base was "
    "trained better; it says nothing of the same task 0 trained longer. Each metric is looked at "
    "by itself, by p, which assumes no more than that tasks 0 are exchangeable: of four it is "
    "seldom small. The interval takes pairs to be normal."
)


@dataclass(frozen=True)
class Foretold:
    """A metric at the end, and the base's last loss, by task 0."""

    of: FirstTasks
    losses: Mapping[str, tuple[float, ...]]
    """By task 0, of each seed; of those alone whose every seed has one."""

    @property
    def names(self) -> list[str]:
        return [name for name in self.of.names if name in self.losses]

    @property
    def points(self) -> list[tuple[float, float]]:
        """Of each name: mean loss, mean at the end."""
        ends = dict(zip(self.of.names, self.of.values, strict=True))
        return [(mean(self.losses[name]), mean(ends[name])) for name in self.names]

    @property
    def correlation(self) -> Correlation:
        x, y = zip(*self.points, strict=True)
        return pearson(x, y, f"base loss and {self.of.metric.name}")

    def source(self, by: object, name: str = "") -> Source:
        known = [name] if name else self.names
        of = [record for record in self.of.records if record.task0 in known]
        return computed(by, keys(of))  # pyright: ignore[reportArgumentType]


def foretold(found: FirstTasks) -> Foretold:
    """Of a seed, the mean over the orders that were run with it: one number where they share the
    base."""
    losses: dict[str, tuple[float, ...]] = {}
    for name in found.names:
        each: list[float] = []
        for seed in found.seeds:
            alike = [r for r in found.records if (r.task0, r.seed) == (name, seed)]
            told = [r.losses.get(StageRef("base", name)) for r in alike]
            known = [loss for loss in told if loss is not None]
            each += [mean(known)] if known and len(known) == len(told) else []
        if len(each) == len(found.seeds):
            losses[name] = tuple(each)
    return Foretold(found, losses)


def blocks(evidence: Evidence, setting: Setting, found: Sequence[FirstTasks]) -> list[Block]:
    """A figure, what it shows, and a table; or why there is none."""
    every = [foretold(one) for one in found]
    few = min(len(one.names) for one in every)
    if few < FEWEST:
        return [Text(_too_few(every, few))]
    return [
        figure(evidence, setting, every),
        *(Text(sentence(one)) for one in every),
        correlation_table(setting, every),
        losses_table(evidence, setting, every[0]),
        note(MEANING),
    ]


def _too_few(every: Sequence[Foretold], few: int) -> Words:
    known = max(len(one.of.names) for one in every)
    source = computed(_too_few, [r.key for one in every for r in one.of.records])
    lack = (", and of ", Number(f"{few} of them", source), " the records have the base’s loss")
    return (
        "Whether the base’s training loss foretells the result is not told: there are ",
        Number(f"{known} tasks 0", source),
        *(lack if few < known else ()),
        f", and below {FEWEST} a correlation has no interval.",
    )


def sentence(found: Foretold) -> Words:
    """n first, then the correlation, and whether it is more than chance."""
    source, seen = found.source(sentence), found.correlation
    words: tuple[str | Number, ...] = (
        f"{found.of.metric.title} (",
        Number(f"n = {seen.n} tasks 0", source),
        "): ",
    )
    if seen.value is None or seen.p is None:
        return (*words, "the base’s loss, or the result, is the same for all of them.")
    told = "no relation to the base’s last training loss is shown"
    if seen.p <= ALPHA:
        more = "lower" if seen.value < 0 else "higher"
        told = f"better results go with a {more} last training loss of the base"
    words = (*words, f"{told} (correlation ", Number(signed(seen.value), source))
    if seen.interval is not None:
        words = (*words, ", 95 %: ", Number(" to ".join(map(signed, seen.interval)), source))
    return (*words, "; ", Number(chance(seen.p), source), ").")


def figure(evidence: Evidence, setting: Setting, found: Sequence[Foretold]) -> Figure:
    """A dot per task 0, with its name."""
    with house_style():
        canvas = Canvas(figsize=(3.8 * len(found), 2.9))
        axes = canvas.subplots(1, len(found), squeeze=False, gridspec_kw={"wspace": 0.3})[0]
        for ax, one in zip(axes, found, strict=True):
            for name, (loss, end) in zip(one.names, one.points, strict=True):
                ax.plot(loss, 100 * end, "o", color=colour(0), ms=5, mew=0)
                ax.annotate(
                    evidence.tasks[name], (loss, 100 * end), xytext=(4, 3),
                    textcoords="offset points", fontsize=6.5,
                )  # fmt: skip
            ax.set_xlabel("Loss of the base, last epoch [nats per patch]")
            ax.set_ylabel(f"{one.of.metric.title} [%]")
            ax.margins(0.2)
            guides(ax)
            shares(ax, "y")
    source = computed(figure, [key for one in found for key in one.source(figure).trials])
    words: list[str | Number] = ["A dot per task 0, mean over seeds. Correlation: "]
    for i, one in enumerate(found):
        value = one.correlation.value
        told = "none" if value is None else Number(signed(value), source)
        words += [", " if i else "", f"{one.of.metric.title} ", told]
    of = found[0].source(figure)
    tasks, seeds = f"{len(found[0].names)} tasks 0", f"{len(found[0].of.seeds)} seeds"
    n = (Number(tasks, of), " with ", Number(seeds, of), " each")
    title = "Mean over classes at the end of the sequence against the base’s training loss"
    name = file_name("base_loss", setting)
    return drawn(canvas, name, title, "%", n, (*words, "."))


def correlation_table(setting: Setting, found: Sequence[Foretold]) -> Table:
    """A line per metric."""
    every = computed(correlation_table, [k for f in found for k in f.source(figure).trials])
    sources = [one.source(correlation_table) for one in found]
    rows = [
        correlating.row(one.of.metric.title, one.correlation, source)
        for one, source in zip(found, sources, strict=True)
    ]
    lines = [
        correlating.line(one.of.metric.name, one.correlation, source)
        for one, source in zip(found, sources, strict=True)
    ]
    caption = (
        "Pearson’s correlation over tasks 0 of the mean at the end of the sequence with the base’s "
        "loss in its last epoch (Fisher’s interval, p by permutation)"
    )
    name = file_name("task0_base_loss", setting)
    return table(name, caption, correlating.HEADER, rows, lines, every)


def losses_table(evidence: Evidence, setting: Setting, found: Foretold) -> Table:
    """A line per task 0, the lowest loss first."""
    rows: list[list[Cell | str]] = []
    lines: list[Line] = []
    for name in sorted(found.names, key=lambda name: mean(found.losses[name])):
        source, seen = found.source(losses_table, name), summarise(found.losses[name])
        assert seen is not None and seen.sd is not None
        shown = f"{seen.mean:.4g} ± {seen.sd:.2g}".replace("-", "−")
        n = Cell(str(seen.n), source=source)
        rows.append([evidence.tasks[name], Cell(shown, source=source), n])
        line = {"task0": name, "loss": seen.mean, "loss_sd": seen.sd, "seeds": seen.n}
        lines.append(Line(line, source))
    caption = "The base’s training loss in its last epoch by task 0: mean ± sd over seeds"
    name, header = file_name("task0_losses", setting), ("Task 0", "Loss", "Seeds")
    return table(name, caption, header, rows, lines, found.source(losses_table))
