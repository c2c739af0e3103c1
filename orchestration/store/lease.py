"""Leases: who is working on what, so that nobody else does the same. For speed only.

A lease is a small file whose modification time its holder renews. Losing one costs duplicate work
and nothing else: results are published whole, whoever makes them (`orchestration.store.store`).

No clock is compared with that of another machine: a lease is dead when an observer has seen its
file unchanged for so long by the observer's own clock, or when its process is gone from this one.
"""

import os
import platform
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Annotated, Self, final
from urllib.parse import quote

from pydantic import Field

from moleflow.settings import Settings
from orchestration.store.processes import born, is_alive, machine
from orchestration.studies.trial_keys import digest

PERIOD = 1.0
"""Seconds between two renewals."""
PATIENCE = 5.0
"""Seconds without a renewal after which a lease is dead."""
LOOK = 0.05
"""Seconds between two looks at a lease that may be renewed."""
LONGEST_NAME = 200
"""Of a file, in bytes; file systems take 255."""


@dataclass(frozen=True)
class Lease:
    """A claim as others see it."""

    name: str
    owner: str
    host: str
    pid: int
    seconds: float
    """Since it was taken, by the wall clocks of two machines: for display only."""


class _Claim(Settings):
    """Content of a lease file."""

    name: str
    owner: str
    host: str
    machine: str
    """Where process ids mean the same: one boot of one kernel, one namespace of processes."""
    pid: Annotated[int, Field(gt=0, lt=2**31)]
    born: str
    """Start of the process in the kernel's ticks: ids are used again."""
    taken: float
    """Seconds since 1970 by the holder's clock."""
    nonce: str


@dataclass(frozen=True)
class _Seen:
    """A lease file at one moment: equal when nobody touched it in between."""

    claim: _Claim | None
    """None: not a claim that can be read; it ages like one."""
    changed: int
    inode: int


@final
class Leases:
    """The leases of one process; a context manager that gives all of them back at its end."""

    def __init__(
        self,
        folder: Path,
        owner: str,
        *,
        period: float = PERIOD,
        patience: float = PATIENCE,
        warn: Callable[[str], None] | None = None,
    ):
        """
        Args:
            owner: shown to others, e.g. a trial's key.
            period: seconds between two renewals.
            patience: seconds without a renewal after which another's lease is dead.
            warn: told once when leases cannot be used; work goes on without them.
        """
        self._folder = folder
        self._owner = owner
        self._period = period
        self._warn = warn
        self._observer = _Observer(patience)
        self._held: dict[str, _Claim] = {}
        self._ended = threading.Event()
        self._heartbeat: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def acquire(self, name: str) -> bool:
        """Take a lease; False while someone else holds it.

        Where lease files cannot be written, every lease is granted.
        """
        path = _path(self._folder, name)
        try:
            seen = _look(path)
            if seen is not None:
                if name in self._held and seen.claim == self._held[name]:
                    return True
                if self._observer.alive(path, seen):
                    return False
                if _look(path) == seen:
                    _take_away(path, seen.claim)
            claim = self._claim(name)
            if not _create(path, claim):
                return False
        except OSError as error:
            self._say(error)
            return True
        self._held[name] = claim
        self._start()
        return True

    def release(self, name: str) -> None:
        """Give a lease back; one that is not held any more stays whose it is."""
        claim = self._held.pop(name, None)
        if claim is None:
            return
        path = _path(self._folder, name)
        try:
            seen = _look(path)
            if seen is not None and seen.claim == claim:
                _take_away(path, claim)
        except OSError as error:
            self._say(error)

    def holder(self, name: str) -> Lease | None:
        """Who holds a lease by its file: another than this process, where it seemed dead.

        Raises:
            OSError: the file cannot be read just now.
        """
        seen = _look(_path(self._folder, name))
        return None if seen is None or seen.claim is None else _lease(seen.claim)

    def keeps(self, name: str) -> bool:
        """Whether a lease that was taken is still this process's, or nobody's.

        Raises:
            OSError: the file cannot be read just now.
        """
        seen = _look(_path(self._folder, name))
        return seen is None or seen.claim in (None, self._held.get(name))

    def held(self) -> tuple[str, ...]:
        """Names of the leases taken and not given back."""
        return tuple(self._held)

    def close(self) -> None:
        """Give all leases back and end their renewal."""
        self._ended.set()
        if self._heartbeat is not None:
            self._heartbeat.join()
            self._heartbeat = None
        for name in self.held():
            self.release(name)

    def _claim(self, name: str) -> _Claim:
        return _Claim(
            name=name,
            owner=self._owner,
            host=platform.node(),
            machine=machine(),
            pid=os.getpid(),
            born=born(os.getpid()) or "",
            taken=time.time(),
            nonce=uuid.uuid4().hex,
        )

    def _start(self) -> None:
        if self._heartbeat is None:
            self._ended.clear()
            self._heartbeat = threading.Thread(target=self._renew, name="leases", daemon=True)
            self._heartbeat.start()

    def _renew(self) -> None:
        while not self._ended.wait(self._period):
            for claim in tuple(self._held.values()):
                try:
                    _touch(_path(self._folder, claim.name), claim)
                except OSError as error:
                    self._say(error)

    def _say(self, error: OSError) -> None:
        warn, self._warn = self._warn, None
        if warn is not None:
            warn(
                f"{self._folder}: leases cannot be used ({error.strerror}); "
                "trials may compute the same stage at the same time"
            )


