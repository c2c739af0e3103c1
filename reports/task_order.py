"""How sensitive are the results to task 0, the order after it, and the seed?

Works from the study's plan and ledger alone: a report can be made anew at any time, on any machine.
"""

import textwrap
from dataclasses import dataclass

from orchestration.records.layout import StudyFolder
from reports import figures, invariance, performance, provenance, routing, sensitivity
from reports.evidence import METRICS, Evidence, Setting, load
from reports.figures import Figure
from reports.invariance import Invariance
from reports.render import Report, write_figures, write_pages, write_tables
from reports.statistics import NOISE, Spread, summarise
from reports.tables import Table, percent, plus_minus, to_text


@dataclass(frozen=True)
class Section:
    """Results of the trials that share one setting."""

    setting: Setting
    sentences: tuple[str, ...]
    main: Table
    by_task0: Table
    by_order: Table
    variance: Table
    spread: Table
    disparity: Table
    caveat: str
    invariance: Invariance
    mismatches: Table
    by_class: Table
    transfer: Table
    one_task: str
    """Said where there is no earlier task; empty where there is."""
    routing: str
    confusions: tuple[Table, ...]
    order_figure: Figure | None
    r_figures: tuple[Figure, ...]
    routing_figures: tuple[Figure, ...]
    r_matrix: Table
    """For the CSV file; too long to be shown."""

    @property
    def tables(self) -> list[Table]:
        found = [self.main, self.by_task0, self.by_order, self.variance, self.spread]
        found += [self.disparity, self.by_class, self.transfer, self.r_matrix]
        found += [self.mismatches] if self.mismatches.rows else []
        return [*found, *self.confusions]

    @property
    def figures(self) -> list[Figure]:
        drawn = [self.order_figure, *self.r_figures, *self.routing_figures]
        return [figure for figure in drawn if figure is not None]


def write(folder: StudyFolder) -> Report:
    """Write the report below `folder.report`: pages, tables and figures.

    The same ledger gives the same bytes.

    Raises:
        StudyError: the study has not been planned.
        StoreError: the plan or a record is damaged, or the report cannot be written.
    """
    evidence = load(folder)
    sections = tuple(section(evidence, setting) for setting in evidence.settings)
    shown = [section for section in sections if section.setting.finished]
    data, orders = provenance.data_table(evidence), provenance.orders_table(evidence)
    failures, missing = provenance.failures_table(evidence), provenance.missing_table(evidence)
    content = {
        "plan": evidence.plan,
        "evidence": evidence,
        "notices": provenance.notices(evidence),
        "facts": provenance.facts(evidence),
        "facts_trials": dict(provenance.facts(evidence))["Trials"],
        "config": provenance.config_rows(evidence),
        "data": data,
        "orders": orders,
        "failures": failures,
        "missing": missing,
        "sections": shown,
    }
    every = [data, orders, failures, missing, *(t for s in shown for t in s.tables)]
    write_tables(folder.report, every)
    write_figures(folder.report, [figure for s in shown for figure in s.figures])
    return write_pages(folder.report, "task_order", content, headline(evidence, shown))


def section(evidence: Evidence, setting: Setting) -> Section:
    """All results of one setting."""
    found, chosen = invariance.compare(setting.finished), routing.confusions(setting.finished)
    return Section(
        setting=setting,
        sentences=sentences(evidence, setting),
        main=performance.main_table(evidence, setting),
        by_task0=performance.task0_table(evidence, setting),
        by_order=performance.order_table(evidence, setting),
        variance=sensitivity.decomposition_table(evidence, setting),
        spread=sensitivity.spread_table(evidence, setting),
        disparity=sensitivity.disparity_table(evidence, setting),
        caveat=sensitivity.caveat(setting),
        invariance=found,
        mismatches=invariance.mismatch_table(found, setting),
        by_class=performance.class_table(evidence, setting),
        transfer=performance.transfer_table(evidence, setting),
        one_task=performance.one_task_sentence(setting),
        routing=routing.sentence(chosen),
        confusions=tuple(routing.confusion_table(one, setting) for one in chosen),
        order_figure=figures.by_order(evidence, setting),
        r_figures=tuple(figures.r_matrices(evidence, setting)),
        routing_figures=tuple(figures.confusions(evidence, setting, chosen)),
        r_matrix=performance.r_matrix_table(evidence, setting),
    )


def sentences(evidence: Evidence, setting: Setting) -> tuple[str, ...]:
    """The answer in a few sentences, each number with its n."""
    found: list[str] = []
    for metric in ("image_auroc", "pixel_ap"):
        observed = performance.observations(evidence, setting, metric)
        summary = summarise(o.value for o in observed)
        if summary is None:
            continue
        trials = f"n = {summary.n} trial{'' if summary.n == 1 else 's'}"
        text = (
            f"{METRICS[metric]} at the end of the sequence, mean over "
            f"{performance.classes_measured(evidence, setting, metric)} classes: "
            f"{plus_minus(summary)} % ({trials})"
        )
        ranges = sensitivity.spreads(observed)
        parts = _range_sentences(ranges, len({o.task0 for o in observed}))
        found.append(text + (f"; {'; '.join(parts)}." if parts else "."))
    return tuple(found)


def _range_sentences(ranges: dict[str, Spread | None], firsts: int) -> list[str]:
    parts: list[str] = []
    task0, order, seed = (ranges[source] for source in ("task0", "order", "seed"))
    if task0:
        parts.append(f"task-0 means lie within {percent(task0.mean)} points (n = {firsts})")
    if order:
        equal = order.largest <= NOISE
        differ = "do not differ" if equal else f"lie within {percent(order.largest)}"
        groups = f"n = {order.groups} group{'' if order.groups == 1 else 's'}"
        parts.append(f"orders with the same task 0 and seed {differ} ({groups})")
    if seed:
        parts.append(
            f"seeds of one order within {percent(seed.largest)} (n = {seed.groups} orders)"
        )
    return parts


def headline(evidence: Evidence, sections: list[Section]) -> str:
    """The main table as plain text, with what must be known before it."""
    lines = [f"NOTE: {notice}" for notice in provenance.notices(evidence)]
    for shown in sections:
        label = f" ({shown.setting.label})" if shown.setting.label else ""
        lines += [f"{shown.main.caption}{label}", to_text(shown.main)]
    if not sections:
        lines.append("No trial has finished, so there are no results.")
    if evidence.unfinished or evidence.missing:
        lines.append(dict(provenance.facts(evidence))["Trials"])
    return "\n".join(textline for line in lines for textline in _wrap(line))


def _wrap(text: str) -> list[str]:
    """Lines of at most 100 columns; a table's lines are shorter already and stay as they are."""
    return [part for line in text.split("\n") for part in textwrap.wrap(line, 100) or [""]]
