"""What the command line names goes together with every study, or is refused in one message."""

import json
from pathlib import Path
from typing import Any

import pytest

from moleflow import profiles
from moleflow.errors import MoleflowError, StudyError
from orchestration import Grid, Orders, Scenarios, Study, TaskZero, Variants, Zip
from orchestration.commands.changes import Changes, asked
from orchestration.studies.catalog import known_studies, load_study
from orchestration.studies.orders import arrangements, sequences
from orchestration.studies.overrides import Request, customised
from orchestration.studies.points import points, settings_of

CLASSES = ("a", "b", "c", "d")
TAILS = Grid(field="loss.tail_weight", values=(0.0, 0.3))


def study(*axes: Any, **changes: Any) -> Study:
    return Study(question="?", base=profiles.quick(), axes=axes, **changes)


def letters(found: Study) -> list[str]:
    return ["".join(n for task in order for n in task) for order in sequences(found, CLASSES)]


def test_the_study_named_grid_is_what_the_command_line_varies() -> None:
    changes = Changes(
        profile="quick",
        vary=("loss.tail_weight=0,0.3,0.7", "dia.blocks=0:4"),
        seeds=3,
        name="tails",
    )
    found = asked("grid", changes)
    assert (found.name, found.source, found.study.seeds) == ("tails", "", (0, 1, 2))
    settings = [(c.loss.tail_weight, c.dia.blocks) for c in settings_of(found.study)]
    assert settings == [(tail, blocks) for tail in (0.0, 0.3, 0.7) for blocks in range(5)]
    assert letters(found.study) == ["abcd"]


def test_zipped_fields_of_the_command_line_change_together() -> None:
    found = asked("grid", Changes(zip=("lora.rank=8,16", "lora.alpha=4,r")))
    assert [tuple(p.axes.values()) for p in points(found.study)] == [("8", "4.0"), ("16", '"r"')]


def test_a_field_that_is_varied_takes_the_place_of_the_studys_axis_of_it() -> None:
    conditional = Grid(field="dia.blocks", values=(0, 1), when={"loss.tail_weight": 0.0})
    found = customised(study(TAILS, conditional), Request(vary={"dia.blocks": (2, 3)}))
    assert len(points(found)) == 4
    found = customised(study(TAILS), Request(vary={"loss.tail_weight": (0.5,)}))
    assert [config.loss.tail_weight for config in settings_of(found)] == [0.5]


def whole(study: Study) -> list[Study]:
    """A study, or all that it is the union of."""
    parts = list(study.parts.values())
    return [one for part in parts for one in whole(part)] if parts else [study]


@pytest.mark.parametrize("name", known_studies())
def test_orders_task_0_and_values_go_together_with_every_study(name: str) -> None:
    _, known = load_study(name)
    request = Request(
        orders=2,
        order_seed=4,
        task0=("b", "d"),
        seeds=1,
        scenario="1-1",
        vary={"scoring.smoothing": (1.0, 2.0)},
    )
    found = customised(known, request)
    for one in whole(found):
        heads = [order[0][0] for order in sequences(one, CLASSES)]
        assert heads == ["b", "b", "d", "d"] and one.seeds == (0,)
        assert {c.scoring.smoothing for c in settings_of(one)} == {1.0, 2.0}
    stated = customised(known, Request(order=("d,c,b,a",), scenario="1-1"))
    for one in whole(stated):
        assert letters(one) == ["dcba"]


def test_changes_reach_every_part_of_a_union_and_what_it_leaves_out() -> None:
    both = Study.union("?", {"one": study(TAILS), "two": study(Orders(count=2))}).without(study())
    found = customised(both, Request(seeds=2, settings={"training.epochs": 7}, task0=("c",)))
    for part in (*found.parts.values(), *found.minus):
        assert part.seeds == (0, 1) and part.base.training.epochs == 7
        assert {order[0] for order in sequences(part, CLASSES)} == {("c",)}


