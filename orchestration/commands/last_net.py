"""What no command expected: one line at the terminal, the traceback in a file, an exit code of its
own."""

import os
import select
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from orchestration.commands.consoles import OutputLost
from orchestration.hiding import safe_text
from orchestration.plain import one_line
from orchestration.records.layout import FORMAT_FILE, Root

UNEXPECTED = 70
"""As in sysexits.h: neither that trials failed (1) nor that a request was refused (2)."""
PIPE_CLOSED = 128 + 13
"""What a shell says of a process that SIGPIPE ended; and of any whose output takes nothing more."""
DEFAULT_ROOT = "runs"


def caught(error: BaseException, words: Sequence[str]) -> int:
    """Say what ended a command, and keep the traceback; returns the exit code.

    Args:
        words: of the command line; `--root` among them says where the file goes.
    """
    if isinstance(error, BrokenPipeError) and reader_is_gone():
        _say_no_more()
        return PIPE_CLOSED
    if isinstance(error, OutputLost):
        _say_no_more()
        with suppress(OSError):
            sys.stderr.write(f"error: {error}; give it a place that has room\n")
            sys.stderr.flush()
        return PIPE_CLOSED
    text = safe_text("".join(traceback.format_exception(error)))
    line = one_line(safe_text(_line(error)))
    with suppress(OSError):
        kept = _keep(text, words)
        sys.stderr.write(f"error: {line}\n{_remedy(error)}; the traceback is in {kept}\n")
        sys.stderr.flush()
    return UNEXPECTED


def reader_is_gone() -> bool:
    """Whether standard output is a pipe that nobody reads any more."""
    try:
        asked = select.poll()
        asked.register(sys.stdout.fileno(), 0)
        return any(found & select.POLLERR for _, found in asked.poll(0))
    except (OSError, ValueError, AttributeError):
        return False


def _say_no_more() -> None:
    """Python flushes at its end, and would then complain."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        places = [str(name) for name in (error.filename, error.filename2) if name is not None]
        return ": ".join([*places, error.strerror])
    said = str(error).strip().splitlines()
    return f"{type(error).__name__}: {said[0]}" if said else type(error).__name__


def _remedy(error: BaseException) -> str:
    if isinstance(error, OSError):
        return "mend it and run the same command again: what was done is kept"
    if isinstance(error, MemoryError):
        return "give the command more memory, or trials less to do at a time, and run it again"
    return "this is a defect of moleflow: report it with the traceback; what was done is kept"


def _keep(text: str, words: Sequence[str]) -> Path:
    """Below the root folder that the command names, where one is there; else a temporary file."""
    root = Root.at(_root_of(words))
    name = f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}-{threading.get_ident() % 10**6}.txt"
    with suppress(OSError):
        if (root.path / FORMAT_FILE).is_file():
            root.crashes.mkdir(exist_ok=True)
            path = root.crashes / name
            return _write(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), path, text)
    handle, path = tempfile.mkstemp(prefix="moleflow-", suffix=".txt")
    return _write(handle, Path(path), text)


def _write(handle: int, path: Path, text: str) -> Path:
    with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)
    return path


def _root_of(words: Sequence[str]) -> str:
    for i, word in enumerate(words):
        if word == "--root" and i + 1 < len(words):
            return words[i + 1]
        if word.startswith("--root="):
            return word.partition("=")[2]
    return DEFAULT_ROOT
