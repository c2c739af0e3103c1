"""What a plan says of itself before it runs: what it varies in vain."""

from collections.abc import Sequence
from typing import Any

import pytest

from moleflow import profiles
from moleflow.config import Config
from orchestration.studies.axes import Axis, Grid, Scenarios, Variants
from orchestration.studies.catalog import known_studies, load_study
from orchestration.studies.effects import part_of, setting_name, without_effect
from orchestration.studies.expansion import Plan, expand
from orchestration.studies.points import settings_of
from orchestration.studies.study import Study
from tests.class_names import MVTEC


def study(*axes: Axis, base: dict[str, Any] | None = None, **other: Any) -> Study:
    config = profiles.main().updated(base or {})
    return Study(question="Does it matter?", base=config, axes=axes, **other)


def plan(asked: Study, classes: Sequence[str] = ("a", "b", "c")) -> Plan:
    weights = {config.backbone: "weights" for config in settings_of(asked)}
    return expand("s", asked, "/data", {c: c for c in classes}, weights)


@pytest.mark.slow
@pytest.mark.parametrize("name", known_studies())
def test_no_study_of_the_package_varies_anything_in_vain(name: str) -> None:
    _, asked = load_study(name)
    assert without_effect(plan(asked, MVTEC)) == []


@pytest.mark.parametrize("profile", profiles.PROFILES.values())
def test_no_profile_sets_anything_in_vain(profile: Any) -> None:
    assert without_effect(plan(Study(question="?", base=profile()))) == []


def test_a_field_that_the_base_switches_off_is_told_with_what_does_it() -> None:
    axis = Grid(field="dia.clamp_limit", values=(1.9, 1.5))
    (told,) = without_effect(plan(study(axis, base={"dia.blocks": 0}, seeds=(0, 1))))
    assert told == (
        "dia.clamp_limit = 1.5 changes nothing, as dia.blocks is 0 "
        "(dia.clamp_limit = 1.5: 2 of 4 trials)"
    )


def test_many_values_of_one_field_are_told_in_one_sentence() -> None:
    axis = Grid(field="dia.clamp_limit", values=[1.0 + k / 10 for k in range(9)])
    (told,) = without_effect(plan(study(axis, base={"dia.blocks": 0})))
    assert told.startswith("dia.clamp_limit = 1.0, 1.1, 1.2 and 6 more changes nothing")
    assert told.endswith("dia.clamp_limit = 1.2 and 6 more: 9 of 9 trials)")


def test_only_the_trials_are_told_in_which_it_is_switched_off() -> None:
    axes = (
        Grid(field="dia.blocks", values=(0, 2)),
        Grid(field="dia.clamp_limit", values=(1.9, 1.5)),
    )
    (told,) = without_effect(plan(study(*axes)))
    assert "(dia.blocks = 0, dia.clamp_limit = 1.5: 1 of 4 trials)" in told


def test_a_variant_that_changes_such_a_field_alone_is_told() -> None:
    variants = {"main": {}, "tight": {"scoring.quantile": 0.5}, "mean": {"scoring.top_k": 5}}
    axis = Variants(baseline="main", variants=variants)
    (told,) = without_effect(plan(study(axis)))
    assert "scoring.quantile = 0.5" in told and "variant = tight" in told


def test_what_later_tasks_do_is_switched_off_where_there_is_one_task() -> None:
    axes = (Scenarios("1-1", "joint"), Grid(field="freeze_base", values=(True, False)))
    (told,) = without_effect(plan(study(*axes)))
    assert "there is one task" in told and "scenario = joint" in told and "1 of 4" in told


def test_what_is_set_in_vain_in_every_trial_is_told() -> None:
    (told,) = without_effect(plan(study(base={"mixer.kernel": 0, "mixer.gate": "task"})))
    assert told == "mixer.gate = task changes nothing, as mixer.kernel is 0 (all trials)"


def test_settings_that_say_one_thing_in_two_ways_are_told() -> None:
    axis = Grid(field="lora.alpha", values=("r", 64.0, 32.0))
    (told,) = without_effect(plan(study(axis, seeds=(0, 1))))
    assert told.startswith('lora.alpha = "r" and lora.alpha = 64.0: the same settings')


def test_two_names_of_one_setting_are_told_but_for_those_that_parts_of_a_union_give_it() -> None:
    axis = Variants(baseline="main", variants={"main": {}, "same": {"lora.rank": 64}})
    one = study(axis, seeds=(0, 1))
    (told,) = without_effect(plan(one))
    assert told.startswith("variant = main and variant = same: one setting under several names")
    other = study(Grid(field="lora.rank", values=(64,)))
    assert without_effect(plan(Study.union("Both?", {"a": study(), "b": other}))) == []
    assert len(without_effect(plan(Study.union("Both?", {"a": one, "b": other})))) == 1


def test_a_part_of_a_union_is_measured_by_its_own_base() -> None:
    small = study(Grid(field="lora.rank", values=(8,)), base={"dia.blocks": 0})
    tight = study(base={"dia.blocks": 0, "dia.clamp_limit": 1.0})
    inner = Study.union("Both?", {"a/b": small, "a": tight})
    whole = Study.union("All?", {"x": inner, "y": study()})
    found = plan(whole)
    parts = [part_of(whole, trial.axes) for trial in found.trials]
    assert parts == [small, tight, whole.parts["y"]]
    assert setting_name(found.trials[0].axes) == "lora.rank = 8, part = x/a/b"


def test_ten_thousand_trials_are_looked_at_setting_by_setting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The work grows with settings; trials cost a hash each."""
    flattened = 0
    flat = Config.flat

    def counted(config: Config) -> dict[str, Any]:
        nonlocal flattened
        flattened += 1
        return flat(config)

    axis = Grid(field="loss.tail_weight", values=(0.0, 0.3))
    few, many = (plan(study(axis, seeds=range(n))) for n in (2, 200))
    monkeypatch.setattr(Config, "flat", counted)
    counts = []
    for one in (few, many):
        before = flattened
        without_effect(one)
        counts.append(flattened - before)
    assert counts[1] <= counts[0]
