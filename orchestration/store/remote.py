"""Entries of a store that is not a folder.

    <kind>/<ab>/<key>/<part>/…             files of one writer
    <kind>/<ab>/<key>/manifest.json        written last: names the part, and its files' checksums

Object stores cannot rename. So each writer has a part of its own, and the manifest, one object
written at once, decides: nobody ever writes over a file that somebody may be reading.
"""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import final

from orchestration.store.entry import (
    CHUNK,
    DAY,
    MANIFEST,
    NOTES,
    Entry,
    Manifest,
    fault_among,
    manifest_in,
    read_manifest,
    written_manifest,
)
from orchestration.store.filesystem import FileSystem, Listed


@dataclass(frozen=True)
class _Place:
    """What a listing shows of one key."""

    manifest: Listed | None
    parts: dict[str, list[Listed]]


@final
class Remote:
    """What lies behind a store's folder of copies."""

    def __init__(self, files: FileSystem, warn: Callable[[str], None]):
        """
        Args:
            warn: told once of each damaged entry.
        """
        self._files = files
        self._warn = warn

    def manifest(self, kind: str, key: str) -> Manifest | None:
        """Of an entry that is there; one that is no manifest is deleted and counts as not there."""
        found = self._manifest(kind, key)
        if isinstance(found, str):
            self.discard(kind, key, None, found)
            return None
        return found

    def fetch(self, kind: str, key: str, manifest: Manifest, into: Path) -> None:
        """Download the files of an entry; one that is missing there is empty here."""
        for name in manifest.files:
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            with (into / name).open("wb") as file, suppress(FileNotFoundError):
                for chunk in self._files.chunks(f"{_folder(kind, key)}/{manifest.part}/{name}"):
                    file.write(chunk)

    def put(self, kind: str, key: str, folder: Path) -> None:
        """Upload an entry, its manifest last. One that is there already stays."""
        manifest = manifest_in(folder, kind, key)
        assert isinstance(manifest, Manifest), manifest  # it has just been sealed
        there, part = _folder(kind, key), uuid.uuid4().hex
        for name in manifest.files:
            self._files.write(f"{there}/{part}/{name}", _chunks(folder / name))
        if self.manifest(kind, key) is not None:
            self._files.delete_folder(f"{there}/{part}")
            return
        content = written_manifest(manifest.model_copy(update={"part": part}))
        if self._files.whole_at_once:
            self._files.write(f"{there}/{MANIFEST}", [content])
        else:
            self._files.write(f"{there}/{part}.json", [content])
            self._files.move(f"{there}/{part}.json", f"{there}/{MANIFEST}")

    def fault_of(self, kind: str, key: str) -> str | None:
        """What is wrong with an entry, all of it read; empty when it is whole, None: not there."""
        manifest = self._manifest(kind, key)
        if manifest is None or isinstance(manifest, str):
            return manifest
        folder = f"{_folder(kind, key)}/{manifest.part}"
        return fault_among(manifest, lambda name: self._files.reading(f"{folder}/{name}"))

    def discard(self, kind: str, key: str, part: str | None, fault: str) -> None:
        """Delete a damaged entry and say so; another writer's entry in its place stays.

        Args:
            part: in which the damage is; None: whichever the manifest names.
        """
        found = self._manifest(kind, key)
        there = found.part if isinstance(found, Manifest) else None
        if found is None or part not in (None, there):
            return
        self._files.delete(f"{_folder(kind, key)}/{MANIFEST}")
        if there:
            self._files.delete_folder(f"{_folder(kind, key)}/{there}")
        self._warn(
            f"{self._files.name}: {kind}/{key} is damaged ({fault}); deleted there, "
            "will be made anew"
        )

    def read(self, kind: str, key: str, name: str) -> bytes | None:
        """A file of an entry; None: it is not there."""
        found = self._manifest(kind, key)
        if not isinstance(found, Manifest) or name not in found.files:
            return None
        return b"".join(self._files.chunks(f"{_folder(kind, key)}/{found.part}/{name}"))

    def entries(self) -> Iterator[Entry]:
        """All that have a manifest; what it says of them is not checked."""
        for (kind, key), place in self._places().items():
            if place.manifest is not None:
                files = [place.manifest, *place.parts.get(self._live(kind, key, place), [])]
                size = sum(file.bytes for file in files)
                yield Entry(kind, key, size, place.manifest.modified)

    def leftovers(self) -> Iterator[Entry]:
        """Parts that no manifest names, after a day."""
        for (kind, key), place in self._places().items():
            live = self._live(kind, key, place)
            for part, files in place.parts.items():
                made = max(file.modified for file in files)
                if part != live and time.time() - made > DAY:
                    size = sum(file.bytes for file in files)
                    yield Entry(kind, f".{key}.{part}", size, made, "never finished")

    def remove(self, kind: str, key: str) -> None:
        """Delete an entry, its manifest first; or, with the name of a leftover, one part."""
        if key.startswith("."):
            key, _, part = key[1:].rpartition(".")
            self._files.delete_folder(f"{_folder(kind, key)}/{part}")
            return
        self._files.delete(f"{_folder(kind, key)}/{MANIFEST}")
        self._files.delete_folder(_folder(kind, key))

    def _manifest(self, kind: str, key: str) -> Manifest | str | None:
        """None: not there; text: what is wrong with it."""
        try:
            content = b"".join(self._files.chunks(f"{_folder(kind, key)}/{MANIFEST}"))
        except FileNotFoundError:
            return None
        return read_manifest(content, kind, key)

    def _live(self, kind: str, key: str, place: _Place) -> str:
        """The part that the manifest names; read only where it is not clear."""
        if place.manifest is None:
            return ""
        if len(place.parts) == 1:
            return next(iter(place.parts))
        manifest = self._manifest(kind, key)
        return manifest.part if isinstance(manifest, Manifest) else ""

    def _places(self) -> dict[tuple[str, str], _Place]:
        found: dict[tuple[str, str], _Place] = {}
        for file in self._files.listing():
            kind, *names = file.path.split("/")
            if kind == NOTES or len(names) < 3:
                continue
            _, key, *rest = names
            place = found.setdefault((kind, key), _Place(None, {}))
            if rest == [MANIFEST]:
                found[kind, key] = _Place(file, place.parts)
            elif len(rest) > 1:
                place.parts.setdefault(rest[0], []).append(file)
        return found


def _folder(kind: str, key: str) -> str:
    return f"{kind}/{key[:2]}/{key}"


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk
