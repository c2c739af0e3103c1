"""What is known is not run again, what failed can be, and what another version wrote is left."""

import os
import time
from pathlib import Path

import pytest

from moleflow.config import Config
from moleflow.errors import StoreError, StudyError
from moleflow.sealed import seal, unsealed
from orchestration.driver.adoption import adopt
from orchestration.driver.retry import check_retry, retry
from orchestration.records.files import write_atomically
from orchestration.records.layout import ROOT_FORMAT, Root
from orchestration.records.ledger import Failure, Ledger, Record
from orchestration.records.plans import read_plan, write_plan
from orchestration.runners.runner import describe_failure
from orchestration.sharing.schedule import Schedule
from orchestration.studies.axes import Orders
from orchestration.studies.expansion import Plan, expand
from orchestration.studies.study import Study


def planned(name: str, root: Root, orders: int = 2) -> Plan:
    study = Study(question="?", base=Config(), axes=(Orders(count=orders),))
    prints = {c: c * 2 for c in ("bottle", "cable", "wood")}
    plan = expand(name, study, "/data", prints, {study.base.backbone: "weights"})
    write_plan(plan, root.study(name))
    return plan


def ran(plan: Plan, root: Root, index: int, status: str = "finished") -> Record:
    """A trial that ended, with files beside its record."""
    trial, folder = plan.trials[index], root.study(plan.name)
    record = describe_failure(trial, Failure(kind="E", message="e"), folder, time.time())
    failure = None if status == "finished" else record.failure
    record = record.model_copy(update={"status": status, "failure": failure})
    folder.model(trial.key).mkdir(parents=True)
    (folder.model(trial.key) / "bank.safetensors").write_bytes(b"bank")
    write_atomically(folder.events(trial.key), "")
    Ledger(folder).write(record)
    return record


def test_a_trial_that_another_study_finished_is_taken_over_and_not_run(root: Root) -> None:
    record = ran(planned("first", root), root, 0)
    plan = planned("second", root, orders=3)
    (adopted,) = adopt(plan, root)
    folder = root.study("second")
    kept = Ledger(folder).read(record.key)
    assert adopted == record and kept is not None
    assert (kept.study, kept.adopted_from, kept.hashes) == ("second", "first", record.hashes)
    assert (folder.model(record.key) / "bank.safetensors").read_bytes() == b"bank"
    left = Schedule(plan, folder).left
    assert record.key not in {trial.key for trial in left} and len(left) == 2
    assert adopt(plan, root) == []


@pytest.mark.parametrize("status", ["failed", "diverged"])
def test_only_finished_trials_are_taken_over(root: Root, status: str) -> None:
    ran(planned("first", root), root, 0, status)
    assert adopt(planned("second", root), root) == []


def test_a_retried_trial_runs_again_and_its_record_is_kept(root: Root) -> None:
    plan, folder = planned("first", root), root.study("first")
    failed = ran(plan, root, 0, "failed")
    ran(plan, root, 1)
    assert Schedule(plan, folder).exhausted
    assert retry(plan, folder, ("diverged",)) == []
    assert retry(plan, folder, ("failed", "diverged")) == [failed.key]
    assert [trial.key for trial in Schedule(plan, folder).left] == [failed.key]
    earlier = folder.trial(failed.key) / "earlier" / "1.json"
    assert Record.model_validate_json(unsealed(earlier.read_bytes())) == failed


def test_finished_trials_cannot_be_retried() -> None:
    with pytest.raises(StudyError, match="failed or diverged"):
        check_retry(("finished",))


def test_trials_that_a_changed_study_does_not_ask_for_stay_on_record(root: Root) -> None:
    old = planned("first", root)
    record = ran(old, root, 0)
    study = old.study.model_copy(update={"base": Config().updated({"training.epochs": 7})})
    prints = old.trials[0].fingerprints
    new = expand("first", study, "/data", prints, {study.base.backbone: "weights"})
    folder = root.study("first")
    assert {trial.key for trial in Schedule(new, folder).left} == {t.key for t in new.trials}
    assert Ledger(folder).read(record.key) == record


@pytest.mark.parametrize("content", ['{"format": 999}', "{}", "no JSON", None])
def test_a_root_of_another_format_is_refused_and_left_as_it_is(
    root: Root, content: str | None
) -> None:
    """None: a root of the time before roots said their format."""
    plan = planned("first", root)
    write_atomically(root.study("first").asked, plan.model_dump_json())  # as versions before did
    if content is not None:
        (root.path / "root.json").write_text(content)
    before = sorted((path, path.stat().st_mtime_ns) for path in root.path.rglob("*"))
    with pytest.raises(StoreError, match=f"this moleflow reads {ROOT_FORMAT}"):
        root.claim()
    with pytest.raises(StoreError, match="choose another --root"):
        read_plan("first", root)
    assert sorted((path, path.stat().st_mtime_ns) for path in root.path.rglob("*")) == before


@pytest.mark.parametrize("content", [bytes(13), b"", b"no JSON", b"{}", None])
def test_a_root_whose_format_file_is_lost_is_known_by_its_plans(
    root: Root, content: bytes | None
) -> None:
    plan = planned("first", root)
    if content is not None:
        (root.path / "root.json").write_bytes(content)
    assert read_plan("first", root) == plan
    root.claim()
    assert (root.path / "root.json").read_text() == f'{{"format": {ROOT_FORMAT}}}\n'


@pytest.mark.parametrize("content", ["no JSON", None])
def test_a_lost_format_file_lets_no_other_format_pass(root: Root, content: str | None) -> None:
    plan = planned("first", root)
    text = plan.model_dump_json(indent=1)
    said = f' "format": {ROOT_FORMAT},\n'
    for older, known in (("", "3"), (said.replace(str(ROOT_FORMAT), "999"), "999")):
        write_atomically(root.study("first").asked, seal(text.replace(said, older, 1)))
        if content is not None:
            (root.path / "root.json").write_text(content)
        with pytest.raises(StoreError, match=f"is of format {known}, this moleflow reads"):
            root.claim()


def test_a_root_whose_name_is_no_text_is_refused_by_name(tmp_path: Path) -> None:
    root = Root.at(os.fsdecode(os.fsencode(tmp_path) + b"/b\xff\xfed"))
    for refused in (root.check_format, root.claim):
        with pytest.raises(StoreError, match=r"b\\xff\\xfed: is no UTF-8.*choose another folder"):
            refused()
    assert not root.path.exists()


def test_a_new_root_says_its_format(tmp_path: Path) -> None:
    root = Root.at(tmp_path / "new")
    root.claim()
    root.claim()
    assert (root.path / "root.json").read_text() == f'{{"format": {ROOT_FORMAT}}}\n'
