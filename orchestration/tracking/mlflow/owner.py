"""Whose a run is, in a tracking store that several people use: the root folder's that made it."""

import getpass
import platform
import re
import shlex
import sqlite3
import uuid
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import final

from moleflow.errors import StoreError
from moleflow.files import read_regular
from orchestration.records.layout import Root
from orchestration.tracking.address import default_uri
from orchestration.tracking.mlflow.database import make_once
from orchestration.tracking.tracker import TrackerRefused

OWNER, PLACE, USER = "moleflow.owner", "moleflow.root", "mlflow.user"
"""Tags of an experiment and of runs; MLflow's view shows the last one as the one who made a run."""
ID = re.compile(r"[0-9a-f]{32}")


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
        if isinstance(error, PermissionError):
            said = f"{root.owner}: {error.strerror}; mend its permissions"
            raise StoreError(said) from None
        raise _damaged(root, str(error.strerror or error)) from None
    if not ID.fullmatch(found):
        raise _damaged(root, "says no owner")
    return Owner(found, f"{platform.node()}:{root.path}", _user())


def refuse_copy(root: Root, uri: str, places: Iterable[str]) -> None:
    """A copy of a root folder has the owner mark of the one that it was made of, whose runs it
    would end and relabel in a store that both use.

    Args:
        places: where the owner's runs in the store were made, as `Owner.place`.

    Raises:
        TrackerRefused: the folder is there, has the same mark, and is another one.
    """
    if uri == default_uri(root):
        return
    for place in places:
        other = Root(Path(place.partition(":")[2] or root.path))
        with suppress(OSError):
            same = read_regular(other.owner, most=100) == read_regular(root.owner, most=100)
            if same and not other.path.samefile(root.path):
                raise TrackerRefused(
                    f"{root.path} is a copy of {other.path}, whose runs these are; to give the "
                    f"copy runs of its own: rm {shlex.quote(str(root.owner))}"
                )


def _damaged(root: Root, why: str) -> StoreError:
    """The remedy that makes no run a second time, where the root folder's own database tells it."""
    file = shlex.quote(str(root.owner))
    clear = f"rm -r {file}" if root.owner.is_dir() else f"rm {file}"
    known = _owners_in(root.mlflow_db)
    if len(known) == 1:
        return StoreError(
            f"{root.owner}: damaged ({why}); write it anew, as {root.mlflow_db.name} has it, with: "
            f"{clear}; echo {known[0]} > {file}"
        )
    return StoreError(
        f"{root.owner}: damaged ({why}); write the tag {OWNER} of this root folder's runs into it, "
        f"or delete it with: {clear}; the tracking store then gets runs of its own from this root "
        "folder, beside those that it made before"
    )


def _owners_in(database: Path) -> list[str]:
    """Of the runs that a root folder's own database holds."""
    if not database.is_file():
        return []
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as opened:
            rows = opened.execute("select distinct value from tags where key = ?", (OWNER,))
            return [value for (value,) in rows if ID.fullmatch(value)]
    except sqlite3.Error:
        return []


def _make(file: Path) -> None:
    file.write_text(f"{uuid.uuid4().hex}\n", encoding="ascii")


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a number without a name, as containers have
        return "unknown"
