"""Content-addressed results of stages: `store/<kind>/<ab>/<key>/`, whole and checked, or not there.

An entry is written aside and renamed, so two writers of one key are harmless and a killed writer
leaves nothing that a reader would take. The folder may be the copy, on this node, of a remote store
(`orchestration.store.remote`): results are files to be mapped into memory, which only a folder has.
"""

import errno
import shutil
import time
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, final
from urllib.parse import unquote

from safetensors import SafetensorError

from moleflow.errors import StoreError
from orchestration.records.layout import Root
from orchestration.store.address import parts_of
from orchestration.store.entry import (
    DAY,
    MANIFEST,
    NOTES,
    Entry,
    Manifest,
    fault_at_a_glance,
    fault_of,
    flush_folder,
    seal,
    write_manifest,
)
from orchestration.store.processes import mark

if TYPE_CHECKING:
    from orchestration.store.remote import Remote

Warn = Callable[[str], None]

DAMAGED = ".damaged-"
UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)


def open_store(where: str | None, root: Root, warn: Warn | None = None) -> "Store":
    """A store by address.

    Args:
        where: None for the root's own, a path, `file://…`, `gs://…`, `hdfs://…`,
            `s3://bucket/prefix?region=…&endpoint_override=…&scheme=…`, or any protocol of fsspec.
            Credentials come from the environment, as the protocol's library reads them.
        root: holds the store, or copies of what lies in a remote one.
        warn: told once of each damaged entry.

    Raises:
        StoreError: it cannot be reached.
    """
    folder = folder_of(where, root)
    if folder is not None or where is None:
        return Store(folder or root.store, warn)
    # Arrow's file systems take a while to load, and most stores are folders.
    from orchestration.store.filesystem import FileSystem
    from orchestration.store.remote import Remote

    files = FileSystem(where)
    return Store(root.cache / files.identity, warn, Remote(files, warn or _silent))


def folder_of(where: str | None, root: Root) -> Path | None:
    """The folder of a store by address; None: it is elsewhere."""
    if where is None:
        return root.store
    if "://" not in where:
        return Path(where).expanduser().resolve()
    return Path(unquote(parts_of(where).path)) if where.startswith("file://") else None


