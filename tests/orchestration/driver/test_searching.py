"""A search's proposals are kept in order, made once, and asked for as results arrive."""

import time
from pathlib import Path
from typing import Any

import pytest

from moleflow import profiles
from moleflow.errors import StudyError
from moleflow.measurement import Measurement
from orchestration.driver import tpe
from orchestration.driver.searching import Searching
from orchestration.records.layout import Root
from orchestration.records.ledger import Failure, Ledger
from orchestration.records.plans import plan_of, write_plan
from orchestration.records.proposals import Proposals
from orchestration.runners.inline import InlineRunner
from orchestration.runners.runner import describe_failure
from orchestration.sharing.schedule import Schedule
from orchestration.studies.expansion import Plan, Trial, expand
from orchestration.studies.proposing import Proposal, search_id
from orchestration.studies.search import Search, log_uniform, uniform
from orchestration.studies.study import Study
from orchestration.studies.terms import Terms

pytestmark = pytest.mark.slow

SPACE = {"training.lr": log_uniform(1e-4, 1e-2), "loss.tail_weight": uniform(0.0, 1.0)}


def asked(trials: int = 9, **more: Any) -> Study:
    more = {"method": "tpe", "objective": "test:image_auroc"} | more
    search = Search(space=SPACE, trials=trials, **more)
    return Study(question="?", base=profiles.quick(), axes=(search,), seeds=(0, 1))


def searching(study: Study, root: Root, told: list[str] | None = None) -> Searching:
    def expanded(proposals: Any = ()) -> Plan:
        place = {"bottle": "b", "cable": "c"}, {study.base.backbone: "w"}
        return expand("s", study, "/data", *place, proposals=proposals)

    return Searching(study, "s", root, expanded, (told if told is not None else []).append)


def kept(study: Study, root: Root) -> dict[int, Proposal]:
    return Proposals(root.study("s"), search_id(study)).kept(pytest.fail)


RAN: list[str] = []


def measured(trial: Trial, root: Root, terms: Terms) -> str:
    """As if a trial had finished: the better, the smaller its learning rate is."""
    RAN.append(trial.key)
    folder = root.study(trial.study)
    value = 1 - 50 * trial.config.training.lr
    row = Measurement(2, -1, "", "image_auroc", "final_mean", "routed", value)
    record = describe_failure(trial, Failure(kind="", message=""), folder, time.time())
    done = {"status": "finished", "failure": None, "rows": (row,)}
    Ledger(folder).write(record.model_copy(update=done))
    return "finished"


def interrupted_after(trials: int) -> Any:
    """As if the driver were killed then."""
    left = [trials]

    def run(trial: Trial, root: Root, terms: Terms) -> str:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return measured(trial, root, terms)

    return run


def drive(study: Study, root: Root, function: Any = measured) -> Schedule:
    found = searching(study, root)
    write_plan(found.plan, root.study("s"))
    schedule = Schedule(found.plan, root.study("s"), proposing=found)
    InlineRunner(root, Terms()).run(found.plan, schedule, function)
    return schedule


@pytest.fixture(autouse=True)
def nothing_ran_yet() -> None:
    RAN.clear()


@pytest.mark.parametrize("method", ["random", "tpe"])
@pytest.mark.parametrize("after", [0, 7, 13])
def test_a_killed_driver_goes_on_with_the_same_proposals_and_runs_nothing_twice(
    root: Root, tmp_path: Path, method: str, after: int
) -> None:
    study, whole = asked(method=method), Root.at(tmp_path / "whole")
    drive(study, whole)
    at_once = kept(study, whole)
    RAN.clear()
    with pytest.raises(KeyboardInterrupt):
        drive(study, root, interrupted_after(after))
    assert plan_of(root.study("s")).proposed == len(kept(study, root))
    schedule = drive(study, root)
    assert kept(study, root) == at_once
    assert schedule.exhausted and len(schedule.plan.trials) == 18
    assert sorted(RAN) == sorted(trial.key for trial in schedule.plan.trials)


def test_more_trials_go_on_where_fewer_ended(root: Root) -> None:
    drive(asked(trials=7), root)
    first = kept(asked(trials=7), root)
    RAN.clear()
    drive(asked(trials=9), root)
    then = kept(asked(trials=9), root)
    assert {number: then[number] for number in first} == first
    assert len(then) == 9 and len(RAN) == 2 * 2


def test_a_proposal_is_a_function_of_what_was_told_of_the_ones_before(root: Root) -> None:
    study = asked()
    drive(study, root)
    search, made = study.search_axis, kept(study, root)
    assert search is not None
    for number in range(tpe.STARTUP + 1, 10):
        before = [made[n] for n in range(1, number)]
        again = tpe.proposed(search, number, before, made[number].told, lambda values: True)
        assert again == made[number]
        assert [one.number for one in again.told] == list(range(1, number))


def test_an_estimator_that_was_told_results_looks_where_they_are_good(root: Root) -> None:
    drive(asked(trials=25), root)
    rates = [one.values["training.lr"] for one in kept(asked(), root).values()]
    middle = sorted(rates[tpe.STARTUP :])[10]
    assert middle < 5e-4, "half of them lie in the lowest third of the logarithm's range"


def test_a_proposal_that_was_changed_on_disk_is_set_aside_and_made_anew(root: Root) -> None:
    study = asked(method="random")
    searching(study, root)
    before = kept(study, root)
    path = root.study("s").proposals / search_id(study) / "0003.json"
    path.write_bytes(path.read_bytes().replace(b'"number": 3', b'"number": 4'))
    told: list[str] = []
    again = searching(study, root, told)
    assert len(told) == 1 and "0003.json" in told[0] and "proposed anew" in told[0]
    assert kept(study, root) == before and again.found == 8


def test_what_only_looks_at_proposals_leaves_a_damaged_one_where_it_is(root: Root) -> None:
    study = asked(method="random")
    searching(study, root)
    folder = root.study("s").proposals / search_id(study)
    (folder / "0003.json").write_bytes(b"{}")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    told: list[str] = []
    seen = Proposals(root.study("s"), search_id(study)).seen(told.append)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert 3 not in seen and {*seen, 3} == set(range(1, len(before) + 1))
    assert len(told) == 1 and "0003.json" in told[0] and "a run sets it aside" in told[0]


def test_a_proposal_of_another_search_is_not_taken_for_one_of_this(root: Root) -> None:
    one, other = asked(method="random"), asked(method="random", seed=1)
    searching(one, root)
    searching(other, root)
    folder = root.study("s").proposals
    (folder / search_id(one) / "0001.json").replace(folder / search_id(other) / "0001.json")
    told: list[str] = []
    searching(other, root, told)
    assert len(told) == 1 and f"of search {search_id(one)}" in told[0]


def test_without_optuna_tpe_is_refused_with_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    axis = asked().search_axis
    assert axis is not None
    with pytest.raises(StudyError, match=r"pip install 'moleflow\[search\]'"):
        tpe.check_installed(axis)
    tpe.check_installed(axis.model_copy(update={"method": "random"}))
