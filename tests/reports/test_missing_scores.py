"""Kept scores that are gone, damaged or of another trial: known, left out, and told."""

import csv
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from orchestration.records.layout import StudyFolder
from orchestration.records.ledger import Record
from orchestration.studies.axes import Grid
from orchestration.studies.expansion import Trial
from reports import doubts
from reports.document import Table, Text, plain
from reports.doubt_columns import lacking
from reports.evidence import load
from reports.kept_scores import FILE, PIXELS
from reports.picture_doubt import Doubted, kept, of_setting
from reports.writing import write_reports
from tests.reports.audited import wrong
from tests.reports.conftest import Lab
from tests.reports.pictured import (
    page,
    read,
    run,
)

pytestmark = pytest.mark.slow

DAMAGE: Mapping[str, Callable[[StudyFolder, tuple[Trial, ...], Record], None]] = {
    "gone": lambda folder, _, record: (folder.artifacts(record.key) / FILE).unlink(),
    "cut off": lambda folder, _, record: _cut(folder.artifacts(record.key) / FILE),
    "of another trial": lambda folder, trials, record: _swap(folder, trials, record),
    "of fewer pictures": lambda folder, _, record: _shorten(folder.artifacts(record.key) / FILE),
    "with other pixels": lambda folder, _, record: _other_pixels(
        folder.artifacts(record.key) / FILE
    ),
}


def _cut(path: Path) -> None:
    """In the middle of a line."""
    content = path.read_bytes()
    path.write_bytes(content[: content.rindex(b",") - 3])


def _shorten(path: Path) -> None:
    """To the end of a line, so that all lines are whole."""
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-3]))


def _other_pixels(path: Path) -> None:
    """What the last picture contributes to the last pixel metric."""
    lines = path.read_text("utf-8").splitlines()
    *rest, last = lines[-1].split(",")
    lines[-1] = ",".join([*rest, repr(float(last) + 1e-4)])
    path.write_text("\n".join(lines) + "\n", "utf-8")


def _swap(folder: StudyFolder, trials: tuple[Trial, ...], record: Record) -> None:
    other = next(trial for trial in trials if trial.seed != record.seed)
    (folder.artifacts(record.key) / FILE).write_bytes(
        (folder.artifacts(other.key) / FILE).read_bytes()
    )


@pytest.mark.parametrize("damage", DAMAGE)
def test_scores_that_cannot_be_used_are_known_and_their_seed_is_left_out(
    lab: Lab, damage: str
) -> None:
    folder, plan = lab.plan(task_zeros=1, orders=1, seeds=range(4))
    run(lab, folder, plan.trials)
    evidence = load(folder)
    (record,) = (r for r in evidence.finished if r.seed == 2)
    DAMAGE[damage](folder, plan.trials, record)
    found = kept(evidence)
    unread = damage in ("gone", "cut off")
    assert (found.silent, {*found.other}) == (
        ({record.key}, set()) if unread else (set(), {record.key})
    )
    last = record.sequence[-1] if damage != "of another trial" else tuple(lab.classes)
    assert unread or sorted(name for name in found.other[record.key]) == sorted(last)
    texts = [plain(block.words) for block in lacking(found, evidence.finished)]
    assert unread or any(f"({record.key} of {' and of '.join(sorted(last))})" in t for t in texts)
    made = of_setting(evidence, evidence.settings[0], found, "image_auroc")
    assert isinstance(made, Doubted)
    assert (len(made.values), made.left_out) == (3, 1) and record.key not in made.trials


def test_scores_of_before_pictures_contributed_leave_pixel_metrics_over_seeds_alone(
    lab: Lab,
) -> None:
    """Of one trial: its seed is left out. Of all: nothing is known, and the page says so."""
    folder, plan = lab.plan(task_zeros=1, orders=1, seeds=range(4))
    run(lab, folder, plan.trials)
    for i, trial in enumerate(plan.trials):
        _without_contributions(folder.artifacts(trial.key) / FILE)
        if i == 0:
            evidence = load(folder)
            found, setting = kept(evidence), evidence.settings[0]
            assert (found.silent, found.other) == (set(), {})
            made = of_setting(evidence, setting, found, "pixel_ap")
            assert isinstance(made, Doubted) and (len(made.values), made.left_out) == (3, 1)
    evidence = load(folder)
    found, setting = kept(evidence), evidence.settings[0]
    assert isinstance(of_setting(evidence, setting, found, "image_ap"), Doubted)
    told = of_setting(evidence, setting, found, "pixel_ap")
    assert told == "4 of 4 trials kept nothing of what pictures contribute to it"
    write_reports(folder)
    assert read(folder, "doubt").loc["pixel_ap", "why_not"] == told
    assert "4 are of code that did not keep what pictures contribute" in page(folder)
    assert wrong(folder) == []


