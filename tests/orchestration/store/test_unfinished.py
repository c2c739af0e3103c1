"""What a killed process was writing is gone when the study that it belonged to has ended."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from orchestration.driver.driving import driving
from orchestration.records.layout import Root
from orchestration.store.lease import Leases
from orchestration.store.processes import mark
from orchestration.store.unfinished import clear_unfinished

pytestmark = pytest.mark.slow

KILLED = """
import os, sys
from pathlib import Path
from orchestration.records.files import write_atomically
from orchestration.records.layout import Root
from orchestration.store.lease import Leases
from orchestration.store.store import Store
from orchestration.tracking.mlflow.database import make_once

root = Root.at(sys.argv[1])
def killed(*words, **more):
    os._exit(9)
writers = (
    lambda: write_atomically(root.study("s").record("a"), "record"),
    lambda: write_atomically(root.study("s").certificates / "c.json", "certificate"),
    lambda: Store(root.store).publish("texts", "abcd", lambda place: (place / "x").touch()),
    lambda: Leases(root.leases, "me").acquire("base/abcd"),
    lambda: make_once(root.mlflow_db, lambda path: path.touch()),
)
for write in writers:
    if not os.fork():
        os.rename = os.replace = os.link = killed
        write()
    assert os.waitstatus_to_exitcode(os.wait()[1]) == 9
"""
"""One process for each writer, killed at the moment before what it wrote would get its name."""


@pytest.fixture
def torn(tmp_path: Path) -> Root:
    """A root folder in which five processes were killed."""
    root = Root.at(tmp_path / "root")
    subprocess.run([sys.executable, "-c", KILLED, str(root.path)], check=True)
    assert len(files(root)) == 6, files(root)
    return root


def files(root: Root) -> list[str]:
    return sorted(
        str(path.relative_to(root.path))
        for path in root.path.rglob("*")
        if path.is_file() and path.name != "root.json"
    )


def test_a_study_that_ends_leaves_nothing_of_killed_processes(torn: Root):
    """Killed before it began, and while it ran."""
    later = torn.study("s").trials / f".b.json.{'0' * 32}"
    (claim,) = torn.leases.iterdir()
    wave = torn.study("s").waves / "wave-1"
    wave.mkdir(parents=True)
    (wave / "state.json").touch()
    with driving("s", torn, "moleflow run s"):
        later.touch()
        shutil.copy(claim, torn.leases / f".{'0' * 32}")  # its process is dead
    assert [*files(torn)] == []


def test_what_others_may_be_writing_is_let_be(torn: Root):
    """While another study is driven, what is in folders that both use; what is younger than the
    driver, of the study's own files that other commands write, too; and an entry of the store whose
    process runs, or is not of this machine."""
    folder = torn.study("s")
    young = folder.path / f".results.parquet.{'0' * 32}"
    young.touch()
    os.utime(young, ns=(time.time_ns(), time.time_ns() + 10**9))
    (entry,) = (path for path in torn.store.rglob(".*"))
    elsewhere = entry.with_name(f".other.{'0' * 8}{entry.name[-24:]}")
    mine = entry.with_name(f".mine.{mark()}")
    elsewhere.mkdir()
    mine.mkdir()
    with Leases(torn.leases, "another") as others:
        assert others.acquire("driver/other")
        clear_unfinished(torn, folder, time.time_ns())
        left = {name.split("/")[0] for name in files(torn)}
        assert left == {"leases", ".mlflow.db." + files(torn)[0][-32:], "studies"}
    assert young.exists() and not list(folder.trials.glob(".*"))
    assert mine.exists() and elsewhere.exists() and not entry.exists()
