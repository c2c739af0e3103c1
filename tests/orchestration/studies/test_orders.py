"""Task orders by rules, from tables and from files; the same ones for ever."""

import csv
import json
from collections import Counter
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reports
from moleflow import profiles
from moleflow.data.sequences import permutations
from moleflow.errors import StudyError
from moleflow.streams import numpy_stream
from orchestration import Orders, Scenarios, Study, TaskZero
from orchestration.studies.order_tables import orders_in, published_names, published_order
from orchestration.studies.orders import arrangements, orders_asked, sequences
from tests.class_names import MVTEC as CLASS_NAMES

CLASSES = ("a", "b", "c", "d")
MVTEC = published_order("ucad mvtec", frozenset(CLASS_NAMES)).classes


def study(*axes: Any, **changes: Any) -> Study:
    return Study(question="?", base=profiles.quick(), axes=axes, **changes)


def orders(classes: tuple[str, ...] = CLASSES, **axis: Any) -> dict[str, str]:
    """Orders by what they are called."""
    asked = study(Orders(**axis))
    found = arrangements(asked, classes)
    assert len(found) == orders_asked(asked, classes)
    return {
        one.axes.get("ordering", ""): "".join(n for task in one.sequence for n in task)
        for one in found
    }


def test_permutations_are_those_that_numpy_draws_today() -> None:
    draws = numpy_stream("orders", "bottle")
    for ours in islice(permutations(14, "orders", "bottle"), 50):
        assert ours == list(draws.permutation(14))
    assert list(islice(permutations(1, "x"), 2)) == [[0], [0]]


def test_drawn_orders_are_the_same_for_ever() -> None:
    """Golden: on every machine, in every process and with every version."""
    assert _letters(study(Orders(count=7)))[4:] == ["abdc", "bdca", "cbad"]
    assert _letters(study(Orders(count=7, seed=1)))[4:] == ["adbc", "bcda", "cbda"]
    found = orders(ways=("random",), count=3, seed=5)
    assert list(found.values()) == ["bcad", "cdba", "bacd"]
    assert list(orders(tuple("abcdefghij"), ways=("random",)).values()) == ["eghfcjiabd"]


def _letters(asked: Study) -> list[str]:
    return ["".join(n for task in order for n in task) for order in sequences(asked, CLASSES)]


def test_the_seed_of_orders_is_not_that_of_training() -> None:
    one, other = (_letters(study(Orders(count=9), seeds=s)) for s in ((0,), (1, 2)))
    assert one == other != _letters(study(Orders(count=9, seed=1)))
    few, many = (orders(ways=("random",), count=n, seed=3) for n in (2, 4))
    assert few.items() <= many.items()


def test_orders_by_rules() -> None:
    assert orders(("b", "c", "a"), ways=("alphabetical", "reversed")) == {
        "alphabetical": "abc",
        "reversed": "acb",
    }
    assert orders(ways=("first_swapped",)) == {
        "a first": "abcd",
        "b first": "bacd",
        "c first": "cabd",
        "d first": "dabc",
    }
    assert list(orders(ways=("cyclic_shifts",)).values()) == ["abcd", "bcda", "cdab", "dabc"]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 12, 15])
def test_a_latin_square_has_every_class_at_every_place_and_after_every_other(count: int) -> None:
    names = tuple("abcdefghijklmno"[:count])
    found = list(orders(names, ways=("latin_square",)).values())
    places = Counter((name, place) for order in found for place, name in enumerate(order))
    after = Counter(pair for order in found for pair in pairwise(order))
    assert len(places) == count**2 and len(set(places.values())) == 1
    assert len(after) == count * (count - 1) and len(set(after.values())) <= 1


def test_families_come_first_and_are_known_or_asked_for() -> None:
    asked = study(Orders(ways=("textures_first", "objects_first")))
    first, last = ([task[0] for task in order] for order in sequences(asked, MVTEC))
    assert first[:5] == ["carpet", "grid", "leather", "tile", "wood"] and last[10:] == first[:5]
    assert tuple(first) == published_order("decoflow texture_first", frozenset(MVTEC)).classes
    told: Any = {"a": "object", "b": "texture", "c": "object", "d": "texture"}
    assert orders(ways=("textures_first",), families=told) == {"textures_first": "bdac"}
    with pytest.raises(StudyError, match=r'a, b, c, d not known as .*families=\{"a": "texture"'):
        orders(ways=("textures_first",))
    with pytest.raises(StudyError, match="all of these classes are objects"):
        orders(("pcb1", "candle"), ways=("objects_first",))


def test_orders_by_difficulty_follow_the_table() -> None:
    table = {"a": 0.9, "b": 0.7, "c": 0.9, "d": 0.99}
    found = orders(ways=("easy_first", "hard_first"), difficulty=table)
    assert found == {"easy_first": "dacb", "hard_first": "bacd"}
    with pytest.raises(StudyError, match="nothing is known of d"):
        orders(ways=("easy_first",), difficulty={"a": 1.0, "b": 1.0, "c": 1.0})


