"""What tracking says to do can be typed as it stands: the command names the root and the store."""

import shlex
from pathlib import Path

import pytest

from moleflow.errors import StudyError
from orchestration.records.layout import Root
from orchestration.records.ledger import Ledger
from orchestration.tracking.address import default_uri
from orchestration.tracking.mlflow.runs import MlflowTracker
from tests.orchestration.tracking.stores import small_plan, write_trial

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("named", [False, True])
def test_a_trial_without_a_model_is_told_with_the_command_that_sends_it(
    tmp_path: Path, named: bool
) -> None:
    root = Root.at(tmp_path / "my runs")
    plan = small_plan(root)
    write_trial(root, plan.trials[0])
    record = Ledger(root.study("small")).read(plan.trials[0].key)
    assert record is not None
    uri = default_uri(root) if named else None
    with pytest.raises(StudyError, match="has no model") as told:
        MlflowTracker(root, uri).register(record, root.study("small"), "pcb", None)
    command = ["moleflow", "sync", "small", "--root", str(root.path)]
    command += ["--mlflow-uri", default_uri(root)] if named else []
    assert str(told.value).endswith(f"with: {shlex.join(command)}")
