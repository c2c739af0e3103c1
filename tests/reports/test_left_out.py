"""Sentences that answer say what their numbers go without."""

import pytest

from moleflow.config import Config
from orchestration.records.layout import StudyFolder
from orchestration.studies.axes import Grid
from reports.writing import write_reports
from tests.reports.audit.test_own_reports import noisy
from tests.reports.audited import wrong
from tests.reports.conftest import Lab
from tests.reports.test_interactions_report import WITHOUT, by_corner, two_by_two

pytestmark = pytest.mark.slow


def lacking(lab: Lab, **plan: object) -> StudyFolder:
    """Of a study whose first trial has not run."""
    lab.law = noisy
    folder, planned = lab.plan(seeds=(0, 1, 2), **plan)  # pyright: ignore[reportArgumentType]
    lab.run(folder, planned.trials[1:])
    write_reports(folder)
    return folder


def told(folder: StudyFolder, kind: str = "") -> str:
    return (folder.report / kind / "report.md").read_text("utf-8")


def test_comparisons_of_settings_say_how_many_pairs(lab: Lab) -> None:
    lab.reports = ("ablation", "strategies")
    axis = Grid(field="lora.rank", values=(64, 16))
    folder = lacking(lab, task_zeros=1, orders=2, axes=(axis,))
    pair = "(n = 2 seeds, margin 0.5 points; 1 pair of incomplete seeds left out)"
    assert pair in told(folder) and pair in told(folder, "strategies")
    lost = "(n = 2 to 3 seeds; 1 trial of incomplete seeds left out): means of 2 settings lie"
    assert lost in told(folder, "strategies")
    assert wrong(folder) == []


@pytest.mark.parametrize("frozen", [True, False])
def test_tasks_0_and_orders_say_how_many_trials(lab: Lab, frozen: bool) -> None:
    lab.reports, lab.config = ("task0", "task_order"), Config(freeze_base=frozen)
    folder = lacking(lab, task_zeros=2, orders=2)
    said = "n = 2 seeds of 2 tasks 0; margin 0.5 points; 3 trials of incomplete seeds left out)"
    assert said in told(folder)
    assert "n = 2 seeds of 2 tasks 0; 3 trials of incomplete" in told(folder, "task_order")
    of_orders = " (1 trial of incomplete seeds left out)"
    assert (of_orders in told(folder, "task_order")) != frozen
    assert wrong(folder) == []


def test_interactions_say_how_many_trials(lab: Lab) -> None:
    lab.law = by_corner
    one = two_by_two(lab, WITHOUT["tail"]).model_copy(update={"reports": ("interactions",)})
    folder, plan = lab.planned(one, "one")
    lab.run(folder, plan.trials[1:])
    write_reports(folder)
    said = "(n = 4 seeds, margin 0.5 points; 3 trials of incomplete seeds left out): 1 of 1 "
    assert said in told(folder)
    assert wrong(folder) == []
