"""Checked data: every file of a class decoded once, and its fingerprint remembered below the root.

What was checked is known by the appearance of its files: names, sizes, inodes, times of
modification and of change. The last is the file system's own, so copies that keep their dates
(`rsync -t`, `cp -p`) show all the same. Where the appearance is another one, the content is read
again; where that is as it was, nothing is decoded. docs/results.md says what that rests on.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from moleflow.data.catalog import ClassData, check_pictures, fingerprint
from moleflow.data.dataset_layout import MAX_NAMED
from moleflow.settings import Settings
from orchestration.records.layout import Root
from orchestration.records.notes import SETTLED, keep_note, kept_note, place_of_note
from orchestration.studies.trial_keys import digest

CHECKS_VERSION = 7


class Checked(Settings):
    """`store/checked/<digest>.json`: what was found in the files of a class, by their appearance
    and by their content."""

    fingerprint: str
    told: tuple[str, ...]
    """What a person should know before they are used."""
    cut_off: str
    """What `image.resize=crop` leaves out; empty if nothing."""


class Appearance(NamedTuple):
    """Of the files of a class."""

    name: str
    changed: float
    """When the last of them was, in seconds since 1970."""


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
    start, seen = time.time(), appearance(data)
    note = place_of_note(seen.name, root)
    known = kept_note(note, Checked)
    if known is None:
        known, content = _read(data, root, advance)
        if appearance(data) == seen:
            keep_note(content, known)
            # Of a file that has just been written, the times may be those of its next content too.
            if start - seen.changed > SETTLED:
                keep_note(note, known)
    return known


def kept_fingerprint(data: ClassData, root: Root) -> str | None:
    """Fingerprint of a class that was checked before; nothing is read or written but the note."""
    known = kept_note(place_of_note(appearance(data).name, root), Checked)
    return None if known is None else known.fingerprint


def appearance(data: ClassData) -> Appearance:
    """What tells the files of a class, as they are now, from any others without reading them."""
    seen: list[tuple[str | int, ...]] = []
    changed = 0
    for path in _files(data):
        status = path.stat()
        times = (status.st_mtime_ns, status.st_ctime_ns)
        seen.append((str(path.resolve()), status.st_size, status.st_ino, *times))
        changed = max(changed, status.st_ctime_ns)
    tree = {"version": CHECKS_VERSION, "files": seen, "labels": _labels(data)}
    return Appearance(digest(tree), changed / 1e9)


def _read(
    data: ClassData, root: Root, advance: Callable[[int], None] | None
) -> tuple[Checked, Path]:
    """What is in the files, decoded where this content was not before; and where that is noted."""
    try:
        content = fingerprint(data)
    except OSError:  # decoding says which file it is
        check_pictures(data, advance)
        raise
    # Sentences name files, so what was found depends on where they lie.
    files = [str(path) for path in _files(data)]
    tree = {"version": CHECKS_VERSION, "content": content, "files": files, "labels": _labels(data)}
    note = place_of_note(digest(tree), root)
    known = kept_note(note, Checked)
    if known is None:
        found = check_pictures(data, advance)
        faults, more = found.faults[:MAX_NAMED], len(found.faults) - MAX_NAMED
        rest = [f"and {more} more; see moleflow data check"] if more > 0 else []
        told = (*faults, *rest, *found.remarks)
        known = Checked(fingerprint=content, told=told, cut_off=found.cut_off)
    return known, note


def _files(data: ClassData) -> list[Path]:
    used = [path for picture in (*data.train, *data.test) for path in picture.files]
    return [*used, *data.good_masks]


def _labels(data: ClassData) -> list[int | str]:
    return [len(data.train), *(picture.defect for picture in data.test)]
