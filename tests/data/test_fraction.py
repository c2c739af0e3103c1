"""A fraction of the training pictures is drawn by a seed of its own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moleflow.config_parts import DataConfig
from moleflow.data.fraction import FEWEST, drawn, held_out
from moleflow.errors import DataError


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


def test_what_is_held_out_is_never_trained_on_whatever_fraction_is_used() -> None:
    for fraction in (1.0, 0.5):
        config = DataConfig(fraction=fraction, held_out=0.25)
        kept, used = held_out(20, config, "bottle"), drawn(20, config, "bottle")
        assert len(kept) == 5 and not kept & set(used)
        assert len(used) == round(15 * fraction + 0.01)


def test_a_smaller_share_held_out_is_part_of_a_larger_one() -> None:
    few, many = (held_out(20, DataConfig(held_out=s), "bottle") for s in (0.1, 0.4))
    assert few < many and len(many) == 8
    assert held_out(20, DataConfig(), "bottle") == frozenset()


def test_a_class_of_too_few_pictures_to_hold_some_out_is_refused() -> None:
    assert len(held_out(4, DataConfig(held_out=0.1), "bottle")) == 2
    with pytest.raises(DataError, match="class bottle: 3 training pictures"):
        held_out(3, DataConfig(held_out=0.1), "bottle")
