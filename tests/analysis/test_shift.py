"""Distances of known Gaussians, and sizes of known adaptations."""

import copy
import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import linalg

from moleflow.analysis.moments import Moments, frechet, patch_moments
from moleflow.analysis.shift import SIZES, shift
from moleflow.analysis.subject import Subject
from moleflow.analysis.updates import updates_of
from moleflow.streams import torch_stream

pytestmark = pytest.mark.slow


def gaussian(mean: list[float], variances: list[float]) -> Moments:
    covariance = torch.diag(torch.tensor(variances, dtype=torch.float64))
    return Moments(100, torch.tensor(mean, dtype=torch.float64), covariance)


def random_gaussian(name: str, dim: int = 6, rank: int = 6) -> Moments:
    draws = torch_stream("gaussian", name)
    root = torch.randn(dim, rank, generator=draws, dtype=torch.float64)
    mean = torch.randn(dim, generator=draws, dtype=torch.float64)
    return Moments(100, mean, root @ root.T)


def test_frechet_distance_of_axis_parallel_gaussians_is_known() -> None:
    found = frechet(gaussian([0, 0, 0], [1, 4, 9]), gaussian([3, 4, 0], [4, 4, 1]))
    assert found.mean_part == pytest.approx(25)
    assert found.covariance_part == pytest.approx((1 - 2) ** 2 + 0 + (3 - 1) ** 2)
    assert found.squared == pytest.approx(30)


def test_a_gaussian_is_at_distance_0_from_itself() -> None:
    one = random_gaussian("a")
    assert frechet(one, one).squared == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("rank", [6, 3])
def test_frechet_distance_agrees_with_a_matrix_square_root(rank: int) -> None:
    one, other = random_gaussian("b"), random_gaussian("c", rank=rank)
    root = linalg.sqrtm((one.covariance @ other.covariance).numpy())
    traces = (one.covariance.trace() + other.covariance.trace()).item()
    known = traces - 2 * np.trace(np.real(root))
    assert frechet(one, other).covariance_part == pytest.approx(known, rel=1e-5)
    assert frechet(other, one).squared == pytest.approx(frechet(one, other).squared)


def test_moments_in_chunks_are_those_of_all_patches(subject: Subject) -> None:
    stored = subject.features["wood"].train.patches
    far = dataclasses.replace(subject.features["wood"].train, patches=(stored + 1000).float())
    features = dataclasses.replace(subject.features["wood"], train=far)
    subject = dataclasses.replace(
        subject, features={"wood": features, "cable": subject.features["cable"]}
    )
    found = patch_moments(subject, ("wood", "cable"))
    patches = [subject.features[c].train.patches for c in ("wood", "cable")]
    flat = torch.cat([p.reshape(-1, p.shape[-1]).double() for p in patches])
    assert found.patches == len(flat)
    torch.testing.assert_close(found.mean, flat.mean(dim=0))
    torch.testing.assert_close(found.covariance, torch.cov(flat.T), rtol=1e-8, atol=1e-10)


def test_update_norm_is_the_root_of_all_summed_squares(subject: Subject) -> None:
    table = shift(subject).tables["shift"].set_index("task")
    squares = sum(float((u.delta**2).sum()) for u in updates_of(subject, ("cable",)))
    assert table.loc["cable", "update_norm"] == pytest.approx(math.sqrt(squares))


def test_an_untrained_dia_has_not_changed_and_moves_nothing(subject: Subject) -> None:
    model = copy.deepcopy(subject.model)
    model.new_bank(("cable",))
    table = shift(dataclasses.replace(subject, model=model)).tables["shift"].set_index("task")
    assert table.loc["cable", "dia_parameter_change"] == 0
    assert table.loc["cable", "dia_displacement"] == 0
    assert (table.loc[["bottle", "wood"], "dia_parameter_change"] > 0).all()


def test_a_dia_that_adds_a_constant_displaces_by_its_length(subject: Subject) -> None:
    model = copy.deepcopy(subject.model)
    bank = model.new_bank(("wood",))
    with torch.no_grad():
        # The last layer of the first block's shift net: half the channels move by 0.5.
        list(bank.dia.parameters())[-1].zero_()
        for name, parameter in bank.dia.named_parameters():
            if name.endswith("0.shift.4.bias"):
                parameter.fill_(0.5)
    table = shift(dataclasses.replace(subject, model=model)).tables["shift"].set_index("task")
    assert table.loc["wood", "dia_displacement"] == pytest.approx(0.5 * math.sqrt(8), rel=1e-5)
    assert table.loc["wood", "dia_parameter_change"] == pytest.approx(0.5 * math.sqrt(8), rel=1e-5)


def test_task_0_is_at_distance_0_and_in_no_correlation(subject: Subject) -> None:
    tables = shift(subject).tables
    first = tables["shift"].iloc[0]
    assert first["frechet_distance"] == first["mean_distance"] == first["covariance_distance"] == 0
    assert (tables["shift_correlations"]["n"] == 2).all()


def test_too_few_tasks_leave_intervals_missing_and_the_notes_say_so(
    make_subject: Callable[..., Subject],
) -> None:
    analysis = shift(make_subject(("bottle", "cable", "capsule", "wood")))
    correlations = analysis.tables["shift_correlations"]
    assert (correlations["n"] == 3).all()
    assert correlations["value"].notna().all()
    assert correlations[["low_95", "high_95"]].isna().all(axis=None)
    assert any("no interval exists" in note for note in analysis.notes)


@pytest.mark.parametrize(
    ("settings", "missing"),
    [({"lora": "off"}, ["update_norm"]), ({"dia__blocks": 0}, list(SIZES[1:]))],
)
def test_what_a_trial_does_not_have_is_missing_not_zero(
    make_subject: Callable[..., Subject], settings: dict[str, object], missing: list[str]
) -> None:
    analysis = shift(make_subject(("bottle", "cable"), **settings))
    table = analysis.tables["shift"]
    assert table[missing].isna().all(axis=None)
    assert table[[size for size in SIZES if size not in missing]].notna().all(axis=None)
    assert any("missing" in note for note in analysis.notes[5:])
