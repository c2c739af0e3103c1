"""What a cluster of this machine leaves: its processes, and its folder."""

import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

OWNER = "owner"
"""Locked as long as the process lives that made the folder. Who finds one unlocked deletes its
folder, so it is the last thing in it that goes."""
PATIENCE = 10.0
"""Seconds in which killed processes have ended and write no more."""


def clear(scratch: Path, patience: float = PATIENCE) -> None:
    """End what was started for a cluster, and delete its folder.

    What is interrupted, or written meanwhile, leaves a folder that the next one still finds.
    """
    deadline = time.monotonic() + patience
    while scratch.exists():
        end_session(scratch)
        for path in _within(scratch):
            _delete(path)
        if not _within(scratch):
            shutil.rmtree(scratch, ignore_errors=True)
        elif time.monotonic() > deadline:
            return
        else:
            time.sleep(0.05)


def _within(scratch: Path) -> list[Path]:
    """What a folder holds but for its owner's file."""
    with suppress(OSError):
        return [path for path in scratch.iterdir() if path.name != OWNER]
    return []


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):  # it has just gone
            path.unlink()


def end_session(scratch: Path) -> None:
    """End what was started for a cluster and still runs."""
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has just ended, or is another user's
            if int(entry.name) != os.getpid() and _belongs(entry, scratch):
                os.kill(int(entry.name), signal.SIGKILL)


def _belongs(process: Path, scratch: Path) -> bool:
    """Whether a process inherited the path of a cluster's token. Of those that name themselves,
    which writes over their environment: whether it has a file of the cluster open."""
    mark = f"RAY_AUTH_TOKEN_PATH={scratch}/".encode()
    if any(one.startswith(mark) for one in (process / "environ").read_bytes().split(b"\0")):
        return True
    if not (process / "cmdline").read_bytes().startswith(b"ray::"):
        return False
    return any(file.is_relative_to(scratch) for file in _open_files(process))


def _open_files(process: Path) -> Iterator[Path]:
    for file in (process / "fd").iterdir():
        with suppress(OSError):  # closed by now
            yield file.readlink()
