"""What reports say of other test pictures is recomputed from the plain lists of scores."""

import csv
import re
import shutil
from pathlib import Path

import pytest

from orchestration.records.layout import StudyFolder
from reports.audit.claim import Verdict
from reports.audit.study import audit_study
from reports.digits import bracketed
from reports.writing import write_reports
from tests.reports.audited import wrong
from tests.reports.conftest import Lab
from tests.reports.test_picture_doubt import run, variants

pytestmark = pytest.mark.slow
__all__ = ["variants"]


@pytest.mark.parametrize("study", ["task_order", "ablation"])
def test_every_number_on_pictures_is_recomputed_from_the_plain_scores(
    variants: StudyFolder, lab: Lab, study: str
) -> None:
    folder = variants
    if study == "task_order":
        folder, plan = lab.plan(task_zeros=2, orders=2, seeds=(0, 1, 2))
        run(lab, folder, plan.trials)
        write_reports(folder)
    found = audit_study(folder.path)
    assert [c for c in found["claims"] if c["verdict"] == Verdict.IMPOSSIBLE] == []
    kinds = {c["kind"]: c["verdict"] for c in found["claims"] if "doubt" in c["kind"]}
    assert kinds["reports.doubts.doubt_table"] == Verdict.HOLDS


def test_scores_that_a_spreadsheet_has_saved_are_read(
    variants: StudyFolder, tmp_path: Path
) -> None:
    folder = StudyFolder(tmp_path / variants.name)
    shutil.copytree(variants.path, folder.path)
    for path in folder.path.glob("trials/*/artifacts/scores.csv"):
        path.write_bytes(path.read_text("utf-8").replace("\n", "\r\n").encode("utf-8-sig"))
    assert wrong(folder) == []


def test_a_changed_number_on_pictures_is_found(variants: StudyFolder, tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / variants.name)
    shutil.copytree(variants.path, folder.path)
    path = folder.report / "tables" / "doubt-setting1.csv"
    with path.open(newline="", encoding="utf-8") as file:
        head, first, *rest = csv.reader(file)
    changed = [c for c, text in enumerate(first) if re.fullmatch(r"-?\d*\.?\d+", text)]
    for c in changed:
        value = float(first[c])
        first[c] = repr(value + 1 if value == int(value) else value * 1.0001)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([head, first, *rest])
    found = "\n".join(wrong(folder))
    assert len(changed) > 12
    assert [head[c] for c in changed if f"{path.name} line 2, {head[c]}" not in found] == []


@pytest.mark.parametrize(
    ("page", "table"),
    [
        ("index.html", "tables/contrasts-image_auroc.csv"),
        ("strategies/index.html", "strategies/tables/settings-image_auroc.csv"),
    ],
)
def test_a_changed_interval_with_pictures_on_a_page_is_found(
    variants: StudyFolder, tmp_path: Path, page: str, table: str
) -> None:
    folder = StudyFolder(tmp_path / variants.name)
    shutil.copytree(variants.path, folder.path)
    with (folder.report / table).open(newline="", encoding="utf-8") as file:
        line = next(row for row in csv.DictReader(file) if row["setting"] == "variant = worse")
    ends = [float(line[name]) for name in ("both_low", "both_high")]
    path = folder.report / page
    text = path.read_text("utf-8")
    changed = text.replace(
        f">{bracketed((ends[0], ends[1]))}<", f">{bracketed((ends[0], 0.4321))}<"
    )
    assert changed != text
    path.write_text(changed, "utf-8")
    assert any(page in one and "43.21" in one for one in wrong(folder))
