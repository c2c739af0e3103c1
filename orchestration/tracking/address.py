"""Where a tracking store is, and how it is named at the command line."""

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from moleflow.errors import StudyError
from orchestration.hiding import safe_uri
from orchestration.records.layout import Root

DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
SERVERS = ("http", "https")


def default_uri(root: Root) -> str:
    return sqlite_uri(root.mlflow_db)


def sqlite_uri(file: Path) -> str:
    """Only what a URI would misread is escaped: MLflow makes the folders of a SQLite URI as they
    are written."""
    path = re.sub(r"%(?=[0-9A-Fa-f]{2})", "%25", str(file)).replace("?", "%3F")
    return f"sqlite:///{path}"


def check_uri(uri: str, named_by: str = "--mlflow-uri") -> str:
    """The URI, if MLflow can write there; a file's path is made absolute, for processes that are
    elsewhere.

    Args:
        named_by: option or variable that it came from.

    Raises:
        StudyError: it is of another kind, or malformed.
    """
    fault = ""
    if scheme_of(uri) not in (*DATABASES, *SERVERS) or "://" not in uri:
        fault = "not a tracking store"
    elif not _is_well_formed(uri):
        fault = "not a URI: look at its brackets and its port, and escape :, / and @ in passwords"
    elif _is_in_memory(uri):
        fault = "a database in memory, which nobody else would see, names no file"
    if fault:
        raise StudyError(
            f"{named_by} {safe_uri(uri)}: {fault}; use sqlite:////path/mlflow.db, postgresql://…, "
            "mysql://… or the http(s):// address of a tracking server"
        )
    return _absolute(uri)


def _is_in_memory(uri: str) -> bool:
    """SQLite's for want of a file's name."""
    path = uri.partition("://")[2].removeprefix("/").partition("?")[0]
    return scheme_of(uri) == "sqlite" and path in ("", ":memory:", "file::memory:")


def check_driver(uri: str) -> str:
    """The URI, if what speaks with its database is installed.

    Raises:
        StudyError: it is not.
    """
    if scheme_of(uri) not in (*SERVERS, "sqlite"):
        from sqlalchemy.engine import make_url
        from sqlalchemy.exc import ArgumentError

        try:
            make_url(uri).get_dialect().import_dbapi()
        except (ImportError, ArgumentError) as error:
            raise StudyError(
                f"--mlflow-uri {safe_uri(uri)}: install the driver ({error})"
            ) from None
    return uri


def _absolute(uri: str) -> str:
    scheme, separator, path = uri.partition(":///")
    if scheme_of(uri) != "sqlite" or not separator or path.startswith(("/", "file:")):
        return uri
    file, mark, query = path.partition("?")
    return f"{scheme}:///{Path(file).absolute()}{mark}{query}" if file else uri


def _is_well_formed(uri: str) -> bool:
    if is_server(uri):
        try:
            parts = urlsplit(uri)
            return bool(parts.hostname) and parts.port != 0
        except ValueError:
            return False
    # It takes a quarter of a second to load, and most stores are the root folder's own.
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        port = make_url(uri).port
        return port is None or 0 < port < 2**16
    except (ValueError, ArgumentError):
        return False


def scheme_of(uri: str) -> str:
    """`postgresql` of `postgresql+psycopg2://…`."""
    return uri.partition(":")[0].partition("+")[0].lower()


def is_server(uri: str) -> bool:
    return scheme_of(uri) in SERVERS


def store_options(uri: str | None, root: Root) -> tuple[str, ...]:
    """Options of the command line that name a store; none: the root folder's own."""
    return ("--root", str(root.path), *(() if uri is None else ("--mlflow-uri", safe_uri(uri))))


def sync_command(study: str, options: Sequence[str]) -> str:
    """The command that brings a store up to date with a study; `options` as of `store_options`."""
    return shlex.join(["moleflow", "sync", study, *options])


def ui_command(uri: str | None, root: Root) -> str:
    """The command that opens MLflow's own view; for a tracking server, its address."""
    if uri is not None and is_server(uri):
        return safe_uri(uri)
    return shlex.join(["moleflow", "ui", *store_options(uri, root)])
