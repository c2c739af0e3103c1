"""Waiting for processes of this machine, and finding those that a test started."""

import time
from collections.abc import Callable
from pathlib import Path


def wait_for(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Raises:
    AssertionError: it did not come true in time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def marked(mark: str) -> list[int]:
    """Processes that inherited the mark in their environment."""
    found: list[int] = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def below(pid: int, name: str = "") -> list[int]:
    """Processes that a process started, and those that they did, whose command line has the name.

    A mark is not enough to find Ray's: some write over their environment.
    """
    found, lines = list[int](), dict[int, list[int]]()
    for entry in Path("/proc").glob("[0-9]*"):
        if parent := _stat(int(entry.name)):
            lines.setdefault(int(parent[1]), []).append(int(entry.name))
    waiting = [pid]
    while waiting:
        found += (children := lines.get(waiting.pop(), []))
        waiting += children
    return [one for one in found if name in command(one)]


def state(pid: int) -> str:
    """As in `ps`; empty where there is no such process."""
    return next(iter(_stat(pid)), "")


def born(pid: int) -> str:
    """Start of a process in the kernel's ticks, for ids are used again; empty where none runs."""
    words = _stat(pid)
    return "" if not words or words[0] in "ZX" else words[19]


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def command(pid: int) -> str:
    """Its words, with blanks between them; empty where there is no such process."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ")
    except OSError:
        return ""