def active(folder: Path, *, patience: float = 0.0) -> list[Lease]:
    """Leases in a folder whose process runs here, or is not known to be dead elsewhere.

    Args:
        patience: seconds to wait for a renewal from another machine; with 0 none is waited for.
    """
    first = {path: seen for path in _files(folder) if (seen := _look(path)) is not None}
    alive = {path: seen.claim for path, seen in first.items() if seen.claim is not None}
    alive = {path: claim for path, claim in alive.items() if not _is_gone(claim)}
    unsure = {path for path, claim in alive.items() if patience and claim.machine != machine()}
    ends = time.monotonic() + patience
    while unsure and time.monotonic() < ends:
        time.sleep(min(LOOK, patience))
        unsure = {path for path in unsure if _look(path) == first[path]}
    claims = [claim for path, claim in alive.items() if path not in unsure]
    return sorted(map(_lease, claims), key=lambda lease: lease.name)


def sweep(folder: Path) -> None:
    """Delete leases of processes of this machine that are gone: killed ones give nothing back. And
    such as a loss of power has left without their content: a file has all of it from its first
    moment on, so nobody is about to write it."""
    for path in _files(folder):
        with suppress(OSError):
            seen = _look(path)
            if seen is None:
                continue
            if _is_gone(seen.claim) if seen.claim else _is_torn(path):
                _take_away(path, seen.claim)
    for path in folder.glob(".*"):  # killed while they took one
        with suppress(OSError, ValueError):
            if _is_gone(_Claim.model_validate_json(path.read_bytes())):
                path.unlink()


@final
class _Observer:
    """Tells live leases from dead ones, by looking more than once."""

    def __init__(self, patience: float):
        self._patience = patience
        self._since: dict[Path, tuple[_Seen, float]] = {}

    def alive(self, path: Path, seen: _Seen) -> bool:
        if seen.claim is not None and _is_gone(seen.claim):
            return False
        before, since = self._since.get(path, (None, 0.0))
        if before != seen:
            self._since[path] = (seen, time.monotonic())
            return True
        return time.monotonic() - since < self._patience


def _path(folder: Path, name: str) -> Path:
    return folder / _name(name)


def _name(name: str) -> str:
    """Of a lease's file."""
    safe = quote(name, safe="")
    safe = f"%2E{safe[1:]}" if safe.startswith(".") else safe
    return safe if len(safe) <= LONGEST_NAME else f"{safe[:100]}…{digest(name)}"


def _files(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if not path.name.startswith(".")]
    except FileNotFoundError:
        return []


def _look(path: Path, name: str = "") -> _Seen | None:
    """None: there is no such file. Opened and not only asked for, which NFS answers from memory;
    `name` is what it was called."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            content = file.read()
    except FileNotFoundError:
        return None
    except IsADirectoryError:
        status = path.stat()
        return _Seen(None, status.st_mtime_ns, status.st_ino)
    try:
        claim = _Claim.model_validate_json(content)
    except ValueError:
        claim = None
    if claim is not None and _name(claim.name) != (name or path.name):
        claim = None  # another lease's file
    return _Seen(claim, status.st_mtime_ns, status.st_ino)


def _create(path: Path, claim: _Claim) -> bool:
    """Write a lease file whole; False: there is one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{claim.nonce}")
    try:
        aside.write_text(claim.model_dump_json(), encoding="utf-8")
        with suppress(FileExistsError):
            os.link(aside, path)
        # Over NFS a link may be reported to have failed that was made: count.
        return aside.stat().st_nlink == 2
    finally:
        aside.unlink(missing_ok=True)


def _touch(path: Path, claim: _Claim) -> None:
    """Renew a lease that is still ours: the open file, not whatever is in its place by then."""
    with suppress(FileNotFoundError), path.open("rb") as file:
        if claim.nonce.encode() in file.read():
            os.utime(file.fileno())


def _take_away(path: Path, claim: _Claim | None) -> None:
    """Delete a claim's file; one that somebody else put in its place is put back."""
    aside = path.with_name(f".{uuid.uuid4().hex}")
    try:
        path.rename(aside)
    except FileNotFoundError:
        return
    try:
        found = _look(aside, path.name)
        if found is not None and found.claim != claim:
            with suppress(FileExistsError):
                os.link(aside, path)
    finally:
        with suppress(OSError):  # a folder that is not empty: out of the way, and kept
            aside.rmdir() if aside.is_dir() else aside.unlink(missing_ok=True)


def _lease(claim: _Claim) -> Lease:
    seconds = max(0.0, time.time() - claim.taken)
    return Lease(claim.name, claim.owner, claim.host, claim.pid, seconds)


def _is_torn(path: Path) -> bool:
    """Whether a file has not the form of any claim, be it of another version's."""
    try:
        return not path.read_bytes().rstrip().endswith(b"}")
    except IsADirectoryError:
        return False


def _is_gone(claim: _Claim) -> bool:
    """Whether a claim's process is known not to run any more."""
    if claim.machine != machine():
        return False
    return not is_alive(claim.pid, claim.born)
