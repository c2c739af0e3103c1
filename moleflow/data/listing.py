"""What counts as a picture in a folder: one definition for training, prediction and checks.

A picture is what is called like one and is not hidden, wherever its folder is linked from; whether
it can be opened is told later, by its name.
"""

import os
from pathlib import Path

from moleflow.data.opening import SUFFIXES
from moleflow.errors import DataError

SYSTEM = ("__MACOSX", "@eaDir", "#recycle", "$RECYCLE.BIN", "lost+found")
"""Folders that systems make for themselves beside a person's."""


def is_hidden(name: str) -> bool:
    """Files and folders that no person put there: `._000.png`, `.ipynb_checkpoints` ..."""
    return name.startswith(".") or name in SYSTEM


def is_picture(path: Path) -> bool:
    """Whether a file is called like a picture."""
    return path.suffix.lower() in SUFFIXES


def folders(folder: Path) -> list[Path]:
    """The folders in a folder, sorted, without hidden ones; none if there is no such folder.

    Raises:
        DataError: it may not be read.
    """
    return [path for path, is_folder in listed(folder) if is_folder]


def folder_names(folder: Path) -> set[str]:
    """Names of the folders in a folder; none where it may not be read, which is told later."""
    try:
        return {path.name for path in folders(folder)}
    except DataError:
        return set()


def images(folder: Path) -> list[Path]:
    """The pictures in a folder, sorted, without hidden ones; none if there is no such folder.

    Raises:
        DataError: it may not be read.
    """
    return [path for path, is_folder in listed(folder) if not is_folder and is_picture(path)]


def images_below(folder: Path) -> list[Path]:
    """The pictures in a folder and all folders in it, linked ones too, sorted.

    Raises:
        DataError: one of them may not be read.
    """
    return sorted(_below(folder, ()))


def first_image(folder: Path, depth: int = 6) -> Path | None:
    """A picture in a folder or in folders in it, so many deep; None if there is none.

    Raises:
        DataError: one of them may not be read.
    """
    content = listed(folder)
    here = (path for path, is_folder in content if not is_folder and is_picture(path))
    below = (first_image(path, depth - 1) for path, is_folder in content if is_folder and depth > 1)
    return next(here, None) or next(filter(None, below), None)


def listed(folder: Path) -> list[tuple[Path, bool]]:
    """What is in a folder, sorted, without what is hidden, and whether it is a folder.

    Raises:
        DataError: it may not be read.
    """
    try:
        with os.scandir(folder) as found:
            seen = [(Path(one.path), _is_folder(one)) for one in found if not is_hidden(one.name)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except PermissionError:
        raise DataError(
            f"{folder}: the folder may not be read (permission denied); change its permissions"
        ) from None
    except OSError as error:
        raise DataError(f"{folder}: the folder cannot be read ({error.strerror})") from None
    return sorted(seen)


def _is_folder(found: os.DirEntry[str]) -> bool:
    try:
        return found.is_dir()
    except OSError:  # a link into a folder that may not be entered
        return False


def _below(folder: Path, above: tuple[str, ...]) -> list[Path]:
    place = os.path.realpath(folder)
    if place in above:  # a link to where it lies
        return []
    found: list[Path] = []
    for path, is_folder in listed(folder):
        if is_folder:
            found += _below(path, (*above, place))
        elif is_picture(path):
            found.append(path)
    return found
