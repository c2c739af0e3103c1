"""What other users of a machine may read."""

from pathlib import Path

NOBODY = 65534
"""A user whom permissions bind."""


def let_others_in(folder: Path) -> None:
    """Into a folder of a test, and all above it."""
    for one in (folder, *folder.parents):
        mode = one.stat().st_mode
        if mode & 0o055 != 0o055:
            one.chmod(mode | 0o055)
