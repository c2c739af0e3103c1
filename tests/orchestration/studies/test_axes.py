"""What a study varies: axes, their combinations, and sets of studies."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from moleflow import profiles
from moleflow.config import Config
from moleflow.errors import ConfigError, MoleflowError, StudyError
from orchestration import (
    Grid,
    Orders,
    Scenarios,
    Search,
    Study,
    Variants,
    Zip,
    choice,
    integer,
    log_uniform,
    uniform,
)
from orchestration.studies.expansion import Plan, expand, trials_asked, varying_axes
from orchestration.studies.points import points, settings_of

TOP = Path(__file__).resolve().parents[3]
CLASSES = ("a", "b", "c", "d")
PRINTS = {name: f"print of {name}" for name in CLASSES}
TAILS = Grid(field="loss.tail_weight", values=(0.0, 0.3, 0.7))


def study(*axes: Any, **changes: Any) -> Study:
    return Study(question="?", base=profiles.quick(), axes=axes, **changes)


def plan(asked: Study) -> Plan:
    weights = {config.backbone: "weights" for config in settings_of(asked)}
    return expand("study", asked, "/data", PRINTS, weights)


def named(asked: Study) -> list[tuple[str, ...]]:
    return [tuple(point.axes.values()) for point in points(asked)]


def test_zipped_fields_change_together() -> None:
    asked = study(Zip(fields={"lora.rank": (8, 16), "lora.alpha": "4:8:4"}))
    ranks = [(c.lora.rank, c.lora.alpha) for c in settings_of(asked) if c.lora != "off"]
    assert ranks == [(8, 4.0), (16, 8.0)]
    assert [p.axes for p in points(asked)] == [
        {"lora.rank": "8", "lora.alpha": "4.0"},
        {"lora.rank": "16", "lora.alpha": "8.0"},
    ]


def test_variants_are_called_by_their_names_and_change_what_they_say() -> None:
    axis = Variants(
        variants={"full": {}, "no adapter": {"adapter": "none", "mixer.kernel": 0}}, baseline="full"
    )
    found = points(study(axis))
    assert [p.axes for p in found] == [{"variant": "full"}, {"variant": "no adapter"}]
    assert found[0].config == profiles.quick()
    assert found[1].config == profiles.quick().updated({"adapter": "none", "mixer.kernel": 0})


def test_axes_are_combined_the_last_ones_values_side_by_side() -> None:
    asked = study(Grid(field="dia.blocks", values="0:1"), TAILS)
    assert named(asked) == [
        (blocks, tail) for blocks in ("0", "1") for tail in ("0.0", "0.3", "0.7")
    ]


def test_an_axis_with_a_condition_counts_only_where_it_holds() -> None:
    gate = Grid(field="adapter.gate", values=(0.1, 0.9), when={"adapter": "film"})
    found = points(study(gate, Grid(field="adapter", values=("whitening", "film", "none"))))
    assert [p.axes for p in found] == [
        {"adapter": '"whitening"'},
        {"adapter": '"film"', "adapter.gate": "0.1"},
        {"adapter": '"film"', "adapter.gate": "0.9"},
        {"adapter": '"none"'},
    ]
    either = Grid(field="mixer.kernel", values=(3, 5), when={"lora.rank": (8, 16)})
    found = points(study(Grid(field="lora.rank", values=(8, 16, 32)), either))
    assert [len(p.axes) for p in found] == [2, 2, 2, 2, 1]


def test_a_condition_may_name_a_variant() -> None:
    axis = Variants(variants={"full": {}, "flat": {"mixer.kernel": 0}}, baseline="full")
    asked = study(axis, Grid(field="dia.blocks", values=(0, 2), when={"variant": "full"}))
    assert named(asked) == [("full", "0"), ("full", "2"), ("flat",)]


def test_a_branch_is_chosen_before_its_fields_whatever_comes_first() -> None:
    for pair in (("adapter.gate", "adapter"), ("adapter", "adapter.gate")):
        values = {"adapter": ("film",), "adapter.gate": (0.9,)}
        (point,) = points(study(*(Grid(field=f, values=values[f]) for f in pair)))
        assert getattr(point.config.adapter, "gate", None) == 0.9
    assert Config().updated({"adapter.gate": 0.9, "adapter": "film"}).flat()["adapter.gate"] == 0.9


def test_a_value_is_called_alike_however_it_was_written() -> None:
    assert named(study(Grid(field="loss.tail_weight", values="0,0.5"))) == [("0.0",), ("0.5",)]
    assert named(study(Grid(field="training.lr", values=(1e-4,)))) == [("0.0001",)]


def test_scenarios_are_an_axis() -> None:
    asked = study(Scenarios("1-1", "2-2", "joint"), Orders(count=2))
    found = plan(asked).trials
    assert [(t.axes["scenario"], len(t.sequence)) for t in found] == [
        ("1-1", 4),
        ("1-1", 4),
        ("2-2", 2),
        ("2-2", 2),
        ("joint", 1),
    ]
    assert len(found) == trials_asked(asked, CLASSES)
    with pytest.raises(StudyError, match=r"scenario 3-2: 4 classes"):
        plan(study(Scenarios("3-2")))
    for other in ({"scenario": "2-2"}, {"groups": (("a", "b"), ("c", "d"))}):
        with pytest.raises(StudyError, match="both say how tasks are made"):
            study(Scenarios("1-1"), **other)


def test_excluded_combinations_are_left_out_and_filtered_ones_kept() -> None:
    axes = (TAILS, Grid(field="dia.blocks", values=(0, 2)))
    every = plan(study(*axes, seeds=(0, 1))).trials
    left_out: Any = ({"loss.tail_weight": (0.0, 0.3), "dia.blocks": 0}, {"seed": 1})
    found = plan(study(*axes, seeds=(0, 1), exclude=left_out)).trials
    kept = [
        t
        for t in every
        if t.seed == 0 and (t.config.dia.blocks or t.config.loss.tail_weight == 0.7)
    ]
    assert [t.key for t in found] == [t.key for t in kept] and len(found) == 4
    only = plan(study(*axes, seeds=(0, 1)).where({"dia.blocks": 2, "seed": 1})).trials
    assert [t.key for t in only] == [t.key for t in every if t.config.dia.blocks and t.seed]


def test_a_union_has_the_trials_of_its_parts_and_one_that_two_ask_for_once() -> None:
    tails, blocks = study(TAILS), study(Grid(field="dia.blocks", values=(0, 1, 2)))
    assert profiles.quick().dia.blocks in (0, 1, 2) and profiles.quick().loss.tail_weight == 0.7
    both = Study.union("?", {"tails": tails, "blocks": blocks})
    found = plan(both)
    assert {t.key for t in found.trials} == {
        t.key for one in (tails, blocks) for t in plan(one).trials
    }
    assert (len(found.trials), found.asked, trials_asked(both, CLASSES)) == (5, 6, 6)
    (shared,) = [trial for trial in found.trials if trial.also]
    assert shared.axes["part"] == "tails" and [a["part"] for a in shared.also] == ["blocks"]
    assert set(varying_axes(found)) == {"part", "loss.tail_weight", "dia.blocks"}
    assert Plan.model_validate_json(found.model_dump_json()) == found


def test_a_difference_leaves_out_what_another_study_asks_for() -> None:
    low = study(Grid(field="loss.tail_weight", values=(0.0, 0.3)))
    left = plan(study(TAILS).without(low)).trials
    assert [trial.config.loss.tail_weight for trial in left] == [0.7]


def test_trials_that_resolve_to_one_key_are_one_under_both_names() -> None:
    axis = Variants(
        variants={
            "full": {},
            "same": {"lora.rank": profiles.quick().updated({}).flat()["lora.rank"]},
        },
        baseline="full",
    )
    (trial,) = plan(study(axis)).trials
    assert trial.axes["variant"] == "full" and [a["variant"] for a in trial.also] == ["same"]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Grid(field="loss.tail_wait", values=(0,)), "loss.tail_weight"),
        (lambda: Grid(field="adapter.gat", values=(0,)), "adapter.gate"),
        (lambda: Grid(field="loss.tail_weight", values=()), "without values"),
        (lambda: Grid(field="dia.blocks", values="4:0"), "dia.blocks: range 4:0 goes nowhere"),
        (lambda: Zip(fields={"lora.rank": (8, 16), "lora.alpha": (1,)}), "lora.rank has 2"),
        (lambda: Zip(fields={"lora.rank": (), "lora.alpha": ()}), "without values"),
        (lambda: Zip(fields={"lora.rnk": (1,)}), "lora.rank"),
        (lambda: Variants(variants={"full": {}}, baseline="ful"), "did you mean full"),
        (lambda: Variants(variants={"full": {"lora.rnk": 2}}, baseline="full"), "lora.rank"),
        (lambda: Variants(variants={"full": {}}, baseline="full", name="seed"), "another name"),
        (lambda: study(TAILS, TAILS), "2 axes over loss.tail_weight"),
        (lambda: study(Orders(), Orders()), "2 axes Orders"),
        (lambda: study(TAILS, exclude=({"loss.tail_wait": 0},)), "did you mean loss.tail_weight"),
        (lambda: study(TAILS).where({"sead": 0}), "did you mean seed"),
        (lambda: study(Grid(field="dia.blocks", values=(0,), when={"varian": 1})), "varian"),
        (lambda: Study.union("?", {}), "no studies"),
        (lambda: log_uniform(1e-2, 1e-4), "goes nowhere"),
        (lambda: log_uniform(0.0, 1.0), "positive"),
        (lambda: uniform(1.0, 1.0), "goes nowhere"),
        (lambda: integer(3, 3), "goes nowhere"),
        (lambda: choice(), "without values"),
        (lambda: Search(space={"training.rl": uniform(0, 1)}, trials=2), "training.lr"),
    ],
)
def test_a_slip_is_refused_as_it_is_written(make: Any, said: str) -> None:
    with pytest.raises(MoleflowError) as error:
        make()
    assert said in str(error.value)


def test_a_value_that_does_not_fit_names_the_variant_it_belongs_to() -> None:
    axis = Variants(variants={"full": {}, "even": {"mixer.kernel": 4}}, baseline="full")
    with pytest.raises(ConfigError, match=r"variant even: .*mixer\.kernel: 4 is even"):
        points(study(axis))


def test_two_axes_never_change_one_field_of_a_trial() -> None:
    axis = Variants(variants={"full": {}, "flat": {"loss.tail_weight": 0.0}}, baseline="full")
    with pytest.raises(StudyError, match=r"loss\.tail_weight: two axes .*variant flat"):
        points(study(axis, TAILS))


def test_a_search_is_pure_data_and_has_no_list_of_trials() -> None:
    asked = study(
        Search(
            space={"training.lr": log_uniform(1e-4, 1e-2), "adapter": choice("film", "none")},
            trials=6,
        )
    )
    assert Study.model_validate_json(asked.model_dump_json()) == asked
    assert len(points(asked)) == len(plan(asked).trials) == 6
    assert points(asked, ()) == []


TEN_THOUSAND = """
import sys, time
sys.path.insert(0, sys.argv[1])
from orchestration.studies.points import points_asked
from tests.orchestration.studies.test_axes import Grid, Orders, plan, study
asked = study(
    Grid(field="loss.tail_weight", values="0.00:0.99:0.01"), Orders(count=10), seeds=range(10)
)
began = time.process_time()
print(points_asked(asked), len(plan(asked).trials), time.process_time() - began)
"""


@pytest.mark.slow
def test_ten_thousand_trials_are_expanded_in_seconds() -> None:
    """In a process of its own: tests check every call's types."""
    ran = subprocess.run(
        [sys.executable, "-c", TEN_THOUSAND, str(TOP)], capture_output=True, text=True, check=True
    )
    points, trials, seconds = ran.stdout.split()
    assert (points, trials) == ("100", "10000") and float(seconds) < 10