def test_orders_are_typed_by_class_rule_published_name_or_file(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text(json.dumps({"mine": ["d", "a", "b", "c"]}))
    request = Request(order=("reversed", "random", str(tmp_path / "mine.json")), orders=2)
    found = customised(study(TaskZero(count=2)), request)
    names = [one.axes["ordering"] for one in arrangements(found, CLASSES)]
    assert names == ["reversed", "random 1 of seed 0", "random 2 of seed 0", "mine"]
    assert customised(study(), Request(order=("ucad mvtec",))).orders_axis.published
    assert letters(customised(study(), Request(order=("b,a,c,d",)))) == ["bacd"]


def test_the_seed_of_orders_is_asked_for_by_itself() -> None:
    counted = study(Orders(count=9))
    found = customised(counted, Request(order_seed=3))
    assert letters(found) == letters(study(Orders(count=9, seed=3))) != letters(counted)
    assert found.seeds == counted.seeds


def test_a_scenario_takes_the_place_of_an_axis_of_scenarios() -> None:
    found = customised(study(Scenarios("1-1", "2-2")), Request(scenario="joint"))
    assert sequences(found, CLASSES) == [(CLASSES,)]


STATED = study(Orders(ways=("reversed",)))


@pytest.mark.parametrize(
    ("known", "request_", "said"),
    [
        (study(TAILS), Request(settings={"loss.tail_weight": 0.1}), "--vary loss.tail_weight"),
        (STATED, Request(task0=("a",)), "--orders how many to draw"),
        (study(), Request(order=("reversed",), orders=2), "--orders counts"),
        (study(), Request(order=("reversed",), task0=("a",)), "--task0 cannot"),
        (study(), Request(vary={"loss.tail_wait": (0,)}), "did you mean loss.tail_weight"),
        (study(), Request(zipped={"lora.rank": (8, 16), "lora.alpha": (1,)}), "lora.rank has 2"),
        (study(), Request(orders=0), "--orders 0"),
        (
            study(Zip(fields={"loss.tail_weight": (0.1,)})),
            Request(vary={"loss.tail_weight": (0.2,)}),
            "2 axes over loss.tail_weight",
        ),
    ],
)
def test_a_contradiction_is_refused_in_one_message(
    known: Study, request_: Request, said: str
) -> None:
    with pytest.raises(MoleflowError) as error:
        customised(known, request_)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (Changes(vary=("dia.blocks",)), "write FIELD=VALUES"),
        (Changes(vary=("dia.blocks=4:0",)), "--vary dia.blocks: range 4:0 goes nowhere"),
        (Changes(vary=("dia.blocks=1", "dia.blocks=2")), "is given twice"),
        (Changes(zip=("dia.blocks=",)), "empty value"),
        (Changes(name="a b"), "study name"),
        (Changes(name="task_order"), "choose another"),
        (Changes(order=("none.csv",)), "none.csv"),
    ],
)
def test_a_slip_at_the_command_line_is_refused_before_anything_starts(
    changes: Changes, said: str
) -> None:
    with pytest.raises(MoleflowError) as error:
        asked("grid", changes)
    assert said in str(error.value)


def test_what_only_some_variants_change_may_be_set_for_the_others() -> None:
    axis = Variants(variants={"full": {}, "flat": {"mixer.kernel": 0}}, baseline="full")
    found = customised(study(axis), Request(settings={"mixer.kernel": 5}))
    assert [config.mixer.kernel for config in settings_of(found)] == [5, 0]
    every = Variants(variants={"a": {"mixer.kernel": 3}, "b": {"mixer.kernel": 0}}, baseline="a")
    with pytest.raises(StudyError, match=r"--vary mixer\.kernel"):
        customised(study(every), Request(settings={"mixer.kernel": 5}))


def test_a_class_with_a_comma_is_named_in_quotes() -> None:
    asked = customised(study(), Request(order=('b,"a,c",it\'s "q"',)))
    assert asked.orders_axis.named == (("b", "a,c", 'it\'s "q"'),)
    with pytest.raises(StudyError, match="--order"):
        customised(study(), Request(order=("a,b\rc",)))
