"""Checked data: every file of a class decoded once, and its fingerprint remembered below the root.

What was checked is known by names, sizes and modification times, as make knows it: a second run
over the same files decodes and hashes nothing.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from moleflow.data.catalog import ClassData, Picture, check_pictures, fingerprint
from orchestration.layout import Root
from orchestration.ledger import read_json, write_atomically
from orchestration.study import digest

CHECKS_VERSION = 2


def checked_fingerprint(
    data: ClassData, root: Root, advance: Callable[[int], None] | None = None
) -> str:
    """Fingerprint of a class whose pictures and masks can all be read.

    Raises:
        DataError: naming the files that cannot be used.
        StoreError: the root folder cannot be written.
    """
    note = root.store / "checked" / f"{_appearance(data)}.json"
    if note.exists():
        return str(read_json(note)["fingerprint"])
    check_pictures(data, advance)
    found = fingerprint(data)
    write_atomically(note, f'{{"class": "{digest(data.name)}", "fingerprint": "{found}"}}\n')
    return found


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
