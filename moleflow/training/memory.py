"""Memory of a process that trains."""

import ctypes
import platform

import torch

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Names of glibc's mallopt(3)."""


def keep_freed_memory() -> bool:
    """Have glibc keep the memory of freed tensors for the next ones; returns whether it does.

    Otherwise a tensor of more than 32 MB is mapped anew each time and the kernel zeroes its pages:
    a tenth of a training step at the sizes of `main`. With another C library nothing is done.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    return bool(libc.mallopt(M_MMAP_MAX, 0) and libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1))


def device_limit(device: torch.device) -> int:
    """Bytes of a GPU's memory that this process may take, those it holds included."""
    number = torch.cuda.current_device() if device.index is None else device.index
    free, total = torch.cuda.mem_get_info(number)
    share = torch.cuda.get_per_process_memory_fraction(number)
    return min(int(share * total), free + torch.cuda.memory_reserved(device))


def room_for_patches(device: torch.device) -> int:
    """Bytes that a task's patches may take on a device: half of what is not in use."""
    if device.type == "cpu":
        return 0
    return (device_limit(device) - torch.cuda.memory_allocated(device)) // 2
