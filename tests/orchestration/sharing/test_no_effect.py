"""Laws of finding variants that changed nothing, to the bit."""

from collections.abc import Callable, Mapping

from moleflow import profiles
from orchestration.sharing.no_effect import NoEffect, Outcome, no_effects
from orchestration.studies.axes import Grid, Variants
from orchestration.studies.expansion import Plan, Trial, expand
from orchestration.studies.points import settings_of
from orchestration.studies.study import Study

VARIANTS = Variants(
    baseline="main",
    variants={"main": {}, "rank": {"lora.rank": 8}, "top": {"scoring.top_k": 5}},
)


def plan(asked: Study) -> Plan:
    weights = {config.backbone: "weights" for config in settings_of(asked)}
    return expand("s", asked, "/data", {c: c for c in "ab"}, weights)


def study(*axes: Grid | Variants) -> Study:
    return Study(question="?", base=profiles.main(), axes=axes, seeds=(0, 1))


def found(asked: Plan, of: Callable[[Trial], Mapping[str, str]]) -> list[NoEffect]:
    """`of`: what a trial's base, scores and number come to; its own, where that is not said."""
    outcomes: dict[str, Outcome] = {}
    for trial in asked.trials:
        own = {"base": trial.key, "scores a": trial.key, "number": trial.key} | dict(of(trial))
        number = {("image_auroc", "a"): float(int(own.pop("number"), 36))}
        outcomes[trial.key] = Outcome(own, number)
    return no_effects(asked, outcomes)


def test_nothing_is_told_of_settings_that_differ() -> None:
    assert found(plan(study(VARIANTS)), lambda trial: {}) == []


def test_the_same_weights_in_spite_of_other_settings_of_training_are_told() -> None:
    (told,) = found(
        plan(study(VARIANTS)),
        lambda t: {"base": f"{t.seed}"} if t.axes["variant"] != "top" else {},
    )
    assert (told.setting, told.baseline, told.expected) == (
        "variant = rank",
        "variant = main",
        False,
    )
    assert "trained weights" in told.what and len(told.trials) == 2


def test_the_same_weights_where_evaluation_alone_differs_are_as_they_should_be() -> None:
    (told,) = found(
        plan(study(VARIANTS)),
        lambda t: {"base": f"{t.seed}"} if t.axes["variant"] != "rank" else {},
    )
    assert told.setting == "variant = top" and told.expected


def test_the_same_scores_of_other_weights_are_told() -> None:
    (told,) = found(
        plan(study(VARIANTS)),
        lambda t: {"scores a": f"{t.seed}"} if t.axes["variant"] != "top" else {},
    )
    assert told.what.startswith("scores") and not told.expected


def test_the_same_numbers_are_told_even_where_evaluation_alone_differs() -> None:
    (told,) = found(
        plan(study(VARIANTS)),
        lambda t: {"number": f"{t.seed}"} if t.axes["variant"] != "rank" else {},
    )
    assert told.setting == "variant = top" and told.what.startswith("no effect")


def test_one_seed_that_differs_is_enough() -> None:
    asked = plan(study(VARIANTS))
    assert found(asked, lambda trial: {"base": "same"} if trial.seed == 0 else {}) == []


def test_each_part_of_a_union_has_its_own_baseline_which_parts_may_share() -> None:
    """The baseline of `b` stands in the plan once, under its name in `a`."""
    grid = Grid(field="loss.tail_ratio", values=(0.02, 0.021))
    asked = plan(Study.union("?", {"a": study(VARIANTS), "b": study(grid)}))
    (told,) = found(
        asked,
        lambda t: (
            {"number": f"{t.seed}"}
            if t.config.loss.tail_ratio == 0.021 or t.axes.get("variant") == "main"
            else {}
        ),
    )
    assert told.setting == "loss.tail_ratio = 0.021, part = b"
    assert told.baseline == "loss.tail_ratio = 0.02, part = b"


def test_a_config_under_several_names_is_told_once() -> None:
    """Two parts of a union ask for both configs, and one of them has two names for the variant."""
    again = {**VARIANTS.variants, "rank again": {"lora.rank": 8}}
    parts = {"a": study(VARIANTS), "b": study(VARIANTS.model_copy(update={"variants": again}))}
    asked = plan(Study.union("?", parts))
    (told,) = found(asked, lambda t: {"base": f"{t.seed}"} if t.config.scoring.top_k != 5 else {})
    assert told.setting == "variant = rank, part = a" and len(told.trials) == 2
