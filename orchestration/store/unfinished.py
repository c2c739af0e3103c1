"""Files and folders of a root folder that killed processes never gave their names.

Whatever is written below a root folder is written under `.<name>.<32 hexadecimal digits>` and then
renamed. A process that is killed in between leaves that behind, a whole saved model at worst.
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from orchestration.records.layout import Root, StudyFolder
from orchestration.store.lease import active
from orchestration.store.processes import is_of_the_dead

UNFINISHED = re.compile(r"\.(.+\.)?[0-9a-f]{32}(-journal)?")
"""Such a name; of a database that is being made, its journal too."""


def clear_unfinished(root: Root, folder: StudyFolder, since: int) -> None:
    """Delete what nobody writes any more, at the end of a study whose trials have all ended.

    What trials write is theirs alone, and no wave is ever used again. The rest is let be where it
    is younger than the study's driver, for commands such as `moleflow report` write there too; and
    what studies share, where another one is at work. Of the store, which other commands and root
    folders may write to, what processes wrote that are known to be dead; `moleflow store gc`
    deletes the rest after a day.

    Args:
        since: when the driver took the study on, by the clock of the root folder's file system,
            in nanoseconds.
    """
    for path in (folder.waves, *_unfinished(folder.trials, depth=3)):
        _delete(path)
    for place, depth in ((folder.path, 2), (folder.report, 3)):
        _delete_older(place, depth, since)
    for store in (root.store, root.cache):
        for path in _unfinished(store, depth=4):
            if is_of_the_dead(path.name[-32:]):
                _delete(path)
    others = [one.name for one in active(root.leases) if one.name != f"driver/{folder.name}"]
    if others:
        return
    _delete_older(root.path, 1, since)
    _delete_older(root.leases, 1, since)


def _delete_older(place: Path, depth: int, since: int) -> None:
    for path in _unfinished(place, depth):
        with suppress(OSError):
            if path.lstat().st_mtime_ns < since:
                _delete(path)


def _unfinished(place: Path, depth: int) -> Iterator[Path]:
    """In a folder, and in those below it, so many deep."""
    try:
        with os.scandir(place) as found:
            entries = list(found)
    except OSError:  # there is none, or it cannot be read: then nothing can be deleted
        return
    for entry in entries:
        if UNFINISHED.fullmatch(entry.name):
            yield Path(entry.path)
        elif depth > 1 and entry.is_dir(follow_symlinks=False):
            yield from _unfinished(Path(entry.path), depth - 1)


def _delete(path: Path) -> None:
    """What cannot be deleted stays: it is in nobody's way."""
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
