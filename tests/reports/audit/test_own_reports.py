"""Reports that this package writes hold in every number, and a changed one is found."""

import csv
import random
import re
import shutil
from pathlib import Path

import pytest

from moleflow.config import Config
from orchestration.records.layout import Root, StudyFolder
from orchestration.studies.axes import Grid, Variants
from orchestration.studies.expansion import Trial
from reports.audit.study import audit_study
from reports.kinds import known
from reports.writing import write_reports
from tests.reports.audited import impossible, unchecked, wrong
from tests.reports.conftest import Lab

pytestmark = pytest.mark.slow


def noisy(trial: Trial, metric: str, class_name: str, step: int) -> float:
    """A number for each trial, class, metric and step."""
    key = int(trial.key[:6], 16)
    return 0.7 + (key % 89 + 7 * len(class_name) + len(metric) - 3 * step) / 1000


def written(lab: Lab, **plan: object) -> StudyFolder:
    """A report of trials of which one failed and one was not run."""
    lab.law = noisy
    folder, planned = lab.plan(**plan)  # pyright: ignore[reportArgumentType]
    lab.run(folder, planned.trials[:-2])
    lab.fail(folder, planned.trials[-2], "the loss is inf", "diverged")
    write_reports(folder)
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    lab = Lab(Root.at(tmp_path_factory.mktemp("lab")), without_masks=frozenset({"cable"}))
    return written(lab, task_zeros=2, orders=2, seeds=(0, 1, 2))


@pytest.fixture
def folder(made: StudyFolder, tmp_path: Path) -> StudyFolder:
    """A copy that a test may spoil."""
    copy = StudyFolder(tmp_path / made.name)
    shutil.copytree(made.path, copy.path)
    return copy


def check_all(folder: StudyFolder) -> None:
    found = audit_study(folder.path)
    assert impossible(found) == []
    assert found["counts"]["holds"] > 80
    assert unchecked(found) == []


def test_every_number_of_a_task_order_report_holds(folder: StudyFolder) -> None:
    check_all(folder)


@pytest.mark.parametrize(
    "plan",
    [
        {"axes": (Grid(field="lora.rank", values=(8, 16)),), "orders": 1, "seeds": (0, 1)},
        {"scenario": "2-1", "task_zeros": 1, "seeds": (0, 1, 2)},
        {"scenario": "joint", "task_zeros": 1, "orders": 1, "seeds": (0, 1, 2)},
    ],
)
def test_every_number_holds_in_settings_and_scenarios(lab: Lab, plan: dict[str, object]) -> None:
    check_all(written(lab, **plan))


GRID = tuple(
    Grid(field=field, values=values)
    for field, values in {
        "loss.tail_weight": (0.7, 0.3), "freeze_base": (True, False), "lora.rank": (64, 16, 4)
    }.items()
)  # fmt: skip


@pytest.mark.parametrize("kind", [kind for kind in known() if kind != "search"])
def test_every_number_of_every_kind_of_report_has_a_second_way(lab: Lab, kind: str) -> None:
    """Of a 2 x 2 x 3 grid with orders that matter by design, of which two trials are missing."""
    lab.reports, lab.config = (kind,), Config().updated({"freeze_base": True})
    check_all(written(lab, task_zeros=2, orders=2, seeds=(0, 1, 2), axes=GRID))


def test_every_number_has_a_second_way_where_a_variant_diverged(lab: Lab) -> None:
    lab.law, lab.reports = noisy, ("ablation", "strategies", "cost")
    axis = Variants(baseline="main", variants={"main": {}, "off": {"mixer.kernel": 0}})
    folder, plan = lab.plan(task_zeros=1, orders=1, seeds=(0, 1, 2), axes=(axis,))
    for trial in plan.trials:
        if trial.axes["variant"] == "off":
            lab.fail(folder, trial, "epoch 3: the loss is 1.5e30", "diverged")
        else:
            lab.run(folder, [trial])
    write_reports(folder)
    check_all(folder)


def test_a_class_without_masks_lacks_no_line_of_pixels(lab: Lab) -> None:
    lab.without_masks, lab.reports = frozenset({"cable"}), ("ablation",)
    axis = Grid(field="lora.rank", values=(64, 16))
    folder = written(lab, task_zeros=1, orders=1, seeds=range(4), axes=(axis,))
    assert (folder.report / "tables" / "contrasts_by_class-pixel_ap.csv").is_file()
    assert wrong(folder) == []


def spoil_a_cell(path: Path, draw: random.Random) -> bool:
    """Change one number of a table by a thousandth of it, or of one."""
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    cells = [
        (i, j)
        for i, row in enumerate(rows)
        for j, text in enumerate(row)
        if i and re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", text) and rows[0][j] != "step"
    ]
    if not cells:
        return False
    i, j = draw.choice(cells)
    value = float(rows[i][j])
    rows[i][j] = repr(value + 1 if value == int(value) else value * 1.001 + 1e-6)
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    return True


def test_a_changed_cell_of_any_table_is_found(folder: StudyFolder) -> None:
    draw = random.Random(0)
    tables = sorted(folder.report.rglob("tables/*.csv"))
    spoiled = [path.name for path in tables if spoil_a_cell(path, draw)]
    found = "\n".join(wrong(folder))
    assert len(spoiled) >= 10
    assert [name for name in spoiled if f"{name} line" not in found] == []


@pytest.mark.parametrize(
    "place",
    [
        r'(<td class="number" data-source="\d+">)(\d+\.\d+ ± \d+\.\d+)',
        r'(<span class="sourced" data-source="\d+"[^>]*>)(\d+\.\d+ ± \d+\.\d+)',
        r'(<span class="sourced" data-source="\d+"[^>]*>)(\d+ of \d+)',
        r'(<span class="sourced" data-source="\d+"[^>]*>)(epochs \d+, batch \d+)',
    ],
)
def test_a_changed_number_on_the_page_is_found(folder: StudyFolder, place: str) -> None:
    page = folder.report / "index.html"
    text, many = re.subn(place, r"\g<1>12.34 ± 5.67", page.read_text(), count=1)
    assert many == 1
    page.write_text(text)
    assert any("12.34" in one for one in wrong(folder))


def test_a_number_on_the_page_without_a_source_is_found(folder: StudyFolder) -> None:
    page = folder.report / "index.html"
    text, many = re.subn(r'(<td class="number") data-source="\d+">', r"\1>", page.read_text())
    assert many > 10
    page.write_text(text)
    assert any("names no source" in one for one in wrong(folder))


def test_a_report_of_an_older_ledger_is_found(lab: Lab) -> None:
    lab.law = noisy
    folder, plan = lab.plan()
    lab.run(folder, plan.trials[:-1])
    write_reports(folder)
    assert wrong(folder) == []
    lab.run(folder, plan.trials[-1:])
    assert any("main.csv" in one for one in wrong(folder))
