"""Checked data: every file of a class decoded once, and its fingerprint remembered below the root.

What was checked is known by names, sizes and modification times, as make knows it: a second run
over the same files decodes and hashes nothing.
"""

from collections.abc import Callable

from moleflow.data.catalog import ClassData, check_pictures, fingerprint
from moleflow.settings import Settings
from orchestration.records.layout import Root
from orchestration.records.notes import keep_note, kept_note, place_of_note
from orchestration.studies.trial_keys import digest

CHECKS_VERSION = 4


class Checked(Settings):
    """`store/checked/<appearance>.json`: what was found in the files of a class."""

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
    note = place_of_note(_appearance(data), root)
    known = kept_note(note, Checked)
    if known is None:
        found = check_pictures(data, advance)
        known = Checked(
            fingerprint=fingerprint(data),
            told=(*found.faults, *found.remarks),
            cut_off=found.cut_off,
        )
        keep_note(note, known)
    return known


def kept_fingerprint(data: ClassData, root: Root) -> str | None:
    """Fingerprint of a class that was checked before; nothing is read or written but the note."""
    known = kept_note(place_of_note(_appearance(data), root), Checked)
    return None if known is None else known.fingerprint


def _appearance(data: ClassData) -> str:
    files = [path for picture in (*data.train, *data.test) for path in picture.files]
    seen: list[tuple[str, int, int]] = []
    for path in files:
        status = path.stat()
        seen.append((str(path.resolve()), status.st_size, status.st_mtime_ns))
    labels = [len(data.train), *(picture.defect for picture in data.test)]
    return digest({"version": CHECKS_VERSION, "files": seen, "labels": labels})
