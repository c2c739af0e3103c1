"""What a report says of the anomaly maps that trials keep."""

import csv

import pytest
from PIL import Image

from orchestration.records.map_sheets import PLACES, SHEET
from reports.document import Strip, Text, plain
from reports.evidence import load
from reports.maps import strip
from reports.writing import write_reports
from tests.reports import pictured
from tests.reports.audited import wrong
from tests.reports.conftest import Lab

pytestmark = pytest.mark.slow


def test_trials_whose_maps_are_cut_off_or_lack_a_file_are_named(lab: Lab) -> None:
    folder, plan = lab.plan(task_zeros=1, orders=1, seeds=range(4))
    lab.run(folder, plan.trials)
    whole, cut, alone, none = (trial.key for trial in plan.trials)
    for key in (whole, cut, alone):
        kept = folder.artifacts(key)
        kept.mkdir(parents=True)
        Image.new("RGB", (64, 64)).save(kept / SHEET)
        (kept / PLACES).write_text("class,why\n", encoding="utf-8")
    sheet = folder.artifacts(cut) / SHEET
    sheet.write_bytes(sheet.read_bytes()[:-1])
    (folder.artifacts(alone) / PLACES).unlink()
    evidence = load(folder)
    block = strip(evidence, evidence.finished)
    assert isinstance(block, Strip | Text)
    told = plain(block.caption if isinstance(block, Strip) else block.words)
    named = told.rpartition("Maps that cannot be read: ")[2].rstrip(".").split(", ")
    assert set(named) == {cut, alone} and none not in named


@pytest.mark.parametrize("scores", ["kept", "lost"])
def test_what_stands_under_a_picture_is_found_a_second_time_and_so_is_another(
    lab: Lab, scores: str
) -> None:
    lab.law, lab.pictures = pictured.law, len(pictured.LABELS)
    folder, plan = lab.plan(task_zeros=1, orders=1, seeds=(0,))
    lab.run(folder, plan.trials)
    (trial,) = plan.trials
    if scores == "kept":
        pictured.keep(folder, trial)
    name, kept = trial.classes[0], folder.artifacts(trial.key)
    of = pictured.scores(trial, name)
    first = pictured.LABELS.argmax()
    above = float((of[~pictured.LABELS] < of[first]).mean())
    kept.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (64, 192)).save(kept / SHEET)
    with (kept / PLACES).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        head = ["class", "why", "picture", "above_good", "size", "left", "photograph", "map"]
        writer.writerow([*head, "mask"])
        writer.writerow([name, "best", f"bent/{first:03}.png", above, 64, 0, 0, 64, 128])
    (written, *_) = write_reports(folder)
    page, said = written.html.read_text(encoding="utf-8"), f">{100 * above:.0f} %</span></small>"
    assert page.count(said) == 1 and 0 < above < 1
    assert wrong(folder) == []
    written.html.write_text(page.replace(said, ">99 %</span></small>"), encoding="utf-8")
    assert any("99 %" in one for one in wrong(folder))
