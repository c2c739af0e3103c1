"""Checked data: every file of a class decoded once, and its fingerprint remembered below the root.

What was checked is known by names, sizes and modification times, as make knows it: a second run
over the same files decodes and hashes nothing.
"""

from collections.abc import Callable
from pathlib import Path

from moleflow.data.catalog import ClassData, check_pictures, fingerprint
from moleflow.files import read_regular
from moleflow.sealed import seal, unsealed
from moleflow.settings import Settings
from orchestration.layout import Root
from orchestration.ledger import write_atomically
from orchestration.study import digest

CHECKS_VERSION = 4


class Checked(Settings):
    """`store/checked/<appearance>.json`: what was found in the files of a class."""

    appearance: str
    """Of the files when they were checked."""
    fingerprint: str
    told: tuple[str, ...]
    """What a person should know before they are used."""
    cut_off: str
    """What `image.resize=crop` leaves out; empty if nothing."""


def checked_fingerprint(
    data: ClassData, root: Root, advance: Callable[[int], None] | None = None
) -> str:
    """Fingerprint of a class whose pictures and masks can all be read.

    Raises: see `checked`.
    """
    return checked(data, root, advance).fingerprint


def checked(data: ClassData, root: Root, advance: Callable[[int], None] | None = None) -> Checked:
    """A class whose pictures and masks can all be read.

    Raises:
        DataError: naming the files that cannot be used.
        StoreError: the root folder cannot be written.
    """
    appearance = _appearance(data)
    path = root.store / "checked" / f"{appearance}.json"
    known = _noted(path, appearance)
    if known is not None:
        return known
    found = check_pictures(data, advance)
    note = Checked(
        appearance=appearance,
        fingerprint=fingerprint(data),
        told=(*found.faults, *found.remarks),
        cut_off=found.cut_off,
    )
    write_atomically(path, seal(note.model_dump_json()))
    return note


def _noted(path: Path, appearance: str) -> Checked | None:
    """None where there is no note of just these files that can be read: they are checked again."""
    try:
        note = Checked.model_validate_json(unsealed(read_regular(path)))
    except (OSError, ValueError):
        return None
    return note if note.appearance == appearance else None


def _appearance(data: ClassData) -> str:
    files = [path for picture in (*data.train, *data.test) for path in picture.files]
    seen: list[tuple[str, int, int]] = []
    for path in files:
        status = path.stat()
        seen.append((str(path.resolve()), status.st_size, status.st_mtime_ns))
    labels = [len(data.train), *(picture.defect for picture in data.test)]
    return digest({"version": CHECKS_VERSION, "files": seen, "labels": labels})
