"""A fraction of the training pictures is drawn by a seed of its own."""

from hypothesis import given
from hypothesis import strategies as st

from moleflow.config_parts import DataConfig
from moleflow.data.fraction import FEWEST, drawn


@given(st.integers(2, 400), st.floats(0.001, 1), st.floats(0.001, 1), st.integers(0, 9))
def test_a_smaller_fraction_is_part_of_a_larger_one(
    pictures: int, one: float, other: float, seed: int
) -> None:
    few, many = (
        drawn(pictures, DataConfig(fraction=f, seed=seed), "bottle") for f in sorted((one, other))
    )
    assert set(few) <= set(many) <= set(range(pictures)) and few == sorted(set(few))
    assert len(few) >= FEWEST and abs(len(many) - max(one, other) * pictures) <= max(0.5, FEWEST)


def test_all_pictures_are_used_in_their_order_unless_a_fraction_is_asked_for() -> None:
    assert drawn(5, DataConfig(seed=3), "bottle") == [0, 1, 2, 3, 4]


def test_pictures_that_are_drawn_are_the_same_for_ever() -> None:
    """Golden: on every machine, in every process and with every version."""
    half = [drawn(10, DataConfig(fraction=0.5, seed=seed), "bottle") for seed in (0, 1)]
    assert half == [[0, 5, 7, 8, 9], [1, 3, 6, 7, 8]]
    assert drawn(10, DataConfig(fraction=0.5), "cable") not in half
