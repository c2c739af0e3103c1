"""A trial whose events were lost after they were sent tells the same again, at another time."""

import time
from pathlib import Path

import pytest

from orchestration.records.layout import Root
from orchestration.tracking.address import default_uri
from orchestration.tracking.exporter import sync
from orchestration.tracking.mlflow.runs import MlflowTracker
from tests.orchestration.tracking.stores import (
    begin_trial,
    contents,
    end_trial,
    no_warning,
    small_plan,
)

pytestmark = pytest.mark.slow


def test_a_measurement_that_is_told_again_at_another_time_is_in_the_store_once(tmp_path: Path):
    """A file that was cut off, or exchanged for that of another study which finished the trial."""
    root = Root.at(tmp_path)
    plan = small_plan(root)
    folder, (first, second, *_) = root.study(plan.name), plan.trials
    for trial in (first, second):
        begin_trial(root, trial)
    assert sync(plan, folder, MlflowTracker(root), no_warning)
    before = contents(default_uri(root))
    lines = folder.events(first.key).read_text().splitlines(keepends=True)
    folder.events(first.key).write_text("".join(lines[:2]))
    folder.events(second.key).unlink()
    time.sleep(0.01)
    for trial in (first, second):
        begin_trial(root, trial, epochs=4)
        end_trial(root, trial)
    assert sync(plan, folder, MlflowTracker(root), no_warning)
    after = contents(default_uri(root))
    for trial in (first, second):
        old, new = (held[trial.key]["history"] for held in (before, after))
        points = [(name, step) for name, step, *_ in new]
        assert len(points) == len(set(points))
        assert set(old) <= set(new) and len(new) > len(old)
