"""Whose a run is, in a tracking store that several people use: the root folder's that made it."""

import getpass
import platform
import re
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import final

from moleflow.errors import StoreError
from moleflow.files import read_regular
from orchestration.records.layout import Root
from orchestration.tracking.mlflow.database import make_once

OWNER, PLACE, USER = "moleflow.owner", "moleflow.root", "mlflow.user"
"""Tags of an experiment and of runs; MLflow's view shows the last one as the one who made a run."""


@final
@dataclass(frozen=True)
class Owner:
    """A root folder as others see it in the store."""

    id: str
    place: str
    """Host and path, for people: the id alone decides, since folders are moved."""
    user: str

    @property
    def tags(self) -> dict[str, str]:
        return {OWNER: self.id, PLACE: self.place, USER: self.user}


def owner_of(root: Root) -> Owner:
    """The owner that a root folder is, made at its first use.

    Raises:
        StoreError: the file that says so is damaged, or cannot be made.
    """
    try:
        if not root.owner.exists():
            make_once(root.owner, _make)
        found = read_regular(root.owner, most=100).decode("ascii", "replace").strip()
    except OSError as error:
        raise StoreError(f"{root.owner}: {error.strerror or error}") from None
    if not re.fullmatch(r"[0-9a-f]{32}", found):
        raise StoreError(
            f"{root.owner}: says no owner; delete the file: the tracking store then gets runs of "
            "its own from this root folder, beside those that it made before"
        )
    return Owner(found, f"{platform.node()}:{root.path}", _user())


def _make(file: Path) -> None:
    file.write_text(f"{uuid.uuid4().hex}\n", encoding="ascii")


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a number without a name, as containers have
        return "unknown"
