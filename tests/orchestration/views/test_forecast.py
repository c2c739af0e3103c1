"""How far trials are, and how long the rest takes."""

import pytest

from orchestration.records.events import (
    Attempt,
    Epoch,
    EventLog,
    StageFinished,
    StageStarted,
    Waiting,
    read_events,
)
from orchestration.records.layout import Root
from orchestration.records.stages import StageRef
from orchestration.records.watch import News
from orchestration.sharing.groups import group_id, keys_of
from orchestration.studies.expansion import Plan
from orchestration.views.record_brief import brief
from orchestration.views.study_state import StudyState
from orchestration.views.trial_state import TrialState
from tests.orchestration.views.trial_files import finished, learn, orders_of, run_task, start


def test_fraction_never_falls_within_an_attempt(root: Root, plan: Plan):
    trial = plan.trials[0]
    log = start(root, trial)
    for task in range(3):
        run_task(log, trial, task, 0.5)
    state, seen = TrialState(trial, 0.0), [0.0]
    for event in read_events(root.study("small").events(trial.key)):
        state = state.after(event)
        seen.append(state.fraction)
    assert seen == sorted(seen)
    assert seen[-1] == 1


def test_fraction_counts_what_was_learned_in_whatever_order(root: Root, plan: Plan):
    trial, fractions = plan.trials[0], []
    for key, order in (("0", (0, 2, 1)), ("1", (0, 1, 2))):
        log = EventLog(root.path / key)
        for task in order[:2]:
            learn(log, trial, task)
        state = TrialState(trial, 0.0)
        for event in read_events(root.path / key):
            state = state.after(event)
        fractions.append(state.fraction)
    assert fractions[0] == fractions[1] == pytest.approx(0.95 * 2 / 3)


def test_a_task_that_begins_or_waits_adds_nothing_to_the_fraction(plan: Plan):
    state = TrialState(plan.trials[0], 0.0)
    for event in (
        StageStarted(time=1.0, stage=StageRef("adapter", "wood"), task=2),
        Waiting(time=2.0, what="base"),
    ):
        state = state.after(event)
        assert state.fraction == 0.0
    assert state.waits == "base"


def test_time_left_keeps_trials_that_train_and_trials_that_take_apart(root: Root):
    plan = orders_of(1, seeds=6)
    one = finished(plan.trials[0], root, "shared", "made", 440.0)
    free = [finished(t, root, "shared", "shared", 5.0) for t in plan.trials[1:5]]
    study = StudyState(plan, [brief(r) for r in (one, *free)], now=0.0)
    # The last one has a seed of its own: four tasks of 100 s, and 40 s besides.
    assert study.time_left(now=0.0) == pytest.approx(440.0)


def test_a_trial_that_takes_all_is_as_quick_as_those_that_took_all(root: Root):
    plan = orders_of(1)
    twins = [plan.trials[0].model_copy(update={"key": f"{i:020}"}) for i in range(3)]
    plan = plan.model_copy(update={"trials": (*plan.trials, *twins)})
    one = finished(plan.trials[0], root, "shared", "made", 440.0)
    free = [finished(trial, root, "shared", "shared", 5.0) for trial in twins[:2]]
    study = StudyState(plan, [brief(r) for r in (one, *free)], now=0.0)
    assert study.time_left(now=0.0) == pytest.approx(5.0)


def test_where_nothing_was_trained_what_was_taken_tells_how_long_training_takes(root: Root):
    plan = orders_of(1, seeds=2)
    study = StudyState(plan, [], now=0.0)
    events = [Attempt(time=0.0)]
    for task, (name,) in enumerate(plan.trials[0].sequence):
        stage = StageRef("adapter" if task else "base", name)
        took = {"seconds": 1e-6, "saved": 100.0, "source": "shared"}
        events.append(StageFinished(stage=stage, task=task, **took))
    study.take(News(plan.trials[0], tuple(events)))
    assert study.time_left(now=0.0) == pytest.approx(400.0)


