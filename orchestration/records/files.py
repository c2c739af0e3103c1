"""Files that a reader finds whole or not at all."""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

from moleflow.errors import StoreError
from moleflow.files import replace_file, replaced_together


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file (text as UTF-8) so that a reader sees the old one or the new one, never a part.

    Raises:
        StoreError: the folder cannot be written (permission, disk full).
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise unwritable(path, error) from None


@contextmanager
def written_together() -> Generator[Callable[[Path], AbstractContextManager[TextIO]], None, None]:
    """What opens files to be written as text in UTF-8, bytes by their `buffer`. All get their names
    at the end: a reader sees each old or new, never a part.

    Raises:
        StoreError: as `write_atomically`; no file is replaced then.
    """
    try:
        with replaced_together() as replaced:

            @contextmanager
            def opened(path: Path) -> Generator[TextIO, None, None]:
                path.parent.mkdir(parents=True, exist_ok=True)
                with replaced(path) as file, TextIOWrapper(file, "utf-8", newline="") as text:
                    yield text

            yield opened
    except OSError as error:
        raise unwritable(error.filename, error) from None


def unwritable(path: object, error: OSError) -> StoreError:
    """What is said of a file below a root folder that cannot be written."""
    reason = error.strerror or str(error)
    return StoreError(
        f"{path}: cannot be written ({reason}); free space or change permissions, or choose "
        "another --root (a copy of this one has its studies)"
    )
