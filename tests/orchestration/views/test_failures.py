"""`moleflow status STUDY --failures`: why trials have no result, from files alone."""

import time

import pytest

from orchestration.commands.consoles import Terminal
from orchestration.records.layout import Root
from orchestration.records.ledger import Failure, Ledger
from orchestration.records.stages import StageRef
from orchestration.runners.runner import describe_failure
from orchestration.studies.expansion import Plan, Trial
from orchestration.views.failures import failures_page

TRACEBACK = """Traceback (most recent call last):
  File "train.py", line 12, in step
    loss.backward()  # [bold]{}
RuntimeError: of <Flow object at {}>, which stands in a line that is much longer than any terminal \
or page is wide, for paths are long
"""


def fail(root: Root, trial: Trial, at: float, **changes: str) -> None:
    failure = Failure(kind="RuntimeError", message="of the flow", stage=StageRef("base", "cable"))
    failure = failure.model_copy(update=changes)
    made = describe_failure(trial, failure, root.study("small"), at)
    Ledger(root.study("small")).write(made.model_copy(update={"ended": at}))


def page(plan: Plan, root: Root) -> str:
    console = Terminal(width=80, soft_wrap=True, highlight=False)
    with console.capture() as shown:
        console.print(failures_page(plan, root))
    return shown.get()


@pytest.fixture
def failed(plan: Plan, root: Root) -> str:
    root.claim()
    now = time.time()
    for i, at in ((0, now - 9), (1, now - 30), (2, now - 20)):
        text = TRACEBACK.replace("{}", f"0x7f{i}a")
        fail(root, plan.trials[i], at, traceback="" if i == 2 else text)
    return page(plan, root)


def test_every_failed_trial_is_named_and_none_else(failed: str, plan: Plan) -> None:
    assert "3 trials failed or diverged" in failed
    named = [trial.key[:8] in failed for trial in plan.trials]
    assert named == [True, True, True, False]


def test_a_traceback_that_trials_share_stands_there_once_below_them(failed: str) -> None:
    assert failed.count("Traceback") == 1
    above = failed.partition("Traceback")[0].splitlines()
    assert [line.partition("  ")[2][:28] for line in above] == [
        "",
        "",
        *2 * ["RuntimeError in base cable ("],
        "",
    ]


def test_what_failed_first_is_first(failed: str, plan: Plan) -> None:
    keys = [trial.key[:8] for trial in plan.trials]
    assert failed.index(keys[1]) < failed.index(keys[0]) < failed.index(keys[2])


def test_a_traceback_is_what_it_was(failed: str) -> None:
    assert TRACEBACK.replace("{}", "0x7f1a") in failed


def test_where_none_failed_that_is_said(plan: Plan, root: Root) -> None:
    root.claim()
    assert page(plan, root) == "small: no trial has failed or diverged\n"
