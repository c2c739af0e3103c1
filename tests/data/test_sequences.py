"""Classes are cut into the tasks that a scenario or groups name, and orders of them drawn once."""

import subprocess
import sys
from itertools import chain, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moleflow.data.sequences import (
    COMMON,
    Sequence,
    check_class_name,
    cut,
    draw_sequences,
    in_groups,
    in_scenario,
    order_name,
    task_name,
    task_sizes,
)
from moleflow.errors import StudyError

MVTEC = tuple(f"class {i:02d}" for i in range(15))
ABCD = ("a", "b", "c", "d")
SIZES = st.lists(st.integers(1, 3), min_size=1, max_size=5).map(tuple).filter(lambda s: sum(s) < 6)


def units(count: int) -> Sequence:
    return tuple((name,) for name in "abcdefghi"[:count])


def all_sequences(sizes: tuple[int, ...]) -> set[Sequence]:
    """By going through every order: the definition."""
    return {cut(order, sizes) for order in permutations(units(sum(sizes)))}


@pytest.mark.parametrize(
    ("scenario", "sizes"),
    [
        ("1-1", [1] * 15),
        ("3-3", [3] * 5),
        ("5-5", [5] * 3),
        ("10-1", [10, 1, 1, 1, 1, 1]),
        ("10-5", [10, 5]),
        ("14-1", [14, 1]),
        ("1-7", [1, 7, 7]),
        ("joint", [15]),
    ],
)
def test_the_first_task_holds_a_classes_and_every_later_one_b(
    scenario: str, sizes: list[int]
) -> None:
    sequence = in_scenario(MVTEC, scenario)
    assert [len(task) for task in sequence] == sizes
    assert tuple(chain.from_iterable(sequence)) == MVTEC


def test_classes_inside_a_task_are_sorted_and_tasks_keep_the_order() -> None:
    assert in_scenario(("d", "b", "c", "a"), "2-2") == (("b", "d"), ("a", "c"))
    assert in_groups((("d", "b"), ("a",)), ("a", "b", "d")) == (("b", "d"), ("a",))


@pytest.mark.parametrize(
    "scenario", ["", "3", "0-1", "1-0", "-1-1", "1-1-1", "a-b", "1 - 1", "١-1"]
)
def test_a_scenario_that_cannot_be_read_is_refused_with_the_common_ones(scenario: str) -> None:
    with pytest.raises(StudyError) as error:
        in_scenario(ABCD, scenario)
    assert repr(scenario) in str(error.value)
    assert all(name in str(error.value) for name in COMMON)


def test_a_scenario_that_leaves_classes_over_is_refused_with_those_that_fit() -> None:
    with pytest.raises(StudyError, match=r"6 classes do not .* \(1 left over\)") as error:
        in_scenario(tuple("abcdef"), "5-5")
    assert "with 6 classes fit 1-1, 3-3, joint" in str(error.value)


def test_a_scenario_for_more_classes_than_there_are_is_refused() -> None:
    with pytest.raises(
        StudyError, match=r"4 classes do not make a first task of 10 .* \(6 too few\)"
    ):
        in_scenario(ABCD, "10-5")


@pytest.mark.parametrize("count", range(1, 40))
def test_scenarios_that_an_error_suggests_do_fit(count: int) -> None:
    with pytest.raises(StudyError) as error:
        task_sizes("99-1", count)
    suggested = str(error.value).split(" classes fit ")[1].split(";")[0].split(", ")
    assert suggested[-1] == "joint"
    for scenario in suggested:
        assert sum(task_sizes(scenario, count)) == count


