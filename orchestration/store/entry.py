"""An entry of the store: files, and a manifest of their sizes and checksums that makes them whole.

The only place that knows the manifest. A folder is an entry once its manifest is in it. It says of
which kind and key the entry is, and ends with a checksum of its own: one that was exchanged or
changed is as damaged as one whose files were.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol

from pydantic import ValidationError, field_validator

from moleflow.errors import StoreError
from moleflow.files import read_regular
from moleflow.sealed import seal as sealed
from moleflow.sealed import unsealed
from moleflow.settings import Settings

MANIFEST = "manifest.json"
CHUNK = 4 * 2**20
"""Bytes read at a time."""

NOTES = "checked"
"""A folder beside the kinds that holds no entries (`orchestration.records.dataset`)."""
DAY = 86400.0
"""Seconds after which what a writer wrote aside counts as left behind."""

REQUIRED: Mapping[str, frozenset[str]] = {
    "features": frozenset({"train.safetensors", "test.safetensors"}),
    "base": frozenset({"stage.json", "bank.safetensors", "base.safetensors", "made.json"}),
    "adapter": frozenset({"stage.json", "bank.safetensors", "made.json"}),
    "scores": frozenset({"scores.safetensors"}),
    "defects": frozenset({"defects.safetensors", "made.json"}),
    "metrics": frozenset({"metrics.json"}),
    "contributions": frozenset({"contributions.safetensors"}),
}
"""Files without which an entry of a kind is none."""

NO_FOLDER_FLUSH = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS)


class Readable(Protocol):
    """What a file here and a stream from elsewhere have in common."""

    def read(self, nbytes: int, /) -> bytes: ...


@dataclass(frozen=True)
class Entry:
    """What `store ls` and `store gc` know of an entry, or of what is left of one."""

    kind: str
    key: str
    """Of a leftover: the name of its folder, `.<key>.<hex>` or `<key>.damaged-<hex>`."""
    bytes: int
    modified: float
    """When its manifest was written, seconds since 1970."""
    fault: str = ""
    """What is wrong with it; empty where nothing is known to be."""

    @property
    def damaged(self) -> bool:
        return bool(self.fault)


class Sum(Settings):
    """Of one file."""

    size: int
    sha256: str


class Manifest(Settings):
    """Says which entry it is of and what that holds, and so when it is whole."""

    kind: str
    key: str
    files: dict[str, Sum]
    """By path below the entry's folder."""
    part: str = ""
    """In a remote store: the folder below the entry's in which one writer put its files."""

    @field_validator("files")
    @classmethod
    def _below(cls, files: dict[str, Sum]) -> dict[str, Sum]:
        for name in files:
            path = PurePosixPath(name)
            if path.is_absolute() or not path.parts or ".." in path.parts:
                raise ValueError(f"{name!r} does not lie below the entry's folder")
        return files

    @field_validator("part")
    @classmethod
    def _one_name(cls, part: str) -> str:
        if "/" in part or part == "..":
            raise ValueError(f"{part!r} is not the name of a folder")
        return part

    @property
    def bytes(self) -> int:
        return sum(file.size for file in self.files.values())


def read_manifest(content: bytes, kind: str, key: str) -> Manifest | str:
    """The manifest of an entry, or what is wrong with it."""
    try:
        manifest = Manifest.model_validate_json(unsealed(content))
    except ValidationError:
        return f"{MANIFEST} is not a manifest"
    except ValueError as error:
        return f"{MANIFEST} {error}"
    if (manifest.kind, manifest.key) != (kind, key):
        return f"{MANIFEST} is that of {manifest.kind}/{manifest.key}"
    missing = REQUIRED.get(kind, frozenset()) - manifest.files.keys()
    if missing or not manifest.files:
        return f"{MANIFEST} names no {', '.join(sorted(missing)) or 'file'}"
    return manifest


