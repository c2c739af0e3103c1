"""Ten seconds: what a report answers stands on the first screen, however much was run."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestration.records.layout import StudyFolder
from orchestration.studies.axes import Grid, Orders, TaskZero, Variants
from orchestration.studies.study import Study
from reports.kinds import known
from reports.writing import write_reports
from tests.reports.audit.test_own_reports import noisy
from tests.reports.audited import wrong
from tests.reports.conftest import Lab

pytestmark = pytest.mark.slow
KINDS = tuple(kind for kind in known() if kind not in ("checklist", "search"))
MOST, LONGEST = 8, 600
"""Points of an answer, and letters of one."""


@pytest.fixture(scope="module")
def union(make_lab: Callable[[Path], Lab], tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    """Three parts of four settings each, with two tasks 0, two orders and two seeds."""
    lab = make_lab(tmp_path_factory.mktemp("union"))
    lab.law, lab.classes = noisy, ("bottle", "cable", "hazelnut")
    changes = ({"mixer.kernel": 0}, {"dia.blocks": 0}, {"loss.tail_weight": 0.0})
    parts = {
        f"component {i}": Study(
            question="?",
            base=lab.config,
            classes=lab.classes,
            axes=(
                TaskZero(count=2),
                Orders(count=2),
                Grid(field="lora.rank", values=(64, 16)),
                Variants(baseline="in", variants={"in": {}, "out": change}),
            ),
            seeds=(0, 1),
        )
        for i, change in enumerate(changes)
    }
    folder, plan = lab.planned(Study.union("Which matters?", parts, reports=KINDS), "union")
    lab.run(folder, plan.trials)
    write_reports(folder)
    return folder


def head(folder: StudyFolder, kind: str) -> list[str]:
    """Paragraphs of the answer."""
    place = folder.report if kind == KINDS[0] else folder.report / kind
    text = (place / "report.md").read_text("utf-8").replace("\\", "")
    _, _, after = text[: text.index("\n## ")].partition("Which matters?")
    found = [line.removeprefix("- ") for line in after.splitlines()]
    return [line for line in found if line and not re.match(r"\[[a-z0 ]+\]\(", line)]


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_is_a_few_points_of_a_few_lines(union: StudyFolder, kind: str) -> None:
    points = head(union, kind)
    assert 1 <= len(points) <= MOST, points
    assert max(map(len, points)) <= LONGEST, max(points, key=len)
    assert len(set(points)) == len(points)


def test_what_is_said_of_each_setting_stands_in_its_section(union: StudyFolder) -> None:
    for kind, said in (
        ("routing", "went to their own task, summed over"),
        ("task0", "Most likely best: "),
        ("task_order", "Orders with the same task 0 and seed"),
    ):
        text = (union.report / kind / "report.md").read_text("utf-8").replace("\\", "")
        parts = re.split(r"\n## Setting \d+: ", text)[1:]
        assert len(parts) == 8 and all("### In short" in part for part in parts)
        assert all(said in part for part in parts)


def test_verdicts_on_task_0_are_counted_over_settings(union: StudyFolder) -> None:
    told = [line for line in head(union, "task0") if line.startswith("Image AUROC, which")]
    counts = re.findall(r"[a-z]+ with (\d+) of 8 settings", told[0])
    assert len(told) == 1 and sum(map(int, counts)) == 8


def test_numbers_of_all_settings_together_have_a_second_way(union: StudyFolder) -> None:
    assert wrong(union) == []