def test_no_classes_and_classes_named_twice_are_refused() -> None:
    with pytest.raises(StudyError, match="there are none"):
        in_scenario((), "joint")
    with pytest.raises(StudyError, match="b named more than once"):
        in_scenario(("a", "b", "b"), "joint")


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ((("a", "b"), ("b", "c", "d")), "b named more than once"),
        ((("a", "b"),), "no group holds c, d"),
        ((ABCD, ("z",)), "not among the classes: z"),
        ((ABCD, ()), "one is empty"),
        ((ABCD, ("",)), "names an empty class"),
        ((), "there are none"),
    ],
)
def test_groups_that_are_no_partition_of_the_classes_are_refused(
    groups: Sequence, message: str
) -> None:
    with pytest.raises(StudyError, match=message):
        in_groups(groups, ABCD)


@pytest.mark.parametrize(
    "name",
    [
        *("a+b", "a > b", "> a", "a >", ">", "mean", "summary", "metric", "tasks_seen"),
        *("a\nb", "a\tb", "a\rb", " a", "a ", "a  b", "a\xa0b", "a\u200bb", "\u202eab", "\x1b[31m"),
    ],
)
def test_a_class_whose_name_could_stand_for_something_else_is_refused(name: str) -> None:
    units = (("a", name),)
    for make in (lambda: in_scenario(units[0], "1-1"), lambda: in_groups(units, ("a",))):
        with pytest.raises(StudyError, match=r"class '.*rename its folder.*e\.g\. to '"):
            make()


@pytest.mark.parametrize(
    "name", ["größe", "a b", "v1.0", "部品", "деталь", "🍪", "a|b*c_d`e", "=1"]
)
def test_a_name_that_can_be_read_is_a_class_name(name: str) -> None:
    assert is_allowed(name)


def is_allowed(name: str) -> bool:
    try:
        check_class_name(name)
    except StudyError:
        return False
    return True


NAMES = st.text("a +>", min_size=1, max_size=3).filter(is_allowed)
TASKS = st.lists(NAMES, min_size=1, max_size=3, unique=True).map(tuple)


@given(st.lists(TASKS, min_size=1, max_size=3).map(tuple), st.lists(TASKS, max_size=3).map(tuple))
def test_names_of_tasks_and_orders_are_alike_only_where_these_are(one: Sequence, other: Sequence):
    assert (order_name(one) == order_name(other)) == (one == other)
    assert (task_name(one[0]) == order_name(other)) == ((one[0],) == other)


@given(SIZES)
def test_asking_for_more_sequences_than_there_are_gives_each_once(sizes: tuple[int, ...]) -> None:
    drawn = list(draw_sequences(units(sum(sizes)), sizes, (), 10**6))
    assert len(drawn) == len(set(drawn))
    assert set(drawn) == all_sequences(sizes)


@given(SIZES, st.integers(1, 30), st.data())
def test_heads_give_the_asked_number_of_sequences_if_there_are_that_many(
    sizes: tuple[int, ...], count: int, data: st.DataObject
) -> None:
    every = units(sum(sizes))
    heads = tuple(data.draw(st.lists(st.sampled_from(every), min_size=1, unique=True)))
    drawn = draw_sequences(every, sizes, heads, count)
    named = {name for head in heads for name in head}
    possible = {sequence for sequence in all_sequences(sizes) if named & set(sequence[0])}
    assert len(drawn) == min(count, len(possible))
    assert set(drawn) <= possible
    assert all(set(head) <= set(sequence[0]) for sequence, head in drawn.items())


def test_more_sequences_keep_the_first_ones() -> None:
    sizes, every = (2, 1, 1), units(4)
    for heads in ((), every[:1], every[1:3]):
        few, many = (list(draw_sequences(every, sizes, heads, count)) for count in (3, 8))
        assert many[:3] == few


def test_a_head_can_have_several_sequences_before_the_next_ones_turn() -> None:
    every = units(4)
    for count in (1, 2, 5):
        drawn = draw_sequences(every, (1, 1, 1, 1), every, count, each=2)
        assert list(drawn.values()) == [every[k // 2] for k in range(count)]


def test_sequences_are_read_without_torch() -> None:
    code = "import sys, moleflow.data.sequences; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
