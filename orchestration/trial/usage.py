"""How much of its machine the present process uses, asked by a trial about itself."""

import os
import platform
import time
from pathlib import Path
from typing import Any, cast

import torch

from orchestration.records.events import Load

PERIOD = 10.0
"""Seconds between two samples of a trial that is in the middle of a stage."""
SHORTEST = 1.0
"""Seconds below which an average over time says nothing."""


class Usage:
    """Samples of one process. Costs less than a millisecond each."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def due(self, period: float) -> Load | None:
        """What is used, if the last sample is that many seconds ago."""
        return self.sample() if time.perf_counter() - self._wall >= period else None

    def sample(self) -> Load:
        """What is used now; cores on average since the last sample."""
        wall, cpu = time.perf_counter(), time.process_time()
        cores = (cpu - self._cpu) / max(wall - self._wall, 1e-9)
        self._wall, self._cpu = wall, cpu
        here = Load(
            host=platform.node(),
            cores=round(cores, 2),
            given=torch.get_num_threads(),
            memory=own_memory(),
            host_cores=os.cpu_count() or 0,
            host_memory=host_memory(),
        )
        return _with_gpu(here) if torch.cuda.is_initialized() else here


def own_memory() -> int:
    """Resident bytes of this process, without pages of files and of shared memory."""
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()
    except OSError:  # no Linux
        return 0
    return (int(pages[1]) - int(pages[2])) * os.sysconf("SC_PAGE_SIZE")


def host_memory() -> int:
    """Bytes of memory of this machine."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return 0


def _with_gpu(load: Load) -> Load:
    device = torch.cuda.current_device()
    free, total = torch.cuda.mem_get_info(device)
    # torch leaves the properties of a device without a type.
    properties = torch.cuda.get_device_properties(device)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    known = cast(Any, properties)
    return load.model_copy(
        update={
            "gpu": f"{known.name} {known.uuid}",
            "gpu_memory": torch.cuda.memory_reserved(device),
            "gpu_used": total - free,
            "gpu_total": total,
        }
    )
