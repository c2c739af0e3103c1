"""Confusion, margins, prototype cosines and losses, by hand."""

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from moleflow.analysis.routing import routing
from moleflow.analysis.subject import Subject
from moleflow.evaluation import SequenceEvaluation
from moleflow.router import Prototype

pytestmark = pytest.mark.slow


def with_prototypes(subject: Subject, means: list[list[float]]) -> Subject:
    prototypes = tuple(Prototype(torch.tensor(m, dtype=torch.float64), None) for m in means)
    return dataclasses.replace(subject, prototypes=prototypes)


def test_cosines_of_known_prototypes(subject: Subject) -> None:
    means = np.zeros((3, 16))
    means[0, 0], means[1, 1], means[2, :2] = 1, 2, (3, 3)
    table = routing(with_prototypes(subject, means.tolist())).tables["routing_cosines"]
    assert list(table["cosine"]) == pytest.approx([0, math.sqrt(0.5), math.sqrt(0.5)])
    centred = means - means.mean(axis=0)
    known = centred[0] @ centred[1] / np.linalg.norm(centred[0]) / np.linalg.norm(centred[1])
    assert table["centred_cosine"][0] == pytest.approx(known)


def test_counts_and_margins_are_those_of_the_distances(subject: Subject) -> None:
    tables = routing(subject).tables
    table = tables["routing"].set_index("class")
    means = subject.features["cable"].test.means.double()
    distances = np.stack([p.squared_distance(means).numpy() for p in subject.prototypes], axis=1)
    chosen = distances.argmin(axis=1)
    counts = tables["routing_confusion"].set_index("class").loc["cable"]
    assert list(counts) == [int((chosen == t).sum()) for t in range(3)]
    margins = np.minimum(distances[:, 0], distances[:, 2]) - distances[:, 1]
    row = table.loc["cable"]
    assert row["margin_min"] == pytest.approx(margins.min())
    assert row["margin_median"] == pytest.approx(np.median(margins))
    assert row["accuracy [share]"] == pytest.approx((margins > 0).mean())
    assert row["pictures"] == 8


def test_swapped_prototypes_send_everything_astray_and_the_loss_is_measured(
    subject: Subject,
) -> None:
    first, second, third = subject.prototypes
    swapped = dataclasses.replace(subject, prototypes=(second, first, third))
    analysis = routing(swapped)
    row = analysis.tables["routing"].set_index("class").loc["bottle"]
    right = routing(subject).tables["routing"].set_index("class").loc["bottle"]
    assert row["accuracy [share]"] == pytest.approx(1 - right["accuracy [share]"])
    assert row["most_confused_with"] == "cable" and row["margin_min"] < 0
    assert -1 <= row["relative_margin_min"] < 0
    oracle = SequenceEvaluation(
        subject.model,
        subject.sequence,
        subject.data,
        {n: f.test for n, f in subject.features.items()},
    )
    for prototype in swapped.prototypes:
        oracle.learn(prototype)
    values = {(m.metric, m.routing): m.value for m in oracle.measure() if m.class_name == "bottle"}
    for metric in ("image_auroc", "pixel_ap"):
        loss = values[metric, "oracle"] - values[metric, "routed"]
        assert row[f"{metric}_loss"] == pytest.approx(loss)
    assert row["pixel_ap_loss"] != 0


def test_one_task_has_no_wrong_one(make_subject: Callable[..., Subject]) -> None:
    row = routing(make_subject(("bottle",))).tables["routing"].iloc[0]
    assert row["accuracy [share]"] == 1 and row["image_auroc_loss"] == 0
    assert row[["margin_min", "margin_median", "relative_margin_min"]].isna().all()
    assert row["most_confused_with"] == ""


def test_a_class_without_masks_has_no_pixel_loss(make_subject: Callable[..., Subject]) -> None:
    table = routing(make_subject(("bottle", "cable"), without_masks=True)).tables["routing"]
    assert table[["pixel_ap_oracle", "pixel_ap_routed", "pixel_ap_loss"]].isna().all(axis=None)
    assert table["image_auroc_loss"].notna().all()


def test_a_router_that_is_told_is_named_as_such(make_subject: Callable[..., Subject]) -> None:
    analysis = routing(make_subject(("bottle", "cable"), router__distance="oracle"))
    assert (analysis.tables["routing"]["accuracy [share]"] == 1).all()
    assert "told the true task" in analysis.notes[-1]
