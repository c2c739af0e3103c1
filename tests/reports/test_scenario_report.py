"""The task-order report where a task holds several classes, or all of them."""

import re

import pandas as pd
import pytest

from orchestration.records.layout import StudyFolder
from reports.document import Written
from reports.evidence import short_names
from reports.writing import write_reports

pytestmark = pytest.mark.slow


def write(folder: StudyFolder) -> Written:
    (written,) = write_reports(folder)
    return written


def page_of(folder: StudyFolder) -> str:
    page = write(folder).html.read_text(encoding="utf-8")
    return " ".join(re.sub(r"<[^>]+>", " ", re.sub(r"</?span[^>]*>", "", page)).split())


def csv(folder: StudyFolder, name: str) -> pd.DataFrame:
    return pd.read_csv(folder.report / "tables" / f"{name}.csv")


@pytest.fixture
def joint(lab) -> StudyFolder:
    folder, plan = lab.plan(scenario="joint", task_zeros=1, orders=3)
    lab.run(folder, plan.trials)
    return folder


def test_a_joint_study_says_that_there_is_nothing_to_forget(joint):
    report = write(joint)
    for file in (report.html, report.markdown):
        # Once in the answer, once where forgetting would stand.
        assert file.read_text(encoding="utf-8").count("nothing to forget") == 2
    assert set(csv(joint, "transfer")["definition"]) == {"final_mean", "on_task_mean"}


def test_a_joint_study_has_one_row_of_r_and_no_picture_of_choices(joint):
    assert "the router had nothing to choose" in page_of(joint)
    assert not list((joint.report / "figures").glob("routing*"))
    entries = csv(joint, "r_matrix").query("metric == 'image_auroc' and routing == 'routed'")
    assert entries["step"].tolist() == [1] * 4
    assert (joint.report / "figures" / "r_matrix-O1.png").exists()


def test_a_study_with_earlier_tasks_does_not_speak_of_one_task(lab):
    folder, plan = lab.plan(scenario="2-1")
    lab.run(folder, plan.trials)
    page = page_of(folder)
    assert "nothing to forget" not in page
    assert "n = 3, classes in a task: 1 to 2 (scenario 2-1)" in page


def test_r_begins_for_all_classes_of_a_task_at_its_step(lab):
    groups = (("bottle", "hazelnut"), ("cable",), ("metal_nut",))
    folder, plan = lab.plan(groups=groups, task_zeros=1, orders=1)
    lab.run(folder, plan.trials)
    write(folder)
    entries = csv(folder, "r_matrix").query("metric == 'image_auroc' and routing == 'routed'")
    first = entries.groupby("class")["step"].min()
    assert first.to_dict() == {"bottle": 1, "hazelnut": 1, "cable": 2, "metal_nut": 3}


def test_choices_of_a_group_are_counted_for_each_of_its_classes(lab):
    groups = (("bottle", "cable"), ("hazelnut",), ("metal_nut",))
    folder, plan = lab.plan(groups=groups, task_zeros=2, orders=2)
    lab.run(folder, plan.trials)
    assert "640 of 640 test images (100.00 %)" in page_of(folder)
    table = csv(folder, "confusion").set_index(["class", "task"])["images"]
    assert table["bottle", "bottle+cable"] == table["cable", "bottle+cable"] == 8 * 20
    assert table["cable", "hazelnut"] == 0


def test_choices_are_summed_over_trials_with_the_same_tasks_only(lab):
    folder, plan = lab.plan(scenario="3-1", task_zeros=1, orders=3)
    lab.run(folder, plan.trials)
    page = page_of(folder)
    assert len({trial.sequence for trial in plan.trials}) == 3
    assert "480 of 480 test images (100.00 %)" in page and "3 of 3 matrices drawn" in page
    for i in (1, 2, 3):
        assert csv(folder, f"confusion-{i}")["images"].sum() == 2 * 4 * 20


def test_scores_of_a_class_that_moved_to_another_task_are_not_compared(lab):
    # Same task 0, later tasks of other pairs: only the base and task 0 are the same by law.
    lab.classes = ("a", "b", "c", "d", "e")
    folder, plan = lab.plan(scenario="1-2", task_zeros=1, orders=2, seeds=(0,))
    lab.run(folder, plan.trials)
    first, other = (set(trial.sequence) for trial in plan.trials)
    assert first & other == {("a",)}
    page = page_of(folder)
    assert "1 of 1 banks, 1 of 1 classes’ scores, 1 of 1 bases" in page
    assert "mismatches" not in page


def test_long_tasks_get_short_names_that_differ():
    fruits = ("apple", "banana", "cherry", "damson", "elderberry")
    tasks = {fruits, (*fruits[:4], "fig"), ("kiwi",), ("lime", "melon"), ("p" * 30,)}
    assert short_names(tasks) == {
        "apple+banana+cherry+damson+elderberry": "apple and 4 more (1)",
        "apple+banana+cherry+damson+fig": "apple and 4 more (2)",
        "kiwi": "kiwi",
        "lime+melon": "lime+melon",
        "p" * 30: "p" * 30,
    }
