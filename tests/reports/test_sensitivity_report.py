"""Laws of reports that set settings side by side, on ledgers whose truth is known."""

import re

import pandas as pd
import pytest

from orchestration.records.layout import StudyFolder
from orchestration.studies.axes import Grid, Scenarios
from orchestration.studies.expansion import Trial
from orchestration.studies.study import Study
from reports.writing import write_reports
from tests.reports.audited import wrong
from tests.reports.conftest import Lab

pytestmark = pytest.mark.slow

AXES = (
    Grid(field="loss.tail_weight", values=(0.0, 0.5, 1.0)),
    Grid(field="lora.rank", values=(16, 64)),
)


def by_setting(trial: Trial, metric: str, class_name: str, step: int) -> float:
    """The tail's weight moves it by 10 points, the rank by 2, both together by nothing; what was
    learned loses a point with every further task."""
    config = trial.config
    rank = 0.02 if config.lora != "off" and config.lora.rank == 64 else 0.0
    own = next(i for i, task in enumerate(trial.sequence, start=1) if class_name in task)
    luck = 0.001 * ((trial.seed * 5 + len(metric)) % 4)
    return 0.7 + 0.1 * config.loss.tail_weight + rank + luck - 0.01 * (step - own)


@pytest.fixture(scope="module")
def study(make_lab, tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    lab = make_lab(tmp_path_factory.mktemp("lab"))
    lab.reports, lab.law = ("sensitivity", "strategies", "scenarios"), by_setting
    folder, plan = lab.plan(task_zeros=1, orders=1, seeds=(0, 1, 2), axes=AXES)
    lab.run(folder, plan.trials)
    write_reports(folder)
    return folder


def test_importance_is_that_of_the_effects_that_were_put_in(study: StudyFolder) -> None:
    found = pd.read_csv(study.report / "tables" / "importance-image_auroc.csv").set_index("axes")
    tail, rank = 0.1**2 * (0.5**2 + 0.5**2) / 3, 0.01**2
    assert found.loc["loss.tail_weight", "variance"] == pytest.approx(tail)
    assert found.loc["lora.rank", "share"] == pytest.approx(rank / (rank + tail))
    assert found.loc["loss.tail_weight x lora.rank", "share"] == pytest.approx(0, abs=1e-9)


def test_curves_are_drawn_over_axes_of_numbers(study: StudyFolder) -> None:
    drawn = {path.stem for path in (study.report / "figures").glob("curve-*.svg")}
    assert drawn == {"curve-loss_tail_weight", "curve-lora_rank"}


def test_the_answer_tells_verdicts_first_and_their_numbers_are_audited(lab: Lab) -> None:
    lab.reports, lab.law = ("sensitivity", "strategies"), by_setting
    axis = Grid(field="loss.tail_weight", values=(0.0, 0.7, 1.0))
    folder, plan = lab.plan(task_zeros=1, orders=1, seeds=(0, 1, 2), axes=(axis,))
    lab.run(folder, plan.trials)
    for written in write_reports(folder):
        page = written.markdown.read_text(encoding="utf-8").replace("\\", "")
        (told, *_) = re.findall(r"^- Image AUROC(.*)", page, re.MULTILINE)
        assert (
            "(n = 3 seeds, margin 0.5 points): 2 of 2 comparisons have a verdict; better: " in told
        )
        assert "loss.tail_weight = 1.0 (3.00 points); worse: loss.tail_weight = 0.0 (" in told
    assert wrong(folder) == []
    html = folder.report / "index.html"
    html.write_text(html.read_text("utf-8").replace(">2 of 2<", ">1 of 2<"), encoding="utf-8")
    assert any("says 1 of 2" in one for one in wrong(folder))


@pytest.mark.parametrize(
    ("kinds", "apart", "told"),
    [
        (("1-1", "joint"), 0.0, "means of 2 settings are equal: 90.00 %."),
        (("1-1", "joint"), 1e-5, "means of 2 settings are less than 0.01 points apart: 90.00 %."),
        (("1-1", "joint"), 0.01, "means of 2 settings lie between 90.00 % (scenario = 1-1) and"),
        (("1-1",), 0.0, "90.00 % with scenario = 1-1, the only one with a result."),
    ],
)  # fmt: skip
def test_no_range_is_told_where_nothing_differs(
    lab: Lab, kinds: tuple[str, ...], apart: float, told: str
) -> None:
    lab.reports = ("scenarios", "sensitivity", "strategies")
    lab.law = lambda trial, *_: 0.9 + apart * (len(trial.sequence) == 1)
    axes = (Scenarios("1-1", "joint"),)
    folder, plan = lab.plan(task_zeros=1, orders=1, seeds=(0, 1, 2), axes=axes)
    lab.run(folder, [trial for trial in plan.trials if trial.axes["scenario"] in kinds])
    for written in write_reports(folder):
        assert f"Image AUROC (n = 3 seeds): {told}" in written.markdown.read_text("utf-8")
    assert wrong(folder) == []


def test_a_curve_tells_what_its_own_axis_changes(study: StudyFolder) -> None:
    page = (study.report / "report.md").read_text(encoding="utf-8")
    told = re.findall(r"Image AUROC: highest minus lowest mean, all else alike, ([0-9.]+)", page)
    assert told == ["10.00", "2.00"]


def test_a_curve_goes_through_a_setting_under_each_of_its_names(lab: Lab) -> None:
    lab.law = by_setting
    common = {"question": "?", "base": lab.config, "classes": lab.classes, "seeds": (0, 1)}
    tail = Study(**common, axes=(Grid(field="loss.tail_weight", values=(0.0, 0.7)),))
    rank = Study(**common, axes=(Grid(field="lora.rank", values=(16, 64)),))
    union = Study.union("?", {"a": tail, "b": rank}, reports=("sensitivity",))
    folder, plan = lab.planned(union, "union")
    assert len(plan.trials) == 3 * 2  # tail 0.7 and rank 64 are the base
    lab.run(folder, plan.trials)
    write_reports(folder)
    page = (folder.report / "report.md").read_text(encoding="utf-8")
    told = re.findall(r"Image AUROC: highest minus lowest mean, ([0-9.]+)", page)
    assert told == ["7.00", "2.00"]
    assert wrong(folder) == []


def test_forgetting_stands_beside_what_was_learned(study: StudyFolder) -> None:
    found = pd.read_csv(study.report / "tables" / "settings-image_auroc.csv")
    lost = found[found["definition"] == "forgetting/max_minus_last"]
    assert lost["mean"].to_numpy() == pytest.approx(0.02)


def test_every_number_of_these_reports_is_found_a_second_time(study: StudyFolder) -> None:
    assert wrong(study) == []


def test_a_grid_that_lacks_a_cell_has_no_exact_importance(lab) -> None:
    lab.reports, lab.law = ("sensitivity",), by_setting
    folder, plan = lab.plan(task_zeros=1, orders=1, seeds=(0, 1), axes=AXES)
    lab.run(folder, plan.trials[2:])
    (written, *_) = write_reports(folder)
    assert written.headline.startswith("Not all of the study is in these numbers: 12 planned")
    assert not list((folder.report / "tables").glob("importance-*"))
    assert "Not all of the study is in these numbers" in (folder.report / "report.md").read_text()
    assert wrong(folder) == []


def test_scenarios_stand_side_by_side(lab) -> None:
    lab.reports, lab.law = ("scenarios",), by_setting
    axes = (Scenarios("1-1", "2-1", "joint"),)
    folder, plan = lab.plan(task_zeros=1, orders=1, seeds=(0, 1, 2), axes=axes)
    lab.run(folder, plan.trials)
    write_reports(folder)
    found = pd.read_csv(folder.report / "tables" / "settings-image_auroc.csv")
    lost = found[found["definition"] == "forgetting/max_minus_last"].set_index("setting")["n"]
    assert lost.to_dict() == {"scenario = 1-1": 3, "scenario = 2-1": 3, "scenario = joint": 0}
    assert wrong(folder) == []
