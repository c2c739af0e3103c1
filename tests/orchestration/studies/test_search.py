"""A search: what it is written as, what it refuses, and what is proposed at random."""

from collections.abc import Callable
from typing import Any

import pytest

from moleflow import profiles
from moleflow.errors import MoleflowError, StudyError
from orchestration.studies.axes import Axis, Grid
from orchestration.studies.expansion import Plan, expand
from orchestration.studies.points import drawn_proposals, points, points_asked, settings_of
from orchestration.studies.proposing import Proposal, at_random, search_id
from orchestration.studies.search import (
    Distribution,
    Search,
    choice,
    integer,
    log_uniform,
    uniform,
)
from orchestration.studies.study import Study

LR = {"training.lr": log_uniform(1e-4, 1e-2)}
SPACE: dict[str, Distribution] = {
    **LR,
    "loss.tail_weight": uniform(0.0, 1.0),
    "lora.rank": integer(4, 64),
    "adapter": choice("whitening", "film", "none"),
}
PRINTS = {"bottle": "b", "cable": "c"}


def study(*axes: Axis, **more: Any) -> Study:
    return Study(question="?", base=profiles.quick(), axes=axes, **more)


def proposals(axis: Search, count: int) -> list[Proposal]:
    made: list[Proposal] = []
    for number in range(1, count + 1):
        made.append(at_random(axis, number, made, lambda values: True))
    return made


def plan(asked: Study, made: list[Proposal]) -> Plan:
    return expand("s", asked, "/data", PRINTS, {asked.base.backbone: "w"}, proposals=made)


def test_the_same_seed_proposes_the_same_on_every_machine() -> None:
    """Golden: what an earlier version proposed, a later one does not propose again."""
    found = [one.values for one in proposals(Search(space=SPACE, trials=9), 2)]
    assert found == [
        {
            "training.lr": 0.0003036,
            "loss.tail_weight": 0.4411,
            "lora.rank": 14,
            "adapter": "none",
        },
        {
            "training.lr": 0.000448,
            "loss.tail_weight": 0.5885,
            "lora.rank": 30,
            "adapter": "none",
        },
    ]


def test_a_field_more_moves_no_other_and_another_seed_moves_all() -> None:
    alone = [one.values["training.lr"] for one in proposals(Search(space=LR, trials=9), 5)]
    among = [one.values["training.lr"] for one in proposals(Search(space=SPACE, trials=9), 5)]
    other = [one.values["training.lr"] for one in proposals(Search(space=LR, trials=9, seed=1), 5)]
    assert alone == among
    assert not set(alone) & set(other)


def test_a_space_that_can_be_counted_is_proposed_whole_and_nothing_twice() -> None:
    axis = Search(space={"lora.rank": integer(4, 6), "dia.blocks": choice(0, 1)}, trials=6)
    found = {(one.values["lora.rank"], one.values["dia.blocks"]) for one in proposals(axis, 6)}
    assert found == {(rank, blocks) for rank in (4, 5, 6) for blocks in (0, 1)}


def test_proposals_lie_in_their_ranges_with_four_digits() -> None:
    axis = Search(space=SPACE, trials=200)
    for one in proposals(axis, 200):
        lr, tail = one.values["training.lr"], one.values["loss.tail_weight"]
        assert 1e-4 <= lr <= 1e-2 and 0 <= tail <= 1 and 4 <= one.values["lora.rank"] <= 64
        assert float(f"{lr:.4g}") == lr and float(f"{tail:.4g}") == tail


def test_what_does_not_fit_is_drawn_again_and_at_last_refused() -> None:
    axis = Search(space=LR, trials=1)
    small = at_random(axis, 1, (), lambda values: values["training.lr"] < 2e-4)
    assert small.values["training.lr"] < 2e-4
    with pytest.raises(StudyError, match="proposal 1: none of 1000"):
        at_random(axis, 1, (), lambda values: False)


