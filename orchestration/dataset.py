"""Checked data: every file of a class decoded once, and its fingerprint remembered below the root.

What was checked is known by names, sizes and modification times, as make knows it: a second run
over the same files decodes and hashes nothing.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from moleflow.data.catalog import ClassData, Picture, check_pictures, fingerprint
from moleflow.files import read_regular
from moleflow.sealed import seal, unsealed
from moleflow.settings import Settings
from orchestration.layout import Root
from orchestration.ledger import write_atomically
from orchestration.study import digest

CHECKS_VERSION = 3


class Note(Settings):
    """`store/checked/<appearance>.json`."""

    appearance: str
    """Of the class's files when they were checked."""
    fingerprint: str


def checked_fingerprint(
    data: ClassData, root: Root, advance: Callable[[int], None] | None = None
) -> str:
    """Fingerprint of a class whose pictures and masks can all be read.

    Raises:
        DataError: naming the files that cannot be used.
        StoreError: the root folder cannot be written.
    """
    appearance = _appearance(data)
    path = root.store / "checked" / f"{appearance}.json"
    known = _noted(path, appearance)
    if known:
        return known
    check_pictures(data, advance)
    note = Note(appearance=appearance, fingerprint=fingerprint(data))
    write_atomically(path, seal(note.model_dump_json()))
    return note.fingerprint


def _noted(path: Path, appearance: str) -> str:
    """Empty where there is no note of just these files that can be read: they are checked again."""
    try:
        note = Note.model_validate_json(unsealed(read_regular(path)))
    except (OSError, ValueError):
        return ""
    return note.fingerprint if note.appearance == appearance else ""


def _appearance(data: ClassData) -> str:
    files = [path for picture in (*data.train, *data.test) for path in _files(picture)]
    seen: list[tuple[str, int, int]] = []
    for path in files:
        status = path.stat()
        seen.append((str(path.resolve()), status.st_size, status.st_mtime_ns))
    labels = [len(data.train), *(picture.defect for picture in data.test)]
    return digest({"version": CHECKS_VERSION, "files": seen, "labels": labels})


def _files(picture: Picture) -> Sequence[Path]:
    return [picture.path] if picture.mask is None else [picture.path, picture.mask]
