"""What a worker does before its trial runs."""

import threading

import pytest

from orchestration.records import worker
from orchestration.records.files import write_atomically
from orchestration.records.layout import Root
from orchestration.studies.expansion import Plan


def test_a_root_folder_that_is_mounted_late_is_waited_for(plan: Plan, root: Root):
    folder, trial = root.study("small"), plan.trials[0]
    written = threading.Timer(
        0.5, write_atomically, (folder.asked_of(trial.key), trial.model_dump_json())
    )
    written.start()
    assert worker.asked_trial(folder, trial.key) == trial
    written.join()


def test_a_root_folder_that_is_never_seen_is_named(root: Root, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(worker, "MOUNTING", 0.3)
    with pytest.raises(FileNotFoundError, match=r"after 0.3 s: --root must be a folder that all"):
        worker.asked_trial(root.study("small"), "0" * 20)
