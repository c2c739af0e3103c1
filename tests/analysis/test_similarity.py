"""Similarity of updates that are known to be equal, turned, or unrelated."""

import numpy as np
import pytest

from moleflow.analysis.similarity import (
    DRAWS,
    MEASURES,
    Chance,
    Span,
    cka,
    compare,
    principal_angles,
    sides,
    similarity,
)
from moleflow.analysis.subject import Subject
from moleflow.analysis.updates import Update
from moleflow.streams import numpy_stream

pytestmark = pytest.mark.slow


def update(up: np.ndarray, down: np.ndarray) -> Update:
    return Update(0, "scale_in", np.ones((len(up), down.shape[1])), up, down)


def random_update(name: str, rows: int = 24, rank: int = 3, columns: int = 18) -> Update:
    draws = numpy_stream("similarity", name)
    return update(draws.standard_normal((rows, rank)), draws.standard_normal((rank, columns)))


def output_of(one: Update) -> Span:
    span = sides(one)["output"]
    assert span is not None
    return span


def measured(one: Update, other: Update) -> dict[str, float]:
    values = compare(output_of(one), output_of(other), Chance())
    return dict(zip(MEASURES, values, strict=True))


def test_identical_updates_have_cka_1_and_angles_0() -> None:
    found = measured(random_update("a"), random_update("a"))
    assert found["cka"] == pytest.approx(1, abs=1e-12)
    assert found["overlap"] == pytest.approx(1, abs=1e-12)
    assert found["largest_angle [deg]"] == pytest.approx(0, abs=1e-6)


def test_orthogonal_updates_have_cka_0_and_angles_90() -> None:
    eye = np.eye(8)
    # Columns with mean zero, so that centring leaves them orthogonal.
    one, other = eye[:, [0]] - eye[:, [1]], eye[:, [2]] - eye[:, [3]]
    down = random_update("b", rank=1).down
    found = measured(update(one, down), update(other, down))
    assert found["cka"] == pytest.approx(0, abs=1e-12)
    assert found["smallest_angle [deg]"] == pytest.approx(90)
    assert found["overlap"] == pytest.approx(0, abs=1e-12)


def test_another_factorisation_of_the_same_update_changes_nothing() -> None:
    one, other = random_update("c"), random_update("d")
    mix = numpy_stream("mix").standard_normal((3, 3))
    again = update(one.up @ mix, np.linalg.inv(mix) @ one.down)
    assert list(measured(one, other).values()) == pytest.approx(
        list(measured(again, other).values()), abs=1e-9
    )


def test_cka_ignores_scale_and_rotation_of_the_features() -> None:
    draws = numpy_stream("rotation")
    x = draws.standard_normal((20, 5))
    x = x - x.mean(axis=0)
    turn, _ = np.linalg.qr(draws.standard_normal((5, 5)))
    assert cka(x, 7 * x @ turn) == pytest.approx(1)


@pytest.mark.parametrize("degrees", [1e-6, 10.0, 44.0, 60.0, 90.0])
def test_a_known_angle_is_found(degrees: float) -> None:
    angle = np.radians(degrees)
    one = np.eye(4)[:, :2]
    other = np.array([[1, 0], [0, np.cos(angle)], [0, np.sin(angle)], [0, 0]])
    np.testing.assert_allclose(principal_angles(one, other), [0, degrees], rtol=1e-6, atol=1e-7)


def test_subspaces_of_other_dimensions_are_compared_by_the_smaller() -> None:
    wide, narrow = np.eye(6)[:, :4], np.eye(6)[:, 2:5]
    np.testing.assert_allclose(principal_angles(wide, narrow), [0, 0, 90])
    np.testing.assert_allclose(principal_angles(narrow, wide), [0, 0, 90])


def test_unrelated_updates_stand_at_their_chance_level() -> None:
    pairs = [measured(random_update(f"u{i}"), random_update(f"v{i}")) for i in range(60)]
    for measure in ("cka", "overlap", "smallest_angle [deg]", "dominant_overlap"):
        values = np.array([pair[measure] for pair in pairs])
        chance = np.mean([pair[f"chance_{measure}"] for pair in pairs])
        error = values.std(ddof=1) / np.sqrt(min(len(pairs), DRAWS))
        assert abs(values.mean() - chance) < 3.5 * error, measure


def test_chance_is_the_same_every_time(subject: Subject) -> None:
    one, other = similarity(subject), similarity(subject)
    assert one.tables["similarity"].equals(other.tables["similarity"])


def test_an_update_of_zeros_is_compared_with_nothing() -> None:
    nothing = update(np.zeros((6, 2)), np.ones((2, 5)))
    assert sides(nothing) == {"output": None, "input": None}


def test_every_pair_of_tasks_has_both_sides(subject: Subject) -> None:
    tables = similarity(subject).tables
    pairs = tables["similarity"]
    assert list(zip(pairs["task_a"], pairs["task_b"], pairs["side"], strict=True)) == [
        (a, b, side)
        for a, b in (("bottle", "cable"), ("bottle", "wood"), ("cable", "wood"))
        for side in ("output", "input")
    ]
    assert (pairs["layers"] == 8).all() and len(tables["similarity_layers"]) == 3 * 2 * 8
    assert pairs["cka"].between(0, 1).all() and pairs["overlap"].between(0, 1).all()
