"""Every two tasks 0, and what may be said of their difference."""

from collections.abc import Sequence
from dataclasses import dataclass

from reports.digits import bracketed, percent
from reports.document import Cell, Line, Table, Value, table
from reports.doubt_columns import ALONE, HEADER, both_cell, both_fields, caption, has_pictures
from reports.evidence import Evidence, Setting
from reports.first_task import FirstTasks, of_pictures
from reports.performance import file_name
from reports.picture_doubt import Doubted, Kept
from reports.statistics import pairwise


@dataclass(frozen=True)
class Pair:
    """Two tasks 0."""

    first: str
    second: str
    difference: float
    interval: tuple[float, float]
    """That holds for all pairs together (Tukey)."""
    p: float
    pictures: Doubted | str

    @property
    def differ(self) -> bool:
        return self.interval[0] > 0 or self.interval[1] < 0


def pairs(evidence: Evidence, found: FirstTasks, kept: Kept) -> list[Pair]:
    """Every two; of a metric that kept scores tell nothing of without pictures."""
    made: list[Pair] = []
    for one in pairwise(found.values):
        assert one.second is not None
        first, second = found.names[one.first], found.names[one.second]
        pictures: Doubted | str = ""
        if has_pictures(found.metric.name):
            pictures = of_pictures(evidence, found, kept, {first: 1, second: -1})
        made.append(Pair(first, second, one.difference, one.interval, one.p, pictures))
    return made


def pairs_table(
    evidence: Evidence, setting: Setting, found: FirstTasks, each: Sequence[Pair]
) -> Table:
    """Every two tasks 0, and what may be said of their difference."""
    rows: list[list[Cell | str]] = []
    data: list[Line] = []
    every = found.source_of(pairs_table)
    margin = found.metric.margin or 0.0
    shown = caption([pair.pictures for pair in each])
    pictured = has_pictures(found.metric.name)
    for pair in each:
        low, high = pair.interval
        inside = -margin < low and high < margin
        verdict = "equivalent" if inside else "different" if pair.differ else "undecided"
        cells = [percent(pair.difference), bracketed(pair.interval)]
        name = f"{evidence.tasks[pair.first]} − {evidence.tasks[pair.second]}"
        row: list[Cell | str] = [name, verdict, *(Cell(text, source=every) for text in cells)]
        row += [both_cell(pair.pictures, pairs_table, pair.interval)] if shown else []
        rows.append(row)
        line: dict[str, Value] = {"task0": pair.first, "other": pair.second}
        line |= {"metric": found.metric.name, "definition": "final_mean", "margin": margin}
        line |= {"difference": pair.difference, "difference_low": low, "difference_high": high}
        line |= {"p_adjusted": pair.p, "verdict": verdict}
        line |= both_fields(pair.pictures, pair.interval) if pictured else {}
        data.append(Line(line, every))
    told = (
        f"{found.metric.title}: every two tasks 0, in points, with 95 % intervals that hold for "
        "all pairs together (Tukey); equivalent where the interval lies inside of the margin",
        *(shown or (ALONE,)),
    )
    header = ("Pair", "Verdict", "Difference", "95 % interval", *[HEADER] * bool(shown))
    name = file_name(f"task0_pairs-{found.metric.name}", setting)
    return table(name, told, header, rows, data, every, 2)
