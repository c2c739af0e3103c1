"""Changes of the latent space that are known to be a shift, a scale, a mixing or a bend."""

import copy
import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats

from moleflow.analysis.dia_effect import decompose, dia_effect, good_latents, shape
from moleflow.analysis.subject import Subject
from moleflow.streams import torch_stream
from moleflow.types import Tensor

pytestmark = pytest.mark.slow


@pytest.fixture
def z() -> Tensor:
    """400 latents of 6 channels, not centred, of unequal spread."""
    draws = torch_stream("latents")
    spread = torch.linspace(0.5, 2, 6)
    return torch.randn(400, 6, generator=draws) * spread + torch.arange(6.0)


def test_a_pure_shift_is_all_shift(z: Tensor) -> None:
    parts = decompose(z, z + torch.tensor([3.0, 0, 4.0, 0, 0, 0]))
    assert (parts.shift, parts.displacement) == pytest.approx((1, 5), abs=1e-5)
    assert parts.scale == pytest.approx(0, abs=1e-9)
    assert parts.residual == pytest.approx(0, abs=1e-9)
    assert parts.offset_norm == pytest.approx(5, rel=1e-5)


def test_a_pure_scale_about_the_mean_is_all_scale(z: Tensor) -> None:
    mean = z.mean(dim=0)
    parts = decompose(z, 1.5 * (z - mean) + mean)
    assert parts.scale == pytest.approx(1, abs=1e-6)
    assert parts.scale_deviation == pytest.approx(0.5, rel=1e-5)


def test_mixing_between_channels_is_linear_not_bent(z: Tensor) -> None:
    x = z - z.mean(dim=0)
    parts = decompose(x, x + x.flip(1))
    assert parts.linear_mixing == pytest.approx(parts.residual, abs=1e-9)
    assert parts.nonlinear == pytest.approx(0, abs=1e-9)
    assert parts.residual > 0.9


def test_a_bend_is_not_linear(z: Tensor) -> None:
    x = (z - z.mean(dim=0)) / z.std(dim=0)
    parts = decompose(x, x + (x.square() - 1))
    assert parts.nonlinear > 0.85
    assert parts.linear_mixing < 0.05


def test_shares_sum_to_1_and_the_residual_to_its_parts(z: Tensor) -> None:
    parts = decompose(z, torch.tanh(z) + 0.3 * z.flip(1) + 1)
    assert min(parts.scale, parts.shift, parts.residual, parts.linear_mixing) > 0.001
    assert parts.scale + parts.shift + parts.residual == pytest.approx(1)
    assert parts.linear_mixing + parts.nonlinear == pytest.approx(parts.residual)
    moved = (torch.tanh(z) + 0.3 * z.flip(1) + 1 - z).double()
    assert parts.displacement == pytest.approx(moved.square().sum(1).mean().sqrt().item(), rel=1e-5)


def test_shares_do_not_depend_on_where_zero_is(z: Tensor) -> None:
    one, other = decompose(z, 1.5 * z + 1), decompose(z + 7, 1.5 * z + 8)
    assert (one.scale, one.shift) == pytest.approx((other.scale, other.shift), rel=1e-4)


def test_an_adapter_that_moves_nothing_has_no_shares(z: Tensor) -> None:
    parts = decompose(z, z.clone())
    assert parts.displacement == 0
    assert math.isnan(parts.scale) and math.isnan(parts.shift) and math.isnan(parts.nonlinear)


def test_too_few_patches_leave_the_mixing_missing(z: Tensor) -> None:
    parts = decompose(z[:59], torch.tanh(z[:59]))
    assert math.isnan(parts.linear_mixing) and math.isnan(parts.nonlinear)
    assert not math.isnan(parts.residual)


def test_moments_agree_with_scipy() -> None:
    draws = torch_stream("moments")
    cloud = torch.empty(5000, 70).exponential_(generator=draws)
    found, x = shape(cloud), cloud.double().numpy()
    assert found.mean_norm == pytest.approx(np.linalg.norm(x.mean(axis=0)))
    assert found.sd == pytest.approx(x.std(axis=0).mean())
    assert found.absolute_skewness == pytest.approx(np.abs(stats.skew(x)).mean())
    assert found.kurtosis == pytest.approx(stats.kurtosis(x, fisher=False).mean())


def test_z_before_is_what_the_flow_gives_without_the_adapter(subject: Subject) -> None:
    task = subject.sequence[1]
    before, after = good_latents(subject, task)
    model = copy.deepcopy(subject.model)
    bank = model.banks[task]
    bank.dia = type(bank.dia)(*model.grid, 16)
    stored = subject.features["cable"].test.patches[:4].float()
    with torch.inference_mode():
        bare, _ = model.encode(stored, task)
        whole, _ = subject.model.encode(stored, task)
    torch.testing.assert_close(before, bare.flatten(end_dim=2), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(after, whole.flatten(end_dim=2))
    assert (before - after).abs().max() > 1e-3


def test_only_good_test_pictures_count(subject: Subject) -> None:
    table = dia_effect(subject).tables["dia_effect"]
    grid = subject.model.grid[0] * subject.model.grid[1]
    assert list(table["patches"]) == [4 * grid] * 3


def test_a_fresh_adapter_changes_no_moment(subject: Subject) -> None:
    model = copy.deepcopy(subject.model)
    model.new_bank(("wood",))
    table = dia_effect(dataclasses.replace(subject, model=model)).tables["dia_effect"]
    row = table.set_index("task").loc["wood"]
    assert row["kurtosis_before"] == row["kurtosis_after"]
    assert row["displacement"] == 0 and math.isnan(row["scale [share]"])


def test_without_an_adapter_there_is_nothing_and_the_notes_say_so(
    make_subject: Callable[..., Subject],
) -> None:
    analysis = dia_effect(make_subject(("bottle", "cable"), dia__blocks=0))
    assert analysis.tables["dia_effect"].empty
    assert "missing" in analysis.notes[0]
