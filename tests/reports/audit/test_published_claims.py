"""The demonstration: claims of published papers, and what was recomputed of them by hand."""

import csv
import re
from pathlib import Path

import pytest

import reports
from reports.audit.claim import Verdict
from reports.audit.outcome import DEMONSTRATION
from reports.audit.table import Audited, audit_claims

PUBLISHED = Path(reports.__file__).parent / "published"


@pytest.fixture(scope="module")
def found() -> list[Audited]:
    return audit_claims(DEMONSTRATION)


def of(found: list[Audited], verdict: Verdict) -> set[str]:
    return {one.claim.name for one in found if one.finding.verdict is verdict}


@pytest.mark.slow
def test_every_recorded_figure_comes_out_or_the_table_says_why_not(found: list[Audited]) -> None:
    assert len(found) > 100
    silent = [one.claim.name for one in found if one.unmatched and not one.claim.difference]
    assert silent == []
    assert sum(bool(one.unmatched) for one in found) <= 8


@pytest.mark.slow
def test_a_figure_that_does_not_come_out_is_seen(found: list[Audited]) -> None:
    from dataclasses import replace

    for one in found[:5]:
        changed = replace(one, claim=replace(one.claim, recorded="p=.0444"))
        assert changed.unmatched == [".0444"]


def test_only_what_no_number_decides_is_not_checkable(found: list[Audited]) -> None:
    assert of(found, Verdict.UNCHECKABLE) == {
        "forgetting of DeCoFlow in the tables",
        "task-order table",
        "task-0 table",
        "one misrouted image",
    }


def test_what_the_record_calls_right_holds(found: list[Audited]) -> None:
    right = {
        "ReplayCAD BWT beside FM",
        "V48_01 image AUROC mean",
        "other means of the comparison table",
        "3.71 M against 2.27 M per task",
        "V62 parameters per task",
        "V48_01 time",
    }
    assert right <= of(found, Verdict.HOLDS)


def test_what_the_record_calls_wrong_cannot_be_true(found: list[Audited]) -> None:
    wrong = {
        *(f"anova {name}" for name in ("WA", "TAL", "DIA", "scale context", "spatial context")),
        *(f"task0 bottle-{name}" for name in ("wood", "transistor", "carpet", "metal_nut")),
        "task0 base loss vs pixel AP",
        "context synergy",
        "routing 100 %",
        "guaranteed floor image AUROC >= 94 %",
        "fine-tune BWT beside FM",
        "DFM pixel AP mean",
        "98.03 +- 0.19 / 55.78 +- 0.73 over seeds",
        "ANOVA degrees of freedom",
        "VisA row of CFRDC",
    }
    assert wrong <= of(found, Verdict.IMPOSSIBLE)


def test_what_holds_in_one_sense_only_says_in_which(found: list[Audited]) -> None:
    conditions = {one.claim.name: one.finding.condition for one in found}
    assert conditions["LoRA parameters"] == "the true shapes"
    assert "backbone each" in conditions["8.4x smaller than copies"]
    assert conditions["task order is irrelevant"].startswith("differences of up to 1.93")
    assert all(
        (one.finding.verdict is Verdict.CONDITIONAL) == bool(one.finding.condition) for one in found
    )


def test_cells_of_claims_are_those_of_the_tables_beside_them() -> None:
    with (PUBLISHED / "tables.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    orders = [
        f"{row['value_percent']}+-{row['spread']}"
        for row in rows
        if row["table"] == "task_order" and row["metric"] == "pixel_ap"
    ]
    with DEMONSTRATION.open(newline="") as file:
        claims = {row["claim"]: row for row in csv.DictReader(file)}
    assert claims["task order is irrelevant"]["inputs"] == "; ".join(orders)


def test_the_readme_tells_of_every_table_and_papers_have_titles() -> None:
    readme = (PUBLISHED / "README.md").read_text()
    for path in PUBLISHED.glob("*.csv"):
        assert f"`{path.name}`" in readme
        assert not re.search(r"(?<![.\w])00[0-4](_[0-9a-f]|'s|\b(?![.,\d]))", path.read_text()), (
            path
        )
