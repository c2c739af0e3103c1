"""Detection against area, by hand."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from moleflow.analysis.area import area, pixel_metrics, share_beaten, texture
from moleflow.analysis.subject import Subject
from moleflow.data.decoding import decode_mask
from moleflow.streams import torch_stream

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("score", "share"), [(0.0, 0), (2.0, 0.375), (2.5, 0.5), (9.0, 1)])
def test_equal_good_pictures_count_half(score: float, share: float) -> None:
    assert share_beaten(score, np.array([1.0, 2.0, 3.0, 4.0])) == share


def test_pixel_metrics_need_both_kinds_of_pixel() -> None:
    scores = np.arange(16.0).reshape(4, 4)
    assert all(math.isnan(value) for value in pixel_metrics(np.zeros((4, 4), bool), scores))
    assert all(math.isnan(value) for value in pixel_metrics(np.ones((4, 4), bool), scores))
    assert pixel_metrics(scores > 12, scores) == (1, 1)


def test_areas_are_those_of_the_masks(subject: Subject) -> None:
    table = area(subject).tables["area_pictures"]
    for row in table.itertuples():
        picture = next(
            p for p in subject.data[row[1]].test if f"{p.path.parent.name}/{p.path.name}" == row[2]
        )
        assert picture.mask is not None
        assert row[4] == decode_mask(picture.mask).mean()
    assert list(table["area [px]"][:4]) == [(4 + 8 * i) ** 2 for i in range(4)]


def test_a_picture_alone_beats_what_its_score_says(subject: Subject) -> None:
    table = area(subject).tables["area_pictures"]
    labels, _ = subject.evaluation.truth("wood")
    scores = subject.evaluation.scores("wood", ("wood",)).images
    good = scores[~labels]
    known = [float(np.mean([(s > g) + 0.5 * (s == g) for g in good])) for s in scores[labels]]
    wood = table[table["class"] == "wood"]
    assert list(wood["beats_good [share]"]) == known
    assert list(wood["detected"]) == [share >= 0.95 for share in known]


def test_image_auroc_is_the_mean_share_of_good_pictures_beaten(subject: Subject) -> None:
    tables = area(subject).tables
    means = tables["area_pictures"].groupby("class")["beats_good [share]"].mean()
    classes = tables["area_classes"].set_index("class")["image_auroc"]
    assert dict(means) == pytest.approx(dict(classes))


def test_quantiles_hold_every_picture_once_from_small_to_large(subject: Subject) -> None:
    tables = area(subject).tables
    bins, pictures = tables["area"], tables["area_pictures"]
    quantiles = bins[bins["group"].str.startswith("area quantile")]
    assert quantiles["pictures"].sum() == len(pictures) == 12
    assert list(quantiles["pictures"]) == [3, 3, 3, 3]
    assert (
        quantiles["largest_area [share]"].to_numpy()[:-1]
        <= quantiles["smallest_area [share]"].to_numpy()[1:]
    ).all()
    small = bins[bins["group"] == "area below 0.5%"].iloc[0]
    assert small["pictures"] == (pictures["area [share]"] < 0.005).sum() == 3
    rest = bins[bins["group"] == "area from 0.5%"].iloc[0]
    assert rest["pictures"] == 9
    detected = pictures[pictures["area [share]"] >= 0.005]["detected"].mean()
    assert rest["detected [share]"] == pytest.approx(detected)
    assert rest["detected_low_95"] < detected < rest["detected_high_95"] or detected in (0, 1)


def test_chance_of_pixel_ap_is_the_area(subject: Subject) -> None:
    tables = area(subject).tables
    pictures = tables["area_pictures"]
    whole = tables["area"].iloc[3]
    largest = pictures.nlargest(3, "area [share]")
    assert whole["mean_chance_pixel_ap"] == pytest.approx(largest["area [share]"].mean())
    draws = torch_stream("chance")
    mask = np.zeros((60, 60), bool)
    mask[:12, :20] = True
    noise = torch.rand(30, 60, 60, generator=draws).numpy()
    aps = [pixel_metrics(mask, one)[1] for one in noise]
    assert np.mean(aps) == pytest.approx(mask.mean(), rel=0.08)


def test_smooth_features_have_no_texture_and_noise_is_almost_all_texture() -> None:
    draws = torch_stream("texture")
    smooth = torch.randn(20, 1, 1, 8, generator=draws).expand(20, 7, 7, 8).half()
    assert texture(smooth) == (0, 0)
    noise = torch.randn(20, 7, 7, 8, generator=draws)
    # The variance within 9 independent values is 8/9 of the whole.
    assert texture(noise)[1] == pytest.approx(8 / 9, rel=0.02)


def test_a_grid_smaller_than_the_window_has_no_texture() -> None:
    assert all(math.isnan(value) for value in texture(torch.ones(3, 2, 5, 4)))


def test_without_masks_areas_are_missing_and_classes_stay(
    make_subject: Callable[..., Subject],
) -> None:
    analysis = area(make_subject(("bottle", "cable"), without_masks=True))
    assert analysis.tables["area_pictures"].empty and analysis.tables["area"].empty
    classes = analysis.tables["area_classes"]
    assert classes["image_auroc"].notna().all() and classes["texture [share]"].notna().all()
    assert classes[["pixel_ap", "detected [share]"]].isna().all(axis=None)
    assert "missing" in analysis.notes[0]
