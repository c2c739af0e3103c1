"""Tables of how well the classes are detected: overall, by task 0, by order, by class, in time."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from moleflow.metrics.catalogue import COLUMNS, TITLES
from moleflow.metrics.summaries import seed_means
from orchestration.records.ledger import Record
from reports.digits import bracketed, ends, low_to_high, numbers, percent, plus_minus, span
from reports.document import DASH, Cell, Line, Lines, Source, Table, Value, computed, table
from reports.evidence import Evidence, Setting, classes_of, keys, task_zeros
from reports.statistics import Observation, Summary, summarise

FINAL = {"definition": "final_mean", "routing": "routed"}


def observations(evidence: Evidence, setting: Setting, metric: str) -> list[Observation]:
    """Final mean over classes of each finished trial that has one."""
    found: list[Observation] = []
    for record in setting.finished:
        value = evidence.measurements.summary(record.key, metric, "final_mean")
        if value is not None:
            found.append(Observation(record.task0, record.order, record.seed, value))
    return found


def measured(evidence: Evidence, setting: Setting, metric: str) -> list[Record]:
    """Finished trials that have a final mean of the metric: those of `observations`."""
    summary = evidence.measurements.summary
    return [r for r in setting.finished if summary(r.key, metric, "final_mean") is not None]


def whole_seeds(records: Sequence[Record]) -> list[int]:
    """Seeds that were run with every order among the records."""
    orders = {record.order for record in records}
    runs: dict[int, set[str]] = {}
    for record in records:
        runs.setdefault(record.seed, set()).add(record.order)
    return sorted(seed for seed, done in runs.items() if done == orders)


def in_whole_seeds(records: Sequence[Record]) -> list[Record]:
    """Those whose seed was run with every order among the records."""
    seeds = whole_seeds(records)
    return [record for record in records if record.seed in seeds]


def main_table(evidence: Evidence, setting: Setting) -> Table:
    """Final mean over classes per metric: mean ± sd over trials; interval over seeds."""
    rows: list[list[Cell | str]] = []
    data: list[Line] = []
    for metric, label in TITLES.items():
        found = observations(evidence, setting, metric)
        records = measured(evidence, setting, metric)
        over_trials, over_seeds = summarise(o.value for o in found), summarise(seed_means(found))
        interval = over_seeds.interval if over_seeds else None
        classes = classes_measured(evidence, setting, metric)
        source = computed(main_table, keys(records))
        cells = [plus_minus(over_trials), low_to_high(over_trials)]
        cells += [str(over_trials.n if over_trials else 0), classes]
        repeats = computed(main_table, keys(in_whole_seeds(records)))
        last = Cell(interval_text(over_seeds), source=repeats)
        rows.append([label, *(Cell(text, source=source) for text in cells), last])
        line: dict[str, Value] = {"metric": metric, **FINAL, **numbers(over_trials)}
        line |= {"classes": classes, "seeds": over_seeds.n if over_seeds else 0}
        data.append(Line(line | ends(interval), source))
    caption = "Mean over classes at the end of the sequence, in percent: mean ± sd over trials"
    header = ("Metric", "Mean ± sd", "Min to max", "Trials", "Classes", "95 % interval, seeds")
    whole = computed(main_table, keys(setting.finished))
    return table(file_name("main", setting), caption, header, rows, data, whole)


def classes_measured(evidence: Evidence, setting: Setting, metric: str) -> str:
    """Over how many classes the mean is taken, e.g. `3 of 4`."""
    counts = [len(evidence.measurements.finals(r, metric)) for r in setting.finished]
    return f"{span(counts)} of {len(setting.classes)}" if any(counts) else DASH


def interval_text(summary: Summary | None) -> str:
    """The 95 % interval and its n; a dash below three seeds."""
    if summary is None or summary.interval is None:
        return DASH
    low, high = summary.interval
    return f"{percent(low)} to {percent(high)}, n = {summary.n}"


def task0_table(evidence: Evidence, setting: Setting) -> Table:
    """Final means by task 0; the unit is the seed, a mean over the orders run with it."""
    groups = [
        (
            [evidence.tasks[first]],
            [r for r in setting.finished if r.task0 == first],
            {"task0": first},
        )
        for first in task_zeros(setting.finished)
    ]
    caption = (
        "By task 0, in percent: each seed's mean over its orders, then mean ± sd over seeds; "
        "below it smallest to largest seed, and from three seeds on the 95 % interval of the mean, "
        "over seeds alone"
    )
    return _grouped(evidence, setting, task0_table, "by_task0", caption, ("Task 0",), groups)


def order_table(evidence: Evidence, setting: Setting) -> Table:
    """Final means by order, over seeds."""
    groups: list[tuple[list[str], list[Record], dict[str, str]]] = []
    for order, records in by_order(setting.finished, evidence).items():
        name, first = evidence.orders[order], records[0].task0
        columns = {"name": name, "task0": first, "order": order}
        groups.append(([name, evidence.tasks[first]], records, columns))
    caption = (
        "By order, in percent: mean ± sd over seeds; below it smallest to largest seed, and from "
        "three seeds on the 95 % interval of the mean, over seeds alone"
    )
    names = ("Order", "Task 0")
    return _grouped(evidence, setting, order_table, "by_order", caption, names, groups)


def _grouped(
    evidence: Evidence,
    setting: Setting,
    by: Callable[..., Table],
    name: str,
    caption: str,
    names: tuple[str, ...],
    groups: Iterable[tuple[list[str], list[Record], dict[str, str]]],
) -> Table:
    rows: list[list[Cell | str]] = []
    data: list[Line] = []
    for labels, records, columns in groups:
        part = Setting(setting.number, setting.label, setting.trials, tuple(records))
        cells: list[Cell | str] = []
        for metric in COLUMNS:
            summary = summarise(seed_means(observations(evidence, part, metric)))
            source = computed(by, keys(in_whole_seeds(measured(evidence, part, metric))))
            cells.append(_mean_cell(summary, source))
            interval = summary.interval if summary else None
            line: dict[str, Value] = {**columns, "metric": metric, **FINAL, **numbers(summary)}
            data.append(Line(line | {"trials": len(records)} | ends(interval), source))
        used = whole_seeds(records)
        partly = len({record.seed for record in records}) - len(used)
        every = computed(by, keys(records))
        left_out = f"{partly} left out: orders missing" if partly else ""
        seeds, trials = Cell(str(len(used)), left_out, every), Cell(str(len(records)), "", every)
        rows.append([*labels, seeds, trials, *cells])
    header = (*names, "Seeds", "Trials", *COLUMNS.values())
    whole = computed(by, keys(setting.finished))
    return table(file_name(name, setting), caption, header, rows, data, whole, len(names))


def _mean_cell(summary: Summary | None, source: Source) -> Cell:
    if summary is None or summary.n == 1:
        return Cell(plus_minus(summary), source=source)
    note = low_to_high(summary)
    if summary.interval:
        note += f"\n{bracketed(summary.interval)}"
    return Cell(plus_minus(summary), note, source)


def class_table(evidence: Evidence, setting: Setting) -> Table:
    """Final numbers by class, over trials; a metric measured in fewer trials names its n."""
    rows: list[list[Cell | str]] = []
    data: list[Line] = []
    for name in setting.classes:
        records = [r for r in setting.finished if name in classes_of(r)]
        cells: list[Cell | str] = []
        for metric in COLUMNS:
            found = {r.key: evidence.measurements.final(r, name, metric) for r in records}
            known = {key: value for key, value in found.items() if value is not None}
            summary, source = summarise(known.values()), computed(class_table, known)
            fewer = summary is not None and summary.n < len(records)
            note = f"n = {summary.n}" if summary and fewer else ""
            cells.append(Cell(plus_minus(summary), note, source))
            line = {"class": name, "metric": metric, "routing": "routed", **numbers(summary)}
            data.append(Line(line, source))
        trials = Cell(str(len(records)), source=computed(class_table, keys(records)))
        rows.append([name, trials, *cells])
    caption = "By class at the end of the sequence, in percent: mean ± sd over trials"
    header = ("Class", "Trials", *COLUMNS.values())
    whole = computed(class_table, keys(setting.finished))
    return table(file_name("by_class", setting), caption, header, rows, data, whole)


def transfer_table(evidence: Evidence, setting: Setting) -> Table:
    """Backward transfer and forgetting in every recorded definition, routed and oracle."""
    definitions = ["final_mean", "on_task_mean", *evidence.measurements.definitions]
    metrics = [metric for metric in COLUMNS if metric != "routing_accuracy"]
    rows: list[list[Cell | str]] = []
    data: list[Line] = []
    for definition in definitions:
        for routing in ("routed", "oracle"):
            cells: list[Cell | str] = []
            most = 0
            for metric in metrics:
                found = {
                    r.key: evidence.measurements.summary(r.key, metric, definition, routing)
                    for r in setting.finished
                }
                known = {key: value for key, value in found.items() if value is not None}
                summary, source = summarise(known.values()), computed(transfer_table, known)
                most = max(most, summary.n if summary else 0)
                cells.append(Cell(plus_minus(summary), source=source))
                line: dict[str, Value] = {"definition": definition, "routing": routing}
                data.append(Line(line | {"metric": metric} | numbers(summary), source))
            rows.append([definition, routing, str(most), *cells])
    caption = (
        "Forgetting and backward transfer by definition, mean ± sd over trials: means in percent, "
        "differences in percentage points"
    )
    if one_task_sentence(setting):
        caption = "Means of the only task, in percent: mean ± sd over trials"
    header = ("Definition", "Routing", "Trials", *(COLUMNS[m] for m in metrics))
    whole = computed(transfer_table, keys(setting.finished))
    return table(file_name("transfer", setting), caption, header, rows, data, whole, 2)


def one_task_sentence(setting: Setting) -> str:
    """What joint training cannot show; empty where a sequence has an earlier task."""
    if any(len(trial.sequence) > 1 for trial in setting.trials):
        return ""
    return (
        "All classes are learned in one task. There is no earlier task and so nothing to forget: "
        "backward transfer and forgetting are not defined, and order plays no part."
    )


def r_matrix_table(evidence: Evidence, setting: Setting) -> Table:
    """All entries of R for a CSV file: mean over seeds per order, step, class, metric, routing."""
    caption = "R matrices, every entry of every metric"
    whole = computed(r_matrix_table, keys(setting.finished))
    lines = Lines(lambda: _r_lines(evidence, setting))
    fields = ("name", "order", "metric", "routing", "step", "class", *numbers(None))
    return table(file_name("r_matrix", setting), caption, (), (), lines, whole, fields=fields)


def _r_lines(evidence: Evidence, setting: Setting) -> Iterator[Line]:
    sources: dict[tuple[str, ...], Source] = {}
    said: dict[str, tuple[Summary, dict[str, Value]]] = {}
    for order, records in by_order(setting.finished, evidence).items():
        name = evidence.orders[order]
        for metric in COLUMNS:
            for routing in ("routed", "oracle"):
                for step, class_name, summary, of in r_entries(evidence, records, metric, routing):
                    if of not in sources:
                        sources[of] = computed(r_matrix_table, of)
                    if class_name not in said or said[class_name][0] is not summary:
                        said[class_name] = summary, numbers(summary)
                    line: dict[str, Value] = {"name": name, "order": order, "metric": metric}
                    line |= {"routing": routing, "step": step, "class": class_name}
                    yield Line(line | said[class_name][1], sources[of])


def by_order(records: Iterable[Record], evidence: Evidence) -> dict[str, list[Record]]:
    """Records of each order that has some, in the order of the plan."""
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(record.order, []).append(record)
    return {order: found[order] for order in evidence.orders if order in found}


REntry = tuple[int, str, Summary, tuple[str, ...]]


def r_entries(
    evidence: Evidence, records: Sequence[Record], metric: str, routing: str = "routed"
) -> list[REntry]:
    """(step, class, summary over seeds, trials) of the R matrix of records that share one order."""
    names = classes_of(records[0])
    along = [
        [evidence.measurements.along(record, name, metric, routing) for record in records]
        for name in names
    ]
    found: list[REntry] = []
    # Most entries are those of the step before, and so is what is said of them.
    before: list[tuple[list[float], Summary | None, tuple[str, ...]]]
    before = [([], None, ())] * len(names)
    for step in range(len(records[0].sequence)):
        for place, name in enumerate(names):
            values = [of_record[step] for of_record in along[place]]
            if values != before[place][0]:
                known = {r.key: v for r, v in zip(records, values, strict=True) if v == v}
                before[place] = values, summarise(known.values()), tuple(known)
            _, summary, of = before[place]
            if summary is not None:
                found.append((step + 1, name, summary, of))
    return found


def file_name(name: str, setting: Setting) -> str:
    """File name of a table or figure; settings of a grid are numbered."""
    return f"{name}-setting{setting.number}" if setting.label else name
