"""How much of this machine this process may use, which is often less than there is."""

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

HERE = Path("/")


def allowed_cpus(system: Path = HERE) -> int:
    """CPUs of the affinity mask (Slurm, `taskset`), or of the quota of this process's control
    groups (`docker --cpus`, Kubernetes limits) where that is less; rounded down, at least one.

    Args:
        system: where `/proc` and `/sys` lie.
    """
    allowed = len(os.sched_getaffinity(0))
    return max(1, min([allowed, *map(math.floor, _quotas(system))]))


def _quotas(system: Path) -> Iterator[float]:
    """CPUs that each control group of this process, and each that holds it, may keep busy.

    Version 2 writes `cpu.max`, version 1 two files. Inside a container the names in `/proc` may be
    those of the host, and its own group is then the top of what is mounted.
    """
    for group in _groups(system / "proc/self/cgroup"):
        for mount in ("sys/fs/cgroup", "sys/fs/cgroup/cpu", "sys/fs/cgroup/cpu,cpuacct"):
            for place in (group, *group.parents):
                folder = system / mount / str(place).strip("/")
                both = _words(folder / "cpu.max")
                old = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
                words = both or [word for name in old for word in _words(folder / name)]
                if len(words) == 2 and all(map(str.isdigit, words)) and int(words[1]):
                    yield int(words[0]) / int(words[1])


def _groups(file: Path) -> set[PurePosixPath]:
    """Version 2 has one line, `0::/path`; version 1 one for each kind of resource."""
    found = {PurePosixPath("/")}
    for line in _lines(file):
        _, kinds, path = [*line.split(":", 2), "", ""][:3]
        if not kinds or "cpu" in kinds.split(","):
            found.add(PurePosixPath(path or "/"))
    return found


def _words(file: Path) -> list[str]:
    return [word for line in _lines(file) for word in line.split()]


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return []
