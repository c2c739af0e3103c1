"""The memory that is told is the memory that is taken."""

from typing import Any

import pytest
import torch

from moleflow import profiles
from moleflow.config import Config
from moleflow.kernels import launch
from moleflow.model import MoLEFlow
from moleflow.training.footprint import (
    bank_parameters,
    base_parameters,
    footprint,
    saved,
    shares,
    streamed,
)
from moleflow.training.losses import tail_aware_loss

A, B = ("a",), ("b",)
CHANNELS = 24
GRID = (5, 5)
CASES: list[tuple[str, dict[str, Any]]] = [
    ("main", {}),
    ("main", {"compute.precision": "bfloat16"}),
    ("main", {"mixer.gate": "task", "adapter": "none", "task_bias": False}),
    ("method_v1_6", {}),
    ("framework_v3", {}),
    ("framework_v3", {"compute.precision": "bfloat16"}),
    ("high_res", {"lora": "off"}),
    ("quick", {}),
    ("quick", {"dia.context_kernel": 3}),
    ("quick", {"dia.context_kernel": 3, "compute.precision": "bfloat16"}),
]


class NoKernels:
    """Stands for the GPU's kernels where only the shapes of tensors count."""

    def __getattr__(self, name: str) -> Any:
        return self

    def __getitem__(self, grid: Any) -> Any:
        return lambda *args, **kwargs: None


def new_model(config: Config) -> MoLEFlow:
    channels = 0 if config.multiscale == "off" else CHANNELS
    model = MoLEFlow(config, GRID, 0, A, channels)
    model.new_bank(A)
    return model


@pytest.mark.parametrize(("profile", "changes"), CASES)
def test_parameters_are_counted_as_the_model_has_them(
    profile: str, changes: dict[str, Any]
) -> None:
    config = profiles.profile(profile).updated({"patches.dim": 32} | changes)
    model = new_model(config)

    def count(module: torch.nn.Module) -> int:
        return sum(p.numel() for p in module.parameters())

    assert base_parameters(config, model.channels) == count(model.base)
    assert bank_parameters(config) == count(model.banks[A])


def saved_bytes(model: MoLEFlow, task: tuple[str, ...], images: int) -> int:
    """By torch's own word: storages that the backward pass keeps, without parameters."""
    bank = model.banks[task]
    known = {p.untyped_storage()._cdata for m in (model.base, bank) for p in m.parameters()}
    found: dict[int, tuple[int, torch.Tensor]] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in known:
            found[storage._cdata] = storage.nbytes(), tensor
        return tensor

    dim = model.config.patches.dim + model.channels
    stored = torch.empty(images, *GRID, dim, device=model.device)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        log_p, logdet = model.log_likelihood(stored, task)
        loss = tail_aware_loss(-log_p, logdet, model.config.loss) + bank.penalty()
    assert loss.requires_grad
    return sum(size for size, _ in found.values())


@pytest.mark.slow
@pytest.mark.parametrize("task", [A, B])
@pytest.mark.parametrize(("profile", "changes"), CASES)
def test_saved_activations_are_those_that_torch_counts(
    profile: str,
    changes: dict[str, Any],
    task: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(launch, "usable", lambda x: True)
    monkeypatch.setattr(launch, "_source", NoKernels)
    images = 16
    small = profiles.profile(profile).updated({"patches.dim": 96, "lora.rank": 4})
    config = small.updated(changes)
    model = new_model(config)
    model.new_bank(B)
    model.to(torch.device("meta"))
    model.base.requires_grad_(task == A)
    found = saved_bytes(model, task, images)
    told = saved(config, images * GRID[0] * GRID[1], task == A, model.channels)
    assert told == pytest.approx(found, rel=0.15)


def test_a_trial_fits_as_often_as_its_shares_hold_it() -> None:
    config = profiles.main().updated({"compute.precision": "bfloat16"})
    need = footprint(config, (28, 28), [391, 209])
    assert need.total == sum(vars(need).values())
    count = shares(need, 80 * 2**30)
    assert 1 < count <= 10
    assert shares(need, 2**30) == 0
    small = streamed(need, config, (28, 28))
    assert small.patches < need.patches and small.weights == need.weights
    most = [shares(need, gigabytes * 2**30) for gigabytes in range(2, 40)]
    assert most == sorted(most) and most[0] == 0
