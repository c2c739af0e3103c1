"""A trial's process on a cluster: where it says who it is, and where what it prints goes."""

import faulthandler
import io
import os
import platform
import signal
import sys
import time
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from moleflow.files import room_for_file
from moleflow.settings import Settings
from orchestration.hiding import safe_text
from orchestration.records.files import write_atomically
from orchestration.records.layout import StudyFolder
from orchestration.studies.expansion import Trial

STDOUT, STDERR = 1, 2
MOUNTING = 60.0
"""Seconds in which a node must see what the driver wrote: it may have joined before its mounts. It
also keeps a node that never will from failing trial after trial."""


class Worker(Settings):
    """`trials/<key>/worker.json`: the process that runs a trial's present attempt, or ran its
    last one."""

    host: str
    pid: int
    node: str
    """Ray's id of the node."""
    started: float


def read_worker(folder: StudyFolder, key: str) -> Worker | None:
    """None before a trial's first attempt, and where its file is no such thing."""
    try:
        text = folder.worker(key).read_text(encoding="utf-8")
        return Worker.model_validate_json(text)
    except (OSError, ValueError):
        return None


def asked_trial(folder: StudyFolder, key: str) -> Trial:
    """The trial that a worker was given.

    Raises:
        OSError: the driver wrote it elsewhere.
    """
    path, deadline = folder.asked_of(key), time.monotonic() + MOUNTING
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    try:
        return Trial.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{path} is not there on {platform.node()} after {MOUNTING:g} s: --root must be a "
            "folder that all nodes see"
        ) from None


def announce(folder: StudyFolder, key: str, node: str) -> None:
    """Say that this process runs the trial now."""
    here = Worker(host=platform.node(), pid=os.getpid(), node=node, started=time.time())
    write_atomically(folder.worker(key), here.model_dump_json())


def attempt_line() -> str:
    """What begins an attempt in a trial's log."""
    now = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    return f"--- attempt begins: {now}, host {platform.node()}, process {os.getpid()}\n"


@contextmanager
def output_kept(path: Path) -> Generator[None]:
    """All that this process prints from now on is appended to a file: from Python, from libraries
    in other languages, and its stacks when it crashes or gets SIGUSR1. Never undone: the process
    runs one attempt, and what it says while it ends belongs to it."""
    room_for_file(path)
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)
    for number in (STDOUT, STDERR):
        os.dup2(file, number)
    os.close(file)
    os.write(STDOUT, attempt_line().encode())
    faulthandler.enable(file=STDERR, all_threads=True)
    faulthandler.register(signal.SIGUSR1, file=STDERR, all_threads=True)
    try:
        yield
    except BaseException:
        sys.stderr.write(safe_text(traceback.format_exc()))
        raise
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
