"""In which order the trials of a plan run."""

import itertools
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moleflow.config import Config
from orchestration.sharing.groups import first_of, keys_of
from orchestration.sharing.precedence import in_precedence
from orchestration.studies.axes import Axis, Grid, Orders, TaskZero, Variants
from orchestration.studies.expansion import Plan, Trial, expand
from orchestration.studies.study import Study

CLASSES = ("a", "b", "c", "d")
PRINTS = {name: name * 2 for name in CLASSES}


def study(*axes: Axis, seeds: Sequence[int] = (0,)) -> Study:
    return Study(question="?", base=Config(), axes=axes, seeds=tuple(seeds))


def plan(asked: Study) -> Plan:
    return expand("small", asked, "/data", PRINTS, {Config().backbone: "w"})


def running_order(asked: Study) -> Sequence[Trial]:
    """With the keys of what is trained told apart by setting and seed alone: their hashes cost
    nothing here."""
    found = plan(asked)
    tasks = {t.key: [f"{t.seed} {c}" for c in t.classes] for t in found.trials}
    return in_precedence(found, tasks)


def weight(trial: Trial) -> float:
    return trial.config.loss.tail_weight


SEEDS = st.lists(st.integers(0, 9), min_size=1, max_size=4, unique=True)
WEIGHTS = st.lists(st.sampled_from((0.0, 0.2, 0.4, 0.7)), min_size=1, max_size=4, unique=True)
FIRSTS = st.lists(st.sampled_from(CLASSES), min_size=1, max_size=3, unique=True)


@st.composite
def crossed(draw: st.DrawFn) -> Study:
    """Settings x choices of task 0 x orders x seeds."""
    return study(
        Grid(field="loss.tail_weight", values=draw(WEIGHTS)),
        TaskZero(classes=tuple(draw(FIRSTS))),
        Orders(count=draw(st.integers(1, 3))),
        seeds=draw(SEEDS),
    )


@st.composite
def united(draw: st.DrawFn) -> Study:
    """Parts that ask for some settings both, with seeds of their own."""
    parts = {name: draw(crossed()) for name in ("one", "other")}
    return Study.union("?", parts)


@settings(max_examples=15, deadline=None)
@given(st.one_of(crossed(), united()))
def test_every_prefix_has_as_many_replicates_of_one_setting_as_of_another_give_or_take_one(
    asked: Study,
) -> None:
    """But for a setting of which no more are asked."""
    order = running_order(asked)
    asked_for = Counter((weight(trial), trial.sequence) for trial in order)
    run = Counter(dict.fromkeys(asked_for, 0))
    for trial in order:
        run[weight(trial), trial.sequence] += 1
        most = max(run.values())
        assert all(run[one] >= min(most - 1, asked_for[one]) for one in asked_for)


@settings(max_examples=15, deadline=None)
@given(crossed())
def test_every_prefix_has_as_many_trials_of_one_config_as_of_another_give_or_take_one(
    asked: Study,
) -> None:
    order = running_order(asked)
    run = Counter(dict.fromkeys(map(weight, order), 0))
    for trial in order:
        run[weight(trial)] += 1
        assert max(run.values()) - min(run.values()) <= 1


@settings(max_examples=15, deadline=None)
@given(crossed())
def test_every_round_of_all_configs_has_them_under_the_same_orders_and_seeds(asked: Study) -> None:
    """So that they can be compared pair by pair."""
    order = running_order(asked)
    configs = len(set(map(weight, order)))
    for start in range(0, len(order), configs):
        assert len({(t.sequence, t.seed) for t in order[start : start + configs]}) == 1


@settings(max_examples=15, deadline=None)
@given(crossed())
def test_choices_of_task_0_go_round_inside_of_a_wave(asked: Study) -> None:
    order = running_order(asked)
    for _, wave in itertools.groupby(order, key=lambda trial: trial.seed):
        run = Counter(trial.sequence[0] for trial in order)
        done = Counter(dict.fromkeys(run, 0))
        configs = len(set(map(weight, order)))
        for trial in wave:
            done[trial.sequence[0]] += 1
            assert max(done.values()) - min(done.values()) <= configs


@given(st.one_of(crossed(), united()))
@settings(max_examples=15, deadline=None)
def test_every_trial_of_the_plan_runs_once(asked: Study) -> None:
    assert Counter(t.key for t in running_order(asked)) == Counter(
        t.key for t in plan(asked).trials
    )


VARIED = Variants(
    baseline="plain",
    variants={
        "wide": {"flow.blocks": 8},
        "narrow": {"flow.blocks": 2},
        "plain": {},
    },
)


def test_the_baseline_comes_first_then_the_longest() -> None:
    order = running_order(study(VARIED, seeds=(3, 5)))
    assert [(t.axes["variant"], t.seed) for t in order] == [
        *(("plain", 3), ("wide", 3), ("narrow", 3)),
        *(("plain", 5), ("wide", 5), ("narrow", 5)),
    ]


def test_what_several_parts_ask_for_comes_before_what_one_does() -> None:
    tails = study(Grid(field="loss.tail_weight", values=(0.1, 0.2, 0.3)))
    again = study(Grid(field="loss.tail_weight", values=(0.2, 0.5)))
    order = running_order(Study.union("?", {"tails": tails, "again": again}))
    assert weight(order[0]) == 0.2


def test_stages_that_many_trials_need_come_before_those_that_few_do() -> None:
    """Settings of the scoring share all training."""
    scored = Variants(
        baseline="plain",
        variants={
            "plain": {},
            "slow": {"training.epochs": 90},
            "slow, top 1": {"training.epochs": 90, "scoring.top_k": 1},
            "slower": {"training.epochs": 500},
        },
    )
    order = keys_of(plan(study(scored))).trials
    assert [t.axes["variant"] for t in order] == ["plain", "slow", "slow, top 1", "slower"]


@pytest.mark.parametrize("count", [1, 3, 4])
def test_the_first_trials_are_a_prefix_whatever_their_number(count: int) -> None:
    asked = plan(study(VARIED, Orders(count=2), seeds=(0, 1)))
    whole = [trial.key for trial in keys_of(asked).trials]
    assert [trial.key for trial in first_of(asked, count).trials] == whole[:count]
    assert first_of(asked, None) == first_of(asked, 100) == asked
