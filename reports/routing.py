"""How well the router finds a picture's task, class by class and step by step, and what its
mistakes cost: what the oracle would have, minus what the routed has."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from moleflow.metrics.catalogue import Metric
from moleflow.metrics.means import mean
from moleflow.wording import counted
from orchestration.records.ledger import Record
from reports import how_many
from reports.digits import numbers, percent, plus_minus
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
from reports.evidence import Evidence, Setting, classes_of, keys
from reports.figures import heat_cells
from reports.performance import file_name
from reports.statistics import NOISE, Summary, summarise

ACCURACY = "routing_accuracy"
ALL = "all classes"


def _at(evidence: Evidence, records: Iterable[Record], name: str, step: int) -> dict[str, float]:
    """Accuracy on a class when so many tasks were known, by trial that had learned it."""
    found = {r.key: evidence.measurements.entry(r, step, name, ACCURACY) for r in records}
    return {key: value for key, value in found.items() if value is not None}


def _at_the_end(evidence: Evidence, records: Iterable[Record], name: str) -> dict[str, float]:
    found = {r.key: evidence.measurements.final(r, name, ACCURACY) for r in records}
    return {key: value for key, value in found.items() if value is not None}


def _when_learned(evidence: Evidence, records: Iterable[Record], name: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for record in records:
        step = next(i for i, task in enumerate(record.sequence, start=1) if name in task)
        found |= _at(evidence, [record], name, step)
    return found


def _line(name: str, when: str, step: int | None, found: Mapping[str, float]) -> Line:
    line: dict[str, Value] = {"class": name, "metric": ACCURACY, "routing": "routed"}
    line |= {"definition": when, "step": step, **numbers(summarise(found.values()))}
    return Line(line, computed(accuracy_table, found))


def accuracy_table(evidence: Evidence, setting: Setting) -> Table:
    """Of each class, at every step; shown when just learned and at the end."""
    rows: list[list[Cell | str]] = []
    data: list[Line] = []
    steps = max((len(record.sequence) for record in setting.finished), default=0)
    for name in setting.classes:
        records = [record for record in setting.finished if name in classes_of(record)]
        first, last = _when_learned(evidence, records, name), _at_the_end(evidence, records, name)
        for when, of in (("just learned", first), ("at the end", last)):
            data.append(_line(name, when, None, of))
        for step in range(1, steps + 1):
            found = _at(evidence, records, name, step)
            data += [_line(name, "step", step, found)] if found else []
        learned, end = summarise(first.values()), summarise(last.values())
        source = computed(accuracy_table, keys(records))
        lowest = percent(end.low if end else None)
        cells = (plus_minus(learned), plus_minus(end), lowest, str(len(records)))
        rows.append([name, *(Cell(text, source=source) for text in cells)])
    caption = (
        "Share of a class’s test pictures that went to its own task, in percent: mean ± sd over "
        "trials, when the class was just learned and when all were"
    )
    header = ("Class", "Just learned", "At the end", "Lowest trial", "Trials")
    whole = computed(accuracy_table, keys(setting.finished))
    fields = ("class", "metric", "routing", "definition", "step", *numbers(None))
    name = file_name("routing_accuracy", setting)
    return table(name, caption, header, rows, data, whole, fields=fields)


def accuracy_figure(evidence: Evidence, setting: Setting) -> Figure | None:
    """Classes by the number of tasks known; None where there is one task, or nothing to see."""
    steps = max((len(record.sequence) for record in setting.finished), default=0)
    values = np.full((len(setting.classes), steps), np.nan)
    for i, name in enumerate(setting.classes):
        records = [record for record in setting.finished if name in classes_of(record)]
        for step in range(1, steps + 1):
            found = _at(evidence, records, name, step)
            if found:
                values[i, step - 1] = 100 * mean(found.values())
    if steps < 2 or np.isnan(values).all():
        return None
    texts = np.array([[f"{v:.1f}" if v == v else "" for v in row] for row in values])
    columns = [str(step) for step in range(1, steps + 1)]
    low = float(np.nanmin(values))
    canvas = heat_cells(values, texts, setting.classes, columns, (low, 100.0))
    source = computed(accuracy_figure, keys(setting.finished))
    i, j = np.unravel_index(int(np.nanargmin(values)), values.shape)
    caption: Words = "Columns are numbers of tasks known. No picture was misrouted."
    if low < 100.0:
        caption = (
            "Columns are numbers of tasks known. Lowest: ",
            Number(f"{percent(low / 100)} %", source),
            f", {setting.classes[int(i)]} with ",
            Number(f"{counted(int(columns[int(j)]), 'task')} known", source),
            ".",
        )
    name = file_name("routing_accuracy", setting)
    title = "Pictures that went to their own task, mean over trials"
    n = (how_many.trials(setting.finished),)
    return drawn(canvas, name, title, "%", n, caption)


def cost_table(evidence: Evidence, setting: Setting, metrics: Sequence[Metric]) -> Table:
    """Oracle, routed and their difference by class and over all of them, at the end."""
    rows: list[list[Cell | str]] = []
    data: list[Line] = []
    for metric in metrics:
        for name in ("", *setting.classes):
            pairs = _pairs(evidence, setting.finished, metric.name, name)
            if not pairs:
                continue
            oracle = summarise(own for own, _ in pairs.values())
            routed = summarise(chosen for _, chosen in pairs.values())
            lost = summarise(own - chosen for own, chosen in pairs.values())
            source = computed(cost_table, pairs)
            texts = [plus_minus(one) for one in (oracle, routed, lost)]
            cells = [Cell(text, source=source) for text in (*texts, str(len(pairs)))]
            rows.append([metric.title, name or ALL, *cells])
            line: dict[str, Value] = {"metric": metric.name, "class": name}
            for way, of in (("oracle", oracle), ("routed", routed)):
                line |= {way: of.mean if of else None, f"{way}_sd": of.sd if of else None}
            data.append(Line(line | numbers(lost), source))
    caption = (
        "What misrouting costs at the end of the sequence: every picture scored by its own task’s "
        "bank (oracle), by the bank that the router chose (routed), and the difference in points; "
        "mean ± sd over trials"
    )
    header = ("Metric", "Class", "Oracle", "Routed", "Lost", "Trials")
    whole = computed(cost_table, keys(setting.finished))
    fields = ("metric", "class", "oracle", "oracle_sd", "routed", "routed_sd", *numbers(None))
    name = file_name("routing_cost", setting)
    return table(name, caption, header, rows, data, whole, 2, fields)


def _pairs(
    evidence: Evidence, records: Iterable[Record], metric: str, name: str
) -> dict[str, tuple[float, float]]:
    """Oracle and routed by trial; of a class, or of the mean over classes."""
    known = evidence.measurements
    found: dict[str, tuple[float, float]] = {}
    for record in records:
        oracle, routed = (
            known.final(record, name, metric, kind)
            if name
            else known.summary(record.key, metric, "final_mean", kind)
            for kind in ("oracle", "routed")
        )
        if oracle is not None and routed is not None:
            found[record.key] = oracle, routed
    return found


def lost(evidence: Evidence, setting: Setting, metric: Metric) -> Summary | None:
    """What misrouting costs at the end, mean over classes; None where no trial has both."""
    pairs = _pairs(evidence, setting.finished, metric.name, "")
    return summarise(oracle - routed for oracle, routed in pairs.values())


def sentence(evidence: Evidence, setting: Setting, metric: Metric) -> Words:
    """What misrouting costs at the end, mean over classes."""
    pairs = _pairs(evidence, setting.finished, metric.name, "")
    lost = summarise(oracle - routed for oracle, routed in pairs.values())
    if lost is None:
        return f"{metric.title}: no finished trial has it, routed and with an oracle."
    source, n = computed(sentence, pairs), f"n = {counted(lost.n, 'trial')}"
    if max(abs(lost.low), abs(lost.high)) <= NOISE:
        return (f"{metric.title}: misrouting costs nothing (", Number(n, source), ").")
    return (
        f"{metric.title}: misrouting costs ",
        Number(f"{plus_minus(lost)} points", source),
        " at the end of the sequence, mean over classes (",
        Number(n, source),
        f"; margin {percent(metric.margin, 1)}).",
    )
