"""A ledger that another version wrote, planned by today's code: the same keys, or why not."""

import shutil
from pathlib import Path

import pytest

from orchestration.records.layout import Root
from orchestration.records.ledger import Ledger, Record
from orchestration.records.plans import read_plan
from orchestration.sharing import keys as stage_keys
from orchestration.sharing.keys import StageKeys
from orchestration.studies.expansion import Plan, Trial, expand
from orchestration.studies.versions import REASONS, raises_since
from tests.orchestration.records.old_ledger import KEPT

OLD_FORMAT = 4


@pytest.fixture
def old(tmp_path: Path) -> tuple[Plan, Record]:
    root = Root.at(tmp_path / "runs")
    shutil.copytree(KEPT, root.study("old").path)
    (root.path / "root.json").write_text(f'{{"format": {OLD_FORMAT}}}\n')
    (record,) = Ledger(root.study("old")).records()
    return read_plan("old", root), record


def planned_anew(plan: Plan) -> tuple[Trial, ...]:
    prints = {name: print_ for trial in plan.trials for name, print_ in trial.fingerprints.items()}
    weights = {trial.config.backbone: trial.weights for trial in plan.trials}
    return expand(plan.name, plan.study, plan.data_root, prints, weights).trials


def with_versions_of(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind, reasons in REASONS.items():
        monkeypatch.setitem(REASONS, kind, reasons[: record.result_versions[kind]])
    monkeypatch.setattr(
        stage_keys, "_software", lambda *names: {name: record.versions[name] for name in names}
    )


def test_an_old_trial_keeps_its_key_or_a_raised_version_says_why(old: tuple[Plan, Record]) -> None:
    plan, record = old
    (trial,) = planned_anew(plan)
    why = raises_since(record.result_versions)
    assert (trial.key == record.key) == (not why), (
        f"the key of an old trial was {record.key} and is {trial.key}, and the versions that were "
        f"raised since are {why or 'none'}: see tests/orchestration/sharing/test_pinned_keys.py"
    )
    assert trial == plan.trials[0].model_copy(update={"key": trial.key})
    assert record.config == trial.config


def test_under_its_own_versions_an_old_trial_uses_what_it_used(
    old: tuple[Plan, Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, record = old
    with_versions_of(record, monkeypatch)
    (trial,) = planned_anew(plan)
    assert trial.key == record.key
    keys = StageKeys(trial, record.device, record.threads)
    assert {keys.features(name) for name in trial.classes} == set(record.uses["features"])
    assert (keys.task(0),) == record.uses["base"]
    assert (keys.task(1),) == record.uses["adapter"]
    assert {keys.scores("bolt", 0, 1), keys.scores("nut", 1, 2)} <= set(record.uses["scores"])
