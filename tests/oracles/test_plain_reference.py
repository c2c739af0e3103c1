"""The whole model and its loss against the plain reference loop of the benchmarks, in float64."""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from moleflow import profiles
from moleflow.config import Config
from moleflow.features.position import position_code
from moleflow.model import MoLEFlow
from moleflow.streams import torch_stream
from moleflow.training.losses import tail_aware_loss
from moleflow.training.train import train_task

GRID = (5, 7)
FIRST, LATER = ("bottle",), ("cable",)


@pytest.fixture(scope="module")
def plain() -> ModuleType:
    path = Path(__file__).parents[1] / "benchmarks" / "plain_loop.py"
    spec = importlib.util.spec_from_file_location("plain_loop", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def both(plain: ModuleType) -> tuple[MoLEFlow, Any, torch.Tensor]:
    """A model whose every parameter is off its start, the reference with the same, and patches."""
    config = profiles.main().updated({"patches.dim": 24, "lora.rank": 3, "flow.blocks": 3})
    model = MoLEFlow(config, GRID, 5, FIRST)
    model.new_bank(FIRST)
    bank = model.new_bank(LATER)
    model.double()
    draws = torch_stream("shake")
    with torch.no_grad():
        for parameter in (*model.base.parameters(), *bank.parameters()):
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=draws).double())
    model.base.requires_grad_(False)
    code = position_code(*GRID, 24).double()
    reference = plain.PlainFlow(config, model.base.state_dict(), bank.state_dict(), code)
    return model, reference, torch.randn(4, *GRID, 24, generator=draws, dtype=torch.float64)


def test_log_likelihood_is_the_plain_one(both: tuple[MoLEFlow, Any, torch.Tensor]) -> None:
    model, reference, x = both
    with torch.no_grad():
        found, expected = model.log_likelihood(x, LATER), reference(x)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-11)


def test_loss_and_every_gradient_are_the_plain_ones(
    plain: ModuleType, both: tuple[MoLEFlow, Any, torch.Tensor]
) -> None:
    model, reference, x = both
    bank, config = model.banks[LATER], model.config
    log_p, logdet = model.log_likelihood(x, LATER)
    loss = tail_aware_loss(-log_p, logdet, config.loss)
    loss.backward()
    log_p, logdet = reference(x)
    expected = plain.plain_loss(-log_p, logdet, config)
    expected.backward()
    torch.testing.assert_close(loss, expected, rtol=0, atol=1e-11)
    ours = {name: p.grad for name, p in bank.named_parameters()}
    theirs = {renamed(name): p.grad for name, p in reference.named_parameters()}
    assert ours.keys() == theirs.keys()
    for name, gradient in ours.items():
        assert gradient is not None and gradient.abs().max() > 0, name
        torch.testing.assert_close(gradient, theirs[name], rtol=0, atol=1e-10)


def renamed(name: str) -> str:
    """The bank's name of a parameter of the reference."""
    match name.split("."):
        case ["lora", slot, part]:
            block, layer = slot.split("_", 1)
            return f"updates.{block}.{layer}.{part}"
        case ["dia", index, layer, part]:
            net = ("scale", "shift")[int(index) % 2]
            return f"dia.module_list.{int(index) // 2}.{net}.{layer}.{part}"
        case _:
            return f"adapter.{name}"


@pytest.mark.slow
def test_the_reference_trains_in_the_same_steps(plain: ModuleType) -> None:
    """Not a step of it is the plain loss alone: AdamP, schedule and clipping agree as well."""
    config: Config = profiles.main().updated(
        {"patches.dim": 24, "lora.rank": 3, "flow.blocks": 2, "training.epochs": 4}
    )
    assert config.training.warmup_epochs == 2 and config.training.dia_lr == 1
    model = MoLEFlow(config, GRID, 5, FIRST)
    model.new_bank(FIRST)
    start = MoLEFlow(config, GRID, 5, FIRST)
    start.new_bank(FIRST)
    fresh = start.new_bank(LATER).state_dict()
    patches = torch.randn(20, *GRID, 24, generator=torch_stream("patches"))
    code = position_code(*GRID, 24)
    reference = plain.PlainFlow(config, start.base.state_dict(), fresh, code)
    order = torch_stream(*start.stream(LATER, "batches"))
    numbers = {Path(str(i)): i for i in range(20)}

    def look_up(paths: list[Path], _size: int) -> torch.Tensor:
        return patches[[numbers[path] for path in paths]]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plain, "read_images", look_up)
        loss = plain.train(reference, lambda images: images, list(numbers), order)
    end = list(train_task(model, LATER, [patches]))[-1]
    assert end.loss == pytest.approx(loss, abs=1e-4)
    trained = {renamed(name): p for name, p in reference.named_parameters()}
    for name, parameter in model.banks[LATER].named_parameters():
        torch.testing.assert_close(parameter, trained[name], rtol=0, atol=2e-5)
