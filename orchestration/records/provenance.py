"""Where numbers come from: versions, device, machine."""

import platform
import resource
import sys
from importlib.metadata import version

import torch

from moleflow.kernels import launch

PACKAGES = (
    "moleflow",
    "torch",
    "torchvision",
    "timm",
    "FrEIA",
    "adamp",
    "numpy",
    "scipy",
    "pillow",
    "ray",
)


def versions() -> dict[str, str]:
    """Python and the packages that numbers depend on."""
    return {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}


def device_kind(device: torch.device) -> str:
    """`cpu:avx512`, `cuda:sm_90:kernels2` and the like: kinds round differently.

    On a GPU without Triton, PyTorch's own kernels do what ours do elsewhere.
    """
    if device.type != "cuda":
        return f"{device.type}:{torch.backends.cpu.get_cpu_capability().lower()}"
    major, minor = torch.cuda.get_device_capability(device)
    ours = f":kernels{launch.VERSION}" if launch.has_triton() else ""
    return f"cuda:sm_{major}{minor}{ours}"


def peak_memory() -> int:
    """Largest resident memory of this process so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
