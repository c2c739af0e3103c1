"""The optimizers against the packages that they stand for, and what one of our own must keep."""

import pytest
import torch
from torch import nn

from moleflow.training.adam import AdamP, AdamW, Group
from tests.gpu.adam_oracle import CASES, adamw_difference, difference

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
STEPS = 200
LIMITS = [(torch.float32, 1e-6), (torch.float64, 1e-12)]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("dtype", "limit"), LIMITS)
def test_adamp_moves_parameters_as_adamps_does(case: str, dtype: torch.dtype, limit: float) -> None:
    assert difference(CPU, dtype, case, STEPS) <= limit


@pytest.mark.parametrize("case", CASES)
def test_only_projected_parameters_move_unlike_adamws(
    case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: each case is what its name says."""
    monkeypatch.setattr(AdamP, "_project", AdamW._project)
    found = difference(CPU, torch.float64, case, 20)
    assert found <= 1e-12 if case == "not projected" else found > 1e-4


@pytest.mark.parametrize(("dtype", "limit"), LIMITS)
def test_adamw_moves_parameters_as_torchs_does(dtype: torch.dtype, limit: float) -> None:
    assert adamw_difference(dtype, STEPS) <= limit


def new_optimizer(clip: float) -> tuple[list[nn.Parameter], AdamP]:
    draws = torch.Generator().manual_seed(0)
    shapes = [(3, 4), (5,), (), (2, 6)]
    parameters = [nn.Parameter(torch.randn(shape, generator=draws)) for shape in shapes]
    optimizer = AdamP([Group(tuple(parameters), 1.0)], 0.1, clip)
    optimizer.set_rate(0.01)
    for parameter in parameters:
        parameter.grad = torch.randn(parameter.shape, generator=draws)
    return parameters, optimizer


def test_gradients_are_scaled_down_to_the_norm_and_never_up() -> None:
    parameters, optimizer = new_optimizer(clip=0.5)
    whole = nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
    torch.testing.assert_close(optimizer.clip(), whole)
    torch.testing.assert_close(optimizer._gradient.norm(), torch.tensor(0.5))
    parameters, wide = new_optimizer(clip=100.0)
    wide.clip()
    torch.testing.assert_close(wide._gradient.norm(), whole)


def test_a_parameter_without_a_gradient_counts_as_zero() -> None:
    parameters, optimizer = new_optimizer(clip=100.0)
    left_out = parameters[0].grad
    parameters[0].grad = None
    assert left_out is not None
    norm = optimizer.clip()
    parameters[0].grad = torch.zeros_like(left_out)
    assert torch.equal(norm, optimizer.clip())


def test_no_byte_moves_where_it_may_not_go_on() -> None:
    parameters, optimizer = new_optimizer(clip=0.5)
    before = [parameter.detach().clone() for parameter in parameters]
    optimizer.clip()
    optimizer.step(torch.tensor(False))
    assert all(torch.equal(p, old) for p, old in zip(parameters, before, strict=True))
    optimizer.step(torch.tensor(True))
    assert not any(torch.equal(p, old) for p, old in zip(parameters, before, strict=True))


def test_after_a_reset_a_training_is_repeated_bit_for_bit() -> None:
    parameters, optimizer = new_optimizer(clip=0.5)
    before = [parameter.detach().clone() for parameter in parameters]
    found = []
    for _ in range(2):
        with torch.no_grad():
            for parameter, old in zip(parameters, before, strict=True):
                parameter.copy_(old)
        optimizer.reset()
        for _ in range(3):
            optimizer.clip()
            optimizer.step(torch.tensor(True))
        found.append([parameter.detach().clone() for parameter in parameters])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))
