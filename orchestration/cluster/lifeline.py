"""What a cluster of this machine lives by: Ray's own processes, and what is left when one dies.

Ray ends a driver whose raylet or GCS is gone, at some moment within a minute, without a word that
helps and with the exit code of failed trials. So that is noticed here first; where Ray is faster,
the process above the driver says so (`moleflow_start/supervisor.py`).
"""

import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol, final

from moleflow.errors import ClusterError
from orchestration.cluster.leftovers import clear

PERIOD, WHILE_STARTING = 0.1, 0.2
"""Seconds between two looks; while a cluster starts, each look goes over all processes."""
LONGEST_START = 300.0
"""Seconds after which a cluster of this machine will not start any more."""
WHAT = {
    "raylet": "Ray's raylet, which runs the trials of this machine,",
    "gcs_server": "Ray's GCS, which keeps the state of this machine's cluster,",
}
AGENT = re.compile(r"ray::(\w+Agent)|(dashboard/agent)\.py|(runtime_env/agent)/main\.py")
"""Command lines of what a raylet ends with, before and after these name themselves."""
SERVER = re.compile(r"^\S*/(raylet|gcs_server) --")
REMEDY = (
    "the study has ended. The same command resumes it: finished stages are kept. If it happens "
    "again, look for the out-of-memory killer (dmesg) and give trials more CPUs each "
    "(--cpus-per-trial), so that fewer run at a time"
)
UNKNOWN = 256
"""No exit code: only who started a process learns that."""


class Watched(Protocol):
    """A process, as `Popen`."""

    def poll(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        ...


@final
class Stranger:
    """A process that another one started and waits for."""

    def __init__(self, pid: int):
        self._stat = Path(f"/proc/{pid}/stat")

    def poll(self) -> int | None:
        """`UNKNOWN` when it has ended."""
        stat = _stat(self._stat)
        return UNKNOWN if not stat or stat[0] in "ZX" else None


@final
class Patience:
    """What has a time and is then over."""

    def __init__(self, seconds: float):
        self._over = time.monotonic() + seconds

    def poll(self) -> int | None:
        """`UNKNOWN` when it is over."""
        return UNKNOWN if time.monotonic() > self._over else None


def agents(raylet: int) -> dict[str, Stranger]:
    """The processes with which a raylet ends. Its own command line names them, and is that of
    whatever it starts until that has become what it is to be."""
    return {
        f"Ray's {matched[1] or matched[2] or matched[3]}, with which its raylet ends,": Stranger(
            pid
        )
        for pid, told in _children(raylet)
        if not SERVER.search(told) and (matched := AGENT.search(told))
    }


@final
class Starting:
    """Ray's processes as they begin, while a cluster that this process starts is none yet; and the
    time that it has for that, for who dies between two looks is missed, and Ray may wait for it."""

    def __init__(self, seconds: float = LONGEST_START):
        self._begun: dict[str, Watched] = {
            f"Ray's start, which has {seconds:g} s,": Patience(seconds)
        }

    def __call__(self) -> Mapping[str, Watched]:
        """What has begun, whether it still runs or not."""
        for pid, told in _children(os.getpid()):
            if matched := SERVER.search(told):
                below = agents(pid) if matched[1] == "raylet" else {}
                self._begun = below | {matched[1]: Stranger(pid)} | self._begun
        return self._begun


@contextmanager
def watched(
    processes: Callable[[], Mapping[str, Watched]],
    scratch: Path,
    end: Callable[[int], object] = os._exit,
    period: float = PERIOD,
) -> Generator[None]:
    """While the block lasts, the death of one of these processes ends this one with a message and
    `ClusterError.code`: Ray's calls no longer return, so no block can be left in order. What a
    killed driver leaves, the next run finds."""
    leaving = threading.Event()

    def look() -> None:
        while not leaving.wait(period):
            for name, process in processes().items():
                code = process.poll()
                if code is not None and not leaving.is_set():
                    clear(scratch)
                    tell(lost(name, code))
                    end(ClusterError.code)
                    return

    thread = threading.Thread(target=look, name="lifeline", daemon=True)
    thread.start()
    try:
        yield
    finally:
        leaving.set()
        thread.join()


def lost(name: str, code: int) -> str:
    """What to tell of a process of Ray's that ended."""
    return f"{WHAT.get(name, name)} {_ended(code)}; {REMEDY}"


def unheard(code: int) -> str:
    """What to tell of a driver that ended and said nothing."""
    who = "Ray ended the study's driver" if code in (1, -signal.SIGABRT) else "the study's driver"
    why = ", as it does when its cluster or one of Ray's own processes is lost"
    return f"{who}{why if who.startswith('Ray') else ''} (it {_ended(code)}); {REMEDY}"


def _ended(code: int) -> str:
    if code == UNKNOWN:
        return "has ended"
    return f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"


def _children(parent: int) -> Iterator[tuple[int, str]]:
    """Processes that a process started, and their command lines."""
    for entry in Path("/proc").glob("[0-9]*"):
        if (stat := _stat(entry / "stat")) and int(stat[1]) == parent:
            with suppress(OSError):  # it has just ended
                told = (entry / "cmdline").read_bytes()
                yield int(entry.name), told.replace(b"\0", b" ").decode(errors="replace")


def _stat(file: Path) -> list[str]:
    """State, parent and more of a process; nothing when it has gone. Its name may hold spaces."""
    with suppress(OSError):
        return file.read_text(errors="replace").rpartition(")")[2].split()
    return []


def tell(text: str) -> None:
    """At the terminal, whatever was shown there."""
    with suppress(OSError):
        if sys.stderr.isatty():
            sys.stderr.write("\x1b[?25h")  # the live view hides the cursor
        sys.stderr.write(f"\nerror: {text}\n")
        sys.stderr.flush()
