"""The folder of a Ray cluster of this machine: gone with it, whoever died."""

import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestration.cluster import scratch
from orchestration.cluster.leftovers import clear
from orchestration.cluster.scratch import scratch_folder

HOLD = """
import sys, time
from orchestration.cluster.leftovers import clear
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


@pytest.mark.parametrize("until", [1, 12, 22, 23])
def test_a_folder_whose_deletion_was_interrupted_is_deleted_by_the_next(
    short: Path, monkeypatch: pytest.MonkeyPatch, until: int
) -> None:
    """Ray ends the process at any moment: nothing that finds a folder goes before the rest."""
    with scratch_folder() as folder:
        left = short / "mf-left"
        shutil.copytree(folder.path, left)
    for number in range(20):
        (left / f"{number}").touch()
    steps = itertools.count(1)

    def interrupted(delete: Callable[..., None]) -> Callable[..., None]:
        def step(path: Path, **options: object) -> None:
            if next(steps) == until:
                raise KeyboardInterrupt
            delete(path, **options)

        return step

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Path, "unlink", interrupted(Path.unlink))
        patched.setattr(shutil, "rmtree", interrupted(shutil.rmtree))
        clear(left)
    assert left.exists()
    with scratch_folder():
        pass
    assert not left.exists()


def test_what_is_written_while_a_folder_is_cleared_goes_as_well(short: Path) -> None:
    left = short / "mf-left"
    (left / "ray").mkdir(parents=True)
    (left / "owner").touch()
    write = f"""
import itertools, os
for n in itertools.count():
    os.makedirs({str(left)!r} + f"/ray/{{n % 7}}", exist_ok=True)
    if n == 1000:
        print(flush=True)
"""
    token = {"RAY_AUTH_TOKEN_PATH": f"{left}/token"}
    writer = subprocess.Popen(
        [sys.executable, "-c", write], env=os.environ | token, stdout=subprocess.PIPE
    )
    assert writer.stdout is not None and writer.stdout.readline() == b"\n"
    clear(left)
    assert writer.wait(10) == -signal.SIGKILL and not left.exists()
    writer.stdout.close()


def test_folders_of_others_are_left_alone(short: Path) -> None:
    (short / "mf-other").mkdir()
    (short / "mf-trap").mkdir()
    (short / "mf-trap" / "owner").symlink_to(__file__)
    with scratch_folder():
        pass
    assert sorted(path.name for path in short.glob("mf-*")) == ["mf-other", "mf-trap"]


def test_the_place_fits_the_paths_of_rays_sockets_or_another_is_taken(
    short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = scratch.SOCKET_PATH_ROOM - len(f"{short}/")
    for name, fits in (("x" * room, True), ("x" * (room + 1), False), ("é", False)):
        place = short / name
        place.mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(place))
        with scratch_folder() as folder:
            socket_path = f"{folder.session}{scratch.RAYS_PART}"
            assert len(socket_path) <= scratch.LONGEST
            assert (folder.path.parent == place) == fits
