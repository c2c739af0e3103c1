"""The device that computes: set up so that the same trial gives the same bits in every run, and its
memory."""

import atexit
import ctypes
import os
import platform
import shutil
import tempfile
from collections.abc import Callable
from typing import TypeVar

import torch

Result = TypeVar("Result")

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Names of glibc's mallopt(3)."""


def prepare(device: torch.device, threads: int) -> torch.device:
    """Deterministic algorithms only, float32 in full, and as many threads as named.

    CUBLAS_WORKSPACE_CONFIG must be `:4096:8` in the environment before the first product on a GPU:
    torch refuses others, and cuBLAS reads it when it is first used.

    Returns:
        The device.
    """
    torch.set_num_threads(threads)
    # As `use_deterministic_algorithms`, which imports the compiler: a second for every trial.
    torch.set_deterministic_debug_mode("error")
    # Every byte of new memory is written before it is read: to fill it first is a pass for nothing.
    torch.utils.deterministic.fill_uninitialized_memory = False  # pyright: ignore
    if device.type == "cpu":
        keep_freed_memory()
        return device
    torch.backends.cuda.matmul.fp32_precision = "ieee"
    torch.backends.cudnn.conv.fp32_precision = "ieee"  # pyright: ignore
    torch.backends.cudnn.benchmark = False
    _keep_kernels()
    return device


def _keep_kernels() -> None:
    """Kernels that Triton compiles are code, so they are kept where only their owner can write: in
    the folder that the environment names, or in one that goes with this process."""
    if "TRITON_CACHE_DIR" not in os.environ:
        folder = tempfile.mkdtemp(prefix="moleflow-kernels-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.environ["TRITON_CACHE_DIR"] = folder


def fitting(work: Callable[[int], Result], size: int) -> tuple[Result, int]:
    """What `work` makes with batches of `size`, or of half as many until a GPU's memory is enough.

    For what is not trained alone: products of other shapes may round differently in the last bits.

    Returns:
        The result, and the size of the batches that it was made with.

    Raises:
        torch.OutOfMemoryError: batches of one do not fit.
    """
    while True:
        try:
            return work(size), size
        except torch.OutOfMemoryError:
            if size == 1:
                raise
        # Here the error, and what its frames hold, is gone.
        size //= 2
        torch.cuda.empty_cache()


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
