"""How factors of matrix products are rounded, and where they can be (docs/method.md, 12)."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch

from moleflow.config_parts import Precision
from moleflow.errors import ConfigError
from moleflow.types import Tensor


def check_precision(
    precision: Precision, device: torch.device, field: str = "compute.precision"
) -> None:
    """Raises:
    ConfigError: the device does not multiply as the field asks.
    """
    if precision == "float32" or (precision == "bfloat16" and device.type == "cpu"):
        return
    if device.type == "cpu" or torch.cuda.get_device_capability(device) < (8, 0):
        raise ConfigError(
            f"{field}: {precision} needs an NVIDIA GPU of compute capability 8.0 or "
            f"higher, and this is {device}; use --set {field}=float32"
        )


def number_format(precision: Precision, x: Tensor) -> torch.dtype:
    """Format that factors of a product are kept in; sums are in float32 in any case."""
    return torch.bfloat16 if precision == "bfloat16" else x.dtype


def products(precision: Precision) -> AbstractContextManager[None]:
    """Within this block matrix products on a GPU round their factors like this."""
    return _tf32() if precision == "tf32" else nullcontext()


@contextmanager
def _tf32() -> Iterator[None]:
    before = torch.backends.cuda.matmul.fp32_precision
    torch.backends.cuda.matmul.fp32_precision = "tf32"
    try:
        yield
    finally:
        torch.backends.cuda.matmul.fp32_precision = before
