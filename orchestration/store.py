"""Content-addressed results of stages: `store/<kind>/<ab>/<key>/`, whole and checked, or not there.

An entry is a folder with a manifest of sizes and checksums. It is written aside and renamed, so two
writers of one key are harmless and a killed writer leaves nothing that a reader would take.
"""

import hashlib
import json
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

from moleflow.errors import StoreError

MANIFEST = "manifest.json"


class Store:
    """Results of stages on a file system that all trials see."""

    def __init__(self, path: Path):
        self._path = path
        self._verified: set[Path] = set()

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
        return self._publish(kind, key, make), True

    def find(self, kind: str, key: str) -> Path | None:
        """Folder of a whole entry; a damaged one is set aside and counts as not there."""
        folder = self._folder(kind, key)
        if folder in self._verified:
            return folder
        if not folder.exists():
            return None
        if _is_whole(folder):
            self._verified.add(folder)
            return folder
        folder.rename(folder.with_name(f"{key}.damaged-{uuid.uuid4().hex[:8]}"))
        return None

    def _publish(self, kind: str, key: str, make: Callable[[Path], None]) -> Path:
        folder = self._folder(kind, key)
        aside = folder.with_name(f".{key}.{uuid.uuid4().hex}")
        try:
            aside.mkdir(parents=True)
            make(aside)
            _write_manifest(aside)
            try:
                aside.rename(folder)
            except OSError:
                if self.find(kind, key) is None:
                    raise
        except OSError as error:
            why = error.strerror or str(error)
            raise StoreError(
                f"{folder}: cannot be written ({why}); free space or choose another --root"
            ) from error
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        self._verified.add(folder)
        return folder

    def _folder(self, kind: str, key: str) -> Path:
        return self._path / kind / key[:2] / key


def _write_manifest(folder: Path) -> None:
    files = {
        path.name: {"size": path.stat().st_size, "sha256": _sha256(path)}
        for path in sorted(folder.iterdir())
    }
    (folder / MANIFEST).write_text(json.dumps({"files": files}, indent=1), encoding="utf-8")


def _is_whole(folder: Path) -> bool:
    try:
        files = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
        return all(
            (folder / name).stat().st_size == said["size"]
            and _sha256(folder / name) == said["sha256"]
            for name, said in files.items()
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
