"""A study that names no reports gets those that tell of what it varies."""

from typing import Any

import pytest

from moleflow import profiles
from orchestration.studies.axes import Grid, Orders, Scenarios, TaskZero, Variants, Zip
from orchestration.studies.catalog import load_study
from orchestration.studies.expansion import expand
from orchestration.studies.overrides import Request, customised
from orchestration.studies.points import settings_of
from orchestration.studies.search import Search, uniform
from orchestration.studies.study import Study
from reports import kinds

GRID = Grid(field="loss.tail_weight", values=(0.0, 0.7))
VARIANTS = Variants(baseline="in", variants={"in": {}, "out": {"dia.blocks": 0}})
ZIP = Zip(fields={"training.epochs": (1, 2), "training.lr": (1e-3, 1e-4)})
SEARCH = Search(space={"loss.tail_weight": uniform(0, 1)}, trials=2)
ONE = (
    Grid(field="loss.tail_weight", values=(0.7,)),
    Variants(baseline="in", variants={"in": {}}),
    Zip(fields={"training.epochs": (1,)}),
    Scenarios("1-1"),
    TaskZero(classes=("a",)),
    Orders(count=1),
    Orders(ways=("reversed",)),
    Orders(named=(("a", "b"),)),
)
TOLD: list[tuple[tuple[Any, ...], tuple[str, ...]]] = [
    ((), ("task_order",)),
    ((SEARCH,), ("search",)),
    ((GRID,), ("sensitivity",)),
    ((ZIP,), ("sensitivity",)),
    ((VARIANTS,), ("ablation",)),
    ((Scenarios("1-1", "joint"),), ("scenarios",)),
    ((TaskZero(count=2),), ("task0", "task_order")),
    ((Orders(count=2),), ("task_order",)),
    ((Orders(ways=("latin_square",)),), ("task_order",)),
    ((Orders(ways=("alphabetical", "reversed")), GRID), ("sensitivity", "task_order")),
    ((Orders(ways=("random",), count=3), SEARCH), ("search", "task_order")),
    ((Orders(named=(("a", "b"), ("b", "a"))),), ("task_order",)),
    ((TaskZero(count=2), Orders(count=2)), ("task_order", "task0")),
    ((TaskZero(count=4), GRID), ("sensitivity", "task0", "task_order")),
    ((GRID, VARIANTS), ("ablation", "sensitivity")),
]


def study(*axes: Any, **fields: Any) -> Study:
    return Study(question="?", base=profiles.quick(), axes=axes, **fields)


@pytest.mark.parametrize(("axes", "told"), TOLD, ids=["+".join(told) for _, told in TOLD])
def test_reports_that_are_not_named_tell_of_what_varies(
    axes: tuple[Any, ...], told: tuple[str, ...]
) -> None:
    assert study(*axes).reports == told
    assert set(told) <= set(kinds.known())


@pytest.mark.parametrize("axis", ONE, ids=repr)
def test_an_axis_of_one_value_varies_nothing(axis: Any) -> None:
    assert study(axis).reports == ("task_order",)
    assert study(axis, SEARCH).reports == ("search",)


def test_reports_that_are_named_stay() -> None:
    assert study(GRID, reports=("cost",)).reports == ("cost",)
    assert study(GRID, reports=()).reports == ()  # refused when it is planned


def test_a_union_tells_of_what_its_parts_vary_or_name() -> None:
    plain, other = study(), study(classes=("a", "b"))
    assert Study.union("?", {"a": plain, "b": study(GRID)}).reports == ("sensitivity",)
    crossed = {"a": study(GRID), "b": study(VARIANTS, reports=("interactions",))}
    assert Study.union("?", crossed).reports == ("interactions", "sensitivity")
    assert Study.union("?", {"a": plain, "b": other}).reports == ("task_order",)
    assert Study.union("?", crossed, reports=("cost",)).reports == ("cost",)


def test_a_union_of_parts_that_are_the_values_compares_them() -> None:
    main = Study(question="?", base=profiles.main())
    assert Study.union("?", {"quick": study(), "main": main}).reports == ("ablation",)
    joint = study(scenario="joint")
    assert Study.union("?", {"one by one": study(), "joint": joint}).reports == ("scenarios",)


def test_what_the_command_line_varies_has_its_report() -> None:
    """The study of nothing but that; one that names its reports has them first."""
    _, grid = load_study("grid")
    vary = Request(vary={"loss.tail_weight": (0.0, 0.7)})
    assert customised(grid, vary).reports == ("sensitivity",)
    assert customised(grid, Request(orders=2)).reports == ("task_order",)
    assert customised(grid, Request(zipped=ZIP.fields, orders=2)).reports[0] == "sensitivity"
    _, named = load_study("core_components")
    assert customised(named, Request(seeds=2)).reports == named.reports == ("ablation",)
    assert customised(named, vary).reports == ("ablation", "sensitivity")
    assert customised(named, Request(task0=("a", "b"))).reports == (
        *named.reports,
        "task0",
        "task_order",
    )


def test_a_plan_holds_the_names_and_is_read_as_it_was_written() -> None:
    def plan(asked: Study) -> Any:
        weights = {config.backbone: "weights" for config in settings_of(asked)}
        return expand("study", asked, "/data", {"a": "1", "b": "2"}, weights)

    written = plan(study(GRID))
    text = written.model_dump_json()
    assert '"reports":["sensitivity"]' in text
    text = text.replace('["sensitivity"]', '["task_order"]')  # as a plan of before has it
    before = type(written).model_validate_json(text)
    assert before.study.reports == ("task_order",)
    assert [t.key for t in plan(before.study).trials] == [t.key for t in written.trials]
