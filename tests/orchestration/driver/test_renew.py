"""A version is raised: what rests on it is computed again, and nothing else."""

from pathlib import Path
from typing import Any

import pytest

from moleflow.config import Config
from moleflow.data.catalog import open_catalog
from orchestration.driver.retry import renew
from orchestration.records import results
from orchestration.records.dataset import checked_fingerprint
from orchestration.records.layout import Root
from orchestration.records.ledger import Ledger, Record
from orchestration.records.plans import write_plan
from orchestration.runners.inline import InlineRunner
from orchestration.sharing.schedule import Schedule
from orchestration.studies.axes import Orders, TaskZero
from orchestration.studies.expansion import Plan, expand
from orchestration.studies.study import Study
from orchestration.studies.terms import Terms
from orchestration.studies.versions import REASONS, Result, result_versions
from tests.orchestration.pictures import draw_pictures

CLASSES = ("a", "b", "c")
MEASURED = ("rows", "hashes", "routing")


class SmallStudy:
    """Two orders of three classes, the second one trained apart from the first."""

    def __init__(self, root: Root, data: Path, config: Config):
        self.root, self.folder = root, root.study("small")
        self._data = data
        axes = (TaskZero(classes=("a",)), Orders(count=2))
        self._study = Study(question="?", base=config, classes=CLASSES, axes=axes)

    def plan(self) -> Plan:
        catalog = open_catalog(self._data, CLASSES)
        prints = {name: checked_fingerprint(data, self.root) for name, data in catalog.items()}
        weights = {self._study.base.backbone: "random:0"}
        plan = expand("small", self._study, str(self._data), prints, weights)
        write_plan(plan, self.folder)
        return plan

    def run(self) -> tuple[int, list[str], list[Record]]:
        plan = self.plan()
        renewed = renew(plan, self.folder)
        InlineRunner(self.root, Terms()).run(plan, Schedule(plan, self.folder))
        results.write(self.folder)
        records = [Ledger(self.folder).read(trial.key) for trial in plan.trials]
        found = [record for record in records if record is not None]
        assert [record.status for record in found] == ["finished"] * 2
        return *renewed, found

    def stored(self) -> dict[str, dict[str, int]]:
        """By kind, the entries of the store and when they were made."""
        kinds = ("features", "base", "adapter", "scores", "metrics")
        found = {kind: (self.root.store / kind).glob("*/*/manifest.json") for kind in kinds}
        return {
            kind: {path.parent.name: path.stat().st_mtime_ns for path in paths}
            for kind, paths in found.items()
        }


@pytest.fixture
def small(root: Root, tmp_path: Path, tiny: Config) -> SmallStudy:
    short: dict[str, Any] = {"training.epochs": 1, "training.warmup_epochs": 0}
    return SmallStudy(root, draw_pictures(tmp_path / "data", CLASSES), tiny.updated(short))


def raise_version(kind: Result, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(REASONS, kind, (*REASONS[kind], "a picture was counted twice"))


@pytest.mark.slow
def test_raised_metrics_are_measured_again_and_nothing_else_is_computed(
    small: SmallStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved, _, before = small.run()
    assert moved == 0 and {record.role for record in before} == {"shared", "witness"}
    stored = small.stored()
    assert all(stored.values())

    raise_version("metrics", monkeypatch)
    moved, changes, after = small.run()
    assert (moved, changes) == (2, [f"metrics {len(REASONS['metrics'])}: {REASONS['metrics'][-1]}"])
    now = small.stored()
    for kind in ("features", "base", "adapter", "scores"):
        assert now[kind] == stored[kind], "neither trained nor scored again"
    assert stored["metrics"].items() < now["metrics"].items(), "measured again"
    assert len(now["metrics"]) == 2 * len(stored["metrics"])
    assert {source.source for record in after for source in record.stages.values()} == {"shared"}
    assert {record.key for record in after}.isdisjoint(record.key for record in before)
    for one, other in zip(before, after, strict=True):
        assert [getattr(one, part) for part in MEASURED] == [
            getattr(other, part) for part in MEASURED
        ]
        assert other.result_versions == result_versions() != one.result_versions

    assert set(results.read(small.folder)["trial"]) == {record.key for record in after}
    kept = [small.folder.trial(record.key) / "earlier" / "1.json" for record in before]
    assert all(path.is_file() for path in kept), "an earlier version's record is kept"
    assert small.run()[0] == 0


def test_records_of_other_trials_stay_where_they_are(
    small: SmallStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, ledger = small.plan(), Ledger(small.folder)
    raise_version("trial", monkeypatch)
    now = small.plan()
    (trial, *_) = plan.trials
    from tests.records import record

    facts: dict[str, Any] = {
        "study": "small",
        "sequence": trial.sequence,
        "seed": trial.seed,
        "config": trial.config,
        "weights": trial.weights,
        "fingerprints": trial.fingerprints,
    }
    old = {"result_versions": dict.fromkeys(REASONS, 1)}
    ledger.write(record("seed", **{**facts, **old, "seed": 9}))
    ledger.write(record("settings", **{**facts, **old, "config": Config()}))
    ledger.write(record("of today", **facts))
    assert renew(now, small.folder) == (0, [])
    ledger.write(record("failed", **facts, **old))
    assert renew(now, small.folder)[0] == 1
    assert ledger.keys() == ["of today", "seed", "settings"]
