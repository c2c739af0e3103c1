"""A study that is refused leaves a root folder that it would have begun as it was."""

import shutil
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from moleflow.errors import MoleflowError
from orchestration.records.layout import FORMAT_FILE, Root


@contextmanager
def none_left_if_refused(root: Root) -> Generator[None]:
    """Where a block is refused before anything was planned in a root folder that was missing or
    empty, that folder is so again. What others hold or put there meanwhile stays."""
    made = _missing(root.path)
    if not made and not _is_empty(root.path):
        yield
        return
    try:
        yield
    except MoleflowError:
        _empty(root)
        with suppress(OSError):  # not empty, or not ours to remove
            for folder in made:
                folder.rmdir()
        raise


def _missing(path: Path) -> list[Path]:
    """The folder and those above it that do not exist, innermost first."""
    return [folder for folder in (path, *path.parents) if not folder.exists()]


def _is_empty(path: Path) -> bool:
    with suppress(OSError):  # no folder, or one that cannot be listed
        return not any(path.iterdir())
    return False


def _empty(root: Root) -> None:
    """Remove what was kept on the way to a plan, unless somebody claims a stage or has a study."""
    with suppress(OSError):
        for folder in (root.leases, root.path / "studies"):
            if folder.exists():
                folder.rmdir()
        for kept in (root.checked, root.synthetic):
            shutil.rmtree(kept, ignore_errors=True)
        if root.store.exists():
            root.store.rmdir()
        (root.path / FORMAT_FILE).unlink(missing_ok=True)
