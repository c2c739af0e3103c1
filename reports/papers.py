"""What papers print on the same question, beside what was measured here.

The papers' figures are `reports/published/*.csv`, transcribed and never measured by this package.
A line of a published table belongs to a setting whose config is the study's base with the line's
changes, or, of tables of first classes, to a task 0 of that name.
"""

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from moleflow import profiles
from moleflow.config import Config
from moleflow.errors import MoleflowError
from moleflow.wording import counted
from orchestration.records.ledger import Record
from orchestration.studies.named_settings import BASE
from reports.digits import percent, plus_minus
from reports.document import (
    DASH,
    Block,
    Cell,
    Fold,
    Line,
    Listed,
    Section,
    Table,
    Text,
    Value,
    computed,
    note,
    table,
)
from reports.evidence import Evidence, keys
from reports.provenance import differences
from reports.statistics import Summary, summarise

FOLDER = Path(__file__).parent / "published"
TASK0 = "sequence.task0"
"""Stands for changes in tables of first classes."""
DATA = "mvtec"
"""That all published tables of settings are of."""
TITLE = "MVTec AD, 15 classes"
MADE_WITH: Mapping[str, Callable[[], Config]] = {
    "MoLE-Flow Ablation Study": profiles.main,
    "MoLE-Flow: outline of the method section (revision 3)": profiles.method_v1_6,
    "MoLE-Flow: Mixture of LoRA Experts for Continual Anomaly Detection": profiles.framework_v3,
}
"""The profile that has a paper's settings, as far as it tells them."""


@dataclass(frozen=True)
class Printed:
    """A value of a published table."""

    source: str
    table: str
    config: str
    changes: str
    metric: str
    value: float
    """Fraction of 1."""
    spread: float | None
    n: int
    note: str


@dataclass(frozen=True)
class Beside:
    """A published value, and what was measured of the same."""

    printed: Printed
    label: str
    """Of the setting, or the task 0; empty where the study has none such."""
    measured: tuple[Record, ...]


@cache
def printed() -> tuple[Printed, ...]:
    """All values of published tables that are shares of 1."""
    found: list[Printed] = []
    for row in rows_of("tables.csv"):
        if row["metric"] != "base_loss":
            spread = float(row["spread"]) / 100 if row["spread"] else None
            what = (row["source"], row["table"], row["config"], row["overrides"], row["metric"])
            value, n = float(row["value_percent"]) / 100, int(row["n_seeds"])
            found.append(Printed(*what, value, spread, n, row["note"]))
    return tuple(found)


@cache
def classes_of_paper() -> frozenset[str]:
    """Names of the classes that the published tables are of."""
    rows = rows_of(f"{DATA}_1x1_per_class.csv")
    return frozenset(row["class"] for row in rows) - {"mean"}


def rows_of(name: str) -> Iterator[dict[str, str]]:
    with (FOLDER / name).open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def same_data(evidence: Evidence) -> bool:
    """Whether the study learns the classes of the papers' data, by their names."""
    names = frozenset(name for trial in evidence.plan.trials for name in trial.classes)
    return names == classes_of_paper()


def section(evidence: Evidence) -> Section | None:
    """Measured beside published, table by table; None where nothing is published on it, or measured
    of it."""
    found = list(counterparts(evidence))
    if not any(one.measured for _, lines in found for one in lines):
        return None
    blocks: list[Block] = []
    if not same_data(evidence):
        data = evidence.plan.data_root
        blocks.append(
            Text(
                f"The published values are of {TITLE}, and these results of other data ({data}): "
                "they stand side by side, and no difference is taken."
            )
        )
    for name, lines in found:
        blocks.append(beside_table(evidence, name, lines))
        differs = Listed(tuple(protocol(evidence, lines)))
        blocks.append(Fold(f"{name}: what was done otherwise, line by line", (differs,)))
    blocks.append(
        note(
            "Published values are as printed, and are no measurements of this package; a spread is "
            "what the paper printed behind ±."
        )
    )
    return Section("Measured beside published", tuple(blocks))


def counterparts(evidence: Evidence) -> Iterator[tuple[str, list[Beside]]]:
    """Published tables of which this study has two settings or more, with all their lines, but none
    of which another has all and more; of first classes, wherever the study compares some."""
    by_table: dict[str, list[Printed]] = {}
    for one in printed():
        by_table.setdefault(one.table, []).append(one)
    found: dict[str, list[Beside]] = {}
    for name, lines in by_table.items():
        if lines[0].changes != TASK0:
            found[name] = [_by_setting(evidence, one) for one in lines]
        elif _compares_task0(evidence):
            yield name, [_by_task0(evidence, one) for one in lines]
    matched = {name: {one.label for one in of if one.label} for name, of in found.items()}
    for name, own in matched.items():
        if len(own) > 1 and not any(own < other for other in matched.values()):
            yield name, found[name]


def _compares_task0(evidence: Evidence) -> bool:
    firsts = {trial.sequence[0] for trial in evidence.plan.trials}
    return len(firsts) > 1 and "task0" in evidence.plan.study.reports


def _by_setting(evidence: Evidence, one: Printed) -> Beside:
    wanted = _changed(evidence.plan.study.base, one.changes)
    for setting in evidence.settings:
        if setting.trials[0].config == wanted and len(setting.trials[0].sequence) > 1:
            return Beside(one, setting.label or BASE, setting.finished)
    return Beside(one, "", ())


def _by_task0(evidence: Evidence, one: Printed) -> Beside:
    records = tuple(r for r in evidence.finished if r.task0 == one.config)
    planned = any(trial.sequence[0] == (one.config,) for trial in evidence.plan.trials)
    return Beside(one, one.config if planned else "", records)


