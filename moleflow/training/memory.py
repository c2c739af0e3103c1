"""Memory of a process that trains on the CPU."""

import ctypes
import platform

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