@final
class Store:
    """Results of stages on a file system that all trials see."""

    def __init__(self, path: Path, warn: Warn | None = None, remote: "Remote | None" = None):
        """
        Args:
            warn: told once of each damaged entry.
            remote: where entries are kept; `path` then holds copies of them.
        """
        self._path = path
        self._warn = warn or _silent
        self._remote = remote
        self._verified: dict[Path, tuple[int, int]] = {}
        """Identity of each folder found whole: another one in its place is read again."""

    def get_or_make(self, kind: str, key: str, make: Callable[[Path], None]) -> tuple[Path, bool]:
        """Folder of an entry, and whether it was made now.

        Args:
            make: writes the entry's files into the folder it is given.

        Raises:
            StoreError: the store cannot be written.
        """
        found = self.find(kind, key)
        if found is not None:
            return found, False
        return self.publish(kind, key, make), True

    def find(self, kind: str, key: str) -> Path | None:
        """Folder of a whole entry; a damaged one is set aside and counts as not there.

        Raises:
            StoreError: the store cannot be read.
        """
        return self._at_hand(kind, key) or self._fetched(kind, key)

    def publish(self, kind: str, key: str, make: Callable[[Path], None]) -> Path:
        """Make an entry; where another process was faster, its entry is the one that stays.

        Raises:
            StoreError: the store cannot be written.
        """
        folder = self._folder(kind, key)
        with self._aside(folder) as aside:
            try:
                make(aside)
            except (OSError, SafetensorError) as error:
                if _is_about_writing(error, aside):
                    raise _unwritable(folder, error) from error
                raise
            with _writing(folder):
                seal(aside, kind, key)
            if self._remote is not None:
                self._remote.put(kind, key, aside)
            with _writing(folder):
                self._put_in_place(kind, key, aside)
        return folder

    def entries(self) -> Iterator[Entry]:
        """All entries, checked by names and sizes alone; a remote store's not even by these."""
        if self._remote is not None:
            yield from self._remote.entries()
            return
        for kind, folder in self._folders():
            if not _is_left_over(folder.name) and (entry := _entry(kind, folder)) is not None:
                yield entry

    def read(self, kind: str, key: str, name: str) -> bytes | None:
        """A small file of an entry, where it lies; None: it is not there. Checks and fetches
        nothing."""
        if self._remote is not None:
            return self._remote.read(kind, key, name)
        with suppress(OSError):
            return (self._folder(kind, key) / name).read_bytes()
        return None

    def leftovers(self) -> Iterator[Entry]:
        """What killed writers left, after a day, and damaged entries that were set aside."""
        if self._remote is not None:
            yield from self._remote.leftovers()
        for kind, folder in self._folders():
            if not _is_left_over(folder.name) or (entry := _entry(kind, folder)) is None:
                continue
            if DAMAGED in folder.name:
                yield replace(entry, fault="damaged, set aside")
            elif time.time() - entry.modified > DAY:
                yield replace(entry, fault="never finished")

    def verify(self) -> Iterator[Entry]:
        """All entries with what is wrong with them, every byte read. Changes nothing."""
        for entry in self.entries():
            fault = self._fault(entry.kind, entry.key)
            if fault is not None:
                yield replace(entry, fault=fault)

    def set_aside(self, entry: Entry) -> None:
        """Make a damaged entry one that is not there, and say so.

        Raises:
            StoreError: the store cannot be written.
        """
        if self._remote is not None:
            self._remote.discard(entry.kind, entry.key, None, entry.fault)
            return
        folder = self._folder(entry.kind, entry.key)
        with suppress(FileNotFoundError):  # then another process was faster
            self._set_aside(folder, _identity(folder), entry.fault)

    def remove(self, kind: str, key: str) -> None:
        """Delete an entry or a leftover: whole until it is gone. None there: nothing happens.

        Raises:
            StoreError: it cannot be deleted.
        """
        if self._remote is not None:
            self._remote.remove(kind, key)
        folder = self._folder(kind, key)
        doomed = folder.with_name(f".{key.removeprefix('.')}.{uuid.uuid4().hex}")
        with _writing(folder), suppress(FileNotFoundError, NotADirectoryError):
            folder.rename(doomed)
            shutil.rmtree(doomed) if doomed.is_dir() else doomed.unlink()

    def _fault(self, kind: str, key: str) -> str | None:
        """None: gone by now."""
        if self._remote is not None:
            return self._remote.fault_of(kind, key)
        folder = self._folder(kind, key)
        fault = fault_of(folder, kind, key)
        return fault if not fault or folder.exists() else None

    def _at_hand(self, kind: str, key: str) -> Path | None:
        folder = self._folder(kind, key)
        try:
            identity = _identity(folder)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise _unreadable(folder, error) from error
        if self._verified.get(folder) == identity:
            return folder
        fault = fault_of(folder, kind, key)
        if not fault:
            self._verified[folder] = identity
            return folder
        self._set_aside(folder, identity, fault)
        return None

    def _set_aside(self, folder: Path, identity: tuple[int, int], fault: str) -> None:
        aside = folder.with_name(f"{folder.name}{DAMAGED}{uuid.uuid4().hex[:8]}")
        with _writing(folder):
            try:
                if _identity(folder) != identity:
                    return  # another process set it aside and made it anew
                folder.rename(aside)
            except FileNotFoundError:
                return
            if _identity(aside) != identity:  # that, just now
                with suppress(OSError):  # unless a third one is in its place
                    aside.rename(folder)
                return
        self._warn(f"{folder}: damaged ({fault}); set aside as {aside.name}, will be made anew")

    def _fetched(self, kind: str, key: str) -> Path | None:
        if self._remote is None or (manifest := self._remote.manifest(kind, key)) is None:
            return None
        folder = self._folder(kind, key)
        with self._aside(folder) as aside:
            with _writing(folder):
                self._remote.fetch(kind, key, manifest, aside)
                write_manifest(aside, manifest.model_copy(update={"part": ""}))
            if fault_of(aside, kind, key):
                return self._refuse(kind, key, manifest)
            with _writing(folder):
                self._put_in_place(kind, key, aside)
        return folder

    def _refuse(self, kind: str, key: str, manifest: Manifest) -> None:
        """What came was not what was sent for: read it there again, lest the line was at fault."""
        assert self._remote is not None
        fault = self._remote.fault_of(kind, key)
        if fault:
            self._remote.discard(kind, key, manifest.part, fault)
        else:
            self._warn(f"{kind}/{key}: arrived damaged; made anew")

    @contextmanager
    def _aside(self, folder: Path) -> Generator[Path]:
        """A folder to write in, gone at the end unless it was renamed."""
        aside = folder.with_name(f".{folder.name}.{mark()}")
        try:
            with _writing(folder):
                aside.mkdir(parents=True)
            yield aside
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def _put_in_place(self, kind: str, key: str, aside: Path) -> None:
        folder = self._folder(kind, key)
        for last in (False, False, True):
            try:
                aside.rename(folder)
                break
            except OSError:
                # Another writer's entry is in the way: taken, or set aside if it is damaged.
                if self._at_hand(kind, key) is not None:
                    return
                if last:
                    raise
        flush_folder(folder.parent)
        self._verified[folder] = _identity(folder)

    def _folder(self, kind: str, key: str) -> Path:
        return self._path / kind / key.removeprefix(".")[:2] / key

    def _folders(self) -> Iterator[tuple[str, Path]]:
        for kind in _children(self._path):
            if kind.name != NOTES and not kind.name.startswith("."):
                for shelf in _children(kind):
                    # What is no folder is none that can be used, and is seen all the same.
                    for folder in _inside(shelf):
                        yield kind.name, folder