def test_greedy_orders_go_to_the_nearest_or_farthest() -> None:
    at = {"a": 0.0, "b": 5.0, "c": 1.0, "d": 3.0}
    table = {one: {other: abs(at[one] - at[other]) for other in at} for one in at}
    found = orders(ways=("similar", "dissimilar"), distances=table)
    assert found == {"similar": "acdb", "dissimilar": "abcd"}


def test_published_orders_are_those_that_reports_know() -> None:
    rows: dict[tuple[str, str], list[tuple[str, str]]] = {}
    text = (Path(reports.__path__[0]) / "published" / "orders.csv").read_text()
    for row in csv.DictReader(text.splitlines()):
        place = rows.setdefault((row["name"], row["dataset"]), [])
        place.append((row["position"], row["class"]))
    whole = {
        name: tuple(class_name for _, class_name in found)
        for name, found in rows.items()
        if [number for number, _ in found] == [str(i + 1) for i in range(len(found))]
    }
    ours = {
        (name, order.place.removeprefix("for ")): order.classes
        for name in published_names()
        for key, classes in whole.items()
        if key[0] == name
        for order in [published_order(name, frozenset(classes))]
    }
    assert ours == whole and len(whole) > 50


def test_a_published_order_is_chosen_by_name_and_data_set() -> None:
    (found,) = sequences(study(Orders(published=("ader class list",))), MVTEC)
    assert found[0] == ("carpet",)
    with pytest.raises(StudyError, match="did you mean ucad mvtec"):
        sequences(study(Orders(published=("ucad mvtek",))), MVTEC)
    with pytest.raises(StudyError, match=r"unknown; there are \d+, such as .*orders\.csv$") as told:
        published_order("zzzz", frozenset(MVTEC))
    assert len(str(told.value)) < 250
    with pytest.raises(StudyError, match=r"one of other classes .*candle"):
        sequences(study(Orders(published=("ucad visa",))), MVTEC)


def test_scenarios_cut_given_orders_too() -> None:
    asked = study(Scenarios("1-1", "2-2"), Orders(ways=("reversed",)))
    assert [(o.axes, o.sequence) for o in arrangements(asked, CLASSES)] == [
        ({"scenario": "1-1", "ordering": "reversed"}, (("d",), ("c",), ("b",), ("a",))),
        ({"scenario": "2-2", "ordering": "reversed"}, (("c", "d"), ("a", "b"))),
    ]


def test_given_orders_leave_no_choice_of_task_0() -> None:
    with pytest.raises(StudyError, match="leave TaskZero out"):
        study(TaskZero(count=2), Orders(ways=("reversed",)))


def test_a_file_of_orders_is_read_as_csv_and_json(tmp_path: Path) -> None:
    lines = ["name,position,class", *(f"mine,{4 - i},{n}" for i, n in enumerate(CLASSES))]
    (tmp_path / "mine.csv").write_text("\n".join(lines))
    (tmp_path / "mine.json").write_text(json.dumps({"mine": list(reversed(CLASSES))}))
    for name in ("mine.csv", "mine.json"):
        assert orders(listed=orders_in(tmp_path / name)) == {"mine": "dcba"}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("o.csv", "name,position,class\nx,1,a\nx,2,b\nx,3,a\n", "o.csv, line 4: order x names a"),
        ("o.csv", "name,position,class\nx,1,a\nx,1,b\n", "line 3: order x has a class at position"),
        ("o.csv", "name,class\nx,a\n", "line 1: no column position"),
        ("o.csv", "name,position,class\nx,one,a\n", "line 2: needs a name, a whole number"),
        ("o.csv", "name,position,class\n", "holds no orders"),
        ("o.json", '{"x": ["a",\n "b"],\n "y": ["a", "a"]}', "line 3: order y names a more than"),
        ("o.json", '{"x": ["a",]}', "o.json, line 1"),
        ("o.json", '{"x": "abc"}', "must be a list"),
        ("o.json", '{"x": ["a"], "x": ["b"]}', "x named more than once"),
        ("o.json", "3", "neither an object nor a list"),
        ("o.json", "[" * 100_000, "o.json"),
        ("none.csv", None, "cannot be read"),
    ],
)
def test_a_slip_in_a_file_of_orders_is_told_by_file_and_line(
    name: str, text: str | None, said: str, tmp_path: Path
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(StudyError) as error:
        orders_in(tmp_path / name)
    assert said in str(error.value) and str(tmp_path / name) in str(error.value)


def test_an_order_of_a_file_that_lacks_a_class_is_refused_by_file_and_line(tmp_path: Path) -> None:
    text = "name,position,class\n" + "".join(f"x,{i},{n}\n" for i, n in enumerate("abd"))
    (tmp_path / "o.csv").write_text(text)
    with pytest.raises(StudyError, match=r"o\.csv, line 2: order x: missing: c"):
        orders(listed=orders_in(tmp_path / "o.csv"))


def test_numbers_of_numpy_do_as_a_table() -> None:
    table = dict(zip(CLASSES, np.array([4.0, 3.0, 2.0, 1.0]), strict=True))
    assert orders(ways=("hard_first",), difficulty=table) == {"hard_first": "dcba"}
