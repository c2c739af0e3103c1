"""The folder of a Ray cluster of this machine: for sockets and logs, gone when the cluster is.

It cannot lie below the root folder, as the paths of sockets must be short.
"""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = "mf-"
SOCKET_PATH_ROOM = 40
"""Ray's socket paths, of which its folder is the beginning, may have 107 characters."""
OWNER = "owner"
"""Locked as long as the process lives that made the folder."""


@contextmanager
def scratch_folder() -> Generator[Path]:
    """A new folder, deleted at the end; those of processes that were killed are deleted first."""
    usual = Path(tempfile.gettempdir())
    place = usual if len(str(usual)) < SOCKET_PATH_ROOM else Path("/tmp")
    for left in _left_behind(place):
        shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
    with (folder / OWNER).open("w") as owner:
        fcntl.flock(owner, fcntl.LOCK_EX)
        try:
            yield folder
        finally:
            _remove(folder)


def _left_behind(place: Path) -> Iterator[Path]:
    """Folders of this user whose lock nobody holds; the kernel lets go of a dead process's."""
    for owner in place.glob(f"{PREFIX}*/{OWNER}"):
        try:
            if owner.stat().st_uid != os.getuid():
                continue
            with owner.open() as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield owner.parent
        except OSError:  # it is held, or has just gone
            continue


def _remove(folder: Path, patience: float = 10.0) -> None:
    """Delete a folder in which ending processes may still write for a moment."""
    deadline = time.monotonic() + patience
    while folder.exists():
        shutil.rmtree(folder, ignore_errors=time.monotonic() < deadline)
        time.sleep(0.05)
