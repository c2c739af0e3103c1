"""A study expands to the trials it asks for, each once, under keys of what numbers depend on."""

import math
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moleflow import profiles
from moleflow.errors import ConfigError, StudyError
from orchestration.studies.axes import Grid, Orders, TaskZero
from orchestration.studies.catalog import load_study
from orchestration.studies.expansion import Plan, expand, order_numbers, trials_asked
from orchestration.studies.orders import sequences
from orchestration.studies.overrides import Request, customised
from orchestration.studies.study import Study
from orchestration.studies.trial_keys import trial_key

CLASSES = ("a", "b", "c", "d")
PRINTS = {name: f"print of {name}" for name in CLASSES}


def plan(
    axes: tuple[Any, ...], seeds: tuple[int, ...] = (0, 1), root: str = "/data", **changes: Any
) -> Plan:
    study = Study(question="?", base=profiles.quick(), axes=axes, seeds=seeds, **changes)
    weights = {profiles.quick().backbone: "weights"}
    return expand("study", study, root, PRINTS, weights)


def orders_of(axes: tuple[Any, ...], classes: tuple[str, ...] = CLASSES) -> list[tuple[str, ...]]:
    study = Study(question="?", base=profiles.quick(), axes=axes)
    return [tuple(task[0] for task in order) for order in sequences(study, classes)]


def asked(axes: tuple[Any, ...], classes: tuple[str, ...] = CLASSES, **changes: Any) -> Any:
    study = Study(question="?", base=profiles.quick(), axes=axes, **changes)
    return sequences(study, study.named_classes or classes)


def test_task0_times_orders_times_seeds_are_the_trials() -> None:
    trials = plan((TaskZero(classes=("b", "d")), Orders(count=3))).trials
    assert len(trials) == 2 * 3 * 2
    assert {trial.sequence[0][0] for trial in trials} == {"b", "d"}
    assert len({(trial.sequence, trial.seed) for trial in trials}) == 12


def test_every_order_learns_every_class_once() -> None:
    for order in orders_of((Orders(count=20),)):
        assert sorted(order) == sorted(CLASSES)


def test_whole_orders_differ_in_task_0_while_there_are_classes() -> None:
    orders = orders_of((Orders(count=4),))
    assert [order[0] for order in orders] == ["a", "b", "c", "d"]
    assert len(set(orders_of((Orders(count=9),)))) == 9


def test_more_orders_keep_the_first_ones() -> None:
    for axes in ((), (TaskZero(count=2),)):
        few, many = orders_of((*axes, Orders(count=2))), orders_of((*axes, Orders(count=5)))
        assert set(few) <= set(many)


def test_no_more_orders_than_there_are() -> None:
    assert len(orders_of((TaskZero(count=1), Orders(count=99)), ("a", "b", "c"))) == math.factorial(
        2
    )
    assert len(orders_of((Orders(count=99),), ("a", "b", "c"))) == math.factorial(3)


def test_orders_of_single_classes_stay_those_that_earlier_versions_drew() -> None:
    # Were they drawn anew, a study would find none of its trials in the ledger.
    assert ["".join(order) for order in orders_of((Orders(count=6),))[4:]] == ["abdc", "bdca"]
    axes = (TaskZero(classes=("d",)), Orders(count=3))
    assert ["".join(order) for order in orders_of(axes)] == ["dabc", "dbca", "dcab"]


def test_the_order_is_drawn_and_then_cut_by_the_scenario() -> None:
    found = asked((Orders(count=4),), scenario="2-1")
    assert found[0] == (("a", "b"), ("c",), ("d",))
    assert len(set(found)) == 4
    assert all([len(task) for task in sequence] == [2, 1, 1] for sequence in found)
    assert all(list(task) == sorted(task) for sequence in found for task in sequence)


def test_orders_that_give_the_same_tasks_are_one_and_another_is_drawn() -> None:
    # 4 classes make 4 sequences of a task of three and one of one, though 24 orders.
    assert len(asked((Orders(count=4),), scenario="3-1")) == 4
    assert len(asked((Orders(count=99),), scenario="3-1")) == 4
    assert asked((Orders(count=5),), scenario="joint") == [(CLASSES,)]


def test_task_0_holds_the_named_class_with_others() -> None:
    found = asked((TaskZero(classes=("d", "b")), Orders(count=3)), scenario="2-1")
    assert len(set(found)) == 6
    assert all("d" in sequence[0] for sequence in found[:3])
    assert all("b" in sequence[0] for sequence in found[3:])


def test_groups_are_permuted_and_name_the_classes() -> None:
    groups = (("d", "b"), ("c",), ("a",))
    found = asked((Orders(count=3),), classes=("x", "y"), groups=groups)
    assert found[0] == (("b", "d"), ("c",), ("a",))
    assert [sequence[0] for sequence in found] == [("b", "d"), ("c",), ("a",)]
    assert len(asked((Orders(count=99),), groups=groups)) == 6


