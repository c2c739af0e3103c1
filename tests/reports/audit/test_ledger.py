"""The audit compares records with themselves, with the plan and with what lies beside them."""

import csv
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from moleflow.sealed import seal, unsealed
from orchestration.records.layout import StudyFolder
from orchestration.studies.expansion import Trial
from reports.writing import write_reports
from tests.reports.audited import wrong
from tests.reports.conftest import Lab

pytestmark = pytest.mark.slow
SHEET = Path(__file__).parents[3] / "docs" / "pictures" / "report.png"


def by_step(trial: Trial, metric: str, class_name: str, step: int) -> float:
    return 0.7 + (7 * len(class_name) + len(metric) + 5 * trial.seed - 3 * step) / 1000


@pytest.fixture
def folder(lab: Lab) -> StudyFolder:
    """Trials that keep their R matrices and a sheet of maps."""
    lab.law, lab.reports = by_step, ("checklist",)
    folder, plan = lab.plan(task_zeros=1, orders=2, seeds=(0,))
    lab.run(folder, plan.trials)
    for trial in plan.trials:
        keep(folder, trial)
    write_reports(folder)
    assert wrong(folder) == []
    return folder


def keep(folder: StudyFolder, trial: Trial) -> None:
    own = folder.artifacts(trial.key)
    own.mkdir(parents=True)
    with (own / "r_matrices.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["metric", "routing", "tasks_seen", *trial.classes])
        for step in range(1, len(trial.classes) + 1):
            known = [by_step(trial, "aupro", name, step) for name in trial.classes[:step]]
            writer.writerow(["aupro", "oracle", step, *known, *[""] * (len(trial.classes) - step)])
    (own / "anomaly_maps.png").write_bytes(SHEET.read_bytes())
    with zipfile.ZipFile(own / "anomaly_maps.zip", "w") as archive:
        archive.writestr("0-4.webp", bytes(range(256)) * 8)


def resealed(folder: StudyFolder, change: Callable[[dict[str, Any]], None]) -> str:
    """What is found where somebody changed the first record and gave it a checksum again."""
    path = min((folder.path / "trials").glob("*.json"))
    tree = json.loads(unsealed(path.read_bytes()))
    change(tree)
    path.write_bytes(seal(json.dumps(tree)))
    return "\n".join(wrong(folder))


def row(tree: dict[str, Any], **of: object) -> dict[str, Any]:
    return next(r for r in tree["rows"] if all(r[name] == value for name, value in of.items()))


def test_a_mean_that_its_entries_do_not_give_is_found(folder: StudyFolder) -> None:
    def change(tree: dict[str, Any]) -> None:
        of = {"metric": "pixel_f1_max", "definition": "forgetting/max_minus_last"}
        row(tree, **of, routing="oracle")["value"] += 1e-6

    told = resealed(folder, change)
    assert "pixel_f1_max, forgetting/max_minus_last after step 4, oracle: the record has" in told


def test_an_entry_that_is_not_the_one_beside_it_is_found(folder: StudyFolder) -> None:
    def change(tree: dict[str, Any]) -> None:
        row(tree, metric="aupro", definition="step", routing="oracle", step=3)["value"] += 1e-6

    assert "aupro of bottle, step after step 3, oracle (artifacts/r_matrices.csv)" in resealed(
        folder, change
    )


def test_a_setting_that_was_not_planned_is_found(folder: StudyFolder) -> None:
    def change(tree: dict[str, Any]) -> None:
        tree["config"]["training"]["lr"] = 0.0004

    assert "training.lr: the record has 0.0004" in resealed(folder, change)


@pytest.mark.parametrize("name", ["anomaly_maps.png", "anomaly_maps.zip"])
@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
def test_a_flipped_bit_of_a_kept_picture_is_found(
    folder: StudyFolder, name: str, place: float
) -> None:
    path = min((folder.path / "trials").glob(f"*/artifacts/{name}"))
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 4
    path.write_bytes(bytes(content))
    assert any(name in one and "is damaged" in one for one in wrong(folder))
