"""Which trial starts next, and in which role."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from moleflow.config import Config
from orchestration.driver.holdings import holdings
from orchestration.records.layout import Root, StudyFolder
from orchestration.records.ledger import Failure, Ledger, StageSource
from orchestration.records.stages import StageRef
from orchestration.runners.runner import describe_failure
from orchestration.sharing.groups import keys_of
from orchestration.sharing.keys import StageKeys
from orchestration.sharing.roles import parts
from orchestration.sharing.savings import Savings, savings
from orchestration.sharing.schedule import Schedule, Start
from orchestration.store.store import Store
from orchestration.studies.axes import Axis, Grid, Orders, TaskZero
from orchestration.studies.expansion import Plan, expand
from orchestration.studies.study import Study
from orchestration.studies.terms import Resources, Terms

CLASSES = ("a", "b", "c", "d")
Plans = Callable[..., Plan]


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    return Root.at(tmp_path).study("orders")


def planned(*axes: Axis, config: Config | None = None, seeds: Sequence[int] = (0,)) -> Plan:
    study = Study(question="?", base=config or Config(), axes=axes, seeds=tuple(seeds))
    prints = {name: name * 2 for name in CLASSES}
    return expand("orders", study, "/data", prints, {study.base.backbone: "w"})


FIVE_ORDERS = (TaskZero(classes=("a",)), Orders(count=5))


def finish(
    folder: StudyFolder, start: Start, *, differ: bool = False, device: str = "cpu", ok: bool = True
) -> None:
    """Write a record as the trial itself would, all of it trained by itself."""
    trial = start.trial
    record = describe_failure(trial, Failure(kind="E", message=""), folder, time.time())
    names = [task[0] for task in trial.sequence]
    stages = {
        StageRef("adapter" if i else "base", name): StageSource(
            kind="adapter" if i else "base",
            key=name,
            source="made",
            trial=trial.key,
            after=tuple(names[:i]),
        )
        for i, name in enumerate(names)
    }
    hashes = {f"bank {name}": trial.key if differ else name for name in names}
    changes = {"stages": stages, "hashes": hashes, "device": device, "role": start.role}
    changes |= {"status": "finished", "failure": None} if ok else {}
    Ledger(folder).write(record.model_copy(update=changes))


def started(schedule: Schedule) -> Start:
    start = schedule.next()
    assert start is not None
    return start


def end(schedule: Schedule, folder: StudyFolder, start: Start, **how: Any) -> None:
    """Its record is there, and the schedule is told."""
    finish(folder, start, **how)
    schedule.ended(start.trial.key)


def roles_to_the_end(schedule: Schedule, folder: StudyFolder, **how: bool) -> list[str]:
    """One trial after another."""
    roles: list[str] = []
    while not schedule.exhausted:
        start = started(schedule)
        roles.append(start.role)
        end(schedule, folder, start, **how)
    return roles


def test_two_orders_are_trained_and_the_others_wait_for_them(folder: StudyFolder) -> None:
    schedule = Schedule(planned(*FIVE_ORDERS), folder)
    one, other = started(schedule), started(schedule)
    assert (one.role, other.role) == ("shared", "witness")
    assert one.trial.sequence != other.trial.sequence
    assert schedule.next() is None and not schedule.exhausted
    end(schedule, folder, one)
    assert schedule.next() is None
    end(schedule, folder, other)
    assert [started(schedule).role for _ in range(3)] == ["derived"] * 3
    assert schedule.exhausted


def test_a_witness_that_ends_first_waits_for_the_other_and_is_not_followed_by_one_more(
    folder: StudyFolder,
) -> None:
    schedule = Schedule(planned(*FIVE_ORDERS), folder)
    one, other = started(schedule), started(schedule)
    end(schedule, folder, other)
    assert schedule.next() is None and not schedule.exhausted
    end(schedule, folder, one)
    assert [started(schedule).role for _ in range(3)] == ["derived"] * 3


def test_a_witness_that_ended_first_is_compared_with_the_order_that_replaces_a_lost_one(
    folder: StudyFolder,
) -> None:
    schedule = Schedule(planned(*FIVE_ORDERS), folder)
    one, other = started(schedule), started(schedule)
    end(schedule, folder, other)
    end(schedule, folder, one, ok=False)
    again = started(schedule)
    assert again.role == "shared"
    assert schedule.next() is None
    end(schedule, folder, again)
    assert started(schedule).role == "derived"


def test_where_hashes_differ_every_order_is_trained_for_real(folder: StudyFolder) -> None:
    schedule = Schedule(planned(*FIVE_ORDERS), folder)
    roles = roles_to_the_end(schedule, folder, differ=True)
    assert roles == ["shared", "witness", "alone", "alone", "alone"]
    (certificate,) = schedule.failed_certificates
    assert set(certificate.mismatches) == {f"bank {name}" for name in CLASSES}


def test_a_certificate_is_kept_beside_the_ledger_and_used_by_a_later_run(
    folder: StudyFolder,
) -> None:
    plan = planned(TaskZero(classes=("a",)), Orders(count=2))
    roles_to_the_end(Schedule(plan, folder), folder)
    assert len(list(folder.certificates.glob("*.json"))) == 1
    later = Schedule(planned(*FIVE_ORDERS), folder)
    assert roles_to_the_end(later, folder) == ["derived"] * 3


def test_trials_that_fail_are_replaced_and_nothing_waits_for_ever(folder: StudyFolder) -> None:
    schedule = Schedule(planned(*FIVE_ORDERS), folder)
    assert len(roles_to_the_end(schedule, folder, ok=False)) == 5


def test_a_lost_witness_is_replaced_by_the_next_order(folder: StudyFolder) -> None:
    schedule = Schedule(planned(*FIVE_ORDERS), folder)
    one, other = started(schedule), started(schedule)
    end(schedule, folder, one)
    end(schedule, folder, other, ok=False)
    assert started(schedule).role == "witness"
    assert schedule.next() is None


def test_records_of_other_machines_are_not_compared(folder: StudyFolder) -> None:
    schedule = Schedule(planned(*FIVE_ORDERS), folder)
    one, other = started(schedule), started(schedule)
    for start, device in ((one, "cpu:avx2"), (other, "cuda:sm_90")):
        end(schedule, folder, start, device=device)
    assert not schedule.certificates
    assert started(schedule).role == "witness"


def test_seeds_and_task_zeros_are_certified_apart(folder: StudyFolder) -> None:
    plan = planned(TaskZero(classes=("a", "b")), Orders(count=3), seeds=(0, 1))
    schedule = Schedule(plan, folder)
    starts = [started(schedule) for _ in range(8)]
    assert schedule.next() is None
    assert sorted(start.role for start in starts) == ["shared"] * 4 + ["witness"] * 4
    groups = {(start.trial.sequence[0], start.trial.seed) for start in starts}
    assert len(groups) == 4


def test_scoring_variants_of_one_order_share_without_waiting(folder: StudyFolder) -> None:
    plan = planned(
        TaskZero(classes=("a",)), Orders(count=1), Grid(field="scoring.top_k", values=(1, 2, 3))
    )
    schedule = Schedule(plan, folder)
    assert [started(schedule).role for _ in range(3)] == ["shared"] * 3


def test_a_group_without_a_trial_in_work_comes_first(folder: StudyFolder) -> None:
    """Trials of one group would wait for each other's stages."""
    rates, scores = (
        Grid(field="training.lr", values=(1e-3, 2e-3)),
        Grid(field="scoring.top_k", values=(1, 2)),
    )
    schedule = Schedule(planned(rates, scores), folder)
    assert [started(schedule).trial.config.training.lr for _ in range(2)] == [1e-3, 2e-3]


