"""How much task 0, the order after it, and the seed move the numbers."""

from moleflow.metrics.catalogue import TITLES
from moleflow.wording import counted
from reports import how_many
from reports.digits import percent
from reports.document import DASH, Cell, Line, Source, Table, Value, Words, computed, table
from reports.evidence import Evidence, Setting, keys
from reports.performance import file_name, in_whole_seeds, measured, observations
from reports.statistics import (
    NOISE,
    SEEDS_FOR_INTERVAL,
    Observation,
    Spread,
    decompose,
    order_disparity,
    spread,
    summarise,
)

SOURCES = ("task 0", "order within task 0", "seed", "rest (interactions)")


def decomposition_table(evidence: Evidence, setting: Setting) -> Table:
    """Shares of the variance of the final mean by source."""
    rows: list[list[Cell | str]] = []
    data: list[Line] = []
    for metric, label in TITLES.items():
        found = decompose(observations(evidence, setting, metric))
        repeats = in_whole_seeds(measured(evidence, setting, metric))
        source = computed(decomposition_table, keys(repeats))
        if found is None:
            rows.append([label, *[DASH] * len(SOURCES), "0"])
            continue
        nothing = "none" if not found.varies else DASH
        shares = [nothing if c.share is None else percent(c.share, 1) for c in found.components]
        design = (
            f"{found.trials} = {counted(found.orders, 'order')} × {counted(found.seeds, 'seed')}"
        )
        left_out = f"{counted(found.left_out, 'trial')} left out" if found.left_out else ""
        cells = [Cell(share, source=source) for share in shares]
        rows.append([label, *cells, Cell(design, left_out, source)])
        for part in found.components:
            line: dict[str, Value] = {"metric": metric, "source": part.name, "df": part.df}
            line |= {"sum_of_squares": part.sum_of_squares, "share": part.share}
            line |= {"trials": found.trials, "task_zeros": found.task_zeros}
            line |= {"orders": found.orders, "seeds": found.seeds}
            data.append(Line(line, source))
    caption = (
        "Share of the sum of squares of the final mean over classes, in percent (“none”: the "
        "trials do not differ; –: no degrees of freedom)"
    )
    header = ("Metric", *(s[0].upper() + s[1:] for s in SOURCES), "Trials")
    whole = computed(decomposition_table, keys(setting.finished))
    return table(file_name("variance", setting), caption, header, rows, data, whole)


def spreads(found: list[Observation]) -> dict[str, Spread | None]:
    """Ranges of the final mean when only one thing changes.

    Between task 0s: of their means over orders and seeds. Between orders: at one task 0 and seed.
    Between seeds: at one order.
    """
    by_task0, by_group, by_order = _groups(found)
    means = [summarise(values) for values in by_task0.values()]
    return {
        "task0": spread([[m.mean for m in means if m is not None]]),
        "order": spread(by_group.values()),
        "seed": spread(by_order.values()),
    }


def _groups(
    found: list[Observation],
) -> tuple[dict[str, list[float]], dict[tuple[str, int], list[float]], dict[str, list[float]]]:
    by_task0: dict[str, list[float]] = {}
    by_group: dict[tuple[str, int], list[float]] = {}
    by_order: dict[str, list[float]] = {}
    for o in found:
        by_task0.setdefault(o.task0, []).append(o.value)
        by_group.setdefault((o.task0, o.seed), []).append(o.value)
        by_order.setdefault(o.order, []).append(o.value)
    return by_task0, by_group, by_order


def spread_table(evidence: Evidence, setting: Setting) -> Table:
    """Ranges between task 0s, orders and seeds, in percentage points."""
    rows: list[list[Cell | str]] = []
    data: list[Line] = []
    for metric, label in TITLES.items():
        found = observations(evidence, setting, metric)
        source = computed(spread_table, keys(measured(evidence, setting, metric)))
        ranges = spreads(found)
        firsts = len({o.task0 for o in found})
        between = ranges["task0"]
        cells = [Cell(percent(between.mean), f"n = {firsts}", source) if between else Cell(DASH)]
        cells += [_range_cell(ranges[what], source) for what in ("order", "seed")]
        rows.append([label, *cells])
        for what, one in ranges.items():
            line: dict[str, Value] = {"metric": metric, "source": what}
            line |= {"mean_range": one.mean if one else None}
            line |= {"largest_range": one.largest if one else None}
            line |= {"groups": one.groups if one else 0, "task_zeros": firsts}
            data.append(Line(line, source))
    caption = (
        "Range (max − min) of the final mean over classes, in percentage points, when one thing "
        "changes: mean over groups, and the largest"
    )
    header = ("Metric", "Between task-0 means", "Between orders", "Between seeds")
    whole = computed(spread_table, keys(setting.finished))
    return table(file_name("spread", setting), caption, header, rows, data, whole)


def _range_cell(found: Spread | None, source: Source) -> Cell:
    if found is None:
        return Cell(DASH)
    said = f"largest {percent(found.largest)}, n = {found.groups}"
    return Cell(percent(found.mean), said, source)


def disparity_table(evidence: Evidence, setting: Setting) -> Table:
    """AOPD and MOPD over all orders, and over orders that share task 0."""
    rows: list[list[Cell | str]] = []
    data: list[dict[str, Value]] = []
    for metric, label in TITLES.items():
        row: list[Cell | str] = [label]
        for scope in ("all orders", "same task 0"):
            groups: dict[tuple[str, int], list[dict[str, float]]] = {}
            for record in setting.finished:
                group = (record.task0 if scope == "same task 0" else "", record.seed)
                finals = evidence.measurements.finals(record, metric)
                groups.setdefault(group, []).append(finals)
            found = order_disparity(list(groups.values()))
            classes = counted(found.classes, "class") if found else ""
            row += [DASH, DASH] if found is None else [
                Cell(percent(found.average), f"{classes}, n = {found.groups}"),
                Cell(percent(found.maximum), found.worst if found.maximum > NOISE else ""),
            ]  # fmt: skip
            line: dict[str, Value] = {"metric": metric, "scope": scope}
            line |= {"aopd": found.average if found else None}
            line |= {"mopd": found.maximum if found else None}
            line |= {"worst": found.worst if found else None}
            line |= {"classes": found.classes if found else 0}
            data.append(line | {"groups": found.groups if found else 0})
        rows.append(row)
    caption = (
        "Order-normalised performance disparity (Yoon et al. 2020) of the classes’ final numbers, "
        "in percentage points; n = groups of orders compared (seeds, or pairs of task 0 and seed)"
    )
    header = ("Metric", "AOPD, all orders", "MOPD", "AOPD, same task 0", "MOPD")
    whole = computed(disparity_table, keys(setting.finished))
    return table(file_name("disparity", setting), caption, header, rows, data, whole)


def caveat(setting: Setting) -> Words:
    """What the number of seeds allows to say."""
    if len(setting.seeds) < SEEDS_FOR_INTERVAL:
        return (
            "With ",
            how_many.seeds(setting.finished),
            f" (fewer than {SEEDS_FOR_INTERVAL}) these numbers describe the trials that were run; "
            "they support no statement about significance.",
        )
    return (
        "With ",
        how_many.seeds(setting.finished),
        " the shares are rough; intervals are 95 % t-intervals of a mean over seeds, which assume "
        "that seeds are independent and roughly normal.",
    )
