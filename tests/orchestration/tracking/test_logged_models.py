"""Every finished trial has one logged model, wherever its logging was cut off."""

import json
import os
import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from subprocess import run
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from orchestration.records.layout import Root
from orchestration.records.ledger import Ledger
from orchestration.studies.expansion import Plan
from orchestration.tracking.address import default_uri
from orchestration.tracking.exporter import sync
from orchestration.tracking.tracker import TrackerAway, quiet_environment
from tests.orchestration.tracking.stores import (
    leave_model,
    logged_models,
    no_warning,
    small_plan,
    write_trial,
)

CALLS = ("create_logged_model", "log_outputs", "log_model_artifacts", "finalize_logged_model")
"""Of the client, in this order, for each model."""
TOP = Path(__file__).parents[3]


def finished_study(root: Root, seeds: int) -> Plan:
    plan = small_plan(root, axes=(), seeds=tuple(range(seeds)))
    for trial in plan.trials:
        write_trial(root, trial)
        leave_model(root, trial)
    return plan


def assert_one_each(root: Root, plan: Plan) -> None:
    """Also of those that were taken away again; and each run lists its own once."""
    held = logged_models(default_uri(root), plan.name)
    assert set(held) == {trial.key for trial in plan.trials}
    assert {model["status"] for model in held.values()} == {"READY"}
    with closing(sqlite3.connect(root.mlflow_db)) as database:
        made = database.execute("select count(*) from logged_models").fetchone()
        outputs = Counter(
            database.execute(
                "select source_id, destination_id from inputs where source_type = 'RUN_OUTPUT'"
            )
        )
    assert made == (len(plan.trials),)
    expected = {(model["source_run_id"], model["model_id"]): 1 for model in held.values()}
    assert outputs == expected
    for model in held.values():
        place = Path(unquote(urlsplit(model["artifact_location"]).path))
        names = {path.name for path in place.iterdir()}
        assert names == {"MLmodel", "served_model.py", "input_example.json"}


def without_answer(real: Callable[..., Any]) -> Callable[..., Any]:
    from mlflow.exceptions import MlflowException

    def call(*args: Any, **named: Any) -> Any:
        real(*args, **named)
        raise MlflowException("no answer")

    return call


@pytest.mark.slow
def test_a_model_whose_logging_lost_an_answer_is_not_made_again(
    root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store has done what it was asked, and nobody heard of it; the same driver goes on."""
    from mlflow import MlflowClient

    from orchestration.tracking.mlflow.runs import MlflowTracker

    plan, tracker = finished_study(root, len(CALLS)), MlflowTracker(root)
    folder = root.study(plan.name)
    tracker.begin(plan, 1.0)
    for trial, call in zip(plan.trials, CALLS, strict=True):
        record = Ledger(folder).read(trial.key)
        assert record is not None
        with monkeypatch.context() as patched:
            patched.setattr(MlflowClient, call, without_answer(getattr(MlflowClient, call)))
            with pytest.raises(TrackerAway):
                tracker.finish(trial, record, folder)
        tracker.finish(trial, record, folder)
    assert_one_each(root, plan)


DRIVERS = """
import json, os, signal, sys
from mlflow import MlflowClient
from orchestration.records.layout import Root
from orchestration.records.plans import plan_of
from orchestration.tracking.exporter import sync
from orchestration.tracking.mlflow.runs import MlflowTracker

root = Root.at(sys.argv[1])
folder = root.study("small")

def drive(call, after):
    real = getattr(MlflowClient, call)
    def cut_off(*args, **named):
        if after:
            real(*args, **named)
        os.kill(os.getpid(), signal.SIGKILL)
    setattr(MlflowClient, call, cut_off)
    sync(plan_of(folder), folder, MlflowTracker(root), print)

for call in json.loads(sys.argv[2]):
    for after in (False, True):
        driver = os.fork()
        if driver == 0:
            try:
                drive(call, after)
            finally:
                os._exit(1)
        print(os.WTERMSIG(os.waitpid(driver, 0)[1]))
"""


@pytest.mark.soak
def test_a_driver_that_is_killed_while_it_logs_a_model_leaves_it_to_the_next_one(
    tmp_path: Path,
) -> None:
    """Killed before and after each call, driver after driver, in one store."""
    from orchestration.tracking.mlflow.runs import MlflowTracker

    root = Root.at(tmp_path / "root")
    plan = finished_study(root, 2)
    command = [sys.executable, "-c", DRIVERS, str(root.path), json.dumps(CALLS)]
    environment = os.environ | quiet_environment()
    done = run(command, check=True, cwd=TOP, capture_output=True, text=True, env=environment)
    assert done.stdout.split() == [str(int(signal.SIGKILL))] * 2 * len(CALLS)
    assert sync(plan, root.study(plan.name), MlflowTracker(root), no_warning)
    assert_one_each(root, plan)