@pytest.mark.parametrize("change", [{"freeze_base": False}, {"seeding": "positional"}])
def test_orders_that_matter_by_design_are_never_derived(
    folder: StudyFolder, change: dict[str, object]
) -> None:
    schedule = Schedule(planned(*FIVE_ORDERS, config=Config().updated(change)), folder)
    assert [started(schedule).role for _ in range(5)] == ["shared"] * 5


def test_without_sharing_every_trial_is_alone_and_none_waits(folder: StudyFolder) -> None:
    schedule = Schedule(planned(*FIVE_ORDERS), folder, sharing=False)
    assert [started(schedule).role for _ in range(5)] == ["alone"] * 5


def test_trials_with_a_record_are_not_handed_out(folder: StudyFolder) -> None:
    plan = planned(*FIVE_ORDERS)
    roles_to_the_end(Schedule(plan, folder), folder)
    schedule = Schedule(plan, folder)
    assert schedule.exhausted and schedule.next() is None and schedule.left == ()


def test_only_tasks_that_nobody_has_trained_are_said_to_be_trained() -> None:
    plan = planned(*FIVE_ORDERS)
    keys, first = keys_of(plan), plan.trials[0]
    left = parts(keys, {}, {})
    assert savings(keys, left).sentence.startswith("20 tasks, of which 8 are trained")
    everything = savings(keys, left, lambda trial, apart: frozenset(keys.tasks[trial.key]))
    assert "none of which is left to train" in everything.sentence
    shared = savings(keys, left, lambda t, apart: frozenset(() if apart else keys.tasks[t.key]))
    assert shared.sentence.startswith("20 tasks, of which 4 are trained")
    assert savings(keys, {}).sentence == ""
    left = {first.key: left[first.key]}
    assert savings(keys, left).sentence == "4 tasks to train"
    taken = savings(keys, left, lambda trial, apart: frozenset(keys.tasks[trial.key][:3]))
    assert taken.sentence == "4 tasks, of which 1 is trained and the rest shared or in the store"


def test_what_the_store_holds_is_found_by_the_keys_of_the_machine(tmp_path: Path) -> None:
    trial, root = planned(*FIVE_ORDERS).trials[0], Root.at(tmp_path)
    keys, here = StageKeys(trial, "cpu:avx512", 1), StageKeys(trial, "", 0)

    def make(folder: Path) -> None:
        for name in ("stage.json", "bank.safetensors", "base.safetensors"):
            (folder / name).write_text("")
        (folder / "made.json").write_text('{"device": "cpu:avx512", "threads": 1}')

    for index in (0, 2):
        Store(root.store).publish(keys.kind(index), keys.task(index), make)
    assert holdings(root, Terms())(trial, "") == {here.task(0), here.task(2)}
    assert holdings(root, Terms())(trial, trial.key) == frozenset()
    two = Terms(resources=Resources(cpus_per_trial=2))
    assert holdings(root, two)(trial, "") == frozenset()


def shared_by(plan: Plan) -> Savings:
    keys = keys_of(plan)
    return savings(keys, parts(keys, {}, {}))


def test_what_is_shared_is_known_before_anything_runs() -> None:
    found = shared_by(planned(*FIVE_ORDERS))
    assert (found.asked, found.distinct, found.witnesses, found.derived) == (20, 4, 4, 3)
    apart = shared_by(planned(*FIVE_ORDERS, config=Config().updated({"freeze_base": False})))
    assert (apart.asked, apart.derived) == (20, 0)
    assert 4 < apart.distinct < 20
