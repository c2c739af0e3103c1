"""Where final numbers of classes differ from, test pictures among it."""

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestration.records.layout import StudyFolder
from reports.writing import write_reports
from tests.reports.audited import changed, wrong
from tests.reports.conftest import Lab
from tests.reports.test_picture_doubt import run

pytestmark = pytest.mark.slow
PICTURES = "test pictures"


def rows(folder: StudyFolder) -> list[dict[str, str]]:
    with (folder.report / "tables" / "task0_components.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def parts(folder: StudyFolder) -> dict[str, float]:
    of_auroc = (row for row in rows(folder) if row["metric"] == "image_auroc")
    return {row["source"]: float(row["variance"]) for row in of_auroc}


@pytest.fixture(scope="module")
def folder(
    make_lab: Callable[[Path], Lab], tmp_path_factory: pytest.TempPathFactory
) -> StudyFolder:
    """A study whose trials kept the scores of their test pictures."""
    lab = make_lab(tmp_path_factory.mktemp("variance"))
    lab.reports = ("task0",)
    folder, plan = lab.plan(task_zeros=2, orders=1, seeds=(0, 1))
    run(lab, folder, plan.trials)
    write_reports(folder)
    return folder


def test_what_test_pictures_do_is_taken_from_the_class(folder: StudyFolder, tmp_path: Path) -> None:
    told = parts(folder)
    assert {row["metric"] for row in rows(folder) if row["source"] == PICTURES} == {
        "image_auroc",
        "pixel_ap",
    }
    copy = StudyFolder(tmp_path / folder.name)
    shutil.copytree(folder.path, copy.path)
    for scores in copy.path.glob("trials/*/artifacts/scores.csv"):
        scores.unlink()
    write_reports(copy)
    without = parts(copy)
    assert told.pop(PICTURES) == pytest.approx(without["class"] - told["class"]) != 0
    assert {**told, "class": 0} == {**without, "class": 0}


def test_a_changed_part_is_found(folder: StudyFolder) -> None:
    assert wrong(folder) == []
    path = folder.report / "tables" / "task0_components.csv"
    line = next(i for i, row in enumerate(rows(folder), 2) if row["source"] == PICTURES)
    with changed(path, line, "variance", lambda value: value * 1.01) as place:
        assert place in "\n".join(wrong(folder))