def test_time_left_counts_a_stage_once_however_many_trials_need_it(root: Root):
    plan = orders_of(1, seeds=2)
    config = plan.trials[1].config.updated({"scoring.top_k": 7})
    twin = plan.trials[1].model_copy(update={"config": config, "key": "twin"})
    plan = plan.model_copy(update={"trials": (*plan.trials, twin)})
    assert keys_of(plan).tasks["twin"] == keys_of(plan).tasks[plan.trials[1].key]
    done = brief(finished(plan.trials[0], root, "shared", "made", 400.0))
    assert StudyState(plan, [done], now=0.0).time_left(now=0.0) == pytest.approx(400.0)


def test_trials_that_wait_for_a_certificate_are_taken_to_train_nothing(root: Root):
    plan = orders_of(5)
    done = brief(finished(plan.trials[0], root, "shared", "made", 400.0))
    study = StudyState(plan, [done], now=0.0)
    assert [part.role for part in study.outlook().values()] == [
        "witness",
        "derived",
        "derived",
        "derived",
    ]
    assert study.time_left(now=0.0) == pytest.approx(400.0)


def test_time_left_is_shared_by_the_trials_in_work_and_no_less_than_the_longest(root: Root):
    plan = orders_of(1, seeds=5)
    done = brief(finished(plan.trials[0], root, "shared", "made", 400.0))
    study = StudyState(plan, [done], now=0.0)
    for trial in plan.trials[1:3]:
        study.take(News(trial, (Attempt(time=0.0),)))
    assert study.time_left(now=0.0) == pytest.approx(4 * 400.0 / 2)
    for trial in plan.trials[3:]:
        study.take(News(trial, (Attempt(time=0.0),)))
    learned = [
        StageFinished(
            time=1.0,
            stage=StageRef("adapter", plan.trials[4].sequence[i][0]),
            task=i,
            source="made",
            seconds=100.0,
        )
        for i in range(2)
    ]
    study.take(News(plan.trials[4], tuple(learned)))
    assert study.time_left(now=1.0) == pytest.approx(400.0)


def test_a_place_that_is_empty_for_a_moment_makes_no_forecast_longer(root: Root):
    plan = orders_of(1, seeds=9)
    done = brief(finished(plan.trials[0], root, "shared", "made", 400.0))
    study = StudyState(plan, [done], now=0.0)
    for trial in plan.trials[1:5]:
        study.take(News(trial, (Attempt(time=0.0),)))
    assert study.time_left(now=0.0) == pytest.approx(8 * 400.0 / 4)
    for ended, trial in enumerate(plan.trials[1:5], start=1):
        study.take(News(trial, record=finished(trial, root, "shared", "made", 400.0)))
        assert study.time_left(now=0.0) == pytest.approx((8 - ended) * 400.0 / 4)
    study.take(News(plan.trials[5], (Attempt(time=0.0),)))
    assert study.time_left(now=0.0) == pytest.approx(4 * 400.0)


def test_stages_taken_from_the_store_do_not_hurry_the_forecast(root: Root):
    plan = orders_of(1, seeds=3)
    done = brief(finished(plan.trials[0], root, "shared", "made", 400.0))
    studies = [StudyState(plan, [done], now=0.0) for _ in range(2)]
    stage = StageRef("base", "a")
    begun = (Attempt(), StageStarted(stage=stage))
    epochs = tuple(Epoch(stage=stage, epoch=i, epochs=9, seconds=1e-6) for i in range(1, 10))
    taken = StageFinished(stage=stage, source="shared", saved=9000.0, seconds=1e-6)
    for study, events in zip(studies, ([], epochs), strict=True):
        study.take(News(plan.trials[1], (*begun, *events, taken)))
    one, other = (study.time_left(now=0.0) for study in studies)
    assert one == other == pytest.approx(3 * 100.0 + 400.0)


def test_epochs_tell_the_time_left_before_any_task_has_ended(plan: Plan):
    study = StudyState(plan.model_copy(update={"trials": plan.trials[:1]}), [], now=0.0)
    stage = StageRef("base", "bottle")
    study.take(
        News(
            plan.trials[0],
            (
                Attempt(time=0.0),
                Epoch(time=8.0, stage=stage, epoch=5, epochs=10, seconds=2.0),
            ),
        )
    )
    assert study.time_left(now=10.0) == pytest.approx(2.5 * 20.0)


def test_groups_are_those_of_the_certificates():
    plan = orders_of(3)
    groups = keys_of(plan).groups
    assert {group.id for group in groups.values()} == {group_id(trial) for trial in plan.trials}
