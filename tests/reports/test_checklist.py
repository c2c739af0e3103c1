"""Laws of the checklist: beside every report, true, and open about what it does not know."""

import pandas as pd
import pytest

from orchestration.records.layout import StudyFolder
from reports.audit.claim import Verdict
from reports.audit.study import audit_study
from reports.writing import write_reports
from tests.reports.audited import impossible


@pytest.fixture(scope="module")
def folder(make_lab, tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    """A study of which a trial diverged and one was not run."""
    lab = make_lab(tmp_path_factory.mktemp("lab"))
    lab.reports = ("task0",)
    folder, plan = lab.plan(task_zeros=2, orders=1, seeds=(3, 7))
    lab.run(folder, plan.trials[:2])
    lab.fail(folder, plan.trials[2], "the loss is inf", "diverged")
    write_reports(folder)
    return folder


def test_it_is_written_beside_the_reports_that_a_study_asks_for(folder: StudyFolder) -> None:
    page = folder.report / "checklist" / "index.html"
    assert 'href="../index.html"' in page.read_text(encoding="utf-8")
    assert 'href="checklist/index.html"' in (folder.report / "index.html").read_text()


def test_it_names_seeds_and_counts_what_did_not_finish(folder: StudyFolder) -> None:
    page = (folder.report / "checklist" / "report.md").read_text(encoding="utf-8")
    assert "3, 7 (n = 2), all of them reported" in page
    assert "with 2 seeds none is given" in page
    assert "4 planned: 2 finished, 1 diverged, 0 failed, 1 not run yet" in page
    assert "not known to this program" in page


def test_compute_is_told_with_what_did_not_finish(folder: StudyFolder) -> None:
    table = pd.read_csv(folder.report / "checklist" / "tables" / "compute.csv")
    table = table.set_index("status")
    assert table["trials"].to_dict() == {"finished": 2, "diverged": 1}
    assert table.loc["diverged", "hours"] == pytest.approx(900 / 3600)


def test_every_number_of_it_is_found_a_second_time(folder: StudyFolder) -> None:
    found = audit_study(folder.path)
    assert impossible(found) == []
    checked = [c for c in found["claims"] if "checklist/tables/trials.csv" in c["claim"]]
    assert checked and all(c["verdict"] == Verdict.HOLDS for c in checked)


def test_a_kind_that_is_asked_for_by_name_comes_alone(lab) -> None:
    lab.reports = ("task0",)
    folder, plan = lab.plan(task_zeros=2, orders=1, seeds=(0,))
    lab.run(folder, plan.trials)
    (written,) = write_reports(folder, ["task0"])
    assert written.html.is_file() and not (folder.report / "checklist").exists()
