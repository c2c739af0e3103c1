"""What must be known of a database before MLflow opens it. Imports no MLflow."""

import errno
import os
import sqlite3
import uuid
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from moleflow.files import flush, set_aside
from orchestration.tracking.address import scheme_of

PATIENCE = 5
"""Seconds for a database server to answer."""


def sqlite_file(uri: str) -> Path | None:
    """The file of a SQLite URI; none for another database."""
    name = make_url(uri).database
    return Path(name) if scheme_of(uri) == "sqlite" and name else None


def check_can_be_made(file: Path) -> None:
    """Raises:
    PermissionError: the first of its folders that exists cannot be written.
    """
    there = next(folder for folder in file.absolute().parents if folder.exists())
    if not os.access(there, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(there))


def make_once(path: Path, make: Callable[[Path], None]) -> None:
    """Make a file aside and give it its name when it is whole, unless another process was first.

    MLflow makes its tables in dozens of steps; two processes doing so in one file break it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        make(aside)
        flush(aside)
        try:
            path.hardlink_to(aside)
        except FileExistsError:
            return
        except OSError:  # a file system without links; between these two lines lie microseconds
            if not path.exists():
                aside.rename(path)
    finally:
        aside.unlink(missing_ok=True)


def set_damaged_aside(file: Path) -> str:
    """Make a damaged SQLite file one that is not there; returns what to tell, or nothing.

    For one that can be made again. A file that cannot be looked into just now is let be.
    """
    damage = _damage(file)
    if not damage:
        return ""
    aside = set_aside(file)
    with suppress(FileNotFoundError):
        file.with_name(f"{file.name}-journal").rename(f"{aside}-journal")
    return f"{file}: damaged ({damage}); set aside as {aside.name}, and made anew"


def _damage(file: Path) -> str:
    try:
        with closing(sqlite3.connect(file, timeout=0)) as database:
            found = "".join(line for (line,) in database.execute("pragma quick_check(1)"))
    except sqlite3.OperationalError:  # locked, or it may not be read
        return ""
    except sqlite3.DatabaseError as error:
        found = str(error)
    return "" if found == "ok" else found.splitlines()[-1]


def ask(uri: str) -> None:
    """Connect once: MLflow itself would try for minutes.

    Raises:
        SQLAlchemyError: no answer, or not this user.
        ImportError: the driver is not installed.
    """
    limits = {"postgresql": "connect_timeout", "mysql": "connect_timeout", "mssql": "timeout"}
    limit = limits.get(scheme_of(uri))
    engine = create_engine(uri, connect_args={limit: PATIENCE} if limit else {})
    try:
        with engine.connect() as connection:
            connection.execute(text("select 1"))
    finally:
        engine.dispose()
