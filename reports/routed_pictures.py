"""Which test pictures the router sends elsewhere, and how near the others are to that: from the
scores that trials keep of every picture after their last task."""
# pyright: reportUnknownMemberType=false

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure as Canvas

from moleflow.drawing import FAINT, INK, colour, house_style, log_x, named_rows
from moleflow.wording import counted
from orchestration.records.ledger import Record
from orchestration.sharing.roles import order_free
from reports import how_many
from reports.document import (
    Cell,
    Figure,
    Line,
    Number,
    Table,
    Value,
    Words,
    computed,
    drawn,
    table,
)
from reports.evidence import Evidence, Setting, keys, trained_alike
from reports.kept_scores import Scored, kept_scores
from reports.performance import file_name

SMALLEST = float(np.finfo(float).tiny)
"""Stands for a distance of nothing."""
MOST_SHOWN = 40
"""Misrouted pictures that the page lists; all are in the file."""


@dataclass(frozen=True)
class Routed:
    """A test picture in one trial, when all tasks were known."""

    class_name: str
    picture: str
    kind: str
    """`good`, or its defect."""
    task: str
    """That the router chose."""
    own: bool
    """Whether the picture is of that task."""
    ratio: float
    """Squared distance to the nearest other task, in those to its own: below 1 it is misrouted."""


@dataclass(frozen=True)
class Seen:
    """Pictures of trials that share no training: of those that do, the first that kept scores."""

    pictures: Mapping[str, Sequence[tuple[str, Routed]]]
    """By class, each with its trial."""
    records: tuple[Record, ...]
    silent: int
    """Trials, or groups of those that share training, that kept none that can be read."""

    def of(self, name: str) -> Sequence[tuple[str, Routed]]:
        """Of a class."""
        return self.pictures.get(name, ())


def seen(evidence: Evidence, setting: Setting) -> Seen:
    """Of trials with several tasks. Where no bank depends on the order, neither does what the
    router chooses when all tasks are known, and one trial speaks for its task 0 and seed."""
    alike: dict[object, list[Record]] = {}
    for record in setting.finished:
        if len(record.sequence) > 1:
            same = trained_alike(record) if order_free(record.config) else record.key
            alike.setdefault(same, []).append(record)
    pictures: dict[str, list[tuple[str, Routed]]] = {}
    used: list[Record] = []
    for records in alike.values():
        kept = _first_kept(evidence, records)
        if kept is None:
            continue
        record, found = kept
        used.append(record)
        for one in map(_routed, found):
            pictures.setdefault(one.class_name, []).append((record.key, one))
    return Seen(pictures, tuple(used), len(alike) - len(used))


def _first_kept(
    evidence: Evidence, records: Iterable[Record]
) -> tuple[Record, list[Scored]] | None:
    """Of these the first with scores."""
    for record in records:
        if found := kept_scores(evidence, record):
            return record, found
    return None


def _routed(one: Scored) -> Routed:
    nearest = min(value for task, value in one.far.items() if task != one.task)
    ratio = nearest / max(one.far[one.task], SMALLEST)
    own = one.chosen == one.task
    return Routed(one.class_name, one.picture, one.kind, one.chosen, own, ratio)


def misrouted_table(setting: Setting, found: Seen) -> Table:
    """Each picture that some trial sent elsewhere: in how many, and where to."""
    by_picture: dict[tuple[str, str], list[tuple[str, Routed]]] = {}
    for name in setting.classes:
        for key, one in found.of(name):
            by_picture.setdefault((name, one.picture), []).append((key, one))
    wrong = {
        place: of for place, of in by_picture.items() if not all(one.own for _, one in of)
    }  # fmt: skip
    rows: list[list[Cell | str]] = []
    data: list[Line] = []
    for (name, picture), of in sorted(wrong.items(), key=_most_often):
        source = computed(misrouted_table, [key for key, _ in of])
        times = sum(not one.own for _, one in of)
        to = ", ".join(sorted({one.task for _, one in of if not one.own}))
        least = min(one.ratio for _, one in of)
        kind = of[0][1].kind
        cells = [Cell(text, source=source) for text in (f"{times} of {len(of)}", f"{least:.3f}")]
        rows.append([name, picture, kind, to, *cells])
        line: dict[str, Value] = {"class": name, "picture": picture, "kind": kind, "to": to}
        line |= {"trials": len(of), "misrouted": times, "smallest_ratio": least}
        data.append(Line(line, source))
    whole = computed(misrouted_table, keys(found.records))
    many = Number(counted(len(rows), "picture"), whole)
    some = (f"; the {MOST_SHOWN} that are misrouted most often of ", many)
    caption = (
        "Test pictures that went to another task when all were known, and the smallest ratio of "
        "squared distances, nearest other task to own",
        *(some if len(rows) > MOST_SHOWN else ()),
    )
    header = ("Class", "Picture", "Kind", "Went to", "Trials", "Smallest ratio")
    fields = ("class", "picture", "kind", "to", "trials", "misrouted", "smallest_ratio")
    name = file_name("misrouted", setting)
    return table(name, caption, header, rows[:MOST_SHOWN], data, whole, 4, fields)


