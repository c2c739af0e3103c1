"""What a certificate says of two trials follows from their records."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from moleflow.data.sequences import task_name
from orchestration.records import results
from orchestration.records.layout import StudyFolder
from orchestration.records.ledger import Ledger, Record, StageSource
from orchestration.records.stages import StageRef
from orchestration.sharing.certificate import certify_with, write
from orchestration.studies.expansion import Trial
from reports.audit.certificates import audit_certificates
from reports.audit.records import read
from reports.audit.study import audit_study
from reports.writing import write_reports
from tests.reports.audited import impossible, wrong
from tests.reports.conftest import Lab

Change = Callable[[dict[str, Any]], None]


def trained(lab: Lab, trial: Trial) -> Record:
    """A record that says that the trial trained all by itself."""
    tasks = [task_name(task) for task in trial.sequence]
    stages = {
        StageRef("adapter" if i else "base", name): StageSource(
            kind="adapter" if i else "base",
            key=f"{name}{trial.key}",
            source="made",
            trial=trial.key,
            after=tuple(tasks[:i]),
        )
        for i, name in enumerate(tasks)
    }
    return lab.record(trial).model_copy(update={"stages": stages})


@pytest.fixture
def folder(lab: Lab) -> StudyFolder:
    """Two orders with what was found of them."""
    folder, plan = lab.plan(task_zeros=1, orders=2, seeds=(0,))
    one, other = (trained(lab, trial) for trial in plan.trials)
    for record in (one, other):
        Ledger(folder).write(record)
    (found,) = certify_with("group", [], other, [one])
    folder.certificates.mkdir()
    write(found, folder)
    assert found.holds and found.moved and told(folder) == []
    return folder


def told(folder: StudyFolder) -> list[str]:
    found = audit_certificates(read(folder.path))
    return [f"{Path(one.place).name}: {one.why}" for one in found if one.why]


def changed(folder: StudyFolder, change: Change) -> list[str]:
    (path,) = folder.certificates.glob("*.json")
    tree = json.loads(path.read_text("utf-8"))
    change(tree)
    path.write_text(json.dumps(tree), "utf-8")
    return told(folder)


def another_hash(tree: dict[str, Any]) -> None:
    tree["hashes"]["bank cable"] = ["0" * 64] * 2


def one_hash_less(tree: dict[str, Any]) -> None:
    del tree["hashes"]["scores bottle"]


def another_machine(tree: dict[str, Any]) -> None:
    tree["device"] = "cuda"


CHANGES: dict[str, Change] = {
    "hash of bank cable: the certificate has ['0": another_hash,
    "hash of scores bottle: the certificate has None": one_hash_less,
    "device: the certificate has ['cuda', 'cuda'], and the records give ['cpu'": another_machine,
    "holds: the certificate has False, and the records give True": lambda tree: tree.update(
        holds=False
    ),
    "orders: the certificate has": lambda tree: tree["orders"].reverse(),
    "moved: the certificate has []": lambda tree: tree.update(moved=[]),
}


@pytest.mark.parametrize("said", CHANGES)
def test_what_the_records_do_not_say_is_found(folder: StudyFolder, said: str) -> None:
    (one,) = changed(folder, CHANGES[said])
    assert f".json {said}" in one


def test_one_that_cannot_be_read_is_found(folder: StudyFolder) -> None:
    (path,) = folder.certificates.glob("*.json")
    path.write_bytes(path.read_bytes()[:-20])
    (one,) = told(folder)
    assert one.startswith(path.name) and "cannot be read" in one


def test_of_trials_without_a_record_nobody_can_tell(folder: StudyFolder) -> None:
    min(folder.trials.glob("*.json")).unlink()
    (one,) = told(folder)
    assert one.endswith("rests on no record")


def test_another_digest_on_the_page_is_found(folder: StudyFolder) -> None:
    results.write(folder)
    (written, *_) = write_reports(folder)
    page = written.html.read_text(encoding="utf-8")
    digest = re.search(r">([0-9a-f]{16})<", page)
    assert digest is not None
    other = digest[1].translate(str.maketrans("0123456789", "1234567890"))
    assert wrong(folder) == []
    written.html.write_text(page.replace(digest[1], other), encoding="utf-8")
    assert any(f"shows {other}" in one for one in impossible(audit_study(folder.path)))