def written_manifest(manifest: Manifest) -> bytes:
    """A manifest file's content."""
    return sealed(manifest.model_dump_json(indent=1, exclude_defaults=True))


def write_manifest(folder: Path, manifest: Manifest) -> None:
    with (folder / MANIFEST).open("wb") as file:
        file.write(written_manifest(manifest))
        file.flush()
        os.fsync(file.fileno())


def seal(folder: Path, kind: str, key: str) -> None:
    """Make a folder of files an entry: all flushed to disk, then the manifest written.

    Some libraries make files for their user alone; whoever may read the manifest may read them all.
    """
    files: dict[str, Sum] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            files[path.relative_to(folder).as_posix()] = _sum(file)
            os.fsync(file.fileno())
    assert REQUIRED.get(kind, frozenset()) <= files.keys(), (kind, sorted(files))
    write_manifest(folder, Manifest(kind=kind, key=key, files=files))
    mode = stat.S_IMODE((folder / MANIFEST).stat().st_mode)
    for path in map(folder.joinpath, files):
        if stat.S_IMODE(path.stat().st_mode) != mode:
            path.chmod(mode)
    flush_folder(folder)


def flush_folder(folder: Path) -> None:
    """Flush the names in a folder to disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in NO_FOLDER_FLUSH:
            raise
    finally:
        os.close(handle)


def fault_of(folder: Path, kind: str, key: str) -> str:
    """What is wrong with an entry in a folder, all of it read; empty when it is whole.

    Raises:
        StoreError: that it cannot be read is no damage (permission, too many open files).
    """
    manifest = manifest_in(folder, kind, key)
    if isinstance(manifest, str):
        return manifest
    return fault_among(manifest, lambda name: _opened(folder / name))


def _opened(path: Path) -> BinaryIO:
    """Raises:
    FileNotFoundError: there is none, or something that is no file, such as a pipe.
    """
    if not path.is_file():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    return path.open("rb")


def fault_at_a_glance(folder: Path, kind: str, key: str) -> str:
    """Like `fault_of`, by names and sizes alone."""
    manifest = manifest_in(folder, kind, key)
    if isinstance(manifest, str):
        return manifest
    for name, said in manifest.files.items():
        path = folder / name
        if not path.is_file():
            return f"{name} is missing"
        if path.stat().st_size != said.size:
            return f"{name} has not the {said.size} bytes that its manifest says"
    return ""


def manifest_in(folder: Path, kind: str, key: str) -> Manifest | str:
    """The manifest of a folder, or what is wrong with it."""
    path = folder / MANIFEST
    try:
        return read_manifest(read_regular(path), kind, key)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return f"{MANIFEST} is missing"
    except OSError as error:
        return _damage(path, error) if path.is_file() else f"{MANIFEST} {error.strerror}"


def fault_among(
    manifest: Manifest, opened: Callable[[str], AbstractContextManager[Readable]]
) -> str:
    """The first file that is not what the manifest says; empty when all are."""
    for name, said in manifest.files.items():
        try:
            with opened(name) as file:
                found = _sum(file)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return f"{name} is missing"
        except OSError as error:
            return _damage(Path(name), error)
        if found.size != said.size:
            return f"{name} has {found.size} bytes instead of {said.size}"
        if found.sha256 != said.sha256:
            return f"{name} does not match its SHA-256"
    return ""


def _sum(file: Readable) -> Sum:
    size, digest = 0, hashlib.sha256()
    while chunk := file.read(CHUNK):
        size += len(chunk)
        digest.update(chunk)
    return Sum(size=size, sha256=digest.hexdigest())


def _damage(path: Path, error: OSError) -> str:
    if error.errno == errno.EIO:
        return f"{path.name} cannot be read ({error.strerror})"
    raise StoreError(
        f"{error.filename or path}: cannot be read ({error.strerror or error}); mend its "
        "permissions or the file system, or choose another --root"
    ) from error
