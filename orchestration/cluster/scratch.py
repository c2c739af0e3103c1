"""The folder of a Ray cluster of this machine: for sockets, logs and the token that its processes
ask for; gone when the cluster is. Ray opens what it makes to all users of the machine, so it gets a
folder within one that only this user may enter.

It cannot lie below the root folder, as the paths of sockets must be short.
"""

import fcntl
import os
import secrets
import stat
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import final

from orchestration.cluster.leftovers import OWNER, clear

PREFIX = "mf-"
SESSION, TOKEN, NOTHING = "ray", "token", "empty"
LONGEST = 107
"""Bytes in the path of a socket."""
RAYS_PART = "/session_2026-11-26_14-02-17_888686_4194304/sockets/plasma_store"
SOCKET_PATH_ROOM = LONGEST - len(f"/{PREFIX}xxxxxxxx/{SESSION}{RAYS_PART}")
"""What is left for the place in which the folder is made."""


@final
@dataclass(frozen=True)
class Scratch:
    """A folder that only this user may enter."""

    path: Path

    @property
    def session(self) -> Path:
        """For Ray, which makes it, and lets everybody write there."""
        return self.path / SESSION

    @property
    def token(self) -> Path:
        """Who can read it may use the cluster."""
        return self.path / TOKEN

    @property
    def nothing(self) -> Path:
        """An empty folder: where workers are, and what they may import from there."""
        return self.path / NOTHING


@contextmanager
def scratch_folder() -> Generator[Scratch]:
    """A new folder, deleted at the end; those of processes that were killed are deleted first."""
    clear_left_behind()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=_place()))
    with (folder / OWNER).open("w") as owner:
        fcntl.flock(owner, fcntl.LOCK_EX)
        try:
            yield _furnished(folder)
        finally:
            clear(folder)


def clear_left_behind() -> None:
    """End what processes that were killed have left, and delete its folders."""
    for left in _left_behind(_place()):
        clear(left)


def _place() -> Path:
    usual = tempfile.gettempdir()
    # Of other letters, Ray says that they are none of ASCII's.
    fits = usual.isascii() and len(usual) <= SOCKET_PATH_ROOM
    return Path(usual if fits else "/tmp")


def _furnished(folder: Path) -> Scratch:
    scratch = Scratch(folder)
    scratch.nothing.mkdir(mode=0o700)
    token = os.open(scratch.token, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(token, "w") as file:
        file.write(secrets.token_hex(32))
    return scratch


def _left_behind(place: Path) -> Iterator[Path]:
    """Folders of this user whose lock nobody holds; the kernel lets go of a dead process's."""
    for owner in place.glob(f"{PREFIX}*/{OWNER}"):
        try:
            if not _is_own(owner.parent, stat.S_IFDIR) or not _is_own(owner, stat.S_IFREG):
                continue
            with owner.open() as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield owner.parent
        except OSError:  # it is held, or has just gone
            continue


def _is_own(path: Path, kind: int) -> bool:
    """Whether this user made it; a link of another user's to something of ours is not ours."""
    found = path.lstat()
    return found.st_uid == os.getuid() and stat.S_IFMT(found.st_mode) == kind
