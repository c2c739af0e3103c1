"""Files that a reader finds whole or not at all."""

from pathlib import Path

from moleflow.errors import StoreError
from moleflow.files import replace_file


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file (text as UTF-8) so that a reader sees the old one or the new one, never a part.

    Raises:
        StoreError: the folder cannot be written (permission, disk full).
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise StoreError(
            f"{path}: cannot be written ({error.strerror}); choose another --root"
        ) from None
