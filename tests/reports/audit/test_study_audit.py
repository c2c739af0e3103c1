"""`moleflow audit STUDY`: numbers of its reports, from the ledger by a second way."""

import json
from pathlib import Path
from statistics import fmean, stdev

import pytest

from moleflow.errors import StudyError
from orchestration.records.layout import StudyFolder
from orchestration.studies.expansion import Trial
from reports.audit.study import audit_study
from reports.audit.tables import has_numbers
from tests.reports.audited import impossible
from tests.reports.conftest import Lab

FUNCTION = "reports.performance.class_table"


def noisy(trial: Trial, metric: str, class_name: str, step: int) -> float:
    """A number for each trial, class and metric."""
    return 0.8 + (int(trial.key[:4], 16) % 97 + 7 * len(class_name) + len(metric)) / 1000


@pytest.fixture
def study(lab: Lab) -> tuple[StudyFolder, list[Trial]]:
    lab.law = noisy
    folder, plan = lab.plan()
    lab.run(folder, plan.trials)
    return folder, list(plan.trials)


def write(folder: StudyFolder, name: str, lines: list[str], trials: list[str]) -> Path:
    """A table with one source for all its lines."""
    tables = folder.report / "tables"
    tables.mkdir(parents=True, exist_ok=True)
    (tables / f"{name}.csv").write_text("\n".join(lines) + "\n")
    sources = {"functions": [FUNCTION], "trials": [trials], "lines": [[0, 0]] * (len(lines) - 1)}
    (tables / f"{name}.sources.json").write_text(json.dumps(sources))
    return tables / f"{name}.csv"


def by_class(trials: list[Trial], **wrong: float) -> list[str]:
    """Lines of a table of classes, made here."""
    lines = ["class,metric,routing,n,mean,sd,min,max"]
    for name in trials[0].classes:
        values = [noisy(trial, "image_auroc", name, 0) for trial in trials]
        told = {"n": len(values), "mean": fmean(values), "sd": stdev(values)}
        told |= {"min": min(values), "max": max(values), **wrong}
        lines.append(f"{name},image_auroc,routed," + ",".join(map(repr, told.values())))
    return lines


def audited(folder: StudyFolder) -> tuple[dict[str, int], str]:
    found = audit_study(folder.path)
    return found["counts"], "\n".join(impossible(found))


def test_what_the_ledger_gives_holds(study: tuple[StudyFolder, list[Trial]]) -> None:
    folder, trials = study
    write(folder, "by_class", by_class(trials), [t.key for t in trials])
    counts, wrong = audited(folder)
    # Beside the numbers of the table, each record holds.
    assert wrong == "" and counts["holds"] == 5 * len(trials[0].classes) + len(trials)


@pytest.mark.parametrize("column", ["n", "mean", "sd", "min", "max"])
def test_a_changed_number_is_told_with_its_place(
    study: tuple[StudyFolder, list[Trial]], column: str
) -> None:
    folder, trials = study
    write(folder, "by_class", by_class(trials, **{column: 0.91234}), [t.key for t in trials])
    _, wrong = audited(folder)
    assert f"tables/by_class.csv line 2, {column}: the table has 0.91234" in wrong


def test_trials_that_were_left_out_are_missed(study: tuple[StudyFolder, list[Trial]]) -> None:
    folder, trials = study
    write(folder, "by_class", by_class(trials), [t.key for t in trials[1:]])
    _, wrong = audited(folder)
    assert f"names {len(trials) - 1} trials and rests on {len(trials)}" in wrong


def test_trials_that_nobody_planned_are_told(study: tuple[StudyFolder, list[Trial]]) -> None:
    folder, trials = study
    write(folder, "by_class", by_class(trials), [*(t.key for t in trials), "f" * 20])
    _, wrong = audited(folder)
    assert "trials that the plan has not: " + "f" * 20 in wrong


def test_a_line_that_is_not_there_is_missed(study: tuple[StudyFolder, list[Trial]]) -> None:
    folder, trials = study
    lines = by_class(trials)
    write(folder, "by_class", lines[:-1], [t.key for t in trials])
    _, wrong = audited(folder)
    assert f"has no line of {lines[-1].partition(',')[0]}" in wrong


def test_a_damaged_record_counts_for_nothing(study: tuple[StudyFolder, list[Trial]]) -> None:
    folder, trials = study
    write(folder, "by_class", by_class(trials), [t.key for t in trials])
    record = folder.record(trials[0].key)
    whole = record.read_bytes()
    record.write_bytes(whole.replace(b'"value": 0.', b'"value": 1.', 1))
    assert record.read_bytes() != whole
    _, wrong = audited(folder)
    assert "line 2, n" in wrong


def test_what_names_no_sources_is_not_checkable(study: tuple[StudyFolder, list[Trial]]) -> None:
    folder, trials = study
    table = write(folder, "by_class", by_class(trials), [])
    table.with_name("by_class.sources.json").unlink()
    counts, wrong = audited(folder)
    assert wrong == "" and counts == {
        "holds": len(study[1]),
        "cannot be true": 0,
        "holds only if": 0,
        "not checkable": 1,
        "differs": 0,
    }


def test_without_a_report_it_says_how_to_write_one(
    study: tuple[StudyFolder, list[Trial]],
) -> None:
    with pytest.raises(StudyError, match=r"moleflow report \S+ --root /"):
        audit_study(study[0].path)


def test_a_hash_that_reads_as_a_number_beyond_all_is_none() -> None:
    assert not has_numbers("09505e793505") and has_numbers("95.05 e")