def test_task_0_names_a_group_by_any_of_its_classes() -> None:
    groups = (("a", "b"), ("c",), ("d",))
    for classes in (("b",), ("a", "b")):
        found = asked((TaskZero(classes=classes), Orders(count=2)), groups=groups)
        assert [sequence[0] for sequence in found] == [("a", "b")] * 2
    with pytest.raises(StudyError, match="task 0 z: not among the classes a, b, c, d"):
        asked((TaskZero(classes=("z",)),), groups=groups)


def test_a_scenario_and_groups_together_are_refused() -> None:
    with pytest.raises(StudyError, match="both say how tasks are made"):
        asked((), scenario="2-2", groups=(("a", "b"), ("c", "d")))
    study = Study(question="?", base=profiles.quick())
    with pytest.raises(StudyError, match="--scenario and --groups both"):
        customised(study, Request(scenario="2-2", groups=(("a", "b"), ("c", "d"))))


def test_a_scenario_asked_for_replaces_groups_and_the_other_way_round() -> None:
    groups = (("a", "b"), ("c", "d"))
    grouped = Study(question="?", base=profiles.quick(), groups=groups)
    assert sequences(customised(grouped, Request(scenario="joint")), CLASSES) == [(CLASSES,)]
    cut = Study(question="?", base=profiles.quick(), scenario="3-1")
    regrouped = customised(cut, Request(groups=groups))
    assert sequences(regrouped, CLASSES) == [groups]
    assert Study.model_validate_json(regrouped.model_dump_json()) == regrouped
    assert sequences(customised(cut, Request()), CLASSES) == [(("a", "b", "c"), ("d",))]


def test_a_key_depends_on_the_tasks_and_not_on_how_they_were_asked_for() -> None:
    named = plan((), scenario="2-2")
    grouped = plan((), groups=(("b", "a"), ("d", "c")))
    assert [trial.key for trial in named.trials] == [trial.key for trial in grouped.trials]
    assert named.trials[0].axes == {"task0": "a+b", "order": "a+b > c+d"}
    assert {trial.key for trial in plan((), scenario="3-1").trials}.isdisjoint(
        trial.key for trial in named.trials
    )


def test_a_grid_multiplies_and_its_values_stand_in_the_axes() -> None:
    trials = plan((Grid(field="loss.tail_weight", values=(0.0, 0.7)),)).trials
    assert [trial.config.loss.tail_weight for trial in trials] == [0.0, 0.0, 0.7, 0.7]
    assert [trial.axes["loss.tail_weight"] for trial in trials] == ["0.0", "0.0", "0.7", "0.7"]


def test_a_repeated_point_is_one_trial() -> None:
    assert len(plan((Grid(field="loss.tail_weight", values=(0.7, 0.7)),)).trials) == 2


def test_a_grid_over_an_unknown_field_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"loss\.tail_wait: unknown config field"):
        plan((Grid(field="loss.tail_wait", values=(0.0,)),))


def test_task_0_must_be_a_class() -> None:
    with pytest.raises(StudyError, match="task 0 z: not among the classes a, b, c, d"):
        orders_of((TaskZero(classes=("z",)),))


def test_a_key_does_not_depend_on_study_or_place() -> None:
    here, there = plan(()), plan((), root="/elsewhere")
    assert [trial.key for trial in here.trials] == [trial.key for trial in there.trials]


def test_a_key_depends_on_config_sequence_seed_data_and_weights() -> None:
    base = profiles.quick()
    prints = {"a": "1", "b": "2"}
    order = (("a",), ("b",))
    keys = [
        trial_key(base, order, 0, prints, "w"),
        trial_key(base.updated({"training.epochs": 7}), order, 0, prints, "w"),
        trial_key(base, (("b",), ("a",)), 0, prints, "w"),
        trial_key(base, order, 1, prints, "w"),
        trial_key(base, order, 0, {"a": "1", "b": "changed"}, "w"),
        trial_key(base, order, 0, prints, "other"),
    ]
    assert len(set(keys)) == len(keys)


def test_where_the_weights_file_lies_does_not_change_a_key() -> None:
    here = profiles.quick().updated({"backbone.weights": "/here/w.safetensors"})
    there = profiles.quick().updated({"backbone.weights": "/there/w.safetensors"})
    order, prints = (("a",), ("b",)), {"a": "1", "b": "2"}
    assert trial_key(here, order, 0, prints, "sha256:1") == trial_key(
        there, order, 0, prints, "sha256:1"
    )


def test_numpy_scalars_do_not_change_a_key() -> None:
    plain, numpy = (
        {"lora.rank": kind(8), "training.lr": lr}
        for kind, lr in ((int, 0.5), (np.int64, np.float64(0.5)))
    )
    assert profiles.quick().updated(plain) == profiles.quick().updated(numpy)


@pytest.mark.parametrize("left", [{"only": ({"lora": "on"},)}, {"exclude": ({"lora": "off"},)}])
def test_a_study_that_leaves_out_all_it_asks_for_is_refused(left: dict[str, Any]) -> None:
    axes = (Grid(field="lora", values=("off",)),)
    study = Study(question="?", base=profiles.main(), axes=axes, **left)
    with pytest.raises(StudyError, match="no trial is left"):
        expand("none", study, "/data", PRINTS, {study.base.backbone: "weights"})


