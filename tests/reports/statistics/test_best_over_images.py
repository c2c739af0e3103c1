"""Which of several is best on other test images too: worlds with a known truth."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from moleflow.streams import numpy_stream
from reports.statistics import (
    ClassImages,
    OverImages,
    best,
    best_over_images,
    between_groups,
    bootstrap_covariance,
    delong_covariance,
    doubt,
    equivalence,
    seeds_to_settle,
    seeds_to_settle_over_images,
    seeds_to_settle_range,
    seeds_to_settle_range_over_images,
    upper_over_images,
    weighted_auroc,
)
from reports.statistics.over_images import auroc_over_images, f1_over_images

G, S, IMAGES = 3, 3, 24
LABELS = np.arange(2 * IMAGES) >= IMAGES


def means_and_seeds(name: str, spread: float, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """True means, and what three seeds gave of them on one sample of images."""
    draw = numpy_stream("tests", "best over images", name)
    true = draw.normal(0, spread, len(images))
    seen = true + draw.multivariate_normal(np.zeros(len(images)), images)
    return true, seen[:, None] + draw.normal(0, 0.004, (len(images), S))


def said_and_right(with_images: bool, worlds: int = 120) -> tuple[float, float]:
    """Probability that is said of the leader, and how often it was the best, on average."""
    images = 0.01**2 * (0.5 * np.eye(G) + 0.5)
    said, right = [], []
    for i in range(worlds):
        true, values = means_and_seeds(f"world {i}", 0.008, images)
        found = best_over_images(values, images) if with_images else best(values)
        said.append(found.probability[found.leader])
        right.append(int(true.argmax()) == found.leader)
    return float(np.mean(said)), float(np.mean(right))


@pytest.mark.slow
def test_chances_on_other_images_are_how_often_the_leader_is_the_best() -> None:
    said, right = said_and_right(with_images=True)
    assert said == pytest.approx(right, abs=0.08)
    said, right = said_and_right(with_images=False)
    assert said > right + 0.08


def pictures_seen(name: str) -> tuple[int, np.ndarray, np.ndarray]:
    """The best of three settings that see the same images nearly alike, AUROCs of each of three
    seeds, and their covariance over samples of the images."""
    draw = numpy_stream("tests", "best over images", "pictures", name)
    true = draw.normal(1.2, 0.12, G)
    common, own = draw.normal(size=2 * IMAGES), 0.35 * draw.normal(size=(G, 1, 2 * IMAGES))
    scores = common + own + true[:, None, None] * LABELS
    scores = (scores + 0.1 * draw.normal(size=(G, S, 2 * IMAGES))).reshape(G * S, -1)
    over = auroc_over_images(ClassImages("one", LABELS, scores), np.eye(G * S))
    return int(true.argmax()), over.values.reshape(G, S), over.covariance


@pytest.mark.soak
def test_images_that_all_settings_share_are_drawn_once_for_all() -> None:
    ways = (np.asarray, lambda of: np.diag(np.diag(of)), np.zeros_like)
    said, right = np.zeros((3, 300)), np.zeros((3, 300))
    for i in range(300):
        truth, values, covariance = pictures_seen(str(i))
        for j, way in enumerate(ways):
            found = best_over_images(values, way(between_groups([covariance], G)))
            said[j, i] = found.probability[found.leader]
            right[j, i] = truth == found.leader
    together, apart, none = said.mean(axis=1)
    right_of_each = right.mean(axis=1)
    assert together == pytest.approx(right_of_each[0], abs=0.08)
    assert apart < right_of_each[1] - 0.08
    assert none > right_of_each[2] + 0.08


def test_images_that_move_all_alike_change_no_chance() -> None:
    _, values = means_and_seeds("alike", 0.004, np.zeros((4, 4)))
    alike = np.full((4, 4), 0.01)
    assert best_over_images(values, 0 * alike) == best(values)
    assert best_over_images(values, alike).probability == pytest.approx(
        best(values).probability, abs=0.01
    )


def test_chances_of_two_on_other_images_are_those_of_a_normal_with_both_variances() -> None:
    values = 0.9 + np.array([[0.0301, 0.03, 0.0299], [0.0, 0.0001, -0.0001]])
    covariance = np.array([[3.0, 1.0], [1.0, 2.0]]) / 3 * 0.05**2
    found = best_over_images(values, covariance).probability[0]
    assert found == pytest.approx(stats.norm.cdf(0.03 / 0.05), abs=1e-4)


def test_images_that_leave_it_open_are_settled_by_no_number_of_seeds() -> None:
    values = 0.9 + np.array([[0.0, 0.004, 0.002], [0.01, 0.009, 0.014], [0.004, 0.003, 0.001]])
    more = seeds_to_settle(values)
    assert more is not None
    assert seeds_to_settle_over_images(values, 0.02**2 * np.eye(3)) is None
    with_few = seeds_to_settle_over_images(values, 0.001**2 * np.eye(3))
    assert with_few is not None and with_few >= more


def test_the_range_of_seeds_on_other_images_is_that_of_the_noise_between_seeds() -> None:
    values = 0.9 + np.array([[0.0, 0.004, 0.002], [0.003, 0.009, 0.004], [0.001, 0.0, 0.003]])
    few = 0.001**2 * np.eye(3)
    more, (low, high) = (
        ask(values, few) for ask in (seeds_to_settle_over_images, seeds_to_settle_range_over_images)
    )
    assert low is not None and more is not None and high is not None and 0 < low < more < high
    assert seeds_to_settle_range_over_images(values, 0 * few) == seeds_to_settle_range(values)
    assert seeds_to_settle_range_over_images(values, 0.02**2 * np.eye(3)) == (None, None)


def test_a_bound_on_other_images_holds_the_true_difference_of_the_extremes() -> None:
    images = 0.01**2 * (0.7 * np.eye(4) + 0.3)
    held = held_over_seeds = 0
    for i in range(600):
        true, values = means_and_seeds(f"bound {i}", 0.005, images)
        found = equivalence(values, 0.0)
        gap = true[found.largest] - true[found.smallest]
        held += gap <= upper_over_images(values, images)
        held_over_seeds += gap <= found.upper
    assert held / 600 >= 0.95 - 3 * math.sqrt(0.05 * 0.95 / 600)
    _, values = means_and_seeds("no images", 0.005, images)
    assert upper_over_images(values, 0 * images) == equivalence(values, 0.0).upper


def test_the_covariance_of_means_is_that_of_samples_which_are_the_same_for_all() -> None:
    draw = numpy_stream("tests", "best over images", "bootstrap")
    common = draw.normal(size=2 * IMAGES) + 1.2 * LABELS
    scores = common + 0.35 * draw.normal(size=(2, 2 * IMAGES))
    drawn = bootstrap_covariance([weighted_auroc(LABELS, one) for one in scores], LABELS, "same")
    found = between_groups([delong_covariance(LABELS, scores)], 2)
    assert found == pytest.approx(drawn, rel=0.1)
    difference = found[0, 0] + found[1, 1] - 2 * found[0, 1]
    assert difference < 0.3 * (found[0, 0] + found[1, 1])


@pytest.mark.parametrize("estimate", [auroc_over_images, f1_over_images])
def test_a_mean_has_the_variance_that_it_has_alone(
    estimate: Callable[[ClassImages, np.ndarray], OverImages],
) -> None:
    draw = numpy_stream("tests", "best over images", "alone")
    scores = draw.normal(size=(G * S, 2 * IMAGES)) + LABELS
    classes = [ClassImages(name, LABELS, scores) for name in ("bottle", "cable")]
    every = [estimate(one, np.eye(G * S)).covariance for one in classes]
    found = between_groups(every, G)
    for g in range(G):
        own = slice(g * S, g * S + S)
        values = np.tile(draw.normal(size=(S, 1)), 2)
        alone = doubt(values, [one[own, own] for one in every], [IMAGES, IMAGES])
        assert max(0.0, float(found[g, g])) == pytest.approx(alone.images)
