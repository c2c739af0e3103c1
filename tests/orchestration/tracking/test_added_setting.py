"""A study that comes to vary something goes on in the runs that it has; they stand elsewhere."""

from typing import Any

import pytest

from moleflow.config import Config
from orchestration.records.layout import Root
from orchestration.studies.axes import Grid, Orders
from orchestration.studies.expansion import Plan
from orchestration.tracking.address import default_uri
from orchestration.tracking.exporter import sync
from tests.orchestration.tracking.stores import contents, no_warning, small_plan, write_trial

pytestmark = pytest.mark.slow

LR = Config().training.lr
OWN, ADDED = f"training.lr = {LR}", f"training.lr = {2 * LR}"
ONE = (Orders(count=1),)
BOTH = (*ONE, Grid(field="training.lr", values=(LR, 2 * LR)))
Acts = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, Acts]:
    """A setting of two seeds; a second one beside it; the first alone again."""
    from orchestration.tracking.mlflow.runs import MlflowTracker

    root, acts = Root.at(tmp_path_factory.mktemp("root")), Acts()
    plan = small_plan(root, axes=ONE)
    for trial in plan.trials:
        write_trial(root, trial)
    for act, axes in (("alone", ONE), ("both", BOTH), ("once more", BOTH), ("back", ONE)):
        wanted = small_plan(root, axes=axes)
        if act == "both":
            for trial in wanted.trials:
                if trial.axes["training.lr"] != str(LR):
                    write_trial(root, trial)
        assert sync(wanted, root.study("small"), MlflowTracker(root), no_warning)
        acts[act] = contents(default_uri(root))
    return plan, acts


def parent(held: dict[str, Any], run: dict[str, Any]) -> str:
    above = {other["id"]: name for name, other in held.items()}
    return above[run["tags"]["mlflow.parentRunId"]]


def test_trials_move_below_the_run_of_their_setting_and_stay_what_they_are(
    story: tuple[Plan, Acts],
) -> None:
    plan, acts = story
    alone, both = acts["alone"], acts["both"]
    for trial in plan.trials:
        before, after = alone[trial.key], both[trial.key]
        assert parent(alone, before) == "study" and parent(both, after) == OWN
        same = ("id", "status", "times", "history", "files")
        assert [before[name] for name in same] == [after[name] for name in same]
    assert {parent(both, both[name]) for name in (OWN, ADDED)} == {"study"}
    below = [name for name, run in both.items() if name != "study" and parent(both, run) == ADDED]
    assert len(below) == 2


def test_trials_of_before_are_compared_by_what_the_study_varies_now(
    story: tuple[Plan, Acts],
) -> None:
    """By name and parameter: a column of the table has no gap."""
    plan, acts = story
    for trial in plan.trials:
        run = acts["both"][trial.key]
        assert run["params"]["lr"] == str(LR)
        assert run["name"] == f"{acts['alone'][trial.key]['name']} lr={LR}"


def test_a_study_that_has_moved_its_runs_is_sent_again_without_a_change(
    story: tuple[Plan, Acts],
) -> None:
    _, acts = story
    assert acts["once more"] == acts["both"]


def test_trials_whose_setting_is_the_only_one_again_stand_below_the_study(
    story: tuple[Plan, Acts],
) -> None:
    plan, acts = story
    back = acts["back"]
    assert {parent(back, back[trial.key]) for trial in plan.trials} == {"study"}
    assert {run["id"] for run in back.values()} == {run["id"] for run in acts["both"].values()}
    planned = [run["tags"].get("moleflow.planned") for run in back.values()]
    assert (planned.count("yes"), planned.count("no")) == (2, 2)
