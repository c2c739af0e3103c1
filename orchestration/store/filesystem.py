"""A file system behind a URI: S3, Google Cloud Storage, HDFS, and whatever fsspec speaks.

Arrow's file systems, with what the store needs of them: errors of one kind, and time limits.
"""

# pyarrow.fs and fsspec come without type stubs.
# pyright: reportMissingTypeStubs=false, reportUnknownVariableType=false
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false

import hashlib
import re
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, final
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

import fsspec
from pyarrow import fs as arrow

from moleflow.errors import StoreAwayError, StoreError
from orchestration.hiding import HIDDEN, safe_uri, without
from orchestration.store.address import parts_of

CHUNK = 4 * 2**20
"""Bytes read and written at a time."""
OBJECT_STORES = ("s3", "gcs")
"""Folders are parts of the names of objects, and an object is there whole or not at all."""
S3_OPTIONS = ("region", "scheme", "endpoint_override", "tls_ca_file_path")
TRIES, PATIENCE = 4, 10.0
"""Of an S3 request; seconds."""
FIRST_TRIES, FIRST_PATIENCE = 2, 3.0
"""Of the first S3 request: an address that is wrong shall be known soon."""
GCS_PATIENCE, GCS_FIRST_PATIENCE = 30, 5
"""Of a GCS request and of the first one; seconds."""


@dataclass(frozen=True)
class Listed:
    """A file in a listing."""

    path: str
    """Below the folder that was listed."""
    bytes: int
    modified: float
    """Seconds since 1970; now, where the file system tells no times: it never counts as old."""


@final
class FileSystem:
    """Files below the path of a URI; every error is a StoreError that names the URI."""

    def __init__(self, uri: str):
        """Raises StoreError: the URI is none that can be opened, or nothing answers there."""
        self._uri = _split(uri)
        try:
            with self._told("cannot be reached"):
                self._files, path = _open(self._uri)
        except FileNotFoundError as error:
            raise _refusal(self._uri, "cannot be reached", error) from None
        self._prefix = path.rstrip("/")
        self.whole_at_once = self._files.type_name in OBJECT_STORES
        """Whether a file that is being written cannot be seen before it is whole."""

    @property
    def name(self) -> str:
        """The URI without credentials."""
        return _without_credentials(self._uri)

    @property
    def identity(self) -> str:
        """Sixteen hexadecimal characters, the same for the same URI but for its password."""
        place = self._uri.netloc.replace(f":{self._uri.password}@", "@")
        uri = self._uri._replace(netloc=place).geturl().rstrip("/")
        return hashlib.sha256(uri.encode()).hexdigest()[:16]

    @contextmanager
    def reading(self, path: str) -> Generator[Any]:
        """An open file.

        Raises:
            FileNotFoundError: there is none.
        """
        with self._told("cannot be read"):
            opened = self._files.open_input_stream(self._at(path))
        with opened, self._told("cannot be read"):
            yield opened

    def chunks(self, path: str) -> Iterator[bytes]:
        """Content of a file.

        Raises:
            FileNotFoundError: there is none.
        """
        with self.reading(path) as file:
            while chunk := file.read(CHUNK):
                yield chunk

    def write(self, path: str, content: Iterable[bytes]) -> None:
        with self._told("cannot be written"):
            if not self.whole_at_once:
                self._files.create_dir(self._at(path).rpartition("/")[0], recursive=True)
            with self._files.open_output_stream(self._at(path)) as file:
                for chunk in content:
                    file.write(chunk)

    def move(self, path: str, to: str) -> None:
        with self._told("cannot be written"):
            self._files.move(self._at(path), self._at(to))

    def delete(self, path: str) -> None:
        """A file, where there is one."""
        with self._told("cannot be written"), suppress(FileNotFoundError):
            self._files.delete_file(self._at(path))

    def delete_folder(self, path: str) -> None:
        """All below a path, where there is anything."""
        with self._told("cannot be written"), suppress(FileNotFoundError):
            self._files.delete_dir(self._at(path))

    def listing(self) -> Iterator[Listed]:
        """All files."""
        with self._told("cannot be listed"):
            selector = arrow.FileSelector(self._prefix, recursive=True, allow_not_found=True)
            found = self._files.get_file_info(selector)
        above = len(self._prefix.strip("/"))
        for info in found:
            if info.type == arrow.FileType.File:
                path = str(info.path).strip("/")[above:].strip("/")
                made = time.time() if info.mtime_ns is None else info.mtime_ns / 1e9
                yield Listed(path, int(info.size), made)

    def _at(self, path: str) -> str:
        return f"{self._prefix}/{path}"

    @contextmanager
    def _told(self, what: str) -> Generator[None]:
        """Each protocol has errors of its own: all become one message, without credentials."""
        try:
            yield
        except (FileNotFoundError, StoreError):
            raise
        except Exception as error:
            raise _refusal(self._uri, what, error) from None


