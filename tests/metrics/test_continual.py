"""Laws of the continual-learning summary."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from moleflow.metrics.continual import continual_summary, forgetting_max_minus_last

NAN = np.nan
R = np.array([[0.9, NAN, NAN], [0.95, 0.8, NAN], [0.6, 0.7, 0.5]])
OWN = np.arange(3)


def test_summary_follows_the_definitions_by_hand():
    assert continual_summary(R, OWN) == pytest.approx(
        {
            "final_mean": 0.6,
            "on_task_mean": (0.9 + 0.8 + 0.5) / 3,
            "backward_transfer/last_minus_own": (-0.3 - 0.1) / 2,
            "backward_transfer/mean_over_pairs": (0.05 - 0.3 - 0.1) / 3,
            "forgetting/max_minus_last": (0.35 + 0.1) / 2,
            "forgetting/first_minus_last": (0.3 + 0.1) / 2,
        }
    )


def test_classes_of_one_task_share_their_own_step():
    matrix = np.array([[0.9, 0.8, NAN], [0.7, 0.9, 0.5]])
    summary = continual_summary(matrix, np.array([0, 0, 1]))
    assert summary["on_task_mean"] == pytest.approx((0.9 + 0.8 + 0.5) / 3)
    assert summary["backward_transfer/last_minus_own"] == pytest.approx((-0.2 + 0.1) / 2)


def test_transfer_and_forgetting_are_absent_after_one_step():
    summary = continual_summary(np.array([[0.9, 0.7]]), np.array([0, 0]))
    assert summary == pytest.approx({"final_mean": 0.8, "on_task_mean": 0.8})


def test_a_class_without_the_metric_is_left_out():
    matrix = np.column_stack([R, np.full(3, NAN)])[:, [0, 3, 1, 2]]
    assert continual_summary(matrix, np.array([0, 1, 1, 2])) == continual_summary(R, OWN)


def test_a_matrix_without_values_has_no_summary():
    assert continual_summary(np.full((2, 2), NAN), np.arange(2)) == {}


def test_entries_before_a_class_is_learned_do_not_count():
    noisy = R.copy()
    noisy[0, 1:] = 0.99
    assert continual_summary(noisy, OWN) == continual_summary(R, OWN)


@pytest.mark.parametrize("bad", [NAN, np.inf])
def test_a_missing_value_after_learning_is_refused(bad: float):
    matrix = R.copy()
    matrix[2, 1] = bad
    with pytest.raises(ValueError, match=r"R\[2, 1\] is not finite"):
        continual_summary(matrix, OWN)


@pytest.mark.parametrize("own_step", [np.array([0, 1, 3]), np.array([-1, 0, 1])])
def test_own_steps_outside_the_matrix_are_refused(own_step: np.ndarray):
    with pytest.raises(ValueError, match="own_step"):
        continual_summary(R, own_step)


@given(arrays.arrays(float, (5, 5), elements=st.floats(0, 1)))
def test_forgetting_by_the_maximum_is_never_negative(matrix: np.ndarray):
    assert forgetting_max_minus_last(matrix, np.arange(5)) >= 0


@given(arrays.arrays(float, 5, elements=st.floats(0, 1)))
def test_unchanged_results_mean_exactly_no_transfer_and_no_forgetting(row: np.ndarray):
    summary = continual_summary(np.tile(row, (5, 1)), np.arange(5))
    assert all(value == 0 for name, value in summary.items() if "/" in name)


def test_summaries_are_the_same_bits_in_every_order_of_the_classes():
    draw = np.random.default_rng(3)
    matrix, own = draw.random((15, 15)), np.arange(15)
    seen = {
        tuple(continual_summary(matrix[:, order], own[order]).values())
        for order in (draw.permutation(15) for _ in range(50))
    }
    assert len(seen) == 1