def _most_often(one: tuple[tuple[str, str], list[tuple[str, Routed]]]) -> tuple[float, str, str]:
    (name, picture), of = one
    return -sum(not routed.own for _, routed in of) / len(of), name, picture


def _quantiles(values: Iterable[float]) -> tuple[float, float, float]:
    known = np.array(list(values))
    low, middle = (float(q) for q in np.quantile(known, (0.05, 0.5)))
    return float(known.min()), low, middle


def margins_table(setting: Setting, found: Seen) -> Table:
    """Ratios of a class's pictures, over pictures and trials."""
    rows: list[list[Cell | str]] = []
    data: list[Line] = []
    for name in setting.classes:
        of = found.of(name)
        if not of:
            continue
        source = computed(margins_table, [key for key, _ in of])
        least, low, middle = _quantiles(one.ratio for _, one in of)
        wrong, trials = sum(not one.own for _, one in of), len({key for key, _ in of})
        texts = (str(len(of)), str(trials), str(wrong), *(f"{v:.3f}" for v in (least, low, middle)))
        rows.append([name, *(Cell(text, source=source) for text in texts)])
        line: dict[str, Value] = {"class": name, "pictures": len(of), "trials": trials}
        line |= {"misrouted": wrong, "smallest": least, "q05": low, "median": middle}
        data.append(Line(line, source))
    caption = (
        "Router’s margin by class when all tasks are known: squared distance to the nearest other "
        "task divided by that to the own one, over pictures and trials; below 1 a picture is "
        "misrouted"
    )
    header = ("Class", "Pictures", "Trials", "Misrouted", "Smallest", "5 %", "Median")
    fields = ("class", "pictures", "trials", "misrouted", "smallest", "q05", "median")
    whole = computed(margins_table, keys(found.records))
    name = file_name("routing_margins", setting)
    return table(name, caption, header, rows, data, whole, fields=fields)


def margins_figure(setting: Setting, found: Seen) -> Figure:
    """From the smallest ratio to the median of each class, with the limit of misrouting."""
    made = {
        name: _quantiles(one.ratio for _, one in of)
        for name in setting.classes
        if (of := found.of(name))
    }
    with house_style():
        canvas = Canvas(figsize=(6.4, 0.8 + 0.27 * len(made)))
        ax = canvas.subplots()
        for y, (least, low, middle) in enumerate(made.values()):
            ax.plot([least, middle], [y, y], color=FAINT, lw=2)
            ax.plot([least], [y], "o", color=colour(1), ms=4.5)
            ax.plot([low], [y], "|", color=INK, ms=8)
            ax.plot([middle], [y], "D", color=colour(0), ms=4)
        log_x(ax)
        ax.axvline(1.0, color=INK, lw=0.9, ls="--")
        named_rows(ax, list(made))
        ax.set_xlabel("squared distance to the nearest other task / to the own")
    name, (least, _, _) = min(made.items(), key=lambda one: one[1][0])
    source = computed(margins_figure, keys(found.records))
    caption: Words = (
        "Circle: the smallest of a class’s pictures; stroke: 5 %; diamond: the median. Left of the "
        "dashed line a picture is misrouted. Smallest of all: ",
        Number(f"{least:.3f}", source),
        f", {name}.",
    )
    title, n = "The router’s margin", (how_many.trials(found.records),)
    return drawn(canvas, file_name("routing_margins", setting), title, "ratio", n, caption)


def told(found: Seen) -> Words:
    """Of which trials the pictures are."""
    source = computed(told, keys(found.records))
    words: Sequence[str | Number] = (
        "Picture by picture, of ",
        Number(counted(len(found.records), "trial"), source),
        ": where no bank depends on the order, one for each task 0 and seed, for the choice among "
        "all tasks is then the same in every order.",
    )
    if not found.silent:
        return tuple(words)
    more = Number(f"{found.silent} more", source)
    return (*words, " Of ", more, " nothing is kept where this report was made.")
