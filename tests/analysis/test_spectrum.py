"""Spectra of known updates."""

import copy
import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from moleflow.analysis.spectrum import spectrum
from moleflow.analysis.subject import Subject
from moleflow.analysis.updates import effective_rank, energy, slot_of, thin_svd, updates_of
from moleflow.streams import numpy_stream

pytestmark = pytest.mark.slow


def own_copy(subject: Subject) -> Subject:
    """A subject whose weights may be changed."""
    return dataclasses.replace(subject, model=copy.deepcopy(subject.model))


@pytest.mark.parametrize("alpha", [1.0, "r"])
def test_the_factors_give_the_update_that_the_layer_uses(
    make_subject: Callable[..., Subject], alpha: object
) -> None:
    subject = make_subject(("bottle",), lora__alpha=alpha)
    (task,) = subject.sequence
    updates = updates_of(subject, task)
    assert [u.layer for u in updates[:2]] == ["0.scale_in", "0.scale_out"]
    for update in updates:
        delta = slot_of(subject.model.banks[task], update.block, update.slot).delta
        assert delta is not None and delta.abs().max() > 0
        np.testing.assert_allclose(update.delta, delta.detach().numpy(), atol=1e-7)


@pytest.mark.parametrize("shape", [(12, 4, 9), (3, 5, 9), (12, 5, 2), (4, 4, 4)])
def test_thin_factors_have_the_spectrum_of_the_whole_matrix(shape: tuple[int, int, int]) -> None:
    rows, rank, columns = shape
    draws = numpy_stream("thin", rows, rank, columns)
    up, down = draws.standard_normal((rows, rank)), draws.standard_normal((rank, columns))
    svd = thin_svd(up, down)
    whole = np.linalg.svd(up @ down, compute_uv=False)
    np.testing.assert_allclose(svd.values, whole[: len(svd.values)], atol=1e-12)
    np.testing.assert_allclose((svd.left * svd.values) @ svd.right.T, up @ down, atol=1e-12)


@pytest.mark.parametrize(
    ("values", "share", "rank"),
    [
        ((0.1,) * 10, 0.9, 9),
        ((3.0, 1.0, 0.0), 0.9, 1),
        ((3.0, 1.0, 0.0), 0.91, 2),
        ((2.0,), 1.0, 1),
    ],
)
def test_effective_rank_is_the_smallest_that_reaches_the_share(
    values: tuple[float, ...], share: float, rank: int
) -> None:
    assert effective_rank(np.array(values), share) == rank


def test_an_update_of_known_spectrum_is_read_off_the_trained_model(subject: Subject) -> None:
    subject = own_copy(subject)
    task, scale = subject.sequence[1], 1 / 4
    slot = slot_of(subject.model.banks[task], 1, "shift_out")
    assert slot.up is not None and slot.down is not None
    up, down = torch.zeros_like(slot.up), torch.zeros_like(slot.down)
    up[0, 0], down[0, 3] = 3 / scale, 1
    up[5, 2], down[2, 1] = 1, 1 / scale
    slot.up.data, slot.down.data = up, down
    table = spectrum(subject).tables
    layers = table["spectrum_layers"].set_index(["task", "block", "slot"])
    row = layers.loc[("cable", 1, "shift_out")]
    assert [row[f"effective_rank_{p}"] for p in (90, 95, 99)] == [1, 2, 2]
    assert row["update_norm"] == pytest.approx(math.sqrt(10), rel=1e-6)
    weight = subject.model.base.blocks[1].subnet.shift_out.weight.detach().double().norm().item()
    assert row["relative_norm [share]"] == pytest.approx(math.sqrt(10) / weight, rel=1e-6)
    values = table["spectrum_singular_values"].set_index(["task", "block", "slot"])
    found = values.loc[("cable", 1, "shift_out"), "singular_value"].to_numpy()
    np.testing.assert_allclose(found, [3, 1, 0, 0], atol=1e-6)


def test_an_update_of_zeros_has_no_effective_rank(subject: Subject) -> None:
    subject = own_copy(subject)
    slot = slot_of(subject.model.banks[subject.sequence[0]], 0, "scale_in")
    assert slot.up is not None
    slot.up.data.zero_()
    row = spectrum(subject).tables["spectrum_layers"].iloc[0]
    assert row["update_norm"] == 0
    assert row[["effective_rank_95", "energy_at_rank [share]"]].isna().all()
    assert np.isnan(energy(np.zeros(3))).all()


def test_energy_at_the_rank_is_whole_by_construction_and_the_notes_say_so(subject: Subject) -> None:
    analysis = spectrum(subject)
    layers = analysis.tables["spectrum_layers"]
    np.testing.assert_allclose(layers["energy_at_rank [share]"], 1, atol=1e-12)
    assert (layers["rank_limit"] == 4).all()
    assert any("proves nothing" in note for note in analysis.notes)


def test_a_task_row_is_the_mean_over_its_layers(subject: Subject) -> None:
    tables = spectrum(subject).tables
    layers = tables["spectrum_layers"]
    wood = layers[layers["task"] == "wood"]
    row = tables["spectrum"].set_index("task").loc["wood"]
    assert row["layers"] == len(wood) == 8
    assert row["mean_effective_rank_95"] == pytest.approx(wood["effective_rank_95"].mean())
    assert row["update_norm"] == pytest.approx(math.sqrt((wood["update_norm"] ** 2).sum()))


def test_separate_flows_are_compared_by_their_effective_weights(
    make_subject: Callable[..., Subject],
) -> None:
    subject = make_subject(("bottle", "cable", "wood"), separate=True)
    pairs = spectrum(subject).tables["spectrum_pairs"]
    assert len(pairs) == 3 * 8
    row = pairs.set_index(["task_a", "task_b", "block", "slot"]).loc[
        ("bottle", "wood", 0, "scale_in")
    ]
    weights = []
    for task in (("bottle",), ("wood",)):
        slot = slot_of(subject.model.banks[task], 0, "scale_in")
        assert slot.delta is not None
        linear = subject.model.base_of(task).blocks[0].subnet.scale_in
        weights.append((linear.weight + slot.delta).detach().double().numpy())
    values = np.linalg.svd(weights[0] - weights[1], compute_uv=False)
    shares = np.cumsum(values**2) / np.sum(values**2)
    assert row["effective_rank_95"] == np.argmax(shares >= 0.95) + 1
    assert row["energy_at_rank [share]"] == pytest.approx(shares[3], rel=1e-5)
    assert row["energy_at_64 [share]"] == pytest.approx(1)
    sizes = np.linalg.norm(weights[0]), np.linalg.norm(weights[1])
    change = np.linalg.norm(values) / np.mean(sizes)
    assert row["relative_change [share]"] == pytest.approx(change, rel=1e-5)


def test_without_updates_the_tables_are_empty_and_the_notes_say_why(
    make_subject: Callable[..., Subject],
) -> None:
    analysis = spectrum(make_subject(("bottle", "cable"), lora="off"))
    assert all(table.empty for table in analysis.tables.values())
    assert "no low-rank updates" in analysis.notes[0]
