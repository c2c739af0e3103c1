"""MLflow's database of a root folder is derived: a damaged one is set aside and made again."""

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from orchestration.records.layout import Root
from orchestration.tracking.address import default_uri
from orchestration.tracking.mlflow.connection import check_reachable, connected, translated
from orchestration.tracking.mlflow.database import set_damaged_aside
from orchestration.tracking.tracker import TrackerAway, TrackerRefused
from tests.orchestration.tracking.stores import small_plan, write_trial

pytestmark = pytest.mark.slow

SYNC = """
import sys
from orchestration.records.layout import Root
from orchestration.records.plans import plan_of
from orchestration.tracking.exporter import sync
from orchestration.tracking.mlflow.runs import MlflowTracker
root = Root.at(sys.argv[1])
folder = root.study("small")
print(sync(plan_of(folder), folder, MlflowTracker(root), print))
"""


def synced(root: Root) -> list[str]:
    """What a process of its own said: an open connection would stay with the old file."""
    command = [sys.executable, "-c", SYNC, str(root.path)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


def finished(root: Root) -> int:
    with closing(sqlite3.connect(root.mlflow_db)) as database:
        return database.execute("select count(*) from runs where status = 'FINISHED'").fetchone()[0]


@pytest.mark.soak
def test_a_damaged_database_is_told_set_aside_and_made_again(tmp_path: Path):
    root = Root.at(tmp_path)
    plan = small_plan(root)
    for trial in plan.trials:
        write_trial(root, trial)
    assert synced(root) == ["True"]
    before = finished(root)
    os.truncate(root.mlflow_db, root.mlflow_db.stat().st_size // 2)
    told, *others = synced(root)
    again = root.command("sync", "STUDY")
    assert "damaged" in told and f"`{again}`" in told and others == ["True"]
    assert finished(root) == before > len(plan.trials)
    assert len(list(tmp_path.glob("mlflow.db.damaged-*"))) == 1


def test_a_database_that_is_whole_or_locked_is_let_be(tmp_path: Path):
    file = tmp_path / "mlflow.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("create table a (b)")
        assert set_damaged_aside(file) == ""
        other.execute("begin exclusive")
        assert set_damaged_aside(file) == ""
    file.write_bytes(b"nothing that SQLite knows")
    assert "not a database" in set_damaged_aside(file) and not file.exists()


def test_a_folder_in_the_databases_place_is_told_at_once_and_left_alone(tmp_path: Path) -> None:
    root = Root.at(tmp_path / "root")
    root.mlflow_db.mkdir(parents=True)
    for look in (lambda: check_reachable(default_uri(root)), lambda: refused(root)):
        told = look()
        assert told is not None and f"{root.mlflow_db} is no file; move it away" in told
    assert root.mlflow_db.is_dir()


def linked_away(root: Root) -> None:
    """To a disk that is not there."""
    root.path.mkdir(parents=True)
    root.mlflow_db.symlink_to("/nowhere/disk/mlflow.db")


def nothing(root: Root) -> None: ...


@pytest.mark.parametrize(
    ("below", "prepare"),
    [("root", linked_away), ("/".join(["x" * 200] * 3), nothing)],
    ids=["linked to nothing", "a longer path than SQLite takes"],
)
def test_a_file_that_cannot_be_opened_is_told_at_once(
    tmp_path: Path, below: str, prepare: Callable[[Root], None]
) -> None:
    root, began = Root.at(tmp_path / below), time.monotonic()
    prepare(root)
    with pytest.raises(TrackerAway, match="unable to open"), translated(default_uri(root)):
        connected(default_uri(root), root, print).search_experiments()
    assert time.monotonic() - began < 30  # MLflow itself tries for 100 s


def refused(root: Root) -> str:
    with pytest.raises(TrackerRefused) as error:
        connected(default_uri(root), root, print)
    return str(error.value)