def test_the_proposals_that_are_missing_are_those_drawn_one_by_one() -> None:
    axis = Search(space=LR, trials=6)
    each = {one.number: one for one in proposals(axis, 6)}
    assert drawn_proposals(study(axis)) == list(each.values())
    assert drawn_proposals(study(axis), count=2) == [each[1], each[2]]
    own = Proposal(number=1, values=each[4].values, method="random")  # so 4 must be another
    found = drawn_proposals(study(axis), {1: own, 5: each[5]})
    assert found[0] == own and [found[1], found[2], found[4]] == [each[2], each[3], each[5]]
    assert found[3].values not in [one.values for one in each.values()]


def test_each_proposal_is_run_for_every_combination_of_the_other_axes() -> None:
    asked = study(Search(space=LR, trials=3), Grid(field="lora.rank", values=(4, 8)), seeds=(0, 1))
    found = plan(asked, proposals(Search(space=LR, trials=3), 2))
    assert points_asked(asked) == 6 and len(found.trials) == 8
    assert (found.proposed, found.to_propose, found.most) == (2, 1, 12)
    each = [(t.axes["proposal"], t.axes["lora.rank"], t.seed) for t in found.trials]
    assert each == [(p, r, s) for p in "12" for r in ("4", "8") for s in (0, 1)]


def test_pictures_are_held_out_of_training_unless_the_test_set_chooses() -> None:
    for objective, share in (("selection", 0.2), ("test:image_auroc", 0.0)):
        axis = Search(space=LR, trials=1, objective=objective)
        (point,) = points(study(axis), proposals(axis, 1))
        assert point.config.data.held_out == share
    own = Study(question="?", base=profiles.quick().updated({"data.held_out": 0.4}), axes=(axis,))
    (point,) = points(own, proposals(axis, 1))
    assert point.config.data.held_out == 0.4


def test_more_trials_go_on_in_the_same_search_and_another_space_is_another() -> None:
    few, many = study(Search(space=LR, trials=3)), study(Search(space=LR, trials=9))
    assert search_id(few) == search_id(many)
    others = [
        study(Search(space=SPACE, trials=3)),
        study(Search(space=LR, trials=3, seed=1)),
        study(Search(space=LR, trials=3), seeds=(0, 1)),
    ]
    assert len({search_id(one) for one in (few, *others)}) == 4


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Search(space=LR, trials=0), "Search.trials: 0"),
        (lambda: Search(space=LR, trials=2, method="tpr"), "did you mean tpe"),
        (lambda: Search(space=LR, trials=2, objective="test"), "objective test: "),
        (
            lambda: Search(space=LR, trials=2, objective="image_auroc"),
            "did you mean selection:image_auroc?",
        ),
        (
            lambda: Search(space=LR, trials=2, objective="tset:image_auroc"),
            "did you mean test:image_auroc?",
        ),
        (lambda: Search(space=LR, trials=2, rungs=(2, 1)), "rungs (2, 1)"),
        (lambda: Search(space={"lora.rank": choice(4, 8)}, trials=3), "the space holds 2 points"),
        (lambda: Search(space={"data.held_out": uniform(0.1, 0.5)}, trials=2), "are compared"),
        (lambda: Search(space={"backbone.random_seed": integer(0, 9)}, trials=2), "choice("),
        (lambda: study(Search(space=LR, trials=2), Search(space=LR, trials=2)), "2 axes Search"),
        (lambda: Study.union("?", {"a": study(Search(space=LR, trials=2))}), "of its own"),
        (lambda: study().without(study(Search(space=LR, trials=2))), "of its own"),
        (
            lambda: settings_of(study(Search(space={"training.lr": uniform(0.0, 1.0)}, trials=2))),
            "training.lr",
        ),
        (
            lambda: settings_of(study(Search(space={"mixer.kernel": choice(3, 4)}, trials=2))),
            "mixer.kernel: 4 is even",
        ),
        (
            lambda: settings_of(
                study(Search(space=LR, trials=2), Grid(field="training.lr", values=(1e-3,)))
            ),
            "two axes change it",
        ),
    ],
)
def test_a_slip_is_refused_before_anything_is_proposed(
    make: Callable[[], object], said: str
) -> None:
    with pytest.raises(MoleflowError) as error:
        make()
    assert said in str(error.value)