def _identity(folder: Path) -> tuple[int, int]:
    """Numbers of inodes are given out again, so its age belongs to it."""
    status = folder.stat()
    return status.st_ino, status.st_mtime_ns


def _children(folder: Path) -> list[Path]:
    return [path for path in _inside(folder) if path.is_dir()]


def _inside(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _unreadable(folder, error) from error


def _is_left_over(name: str) -> bool:
    return name.startswith(".") or DAMAGED in name


def _entry(kind: str, folder: Path) -> Entry | None:
    """None: gone by now."""
    try:
        fault = fault_at_a_glance(folder, kind, folder.name)
        files = [path.stat() for path in folder.rglob("*") if path.is_file()]
        manifest = folder / MANIFEST
        made = (manifest if manifest.is_file() else folder).stat().st_mtime
    except FileNotFoundError:
        return None
    return Entry(kind, folder.name, sum(file.st_size for file in files), made, fault)


def _is_about_writing(error: OSError | SafetensorError, aside: Path) -> bool:
    """Whether `make` failed at the entry's own files, and not at what it makes them of."""
    if isinstance(error, SafetensorError):
        return "serializing" in str(error)
    if error.filename is not None:
        return Path(str(error.filename)).is_relative_to(aside)
    return error.errno in UNWRITABLE


@contextmanager
def _writing(folder: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise _unwritable(folder, error) from error


def _unwritable(folder: Path, error: Exception) -> StoreError:
    why = getattr(error, "strerror", None) or str(error)
    return StoreError(f"{folder}: cannot be written ({why}); free space or choose another --root")


def _unreadable(folder: Path, error: OSError) -> StoreError:
    return StoreError(
        f"{folder}: cannot be read ({error.strerror}); mend its permissions or choose "
        "another --root"
    )


def _silent(_: str) -> None:
    """Damaged entries can be seen in `store ls` all the same."""
