"""A trial that fails: what would come again is on record, what a retry can cure is raised."""

import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from moleflow import learning
from moleflow.config import Config
from moleflow.errors import StoreError
from moleflow.model import MoLEFlow
from moleflow.training.lanes import Bench
from orchestration.records.layout import Root
from orchestration.records.ledger import Ledger
from orchestration.records.stages import StageRef
from orchestration.store import features, store
from orchestration.studies.terms import Terms
from orchestration.trial import sequence as trials
from tests.orchestration.trial.planned import make_plan

pytestmark = pytest.mark.slow


def test_a_diverging_trial_is_recorded_with_stage_and_numbers(
    tmp_path: Path, data_root: Path, tiny: Config
) -> None:
    # A scale without bounds and a huge step: the loss overflows in a few steps.
    wild = tiny.updated({"adapter.bounds": "none", "training.lr": 1e30, "training.clip_norm": 1e30})
    root = Root.at(tmp_path)
    trial = make_plan(root, data_root, wild).trials[0]
    assert trials.run_trial(trial, root, Terms()) == "diverged"
    record = Ledger(root.study("small")).read(trial.key)
    assert record is not None and record.failure is not None
    assert record.failure.kind == "DivergedError"
    assert record.failure.stage == StageRef("base", "fabric")
    assert {"epoch", "loss", "grad_norm"} <= set(record.failure.numbers)
    assert record.failure.traceback == ""


def test_an_error_that_would_come_again_is_recorded_with_its_traceback(
    tmp_path: Path, data_root: Path, tiny: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_tasks = learning.train_tasks

    def broken(model: MoLEFlow, tasks: Iterator[Any], bench: Bench) -> Iterator[Any]:
        if model.banks and next(tasks):
            raise ZeroDivisionError("a defect")
        yield from train_tasks(model, tasks, bench)

    monkeypatch.setattr(learning, "train_tasks", broken)
    root = Root.at(tmp_path)
    trial = make_plan(root, data_root, tiny).trials[0]
    assert trials.run_trial(trial, root, Terms()) == "failed"
    record = Ledger(root.study("small")).read(trial.key)
    assert record is not None and record.failure is not None
    assert (record.failure.kind, record.failure.stage) == (
        "ZeroDivisionError",
        StageRef("adapter", "capsule"),
    )
    assert "in broken" in record.failure.traceback
    assert [
        r.class_name
        for r in record.rows
        if r.definition == "step" and r.metric == "aupro" and r.routing == "routed"
    ] == ["fabric"]


def test_what_a_retry_can_cure_is_raised_and_leaves_no_record(
    tmp_path: Path, data_root: Path, tiny: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: object) -> None:
        raise OSError("stale file handle")

    monkeypatch.setattr(features, "extract_features", lost)
    root = Root.at(tmp_path)
    trial = make_plan(root, data_root, tiny).trials[0]
    with pytest.raises(OSError, match="stale"):
        trials.run_trial(trial, root, Terms())
    assert Ledger(root.study("small")).keys() == []


@pytest.mark.parametrize("number", [errno.ESTALE, errno.EIO, errno.ENOSPC])
def test_a_store_that_stumbled_is_asked_again_and_one_that_is_full_is_told(
    tmp_path: Path, data_root: Path, tiny: Config, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def stumbles(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(store, "seal", stumbles)
    root = Root.at(tmp_path)
    trial, ledger = make_plan(root, data_root, tiny).trials[0], Ledger(root.study("small"))
    if number == errno.ENOSPC:
        assert trials.run_trial(trial, root, Terms()) == "failed"
        record = ledger.read(trial.key)
        assert record is not None and record.failure is not None
        assert "No space left" in record.failure.message
        return
    with pytest.raises(StoreError, match=re.escape(os.strerror(number))):
        trials.run_trial(trial, root, Terms())
    assert ledger.keys() == []


def test_data_that_changed_since_the_plan_is_refused(
    tmp_path: Path, data_root: Path, tiny: Config
) -> None:
    root = Root.at(tmp_path)
    trial = make_plan(root, data_root, tiny).trials[0]
    changed = trial.model_copy(update={"fingerprints": trial.fingerprints | {"wood": "other"}})
    assert trials.run_trial(changed, root, Terms()) == "failed"
    record = Ledger(root.study("small")).read(trial.key)
    assert record is not None and record.failure is not None
    assert "class wood are not those" in record.failure.message


def test_weights_that_changed_since_the_plan_are_refused(
    tmp_path: Path, data_root: Path, tiny: Config
) -> None:
    root = Root.at(tmp_path)
    trial = make_plan(root, data_root, tiny).trials[0]
    changed = trial.model_copy(update={"weights": "sha256:other"})
    assert trials.run_trial(changed, root, Terms()) == "failed"
    record = Ledger(root.study("small")).read(trial.key)
    assert record is not None and record.failure is not None
    assert record.failure.kind == "WeightsError"
