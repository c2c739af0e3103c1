"""Scores that a trial keeps must give what its own record says, whatever another trial keeps."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from orchestration.records.layout import StudyFolder
from orchestration.studies.expansion import Trial
from reports.kept_scores import FILE
from reports.writing import write_reports
from tests.reports.audited import wrong
from tests.reports.conftest import Lab
from tests.reports.pictured import run

pytestmark = pytest.mark.slow


@pytest.fixture
def alike(lab: Lab) -> tuple[StudyFolder, Sequence[Trial]]:
    """Two orders that trained the same, with a report."""
    folder, plan = lab.plan(task_zeros=1, orders=2, seeds=(0,))
    run(lab, folder, plan.trials)
    write_reports(folder)
    assert wrong(folder) == []
    return folder, plan.trials


def change(path: Path, column: str, how: Callable[[str], str]) -> str:
    """The last picture's, an anomalous one: its class."""
    with path.open(newline="", encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    rows[-1][head.index(column)] = how(rows[-1][head.index(column)])
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([head, *rows])
    return rows[-1][0]


CHANGES: dict[str, tuple[str, Callable[[str], str]]] = {
    "image_auroc": ("score_routed", lambda text: str(float(text) - 10)),
    "aupro": ("pseudo_value aupro", lambda text: str(float(text) + 1e-4)),
    "routed_to": ("routed_to", lambda text: "bottle" if text != "bottle" else "cable"),
}


@pytest.mark.parametrize("every", [False, True])
@pytest.mark.parametrize("what", CHANGES)
def test_changed_scores_are_found_in_each_trial_that_has_them(
    alike: tuple[StudyFolder, Sequence[Trial]], what: str, every: bool
) -> None:
    folder, trials = alike
    changed = trials if every else trials[:1]
    places: list[str] = []
    for trial in changed:
        name = change(folder.artifacts(trial.key) / FILE, *CHANGES[what])
        places.append(f"trials/{trial.key}/artifacts/{FILE} {what} of {name}: the record has ")
    told = [one for one in wrong(folder) if one.startswith("trials/")]
    assert len(told) == len(places)
    assert all(any(one.startswith(place) for one in told) for place in places)


def test_scores_of_a_class_without_anomalous_pictures_do_not_give_its_auroc(
    alike: tuple[StudyFolder, Sequence[Trial]],
) -> None:
    folder, (trial, _) = alike
    path = folder.artifacts(trial.key) / FILE
    path.write_text(path.read_text("utf-8").replace(",bent,", ",good,"), "utf-8")
    told = [one for one in wrong(folder) if one.startswith("trials/")]
    assert len(told) == len(trial.classes) and all("scores give None" in one for one in told)


def cut_off(content: bytes) -> bytes:
    return content[: content.rindex(b",") - 3]


def without_a_class(content: bytes) -> bytes:
    return b"".join(one for one in content.splitlines(True) if not one.startswith(b"bottle,"))


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "cut off": cut_off,
    "empty": lambda content: b"",
    "no text": lambda content: b"\xff" + content,
    "without a class": without_a_class,
    "of no rows": lambda content: content.splitlines(True)[0],
}


@pytest.mark.parametrize("every", [False, True])
@pytest.mark.parametrize("damage", DAMAGE)
def test_scores_that_cannot_be_read_are_found_and_none_that_are_not_there(
    alike: tuple[StudyFolder, Sequence[Trial]], damage: str, every: bool
) -> None:
    """Where another trial has them whole, and where none has."""
    folder, (trial, other) = alike
    path = folder.artifacts(trial.key) / FILE
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    if every:
        (folder.artifacts(other.key) / FILE).unlink()
    write_reports(folder)
    (one,) = wrong(folder)
    assert one.startswith(f"trials/{trial.key}/artifacts/{FILE} : cannot be read")
    path.unlink()
    write_reports(folder)
    assert wrong(folder) == []


def test_columns_that_earlier_code_did_not_keep_are_no_fault(
    alike: tuple[StudyFolder, Sequence[Trial]],
) -> None:
    folder, trials = alike
    for trial in trials:
        path = folder.artifacts(trial.key) / FILE
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
        whole = [c for c, name in enumerate(rows[0]) if not name.startswith("pseudo_value")]
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([row[c] for c in whole] for row in rows)
    write_reports(folder)
    assert wrong(folder) == []
