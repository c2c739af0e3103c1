"""Laws of means, intervals, variance shares and disparity."""

import math

import pytest

from reports.statistics import Observation, decompose, order_disparity, spread, summarise


def shares(observations: list[Observation]) -> dict[str, float | None]:
    found = decompose(observations)
    assert found is not None
    return {component.name: component.share for component in found.components}


def design(value, firsts: int = 3, orders: int = 2, seeds: int = 4) -> list[Observation]:
    return [
        Observation(f"t{a}", f"t{a} o{b}", s, value(a, b, s))
        for a in range(firsts)
        for b in range(orders)
        for s in range(seeds)
    ]


def test_standard_deviation_is_the_sample_one():
    found = summarise([1.0, 2.0, 6.0])
    assert found is not None
    assert (found.n, found.mean, found.low, found.high) == (3, 3.0, 1.0, 6.0)
    assert found.sd == pytest.approx(math.sqrt(7.0))


def test_one_number_has_no_standard_deviation_and_no_interval():
    found = summarise([0.5])
    assert found is not None
    assert found.sd is None and found.interval is None


def test_two_numbers_have_no_interval():
    found = summarise([0.5, 0.6])
    assert found is not None and found.interval is None


def test_interval_of_three_numbers_uses_the_t_distribution():
    found = summarise([1.0, 2.0, 3.0])
    assert found is not None and found.interval is not None
    assert found.interval[1] - 2.0 == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)


def test_no_numbers_have_no_summary():
    assert summarise([]) is None


def test_if_only_task_zero_matters_all_variance_is_its():
    found = shares(design(lambda a, b, s: float(a)))
    assert found["task 0"] == pytest.approx(1.0)
    assert found["seed"] == pytest.approx(0.0)


def test_if_only_the_order_matters_all_variance_is_its():
    assert shares(design(lambda a, b, s: float(b)))["order within task 0"] == pytest.approx(1.0)


def test_if_only_the_seed_matters_all_variance_is_its():
    assert shares(design(lambda a, b, s: float(s)))["seed"] == pytest.approx(1.0)


def test_shares_sum_to_one_and_interaction_is_the_rest():
    found = shares(design(lambda a, b, s: a + 0.3 * b + 0.1 * s * s + 0.2 * a * s))
    assert sum(share for share in found.values() if share is not None) == pytest.approx(1.0)
    assert (found["rest (interactions)"] or 0) > 0


def test_a_source_without_degrees_of_freedom_has_no_share():
    found = shares(design(lambda a, b, s: float(a), seeds=1))
    assert found["seed"] is None and found["rest (interactions)"] is None


def test_equal_numbers_have_no_shares_even_with_rounding():
    found = decompose(design(lambda a, b, s: 0.9 + 1e-16 * a * s))
    assert found is not None and not found.varies
    assert all(component.share is None for component in found.components)


def test_seeds_without_every_order_are_left_out_and_counted():
    found = decompose(design(lambda a, b, s: float(a))[:-1])
    assert found is not None
    assert (found.seeds, found.trials, found.left_out) == (3, 18, 5)


def test_no_seed_with_every_order_gives_no_decomposition():
    assert decompose([Observation("a", "ab", 0, 0.1), Observation("b", "ba", 1, 0.2)]) is None


def test_spread_takes_ranges_of_groups_of_two_or_more():
    found = spread([[1.0, 4.0, 2.0], [5.0], [0.0, 1.0]])
    assert found is not None
    assert (found.mean, found.largest, found.groups) == (2.0, 3.0, 2)


def test_disparity_by_hand():
    seed0 = [{"a": 0.9, "b": 0.5}, {"a": 0.8, "b": 0.5}]
    seed1 = [{"a": 0.9, "b": 0.6}, {"a": 0.6, "b": 0.5}]
    found = order_disparity([seed0, seed1])
    assert found is not None
    assert found.average == pytest.approx((0.2 + 0.05) / 2)
    assert (found.maximum, found.worst) == (pytest.approx(0.2), "a")
    assert (found.classes, found.groups) == (2, 2)


def test_one_order_has_no_disparity():
    assert order_disparity([[{"a": 0.9}]]) is None
