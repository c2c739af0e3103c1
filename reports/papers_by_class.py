"""What papers print class by class, beside what was measured here of classes of the same names."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from moleflow import profiles
from moleflow.config import Config
from moleflow.wording import counted
from reports.digits import percent, plus_minus
from reports.document import (
    DASH,
    Block,
    Cell,
    Fold,
    Line,
    Listed,
    Number,
    Section,
    Table,
    Text,
    Value,
    Words,
    computed,
    note,
    table,
)
from reports.evidence import Evidence, Setting, keys
from reports.papers import rows_of, settings_apart
from reports.statistics import Summary, summarise
from reports.variants import called

MEAN = "mean"
"""Stands for all classes."""


@dataclass(frozen=True)
class Data:
    """A data set that papers print values of, a class per task."""

    name: str
    title: str
    own: str
    """The published run of this package's method that differences are taken to."""
    made_with: Callable[[], Config]
    """The profile that has its settings, as far as they are told."""
    shown: tuple[str, ...] = ("CADIC", "ReplayCAD", "UCAD", "joint PatchCore")
    """Other methods that have a column; the table's file has all."""


SETS = (
    Data("mvtec", "MVTec AD, 15 classes", "MoLE-Flow log 6+2, seed 0", profiles.main),
    Data("visa", "VisA, 12 classes", "MoLE-Flow (VISA-B1)", profiles.visa_vit),
)


@dataclass(frozen=True)
class Printed:
    """A published value of a class, or of all classes."""

    method: str
    class_name: str
    metric: str
    value: float
    """Fraction of 1."""
    source: str
    note: str


@cache
def printed(data: Data) -> tuple[Printed, ...]:
    """All of a data set."""
    return tuple(
        Printed(
            *(row["method"], row["class"], row["metric"], float(row["value_percent"]) / 100),
            *(row["source"], row["note"]),
        )
        for row in rows_of(f"{data.name}_1x1_per_class.csv")
    )


def classes_of(data: Data) -> frozenset[str]:
    return frozenset(one.class_name for one in printed(data)) - {MEAN}


def sections(evidence: Evidence) -> list[Section]:
    """Of each data set with classes of the study's names, where it learns a class per task."""
    setting = _counterpart(evidence)
    if setting is None:
        return []
    found: list[Section] = []
    for data in SETS:
        names = [name for name in setting.classes if name in classes_of(data)]
        if names:
            title = f"Measured beside published, class by class: {data.title.split(',')[0]}"
            found.append(Section(title, tuple(_blocks(evidence, setting, data, names))))
    return found


def _counterpart(evidence: Evidence) -> Setting | None:
    """The study's base config, or the first setting, that has learned a class per task."""
    able = [
        setting
        for setting in evidence.settings
        if setting.finished
        and all(len(s := t.sequence) > 1 and max(map(len, s)) == 1 for t in setting.trials)
    ]
    base = evidence.plan.study.base
    return next((s for s in able if s.trials[0].config == base), able[0] if able else None)


def _blocks(
    evidence: Evidence, setting: Setting, data: Data, names: Sequence[str]
) -> Iterator[Block]:
    if not same_data(setting, data):
        yield Text(
            f"The published values are of {data.title}, and these results of other data "
            f"({evidence.plan.data_root}), of whose {counted(len(setting.classes), 'class')} "
            f"{len(names)} ha{'s' if len(names) == 1 else 've'} a name that is there, too: they "
            "stand side by side, and no difference is taken."
        )
    there = {one.metric for one in printed(data)}
    for metric in (metric for metric in evidence.concluded if metric.name in there):
        yield beside_table(evidence, setting, data, names, (metric.name, metric.title))
    apart = Listed(tuple(_apart(evidence, setting, data)))
    yield Fold(f"{data.title}: what was done otherwise, line by line", (apart,))
    yield note(
        "Published values are as printed or logged, and are no measurements of this package. Other "
        "methods have other backbones, inputs and training: their columns are for orientation. All "
        "published methods are in the tables’ files."
    )


def same_data(setting: Setting, data: Data) -> bool:
    """By the names of the classes: all of them, and no other."""
    return frozenset(setting.classes) == classes_of(data)


