"""Several root folders, one tracking store, one name of a study: each has runs of its own; and a
root folder that is moved takes its artifacts with it."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from moleflow.errors import StoreError
from orchestration.commands.tracking import _find_artifacts  # pyright: ignore[reportPrivateUsage]
from orchestration.records.events import read_events
from orchestration.records.layout import Root
from orchestration.tracking.address import default_uri
from orchestration.tracking.exporter import sync
from orchestration.tracking.mlflow.owner import OWNER, PLACE, owner_of
from tests.orchestration.records.damaged_root import a_folder, emptied, garbage, zeroed
from tests.orchestration.tracking.stores import (
    begin_trial,
    contents,
    small_plan,
    write_report,
    write_trial,
)

pytestmark = pytest.mark.slow


def larger(path: Path) -> None:
    path.write_bytes(b"x" * 1000)


def tracker(root: Root, uri: str | None = None):
    from orchestration.tracking.mlflow.runs import MlflowTracker

    return MlflowTracker(root, uri)


def runs(uri: str) -> dict[str, Any]:
    """All that the store holds of each run, deleted ones too, by its id."""
    from mlflow import MlflowClient
    from mlflow.entities import ViewType

    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("small")
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id], run_view_type=ViewType.ALL)
    return {run.info.run_id: run.to_dictionary() for run in found}


def of(found: dict[str, Any], root: Root) -> dict[str, Any]:
    owner = owner_of(root).id
    return {key: run for key, run in found.items() if run["data"]["tags"][OWNER] == owner}


@dataclass(frozen=True)
class Shared:
    """Two root folders with the same study; the first one's is at work all the time."""

    first: Root
    second: Root
    before: dict[str, Any]
    after: dict[str, Any]
    told: list[str]
    ended: dict[str, Any]
    """After the first one's end."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Shared:
    place = tmp_path_factory.mktemp("place")
    uri = f"sqlite:///{place}/shared.db"
    first, second = Root.at(place / "first"), Root.at(place / "second")
    plan = small_plan(first)
    assert small_plan(second).trials == plan.trials
    begin_trial(first, plan.trials[0])
    running = tracker(first, uri)
    running.begin(plan, 1.0)
    running.log(plan.trials[0], list(read_events(first.study("small").events(plan.trials[0].key))))
    before, told = runs(uri), list[str]()
    for trial in plan.trials:
        write_trial(second, trial)
    write_report(second, "small")
    assert sync(plan, second.study("small"), tracker(second, uri), told.append)
    after = runs(uri)
    running.end(plan, [], 2.0)
    return Shared(first, second, before, after, told, runs(uri))


def test_what_one_root_folder_has_in_a_store_another_leaves_as_it_is(shared: Shared) -> None:
    assert len(shared.before) == 2
    assert of(shared.after, shared.first) == shared.before
    statuses = [run["info"]["status"] for run in shared.before.values()]
    assert statuses == ["RUNNING"] * 2


def test_the_same_trials_have_runs_of_their_own_for_each_root_folder(shared: Shared) -> None:
    own = of(shared.after, shared.second)
    assert len(own) == 5 and not own.keys() & shared.before.keys()
    assert {run["info"]["status"] for run in own.values()} == {"FINISHED"}
    (parent,) = (key for key, run in own.items() if "moleflow.study" in run["data"]["tags"])
    parents = {run["data"]["tags"].get("mlflow.parentRunId", parent) for run in own.values()}
    assert parents == {parent}
    assert of(shared.ended, shared.second) == own


def test_whose_experiment_a_study_joins_is_said(shared: Shared) -> None:
    (said,) = shared.told
    assert "experiment small" in said and "leaves all others alone" in said
    (place,) = {run["data"]["tags"][PLACE] for run in shared.before.values()}
    assert place in said and place.endswith(str(shared.first.path))


def test_artifacts_lie_below_the_root_folder_that_made_them(shared: Shared) -> None:
    for run in of(shared.after, shared.second).values():
        assert run["info"]["artifact_uri"].startswith(shared.second.mlflow_artifacts.as_uri())
    assert [*shared.second.mlflow_artifacts.rglob("*.json")]
    assert not shared.first.mlflow_artifacts.exists()


def test_a_root_folder_that_was_moved_takes_its_artifacts_with_it(tmp_path: Path) -> None:
    old, new = Root.at(tmp_path / "old"), Root.at(tmp_path / "new #1")
    plan = small_plan(old)
    write_trial(old, plan.trials[0])
    sync(plan, old.study("small"), tracker(old), [].append)
    files = {key: run["files"] for key, run in contents(default_uri(old)).items()}
    assert any(files.values())
    old.path.rename(new.path)
    _find_artifacts(default_uri(new), new)  # as `moleflow ui` does
    assert {key: run["files"] for key, run in contents(default_uri(new)).items()} == files
    write_trial(new, plan.trials[1])
    sync(plan, new.study("small"), tracker(new), [].append)
    found = contents(default_uri(new))
    assert found[plan.trials[1].key]["files"] == [f"{plan.trials[1].key}.json", "maps.txt"]
    assert not old.path.exists()


def test_a_copy_of_a_root_folder_leaves_the_runs_of_the_first_one_as_they_are(
    tmp_path: Path,
) -> None:
    first, copy = Root.at(tmp_path / "first"), Root.at(tmp_path / "a copy")
    uri, plan, told = f"sqlite:///{tmp_path}/shared.db", small_plan(first), list[str]()
    for trial in plan.trials:
        write_trial(first, trial)
    assert sync(plan, first.study("small"), tracker(first, uri), told.append)
    before = runs(uri)
    shutil.copytree(first.path, copy.path)
    copy.study("small").record(plan.trials[0].key).unlink()
    write_report(copy, "small")
    assert not sync(plan, copy.study("small"), tracker(copy, uri), told.append)
    assert f"{copy.path} is a copy of {first.path}" in told[0]
    assert runs(uri) == before
    remedy = told[0].partition("of its own: ")[2]
    subprocess.run(["sh", "-c", remedy], check=True)
    sync(plan, copy.study("small"), tracker(copy, uri), told.append)
    after = runs(uri)
    assert of(after, first) == before and len(of(after, copy)) == len(before)


DAMAGES = (emptied, zeroed, garbage, larger, a_folder)


def test_a_damaged_owner_says_how_to_begin_anew(tmp_path: Path) -> None:
    root = Root.at(tmp_path / "a root")
    for damage in DAMAGES:
        first = owner_of(root)
        damage(root.owner)
        with pytest.raises(StoreError, match=str(root.owner)) as refused:
            owner_of(root)
        remedy = str(refused.value).partition(" with: ")[2].partition(";")[0]
        subprocess.run(["sh", "-c", remedy], check=True)
        assert owner_of(root) == owner_of(root) != first


def test_nothing_is_sent_by_a_damaged_owner_and_nothing_twice_after_its_remedy(
    tmp_path: Path,
) -> None:
    root = Root.at(tmp_path / "a root")
    plan = small_plan(root)
    write_trial(root, plan.trials[0])
    sync(plan, root.study("small"), tracker(root), [].append)
    before = contents(default_uri(root)).keys()
    for damage in DAMAGES:
        damage(root.owner)
        said: list[str] = []
        assert not sync(plan, root.study("small"), tracker(root), said.append)
        assert "then bring it up to date with: moleflow sync" in said[-1]
        subprocess.run(["sh", "-c", said[0].partition(" with: ")[2]], check=True)
    assert sync(plan, root.study("small"), tracker(root), [].append)
    assert contents(default_uri(root)).keys() == before