def _open(uri: SplitResult) -> tuple[Any, str]:
    """One of Arrow's file systems, which answered, and the path in it."""
    match uri.scheme:
        case "s3":
            path = f"{uri.netloc.rpartition('@')[2]}{unquote(uri.path)}".rstrip("/")
            _look(_s3(uri, FIRST_TRIES, FIRST_PATIENCE), path)
            return _s3(uri, TRIES, PATIENCE), path
        case "gs" | "gcs":
            _look(*_gcs(uri, GCS_FIRST_PATIENCE))
            return _gcs(uri, GCS_PATIENCE)
        case "hdfs" | "viewfs":
            files, path = arrow.FileSystem.from_uri(uri.geturl())
        case _:
            opened, path = fsspec.url_to_fs(uri.geturl())
            files = arrow.PyFileSystem(arrow.FSSpecHandler(opened))
    _look(files, path)
    return files, path


def _s3(uri: SplitResult, tries: int, patience: float) -> Any:
    options = dict(parse_qsl(uri.query))
    unknown = sorted(options.keys() - set(S3_OPTIONS))
    if unknown:
        raise ValueError(f"unknown option {unknown[0]}; known are {', '.join(S3_OPTIONS)}")
    return arrow.S3FileSystem(
        access_key=unquote(uri.username) if uri.username else None,
        secret_key=unquote(uri.password) if uri.password else None,
        connect_timeout=patience,
        request_timeout=patience,
        retry_strategy=arrow.AwsStandardS3RetryStrategy(max_attempts=tries),
        allow_delayed_open=True,
        **options,
    )


def _gcs(uri: SplitResult, patience: int) -> tuple[Any, str]:
    query = "&".join(filter(None, (f"retry_limit_seconds={patience}", uri.query)))
    return arrow.FileSystem.from_uri(uri._replace(query=query).geturl())


def _look(files: Any, path: str) -> None:
    """Ask for something, so that a wrong address is known before anything is computed."""
    bucket = files.type_name in OBJECT_STORES
    found = files.get_file_info(path.split("/")[0] if bucket else path)
    if bucket and found.type == arrow.FileType.NotFound:
        raise ValueError(f"there is no bucket {found.path}")


def _refusal(uri: SplitResult, what: str, error: Exception) -> StoreAwayError:
    why = without((str(error) or type(error).__name__).splitlines()[0], uri.geturl())
    for secret in (uri.password, uri.username):
        if secret:
            why = why.replace(secret, HIDDEN).replace(unquote(secret), HIDDEN)
    return StoreAwayError(
        f"{_without_credentials(uri)}: {what} ({why}); check the address, the network and the "
        "credentials in the environment (S3: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)"
    )


def _without_credentials(uri: SplitResult) -> str:
    """With credentials that are all of them left out, a user's name too."""
    _, at, place = uri.netloc.rpartition("@")
    shown = uri._replace(netloc=f"{HIDDEN}@{place}" if at else place, query="", fragment="")
    return shown.geturl() + safe_uri(f"?{uri.query}" if uri.query else "")


def _split(uri: str) -> SplitResult:
    """Secret keys are often written as they are, and may hold what ends a part of a URI."""
    with suppress(ValueError):
        found = urlsplit(uri)
        if "@" in found.netloc or ":" not in found.netloc:
            return found
    scheme, _, rest = uri.partition("://")
    before, mark, query = rest.partition("?")
    user, at, place = before.rpartition("@")
    user = re.sub(r"[/#\[\]@]", lambda letter: quote(letter[0], safe=""), user)
    return parts_of(f"{scheme}://{user}{at}{place}{mark}{query}")
