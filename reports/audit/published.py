"""Lines of tables that set measured beside published values: the published ones looked up again."""

import csv
import statistics
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from reports.audit.records import finished
from reports.audit.samples import sd
from reports.audit.second_way import Expected, Line, Numbers

BY_CLASS = ("mvtec_1x1_per_class.csv", "visa_1x1_per_class.csv")
FOLDER = Path(__file__).resolve().parent.parent / "published"


@cache
def _all(name: str) -> tuple[dict[str, str], ...]:
    with (FOLDER / name).open(newline="", encoding="utf-8") as file:
        return tuple(csv.DictReader(file))


@cache
def _rows(name: str, **wanted: str) -> tuple[dict[str, str], ...]:
    return tuple(row for row in _all(name) if all(row[k] == v for k, v in wanted.items()))


def beside(line: Line) -> Expected:
    """Mean over the trials that the line names, the printed value, and their difference."""
    cells = line.cells
    wanted = {"table": cells["table"], "config": cells["config"], "metric": cells["metric"]}
    row = _rows("tables.csv", **wanted)[0]
    trials = [trial for trial in line.finished if trial.key in line.named]
    values = line.measured(trials)
    numbers: Numbers = {"n": len(values), "mean": None, "sd": None, "difference": None}
    if values:
        numbers |= {"mean": statistics.mean(values.values())}
        numbers |= {"sd": sd(values.values())}
    numbers |= {"seeds": len({trial.seed for trial in trials if trial.key in values})}
    published = float(row["value_percent"]) / 100
    numbers |= {"published": published, "published_n": int(row["n_seeds"])}
    numbers |= {"published_spread": float(row["spread"]) / 100 if row["spread"] else None}
    classes = {name for trial in line.records.trials for name in trial.classes}
    papers = {r["class"] for r in _rows("mvtec_1x1_per_class.csv")} - {"mean"}
    if values and classes == papers:
        numbers |= {"difference": statistics.mean(values.values()) - published}
    return Expected(numbers, frozenset(values))


def by_class(line: Line) -> Expected:
    """A published value of a class, or of all, and what the setting's trials have of it."""
    cells = line.cells
    same = {k: cells[k] for k in ("method", "class", "metric", "source", "note")}
    (file, row), *_ = [(f, row) for f in BY_CLASS for row in _rows(f, **same)]
    whole = cells["class"] == "mean"
    trials = finished(line.records.labelled[cells["setting"]])
    of = Line({**cells, "class": ""}, "", (), (), line.records) if whole else line
    values = of.measured(trials)
    published = float(row["value_percent"]) / 100
    there = {r["class"] for r in _rows(file)} - {"mean"}
    here = {name for trial in line.records.labelled[cells["setting"]] for name in trial.classes}
    mean = statistics.mean(values.values()) if values else None
    numbers: Numbers = {"n": len(values), "mean": mean, "published": published}
    numbers |= {"sd": sd(values.values())}
    apart = mean - published if mean is not None and there == here else None
    numbers |= {"difference": apart, "method": row["method"], "note": row["note"]}
    return Expected(numbers, frozenset(values))


def claims(line: Line) -> Expected:
    """Of one claim, letter by letter."""
    row = _rows("claims.csv", claim=line.cells["claim"])[0]
    return Expected({name: row[name] for name in ("inputs", "printed", "recomputed")})


WAYS: Mapping[str, Callable[[Line], Expected]] = {
    "reports.papers.beside_table": beside,
    "reports.papers_by_class.beside_table": by_class,
    "reports.papers.interactions": claims,
}
