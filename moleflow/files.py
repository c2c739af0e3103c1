"""Files that are whole or not there, and files that are files."""

import errno
import os
import shutil
import stat
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO

DAMAGED = ".damaged-"
"""In the name of what was set aside."""
FLUSHED_AT_ONCE = 4
"""Files: a disk writes several as fast as one, and what writes the next need not wait."""
STUMBLES = frozenset(
    number
    for name in ("EIO", "ESTALE", "ETIMEDOUT", "ENOTCONN", "EHOSTDOWN", "EREMOTEIO", "ENETDOWN",
                 "ENETUNREACH", "EHOSTUNREACH", "ECONNRESET", "EAGAIN", "EINTR", "ENOLCK")
    if (number := getattr(errno, name, None)) is not None
)  # fmt: skip
"""What a file system on a network says when it is away for a moment: asked again, it may answer."""


def is_text(name: str) -> bool:
    """Whether a name can be written down: on most systems it may be any bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def shown(name: str | Path) -> str:
    """A name, or a sentence with one, that may be no text, as text."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def replace_file(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, never a part. A folder in its
    place is set aside.

    Raises:
        OSError: its folder is missing or cannot be written; the old file is left as it was.
    """
    aside = _unnamed(path)
    try:
        with aside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        put_in_place(aside, path)
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def replaced_together() -> Iterator[Callable[[Path], AbstractContextManager[BinaryIO]]]:
    """What opens files to be written, that all get their names at the end, when the content of
    each is on the disk. A reader sees old ones or new ones, never a part of one; a folder in the
    place of one is set aside.

    Raises:
        OSError: one cannot be written, and names it; the old ones are left as they were.
    """
    asides: list[Path] = []
    written: list[tuple[Path, Path, Future[None]]] = []
    try:
        with ThreadPoolExecutor(FLUSHED_AT_ONCE) as workers:

            @contextmanager
            def opened(path: Path) -> Iterator[BinaryIO]:
                aside = _unnamed(path)
                asides.append(aside)
                with _naming(path, aside), aside.open("wb") as file:
                    yield file
                written.append((aside, path, workers.submit(flush, aside)))

            yield opened
            for aside, path, flushed in written:
                with _naming(path, aside):
                    flushed.result()
        for aside, path, _ in written:
            with _naming(path, aside):
                put_in_place(aside, path)
    finally:
        for aside in asides:
            aside.unlink(missing_ok=True)


@contextmanager
def _naming(path: Path, aside: Path) -> Iterator[None]:
    """Errors name this file, and not the one that was to become it."""
    try:
        yield
    except OSError as error:
        if error.filename not in (None, aside, str(aside)):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def flush(place: Path) -> None:
    """Bring a file, or all files of a folder, to the disk: what is renamed before that may be cut
    off by a loss of power, under its new name."""
    for path in (place, *place.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())


@contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """A folder to write to that gets this name once all of it is on the disk; an old one goes then.
    A reader sees the old one, none or the new one, never a part; of two processes that do this at
    once, what the later one wrote is there.

    Raises:
        OSError: it cannot be written; the old one is left as it was.
    """
    aside = _unnamed(folder)
    try:
        aside.mkdir(parents=True)
        yield aside
        flush(aside)
        while not _named(aside, folder):
            _out_of_the_way(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _unnamed(path: Path) -> Path:
    return path.with_name(f".{path.name}.{uuid.uuid4().hex}")


def _named(aside: Path, folder: Path) -> bool:
    """Rename a folder to its name; False: something has it."""
    try:
        aside.rename(folder)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            return False
        raise
    return True


def _out_of_the_way(folder: Path) -> None:
    """Delete a folder, or what stands in its place is set aside.

    It is taken first and looked at then: what is looked at before may be another's by then.
    """
    taken = _unnamed(folder)
    try:
        folder.rename(taken)
    except FileNotFoundError:  # another process was faster
        return
    if taken.is_dir() and not taken.is_symlink():
        shutil.rmtree(taken, ignore_errors=True)
    else:
        taken.rename(_damaged(folder))


def put_in_place(aside: Path, path: Path) -> None:
    """Rename a file to its name; a folder that has it is set aside."""
    try:
        aside.replace(path)
    except IsADirectoryError:
        set_aside(path)
        aside.replace(path)


def set_aside(path: Path) -> Path:
    """Rename what stands where something else belongs; returns its new name."""
    aside = _damaged(path)
    path.rename(aside)
    return aside


def _damaged(path: Path) -> Path:
    return path.with_name(f"{path.name}{DAMAGED}{uuid.uuid4().hex[:8]}")


def room_for_file(path: Path) -> None:
    """Set a folder aside that stands where a file is to be appended to."""
    if path.is_dir():
        set_aside(path)


def remove(path: Path) -> None:
    """Delete a file, where there is one; a folder of its name is set aside."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        if not path.is_dir():
            raise
        set_aside(path)


def open_regular(path: Path) -> BinaryIO:
    """A regular file, to be read: a pipe or a device is not waited for, and never read.

    Raises:
        OSError: there is none, or it cannot be read.
    """
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    known = os.fstat(file.fileno())
    if stat.S_ISREG(known.st_mode):
        return file
    file.close()
    if stat.S_ISDIR(known.st_mode):
        raise IsADirectoryError(errno.EISDIR, "is a folder", str(path))
    raise OSError(errno.EINVAL, "is not a regular file", str(path))


def read_regular(path: Path, most: int | None = None) -> bytes:
    """Content of what `open_regular` opens.

    Args:
        most: bytes that it may have; they are counted before it is read.

    Raises:
        OSError: there is none, it cannot be read, or it is too large.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if most is not None and size > most:
            said = f"has {size} bytes, and at most {most} were expected"
            raise OSError(errno.EFBIG, said, str(path))
        return file.read() if most is None else file.read(size)


def has_stumbled(error: BaseException | None) -> bool:
    """Whether a file system that stumbled is behind an error, whatever that has been made into."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in STUMBLES:
            return True
        error = error.__cause__ or error.__context__
    return False
