"""Who writes here: processes of this machine, and whether they still run."""

import hashlib
import os
import platform
import re
import secrets
from functools import cache
from pathlib import Path

MARK = re.compile(r"(?P<machine>[0-9a-f]{8})(?P<born>[0-9a-f]{8})(?P<pid>[0-9a-f]{8})[0-9a-f]{8}")


@cache
def machine() -> str:
    """Where process ids mean the same: one boot of one kernel, one namespace of processes."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:  # no Linux
        return platform.node()


def born(pid: int) -> str | None:
    """When a process started, in the kernel's ticks; empty if unknown, None: it does not run."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:  # no Linux, or processes of other users are hidden
        return "" if _runs(pid) else None
    state, *fields = status.rpartition(")")[2].split()
    return None if state in "ZX" else fields[18]


def is_alive(pid: int, began: str) -> bool:
    """Whether a process of this machine still runs, as far as is known.

    Args:
        began: its start, as `born` tells; ids are used again.
    """
    now = born(pid)
    return now is not None and (now == began or "" in (now, began))


def mark() -> str:
    """32 hexadecimal digits that no other call gives, and that tell whether this process runs."""
    own = os.getpid()
    return f"{_short(machine())}{_short(born(own) or '')}{own:08x}{secrets.token_hex(4)}"


def is_of_the_dead(found: str) -> bool:
    """Whether a mark is that of a process which is known not to run any more."""
    read = MARK.fullmatch(found)
    if read is None or read["machine"] != _short(machine()):
        return False
    now = born(int(read["pid"], 16))
    return now is None or (now != "" and _short(now) != read["born"])


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it does, as another user
        return True
    return True