def _changed(base: Config, changes: str) -> Config | None:
    """The base with changes written as `field=value field=value`; None where they are no config."""
    try:
        pairs = (change.partition("=") for change in changes.split())
        return base.updated({name: _value(text) for name, _, text in pairs})
    except MoleflowError:
        return None


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def beside_table(evidence: Evidence, name: str, lines: Sequence[Beside]) -> Table:
    """Measured, published, and on the same data their difference."""
    shown = {metric.name: metric.title for metric in evidence.concluded}
    rows: list[list[Cell | str]] = []
    data: list[Line] = []
    for one in lines:
        paper, title = one.printed, shown.get(one.printed.metric)
        if title is None:
            continue
        records = [r for r in one.measured if _final(evidence, r, paper.metric) is not None]
        summary = summarise(_final(evidence, r, paper.metric) or 0.0 for r in records)
        source = computed(beside_table, keys(records))
        difference = summary.mean - paper.value if summary and same_data(evidence) else None
        seeds = len({record.seed for record in records})
        theirs = percent(paper.value, 2)
        theirs += f" ± {percent(paper.spread)}" if paper.spread is not None else ""
        cells = [
            Cell(plus_minus(summary), _of(summary.n, seeds), source)
            if summary
            else Cell(DASH, "" if one.label else "not in this study"),
            Cell(theirs, f"n = {paper.n}", computed(beside_table)),
            Cell(percent(difference), source=source),
        ]
        rows.append([paper.config, title, *cells])
        data.append(Line(_tidy(one, summary, difference, seeds), source))
    caption = f"{name}: measured here and printed in “{lines[0].printed.source}”, in percent"
    header = ("Published as", "Metric", "Measured", "Published", "Difference")
    every = computed(beside_table, [key for one in lines for key in keys(one.measured)])
    return table(f"published-{name}", caption, header, rows, data, every, 2)


def _final(evidence: Evidence, record: Record, metric: str) -> float | None:
    return evidence.measurements.summary(record.key, metric, "final_mean")


def _of(trials: int, seeds: int) -> str:
    return f"n = {counted(trials, 'trial')}, {counted(seeds, 'seed')}"


def _tidy(
    one: Beside, summary: Summary | None, difference: float | None, seeds: int
) -> dict[str, Value]:
    paper = one.printed
    line: dict[str, Value] = {"table": paper.table, "config": paper.config, "setting": one.label}
    line |= {"metric": paper.metric, "definition": "final_mean", "n": summary.n if summary else 0}
    line |= {"seeds": seeds, "mean": summary.mean if summary else None}
    line |= {"sd": summary.sd if summary else None, "published": paper.value}
    line |= {"published_spread": paper.spread, "published_n": paper.n}
    return line | {"difference": difference}


INTERACTIONS = {
    "anova WA": "adapter=none",
    "anova TAL": "loss.tail_weight=0.0",
    "anova DIA": "dia.blocks=0",
    "anova scale context": "flow.context_kernel=0",
    "anova spatial context": "mixer.kernel=0",
}
"""Published F of interactions with the frozen base, by the component that is taken out."""


def interactions(evidence: Evidence) -> list[Block]:
    """What is printed of interactions with the frozen base, where the study varies that."""
    configs = [trial.config for trial in evidence.plan.trials]
    if len({config.freeze_base for config in configs}) < 2:
        return []
    rows: list[tuple[str, str, str, str]] = []
    data: list[dict[str, Value]] = []
    for row in rows_of("claims.csv"):
        without = INTERACTIONS.get(row["claim"])
        if without and _changed(evidence.plan.study.base, without) in configs:
            rows.append((without, row["inputs"], row["printed"], row["recomputed"]))
            printed = {name: row[name] for name in ("claim", "inputs", "printed", "recomputed")}
            data.append({"without": without, **printed})
    caption = (
        "Interactions with the frozen base as they are printed (“MoLE-Flow: outline of the method "
        "section (revision 3)”, of MVTec AD), and the p that follows from the printed F. Which "
        "metric they are of is not said, nor is a difference printed, so none is taken"
    )
    header = ("Taken out", "F", "p as printed", "p recomputed")
    whole = computed(interactions)
    return [table("published-interactions", caption, header, rows, data, whole, 4)] if rows else []


def settings_apart(evidence: Evidence, theirs: Config) -> Iterator[str]:
    """Fields that a paper has otherwise than the study's base, a line each."""
    differ = list(differences(theirs, evidence.plan.study.base))
    for name, there, here in differ:
        yield f"{name}: {there} there, {here} here."
    if not differ:
        yield "Settings: as far as the paper tells them, the same."


def protocol(evidence: Evidence, lines: Sequence[Beside]) -> Iterator[str]:
    """What was done otherwise here, a line each."""
    papers = [one.printed for one in lines]
    plan = evidence.plan
    names = sorted({name for trial in plan.trials for name in trial.classes})
    if same_data(evidence):
        yield f"Data: {TITLE} there and, by the names of the classes, here."
    else:
        yield f"Data: {TITLE} there; here {counted(len(names), 'class')} ({', '.join(names)})."
    seeds, theirs = len({t.seed for t in plan.trials}), sorted({one.n for one in papers})
    yield f"Seeds: {' or '.join(map(str, theirs))} there, {seeds} here."
    orders = len(evidence.orders)
    yield f"Orders: one, alphabetical, where nothing else is said there; {orders} here."
    made = MADE_WITH.get(papers[0].source)
    if made:
        yield from settings_apart(evidence, made())
    if any(one.spread is not None for one in papers):
        yield (
            "Spread: here the sample standard deviation over trials; there what stands behind ±, "
            "which the notes may tell."
        )
    for text in dict.fromkeys(one.note for one in papers if one.note):
        yield f"Note on the published values: {text}."
