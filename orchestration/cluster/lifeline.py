"""What a cluster of this machine lives by: Ray's own processes, and what is left when one dies.

Ray ends a driver whose raylet or GCS is gone, at some moment within a minute, without a word that
helps and with the exit code of failed trials. So that is noticed here first.
"""

import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import Popen
from typing import Any

from moleflow.errors import ClusterError

PERIOD = 0.1
"""Seconds between two looks."""
WHAT = {
    "raylet": "Ray's raylet, which runs the trials of this machine,",
    "gcs_server": "Ray's GCS, which keeps the state of this machine's cluster,",
}


@contextmanager
def watched(
    processes: Mapping[str, Popen[Any]], scratch: Path, end: Callable[[int], object] = os._exit
) -> Generator[None]:
    """While the block lasts, the death of one of these processes ends this one with a message and
    `ClusterError.code`: Ray's calls no longer return, so no block can be left in order. What a
    killed driver leaves, the next run finds."""
    leaving = threading.Event()

    def look() -> None:
        while not leaving.wait(PERIOD):
            for name, process in processes.items():
                code = process.poll()
                if code is not None and not leaving.is_set():
                    end_session(scratch)
                    shutil.rmtree(scratch, ignore_errors=True)
                    _say(lost(name, code))
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
    how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
    return (
        f"{WHAT.get(name, name)} {how}; the study has ended. The same command resumes it: finished "
        "stages are kept. If it happens again, look for the out-of-memory killer (dmesg) and give "
        "trials more CPUs each (--cpus-per-trial), so that fewer run at a time"
    )


def end_session(scratch: Path) -> None:
    """End what was started for a cluster and still runs: it inherited the path of its token."""
    mark = f"RAY_AUTH_TOKEN_PATH={scratch}/".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has just ended, or is another user's
            known = (entry / "environ").read_bytes().split(b"\0")
            if int(entry.name) != os.getpid() and any(one.startswith(mark) for one in known):
                os.kill(int(entry.name), signal.SIGKILL)


def _say(text: str) -> None:
    with suppress(OSError):
        if sys.stderr.isatty():
            sys.stderr.write("\x1b[?25h")  # the live view hides the cursor
        sys.stderr.write(f"\nerror: {text}\n")
        sys.stderr.flush()
