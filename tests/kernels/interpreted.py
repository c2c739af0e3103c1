"""Our GPU kernels by Triton's interpreter against plain PyTorch, on the processor.

    TRITON_INTERPRET=1 python -m tests.kernels.interpreted

Triton reads TRITON_INTERPRET when it is imported. Prints what differs in each case, as JSON.
"""

import json
from typing import Any

import torch

from moleflow import profiles
from moleflow.kernels import launch
from moleflow.model import MoLEFlow
from moleflow.training.agreement import likelihoods_and_gradients, moved
from tests.gpu.adam_oracle import CASES as PROJECTIONS
from tests.gpu.adam_oracle import adamw_difference, difference

A, B = ("a",), ("b",)
GRID = (3, 5)
SMALL = {"patches.dim": 12, "flow.blocks": 1, "lora.rank": 2}
CASES = {
    "adapter": (B, {}),
    "base": (
        A,
        {"flow.train_global_affine": True, "flow.clamp": "soft", "flow.context_kernel": 3},
    ),
    "adapter without context": (B, {"flow.context_kernel": 0, "mixer.gate": "task"}),
    "base in bfloat16": (A, {"compute.precision": "bfloat16"}),
}
"""The task, and what is changed of `main`."""

STEPS = 20
"""Of an optimizer."""

Result = dict[str, torch.Tensor]


def moved_model(changes: dict[str, Any]) -> MoLEFlow:
    """A small model in which nothing is zero or the identity."""
    model = MoLEFlow(profiles.main().updated(SMALL | changes), GRID, 0, A)
    for task in (A, B):
        model.new_bank(task)
    return moved(model)


def result(case: str, kernels: bool) -> Result:
    """Values of a step, and gradients by name."""
    launch.usable = lambda x: kernels
    task, changes = CASES[case]
    model = moved_model(changes)
    model.base.requires_grad_(task == A)
    log_p, logdet, gradients = likelihoods_and_gradients(model, task, patches())
    return {"log p": log_p, "logdet": logdet} | gradients


def patches() -> torch.Tensor:
    """Of two pictures."""
    return torch.randn(2, *GRID, 12, generator=torch.Generator().manual_seed(2))


def differences(case: str) -> dict[str, float]:
    """By name, as a share of the plain result's norm; inf where only one has it."""
    found, wanted = result(case, kernels=True), result(case, kernels=False)
    return {
        name: float((found[name] - wanted[name]).norm() / (wanted[name].norm() + 1e-9))
        if name in found and name in wanted
        else float("inf")
        for name in found.keys() | wanted.keys()
    }


def moved_apart() -> dict[str, float]:
    """Parameters after some steps from those of the optimizers' own packages (`adam_oracle`)."""
    launch.usable = lambda x: x.dtype == torch.float32
    found = {
        f"AdamP, {case}": difference(torch.device("cpu"), torch.float32, case, STEPS)
        for case in PROJECTIONS
    }
    return found | {"AdamW": adamw_difference(torch.float32, STEPS)}


if __name__ == "__main__":
    torch.set_num_threads(1)
    optimizers = {"optimizers": moved_apart()}
    print(json.dumps(optimizers | {case: differences(case) for case in CASES}))
