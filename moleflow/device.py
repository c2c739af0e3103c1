"""Setting torch up so that the same trial gives the same bits in every run."""

import torch

from moleflow.training.memory import keep_freed_memory

CUBLAS = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
"""Environment without which torch refuses matrix products on a GPU where it must be exact; cuBLAS
reads it when it is first used."""


def prepare(device: torch.device, threads: int | None = None) -> torch.device:
    """Deterministic algorithms only, float32 in full, and as many threads as named.

    `CUBLAS` must stand in the environment before the first product on a GPU.

    Returns:
        The device.
    """
    if threads is not None:
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
    return device
