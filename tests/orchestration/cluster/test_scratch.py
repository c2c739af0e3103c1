"""The folder of a Ray cluster of this machine: gone with it, whoever died."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from orchestration.cluster import scratch
from orchestration.cluster.scratch import scratch_folder

HOLD = """
import sys, time
from orchestration.cluster.scratch import scratch_folder
with scratch_folder() as folder:
    print(folder.path, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place of its own for scratch folders; sockets need a short path."""
    with tempfile.TemporaryDirectory(prefix="s", dir="/tmp") as place:
        monkeypatch.setenv("TMPDIR", place)
        monkeypatch.setattr(tempfile, "tempdir", None)
        yield Path(place)
    tempfile.tempdir = None


def holder() -> tuple[subprocess.Popen[str], Path]:
    process = subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_a_killed_drivers_folder_is_deleted_by_the_next_and_a_living_ones_is_not(
    short: Path,
) -> None:
    dead, left = holder()
    alive, kept = holder()
    try:
        os.kill(dead.pid, signal.SIGKILL)
        dead.wait()
        assert left.is_dir() and left.parent == short
        with scratch_folder() as own:
            assert sorted(short.iterdir()) == sorted([own.path, kept])
        assert list(short.iterdir()) == [kept]
    finally:
        for process in (dead, alive):
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


def test_folders_of_others_are_left_alone(short: Path) -> None:
    (short / "mf-other").mkdir()
    (short / "mf-trap").mkdir()
    (short / "mf-trap" / "owner").symlink_to(__file__)
    with scratch_folder():
        pass
    assert sorted(path.name for path in short.glob("mf-*")) == ["mf-other", "mf-trap"]


def test_the_place_is_short_enough_for_rays_sockets_or_another_is_taken(
    short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for length in (scratch.SOCKET_PATH_ROOM, scratch.SOCKET_PATH_ROOM + 1):
        place = short / ("ä" * 30)[: (length - len(os.fsencode(short)) - 1) // 2]
        place = place.with_name(place.name + "x" * (length - len(os.fsencode(place))))
        place.mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(place))
        with scratch_folder() as folder:
            socket_path = f"{folder.session}{scratch.RAYS_PART}"
            assert len(os.fsencode(socket_path)) <= scratch.LONGEST
            assert (folder.path.parent == place) == (length == scratch.SOCKET_PATH_ROOM)
