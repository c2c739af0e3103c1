"""What a report says of the anomaly maps that trials keep."""

import pytest
from PIL import Image

from orchestration.records.map_sheets import PLACES, SHEET
from reports.document import Strip, Text, plain
from reports.evidence import load
from reports.maps import strip
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