def test_a_plan_survives_its_file() -> None:
    before = plan((TaskZero(count=2), Orders(count=2), Grid(field="lora", values=("off",))))
    assert Plan.model_validate_json(before.model_dump_json()) == before


def test_orders_that_are_named_are_run_as_named() -> None:
    named = (("c", "a", "d", "b"), ("a", "b", "c", "d"), ("c", "a", "d", "b"))
    assert orders_of((Orders(named=named),)) == [*dict.fromkeys(named)]
    cut = asked((Orders(named=named),), scenario="2-1")
    assert cut == [(("a", "c"), ("d",), ("b",)), (("a", "b"), ("c",), ("d",))]
    groups = (("a", "b"), ("c",))
    assert asked((Orders(named=(("c", "a+b"),)),), groups=groups) == [(("c",), ("a", "b"))]
    assert asked((Orders(named=(("b", "a"),)),), ()) == [(("b",), ("a",))]


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ("a,b,c", "missing: d"),
        ("a,b,c,d,e", "unknown: e"),
        ("a,b,c,d,a", "named twice: a"),
        ("a, b,c,d", "unknown:  b; missing: b"),
    ],
)
def test_an_order_that_does_not_name_each_class_once_is_refused(order: str, said: str) -> None:
    with pytest.raises(StudyError, match=said):
        orders_of((Orders(named=(tuple(order.split(",")),)),))


def test_orders_are_named_or_counted() -> None:
    order, typed = (CLASSES,), ("a,b,c,d",)
    for other in ({"orders": 2}, {"task0": ("a",)}):
        with pytest.raises(StudyError, match="--order"):
            customised(Study(question="?", base=profiles.quick()), Request(order=typed, **other))
    with pytest.raises(StudyError, match="TaskZero"):
        Study(question="?", base=profiles.quick(), axes=(TaskZero(count=2), Orders(named=order)))
    counted = Study(question="?", base=profiles.quick(), axes=(TaskZero(count=2), Orders(count=9)))
    assert sequences(customised(counted, Request(order=typed)), CLASSES) == [
        (("a",), ("b",), ("c",), ("d",))
    ]


def test_how_many_trials_are_asked_for_is_known_without_drawing_them() -> None:
    many = 10**9
    asked: list[tuple[tuple[Any, ...], int]] = [
        ((Orders(count=3),), 3),
        ((Orders(count=many),), math.factorial(4)),
        ((TaskZero(count=2), Orders(count=many)), 2 * math.factorial(3)),
        ((TaskZero(count=2), Orders(count=2)), 4),
        ((Orders(named=(CLASSES,)),), 1),
    ]
    for axes, orders in asked:
        study = Study(question="?", base=profiles.quick(), axes=axes, seeds=(0, 1))
        assert trials_asked(study, CLASSES) == 2 * orders
        grid = Grid(field="scoring.top_k", values=(1, 2, 3))
        study = study.model_copy(update={"axes": (*axes, grid)})
        assert trials_asked(study, CLASSES) == 2 * 3 * orders
        if orders < 20:
            assert len(sequences(study, CLASSES)) == orders
    many_classes = tuple(map(str, range(50)))
    study = Study(question="?", base=profiles.quick(), axes=(Orders(count=many),))
    assert trials_asked(study, many_classes) == many


def test_the_study_of_orders_can_tell_task_0_from_the_order_after_it() -> None:
    _, study = load_study("task_order")
    found = sequences(study, CLASSES)
    firsts = Counter(sequence[0] for sequence in found)
    assert sum(count >= 2 for count in firsts.values()) >= 2
    readme = (Path(__file__).resolve().parents[3] / "README.md").read_text()
    (example,) = re.findall(r"moleflow run task_order [^\n]*--orders (\d+)", readme)
    for count in (2, int(example)):
        few = sequences(customised(study, Request(orders=count)), CLASSES)
        assert len(few) == count
        assert min(Counter(sequence[0] for sequence in few).values()) >= 2


def test_orders_are_numbered_by_task_0_then_by_the_rest() -> None:
    found = plan((TaskZero(classes=("d", "b")), Orders(count=2)))
    numbers = order_numbers(found)
    assert list(numbers.values()) == ["O1", "O2", "O3", "O4"]
    assert list(numbers) == sorted(numbers)
    assert set(numbers) == {trial.axes["order"] for trial in found.trials}


@pytest.mark.parametrize("margins", [{"image_auroc": 5}, {"image_auroc": 0}, {"image_aurok": 0.01}])
def test_a_margin_that_is_none_is_refused(margins: dict[str, float]) -> None:
    with pytest.raises(StudyError, match="margins: "):
        Study(question="?", base=profiles.quick(), margins=margins)


def test_parts_of_a_union_agree_on_their_margins() -> None:
    one, two = (
        Study(question="?", base=profiles.quick(), margins={"aupro": m}) for m in (0.01, 0.02)
    )
    assert Study.union("?", {"one": one}).margins == {"aupro": 0.01}
    with pytest.raises(StudyError, match=r"a margin of 0\.02 for aupro"):
        Study.union("?", {"one": one, "two": two})