def beside_table(
    evidence: Evidence,
    setting: Setting,
    data: Data,
    names: Sequence[str],
    metric: tuple[str, str],
) -> Table:
    """Measured here, published of this method and, on the same data, their difference; and other
    methods, of which the file has all."""
    same = same_data(setting, data)
    by_method: dict[str, dict[str, Printed]] = {}
    for one in printed(data):
        if one.metric == metric[0]:
            by_method.setdefault(one.method, {})[one.class_name] = one
    shown = [method for method in data.shown if method in by_method]
    rows: list[list[Cell | str]] = []
    lines: list[Line] = []
    for name in (*names, *([MEAN] if same else [])):
        known = _measured(evidence, setting, name, metric[0])
        summary, source = summarise(known.values()), computed(beside_table, known)
        own = by_method.get(data.own, {}).get(name)
        apart = summary.mean - own.value if same and summary and own else None
        others = [by_method[method].get(name) for method in shown]
        rows.append(
            [
                "mean of all" if name == MEAN else name,
                Cell(plus_minus(summary), _counted(setting, known), source),
                Cell(_text(own), source=computed(beside_table)),
                *([Cell(percent(apart), source=source)] if same else []),
                *(Cell(_text(one), source=computed(beside_table)) for one in others),
            ]
        )
        for of in by_method.values():
            if name in of:
                lines.append(Line(_tidy(of[name], setting, summary, same), source))
    title = f"{metric[1]} of {called(setting)}, mean ± sd over trials, beside published values"
    header = ("Class", "Measured", data.own, *(["Difference"] if same else []), *shown)
    whole = computed(beside_table, keys(setting.finished))
    name = f"published_by_class-{data.name}-{metric[0]}"
    return table(name, f"{title} of {data.title}, in percent", header, rows, lines, whole)


def _measured(evidence: Evidence, setting: Setting, name: str, metric: str) -> Mapping[str, float]:
    """By trial, at the end of the sequence."""
    of = evidence.measurements
    found = {
        r.key: of.summary(r.key, metric, "final_mean")
        if name == MEAN
        else of.final(r, name, metric)
        for r in setting.finished
    }
    return {key: value for key, value in found.items() if value is not None}


def _counted(setting: Setting, known: Mapping[str, float]) -> str:
    seeds = {record.seed for record in setting.finished if record.key in known}
    return f"n = {counted(len(known), 'trial')}, {counted(len(seeds), 'seed')}" if known else ""


def _text(one: Printed | None) -> str:
    return DASH if one is None else percent(one.value)


def _tidy(one: Printed, setting: Setting, summary: Summary | None, same: bool) -> dict[str, Value]:
    line: dict[str, Value] = {"class": one.class_name, "metric": one.metric}
    line |= {"definition": "final_mean" if one.class_name == MEAN else "final"}
    line |= {"setting": setting.label, "n": summary.n if summary else 0}
    line |= {"mean": summary.mean if summary else None, "sd": summary.sd if summary else None}
    line |= {"method": one.method, "published": one.value}
    line |= {"difference": summary.mean - one.value if summary and same else None}
    return line | {"source": one.source, "note": one.note}


def _apart(evidence: Evidence, setting: Setting, data: Data) -> Iterator[Words]:
    """What was done otherwise here than in the published run of this method, a line each."""
    if same_data(setting, data):
        yield f"Data: {data.title} there and, by the names of the classes, here."
    else:
        names = ", ".join(setting.classes)
        yield f"Data: {data.title} there; here {counted(len(setting.classes), 'class')} ({names})."
    yield f"Tasks: {len(classes_of(data))} of one class each there, {len(setting.classes)} here."
    orders = len({record.order for record in setting.finished})
    here = f"{len(setting.seeds)} and {orders} here"
    source = computed(_apart, keys(setting.finished))
    yield ("Seeds and orders: one of each there, ", Number(here, source), ".")
    yield from settings_apart(evidence, data.made_with())
    for one in printed(data):
        if one.note and one.method in (data.own, *data.shown):
            yield f"Note on {one.method}, {one.metric} of {one.class_name}: {one.note}."
