"""Our GPU kernels compiled for GPUs that are not here, by Triton's own compiler.

    python -m tests.kernels.compiled

Prints as JSON how often each kernel was compiled, loaded and would have been run: while compiling
ahead, and after a step that follows.
"""

import json
from collections import Counter
from types import SimpleNamespace
from typing import Any

import torch
from triton.backends.compiler import GPUTarget
from triton.runtime import driver

from moleflow.kernels import launch
from moleflow.training.agreement import likelihoods_and_gradients
from moleflow.training.optimizer import build_optimizer
from tests.kernels.interpreted import CASES, A, moved_model, patches

GENERATIONS = {"sm_80": 80, "sm_90": 90}
loaded: Counter[str] = Counter()
ran: Counter[str] = Counter()


class Absent:
    """What Triton asks a driver for, of a GPU that cannot run anything."""

    def __init__(self, generation: int):
        self._target = GPUTarget("cuda", generation, 32)
        self.utils = SimpleNamespace(
            get_device_properties=lambda device: {"max_shared_mem": 232448, "warpSize": 32},
            unload_module=lambda module: None,
            load_binary=lambda name, *rest: loaded.update([name]) or (1, 1, 0, 0, 1024),
        )

    def get_current_target(self) -> GPUTarget:
        return self._target

    def get_current_device(self) -> int:
        return 0

    def get_current_stream(self, device: int) -> int:
        return 0

    def launcher_cls(self, src: Any, metadata: Any) -> Any:
        return lambda *arguments: ran.update([metadata.name])


def step(case: str) -> None:
    """Forward and backward of a small model, and what its optimizer does."""
    task, changes = CASES[case]
    model = moved_model(changes)
    model.base.requires_grad_(task == A)
    likelihoods_and_gradients(model, task, patches())
    trained_base = model.base if task == A else None
    optimizer = build_optimizer(model.config.training, model.banks[task], trained_base)
    optimizer.clip()
    optimizer.step(torch.tensor(True))


def found(generation: int) -> dict[str, Any]:
    """Of the steps of all cases: in the block, and once more after it."""
    driver.set_active(Absent(generation))  # pyright: ignore[reportArgumentType]
    loaded.clear()
    ran.clear()
    with launch.compiling_ahead():
        for case in CASES:
            step(case)
    ahead = {"compiled": compiled(), "loaded": dict(loaded), "ran": dict(ran)}
    for case in CASES:
        step(case)
    after = {"compiled": compiled(), "loaded": dict(loaded), "ran": dict(ran)}
    for kernel in launch.kernels().values():
        kernel.device_caches.clear()
    return {"ahead": ahead, "after": after}


def compiled() -> dict[str, int]:
    return {name: len(kernel.device_caches[0][0]) for name, kernel in launch.kernels().items()}


if __name__ == "__main__":
    torch.set_num_threads(2)
    launch.usable = lambda x: x.dtype != torch.float64
    print(json.dumps({name: found(generation) for name, generation in GENERATIONS.items()}))
