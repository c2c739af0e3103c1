"""Laws of the report on task 0, on ledgers whose truth is known."""

import math

import pandas as pd
import pytest

from orchestration.records.layout import StudyFolder
from orchestration.studies.expansion import Trial
from reports.writing import write_reports
from tests.reports.audited import changed, wrong

pytestmark = pytest.mark.slow


def by_first(trial: Trial, metric: str, class_name: str, step: int) -> float:
    """Image AUROC depends on task 0 by 3 points; pixel AP hardly; a seed's luck is shared."""
    first = ("bottle", "cable", "hazelnut", "metal_nut").index(trial.sequence[0][0])
    luck = 0.01 * math.sin(37.0 * trial.seed + len(class_name))
    own = 0.0005 * math.sin(11.0 * trial.seed + 5 * first + len(metric))
    effect = 0.03 * first if metric == "image_auroc" else 0.0
    return 0.8 + luck + own + effect


@pytest.fixture(scope="module")
def study(make_lab, tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    lab = make_lab(tmp_path_factory.mktemp("lab"))
    lab.reports, lab.law = ("task0",), by_first
    folder, plan = lab.plan(task_zeros=3, orders=1, seeds=range(4))
    lab.run(folder, plan.trials)
    write_reports(folder)
    return folder


def verdicts(folder: StudyFolder) -> pd.DataFrame:
    return pd.read_csv(folder.report / "tables" / "task0_verdicts.csv").set_index("metric")


def test_verdicts_are_those_of_the_effects_that_were_put_in(study: StudyFolder) -> None:
    found = verdicts(study)
    assert found["verdict"].to_dict() == {"image_auroc": "different", "pixel_ap": "equivalent"}
    assert found.loc["image_auroc", "range"] == pytest.approx(0.06, abs=0.002)
    assert found.loc["image_auroc", "leader"] == "hazelnut"


def test_the_answer_says_verdict_and_n_first(study: StudyFolder) -> None:
    page = (study.report / "report.md").read_text(encoding="utf-8")
    assert "Image AUROC: different, it matters which task is first (n = 4 seeds of 3" in page
    assert "Pixel AP: equivalent, it does not matter which task is first (n = 4 seeds" in page


def test_every_number_of_the_report_is_found_a_second_time(study: StudyFolder) -> None:
    assert wrong(study) == []


def test_a_changed_number_of_its_tables_is_found(study: StudyFolder) -> None:
    path = study.report / "tables" / "task0_effects-image_auroc.csv"
    with changed(path, 2, "effect", lambda value: value + 1e-6) as place:
        assert any(place in one for one in wrong(study))


def test_the_papers_numbers_stand_beside_and_on_other_data_no_difference_is_taken(
    study: StudyFolder,
) -> None:
    table = pd.read_csv(study.report / "tables" / "published-task0.csv")
    line = table[(table.config == "bottle") & (table.metric == "pixel_ap")].iloc[0]
    assert line["published"] == pytest.approx(0.5578) and line["n"] == 4
    assert table["difference"].isna().all()
    page = (study.report / "report.md").read_text(encoding="utf-8")
    assert "no difference is taken" in page and "Seeds: 3 there, 4 here." in page


def test_on_the_papers_data_the_difference_is_taken(lab) -> None:
    from reports.papers import classes_of_paper

    lab.reports, lab.classes = ("task0",), tuple(sorted(classes_of_paper()))
    folder, plan = lab.plan(task_zeros=2, orders=1, seeds=(0, 1))
    lab.run(folder, plan.trials)
    write_reports(folder)
    table = pd.read_csv(folder.report / "tables" / "published-task0.csv")
    line = table[(table.config == "bottle") & (table.metric == "pixel_ap")].iloc[0]
    assert line["difference"] == pytest.approx(0.9 - 0.5578)
    assert wrong(folder) == []


def test_a_study_declares_the_margin(lab) -> None:
    lab.reports, lab.law = ("task0",), by_first
    lab.margins = {"image_auroc": 0.2, "aupro": 0.01}
    folder, plan = lab.plan(task_zeros=3, orders=1, seeds=range(4))
    lab.run(folder, plan.trials)
    write_reports(folder)
    found = verdicts(folder)["verdict"].to_dict()
    assert found == dict.fromkeys(("image_auroc", "pixel_ap", "aupro"), "equivalent")


def test_one_seed_compares_nothing_and_says_so(lab) -> None:
    lab.reports = ("task0",)
    folder, plan = lab.plan(task_zeros=2, orders=1, seeds=(0,))
    lab.run(folder, plan.trials)
    write_reports(folder)
    page = (folder.report / "report.md").read_text(encoding="utf-8")
    assert "Fewer than two tasks 0 with two seeds each have finished" in page
