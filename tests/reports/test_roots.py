"""Laws of the page of all studies, and of the page that compares two."""

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from moleflow.errors import StudyError
from orchestration.commands.report import report
from orchestration.records.layout import Root
from orchestration.studies.axes import Grid, Variants
from orchestration.studies.expansion import Trial
from reports.roots import verdicts_in, write_against, write_index
from reports.writing import write_reports

pytestmark = pytest.mark.slow

AXIS = (Grid(field="loss.tail_weight", values=(0.0, 0.7)),)


def by_study(trial: Trial, metric: str, class_name: str, step: int) -> float:
    """The study `later` is three points better; seeds hardly differ."""
    better = 0.03 if trial.study == "later" else 0.0
    jitter = 0.0005 * ((trial.seed * 7 + len(trial.study) + len(metric)) % 3)
    return 0.8 + better + jitter


@pytest.fixture(scope="module")
def two(make_lab, tmp_path_factory: pytest.TempPathFactory) -> Root:
    """One study is whole; of the other a trial failed, and one did not run."""
    lab = make_lab(tmp_path_factory.mktemp("lab"))
    lab.law, lab.reports = by_study, ("ablation",)
    for name in ("first", "later"):
        folder, plan = lab.plan(task_zeros=1, orders=1, seeds=range(4), axes=AXIS, name=name)
        kept = plan.trials if name == "first" else plan.trials[:-2]
        lab.run(folder, kept)
        if name == "later":
            lab.fail(folder, plan.trials[-2], "no memory")
        if name == "first":
            write_reports(folder)
    return lab.root


def test_the_page_of_all_studies_counts_what_ran_failed_and_is_undecided(two: Root) -> None:
    write_index(two)
    found = pd.read_csv(two.index / "tables" / "studies.csv").set_index("study")
    assert found["finished"].to_dict() == {"first": 8, "later": 6}
    assert found["failed"].to_dict() == {"first": 0, "later": 1}
    assert found["not_run"].to_dict() == {"first": 0, "later": 1}
    assert found.loc["first", "verdicts"] == 2 and found.loc["later", "verdicts"] == 0


def test_what_is_decided_stands_on_the_page_of_all_studies(two: Root, tmp_path: Path) -> None:
    shutil.copytree(two.path, tmp_path / "root")
    root = Root.at(tmp_path / "root")
    path = root.study("first").report / "tables" / "contrasts-image_auroc.csv"
    told = pd.read_csv(path)
    told["verdict"] = "better"
    told.to_csv(path, index=False)
    page = write_index(root).markdown.read_text(encoding="utf-8")
    (line,) = [one for one in page.splitlines() if one.startswith("| [first]")]
    assert "1 better" in line


def test_a_table_that_two_reports_of_a_study_have_counts_once(two: Root, tmp_path: Path) -> None:
    shutil.copytree(two.path, tmp_path / "root")
    report = Root.at(tmp_path / "root").study("first").report
    shutil.copytree(report / "tables", report / "checklist" / "tables", dirs_exist_ok=True)
    assert len(verdicts_in(Root.at(tmp_path / "root").study("first"))) == 2


def test_its_links_lead_to_the_reports_that_there_are(two: Root) -> None:
    page = write_index(two).html
    links = re.findall(r'<th scope="row"><a href="([^"]+)">', page.read_text(encoding="utf-8"))
    assert [Path(page.parent / link).resolve() for link in links] == [
        two.study("first").report / "index.html"
    ]


def test_a_damaged_plan_is_named_and_the_others_are_shown(two: Root, tmp_path: Path) -> None:
    shutil.copytree(two.path, tmp_path / "root")
    root = Root.at(tmp_path / "root")
    plan = root.study("later").path / "study.json"
    plan.write_text(plan.read_text().replace("matter", "metter"))
    page = write_index(root).markdown.read_text(encoding="utf-8")
    assert "first" in page and re.search(r"later: .*study\.json", page)


def test_two_studies_are_compared_pair_by_pair(two: Root) -> None:
    written = write_against(two, "later", "first")
    found = pd.read_csv(written.html.parent / "tables" / "against-image_auroc.csv")
    assert list(found["verdict"]) == ["better", "better"]
    assert found["difference"].to_numpy() == pytest.approx(0.03, abs=0.001)
    assert sorted(found["seeds"]) == [2, 4]
    page = written.markdown.read_text(encoding="utf-8")
    assert "All settings of the configs that are compared are the same" in page


def test_what_two_studies_do_otherwise_is_listed(lab) -> None:
    for name, rank in (("one", 16), ("two", 32)):
        lab.config = lab.config.updated({"lora.rank": rank})
        folder, plan = lab.plan(task_zeros=1, orders=1, seeds=(0, 1), name=name)
        lab.run(folder, plan.trials)
    page = write_against(lab.root, "one", "two").markdown.read_text(encoding="utf-8")
    assert r"lora.rank: 16 (one), 32 (two)" in page


def test_settings_of_one_config_are_compared_whatever_their_names(lab) -> None:
    for name, axis in (
        ("named", Variants(variants={"main": {}, "small": {"lora.rank": 8}}, baseline="main")),
        ("grid", Grid(field="lora.rank", values=(64, 32))),
    ):
        folder, plan = lab.plan(task_zeros=1, orders=1, seeds=(0, 1), axes=(axis,), name=name)
        lab.run(folder, plan.trials)
    written = write_against(lab.root, "named", "grid")
    found = pd.read_csv(written.html.parent / "tables" / "against-image_auroc.csv")
    assert list(found["setting"]) == ["variant = main"]
    assert list(found["other"]) == ["lora.rank = 64"]
    assert list(found["difference"]) == [0.0]
    page = written.markdown.read_text(encoding="utf-8")
    assert "named is the same in 1 of 1 setting" in page


def test_settings_that_nothing_joins_are_not_compared(lab) -> None:
    for name, ranks in (("one", (8, 16)), ("two", (32, 128))):
        axis = Grid(field="lora.rank", values=ranks)
        folder, plan = lab.plan(task_zeros=1, orders=1, seeds=(0, 1), axes=(axis,), name=name)
        lab.run(folder, plan.trials)
    page = write_against(lab.root, "one", "two").markdown.read_text(encoding="utf-8")
    assert "No setting of one has the name or the config of one of the other." in page
    assert "are the same" not in page and "no order and seed is in both" not in page


def test_a_study_against_itself_is_refused(two: Root) -> None:
    with pytest.raises(StudyError, match="against itself"):
        write_against(two, "first", "first")


def test_kinds_without_a_study_are_refused(two: Root) -> None:
    with pytest.raises(StudyError, match="name it: moleflow report NAME"):
        report(kind=("ablation",), root=two.path)
