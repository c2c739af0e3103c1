"""Where final numbers of classes differ from: variance components of task 0, seed, class and test
pictures."""

from collections.abc import Mapping, Sequence

from moleflow.metrics.means import mean
from orchestration.records.ledger import Record
from orchestration.sharing.roles import order_free
from reports import picture_doubt
from reports.digits import percent
from reports.document import DASH, Cell, Line, Table, Value, computed, table
from reports.evidence import Evidence, Setting
from reports.first_task import FirstTasks
from reports.performance import file_name
from reports.picture_doubt import Kept
from reports.statistics import (
    VarianceComponent,
    VarianceComponents,
    variance_components,
    with_images,
)

Run = tuple[str, str, str]
"""Task 0, order and seed."""
CLASS = "class"
"""The source that holds what test pictures do: those of a class are drawn once and stay."""


def components(evidence: Evidence, found: FirstTasks, kept: Kept) -> VarianceComponents | None:
    """Of the classes' final numbers: task 0, seed, class, and test pictures where scores of all
    trials are known; None where the design is too small."""
    runs = _runs(found)
    values, sources = _values(evidence, found, runs)
    try:
        parts = variance_components(values, sources)
    except ValueError:  # too few values, or sources that change together
        return None
    of_pictures = picture_doubt.shared(evidence, kept, found.metric.name, list(runs.values()))
    if of_pictures is None or CLASS not in sources:
        return parts
    return with_images(parts, of_pictures, CLASS)


def _values(
    evidence: Evidence, found: FirstTasks, runs: Mapping[Run, Sequence[Record]]
) -> tuple[list[float], dict[str, list[str]]]:
    """Of each run and class, and their levels of every source that has several."""
    values: list[float] = []
    sources: dict[str, list[str]] = {name: [] for name in ("task 0", "order", "seed", CLASS)}
    for levels, records in runs.items():
        known = [evidence.measurements.finals(record, found.metric.name) for record in records]
        for name in sorted({name for of in known for name in of}):
            values.append(mean([of[name] for of in known if name in of]))
            for source, level in zip(sources, (*levels, name), strict=True):
                sources[source].append(level)
    if len(set(sources["order"])) == len(found.names):  # no more than one of each task 0
        del sources["order"]
    return values, {name: levels for name, levels in sources.items() if len(set(levels)) > 1}


def _runs(found: FirstTasks) -> dict[Run, list[Record]]:
    """Trials by task 0, order and seed. Those that differ in an order that training does not know
    are one run."""
    free = all(order_free(record.config) for record in found.records)
    runs: dict[Run, list[Record]] = {}
    for record in found.records:
        order = record.task0 if free else record.order
        runs.setdefault((record.task0, order, str(record.seed)), []).append(record)
    return runs


def components_table(
    evidence: Evidence, setting: Setting, found: Sequence[FirstTasks], kept: Kept
) -> Table:
    """Where the classes' final numbers vary from."""
    pairs: list[tuple[list[Cell], Line]] = []
    for one in found:
        parts = components(evidence, one, kept)
        pairs += [_line(one, parts, part) for part in parts.components] if parts else []
    caption = (
        "Where final numbers of classes differ from: standard deviations in points with 95 % "
        "intervals, and shares of the variance; the residual holds all interactions. Test "
        "pictures: what other ones would do to a class in all trials alike, known where trials "
        "keep scores, and else a part of the class"
    )
    header = ("Metric", "Source", "sd", "95 % interval", "Share")
    every = computed(components_table, [r.key for one in found for r in one.records])
    rows, lines = [row for row, _ in pairs], [line for _, line in pairs]
    return table(file_name("task0_components", setting), caption, header, rows, lines, every, 2)


def _line(
    found: FirstTasks, parts: VarianceComponents, part: VarianceComponent
) -> tuple[list[Cell], Line]:
    low, high = (None if end is None else end**0.5 for end in part.interval or (None, None))
    sd, source = max(0.0, part.estimate) ** 0.5, found.source_of(components_table)
    told = "estimate below 0: no sign of it" if part.negative else ""
    span = DASH if low is None else f"{percent(low)} to {percent(high)}"
    share = DASH if part.share is None else f"{100 * part.share:.1f} %"
    cells = [Cell(found.metric.title), Cell(part.name), Cell(percent(sd), told, source)]
    line: dict[str, Value] = {"metric": found.metric.name, "source": part.name}
    line |= {"levels": part.levels, "variance": part.estimate, "sd": sd}
    line |= {"sd_low": low, "sd_high": high, "share": part.share, "method": parts.method}
    return [*cells, Cell(span, source=source), Cell(share, source=source)], Line(line, source)