def _without_contributions(path: Path) -> None:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(row[: -len(PIXELS)] for row in rows)


def test_the_page_names_trials_whose_scores_cannot_be_used(lab: Lab) -> None:
    folder, plan = lab.plan(task_zeros=1, orders=1, seeds=range(4))
    run(lab, folder, plan.trials)
    one, other, *_ = load(folder).finished
    _swap(folder, plan.trials, other)
    _cut(folder.artifacts(one.key) / FILE)
    write_reports(folder)
    found = read(folder, "doubt").loc["image_auroc"]
    assert (found["seeds"], found["trials_left_out"]) == (2, 2)
    text = page(folder)
    assert f"Of 4 finished trials, 1 kept no scores that can be read ({one.key})" in text
    assert "Left out: 2 trials of seeds of which scores cannot be used." in text
    assert "Of 4 finished trials, 1 kept scores that do not give the recorded numbers" in text


def test_trials_without_scores_are_told_in_a_sentence_where_no_baseline_is(lab: Lab) -> None:
    lab.reports = ("ablation",)
    axis = Grid(field="loss.tail_weight", values=(0.0, 0.5))
    folder, plan = lab.plan(task_zeros=1, orders=1, seeds=(0, 1, 2), axes=(axis,))
    run(lab, folder, plan.trials)
    (folder.artifacts(plan.trials[0].key) / FILE).unlink()
    write_reports(folder)
    said = f"Of 6 finished trials, 1 kept no scores that can be read ({plan.trials[0].key})"
    assert page(folder).count(said) == 1


def test_without_scores_the_page_says_why_there_is_no_doubt_from_pictures(lab: Lab) -> None:
    folder, plan = lab.plan(task_zeros=1, orders=1, seeds=(0, 1, 2))
    lab.run(folder, plan.trials)
    evidence = load(folder)
    (setting,) = evidence.settings
    said = plain(doubts.sentence(evidence, setting, kept(evidence)))
    why = "3 of 3 trials kept no scores that can be read"
    assert said.endswith(f"other test pictures: not known ({why}).")
    found = doubts.section(evidence, setting, kept(evidence)).blocks
    (table,) = (block for block in found if isinstance(block, Table))
    assert {line.values["seeds"] for line in table.lines} == {0} and table.rows[0][1].note == why
    told = [plain(block.words) for block in found if isinstance(block, Text)]
    assert any("3 kept no scores that can be read" in one for one in told)


@pytest.mark.parametrize(
    "damage", ["gone", "cut off", "of another trial", "with other pixels", "of before"]
)
def test_the_first_file_that_is_whole_counts_for_all_that_trained_the_same(
    lab: Lab, damage: str
) -> None:
    """In reports and in their audit: no seed is lost to the file of its first order."""
    folder, plan = lab.plan(task_zeros=1, orders=3, seeds=(0, 1, 2))
    run(lab, folder, plan.trials)
    (first, *_) = load(folder).finished
    path = folder.artifacts(first.key) / FILE
    if damage == "of before":
        _without_contributions(path)
    else:
        DAMAGE[damage](folder, plan.trials, first)
    evidence = load(folder)
    found = kept(evidence)
    assert (found.silent, found.other, found.pixelless) == (set(), {}, set())
    for metric in ("image_auroc", "pixel_ap"):
        made = of_setting(evidence, evidence.settings[0], found, metric)
        assert isinstance(made, Doubted) and (len(made.values), made.left_out) == (3, 0)
    write_reports(folder)
    told = wrong(folder)
    assert bool(told) == (damage in ("cut off", "of another trial", "with other pixels"))
    assert all(one.startswith(f"trials/{first.key}/artifacts/{FILE} ") for one in told)


def test_orders_that_share_their_training_need_one_file_and_others_each_their_own(lab: Lab) -> None:
    folder, plan = lab.plan(task_zeros=1, orders=3, seeds=(0,))
    run(lab, folder, plan.trials)
    for trial in plan.trials[1:]:
        (folder.artifacts(trial.key) / FILE).unlink()
    assert set(kept(load(folder)).scores) == {trial.key for trial in plan.trials}
    lab.config = lab.config.updated({"freeze_base": False})
    folder, plan = lab.plan(task_zeros=1, orders=3, seeds=(0,), name="unfrozen")
    run(lab, folder, plan.trials)
    (folder.artifacts(plan.trials[1].key) / FILE).unlink()
    assert kept(load(folder)).silent == {plan.trials[1].key}
