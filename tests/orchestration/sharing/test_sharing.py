"""Trials that share stages: the same bits as alone, and nothing is computed twice."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from moleflow import learning, profiles
from moleflow.config import Config
from moleflow.data.catalog import open_catalog
from moleflow.data.synthetic import make_synthetic
from moleflow.model import MoLEFlow
from moleflow.saved import load_model
from moleflow.training.lanes import Bench
from orchestration.records.dataset import checked_fingerprint
from orchestration.records.events import numbers_of, read_events
from orchestration.records.layout import Root
from orchestration.records.ledger import Ledger, Record
from orchestration.records.provenance import device_kind
from orchestration.records.stages import StageRef
from orchestration.sharing.certificate import compare, write
from orchestration.sharing.groups import group_id, keys_of
from orchestration.sharing.keys import StageKeys
from orchestration.store.lease import Leases
from orchestration.store.store import Store
from orchestration.studies.axes import Grid, Orders, TaskZero
from orchestration.studies.expansion import Plan, Trial, expand
from orchestration.studies.study import Study
from orchestration.studies.terms import Role, Terms
from orchestration.trial import sequence as trials
from orchestration.trial.trained import read_trained
from tests.records import certified

pytestmark = pytest.mark.slow

CLASSES = ("capsule", "fabric", "wood")
SAME = ("rows", "hashes", "routing", "parameters")
"""What of a record may depend neither on sharing nor on a crash."""


@pytest.fixture(scope="module")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_synthetic(tmp_path_factory.mktemp("data") / "synthetic")


@pytest.fixture(scope="module")
def small() -> Config:
    return profiles.quick().updated(
        {
            "image.size": 64,
            "backbone.weights": "random",
            "patches.dim": 16,
            "flow.blocks": 2,
            "lora.rank": 2,
            "training.epochs": 3,
        }
    )


@pytest.fixture(scope="module")
def make_plan(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Plan]:
    """Orders with one task 0, and what else a study asks for."""
    prints: dict[str, str] = {}
    notes = Root.at(tmp_path_factory.mktemp("prints"))
    for name, data in open_catalog(data_root, CLASSES).items():
        prints[name] = checked_fingerprint(data, notes)

    def make(config: Config, *axes: Any, orders: int = 2) -> Plan:
        every = (TaskZero(classes=("fabric",)), Orders(count=orders), *axes)
        study = Study(question="?", base=config, classes=CLASSES, axes=every)
        return expand("shares", study, str(data_root), prints, {config.backbone: "random:0"})

    return make


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory, make_plan: Callable[..., Plan], small: Config):
    """A root in which the first order was trained, and the second one apart from it."""
    root, plan = Root.at(tmp_path_factory.mktemp("warm")), make_plan(small)
    for trial, role in zip(plan.trials, ("shared", "witness"), strict=True):
        run(trial, root, role)
    return root


def run(trial: Trial, root: Root, role: Role = "shared", **terms: Any) -> Record:
    trials.run_trial(trial, root, Terms(role=role, **terms))
    record = Ledger(root.study(trial.study)).read(trial.key)
    assert record is not None
    return record


def alone(trial: Trial, root: Root) -> Record:
    """The same trial run again in another study of the root, taking nothing from the store."""
    return run(trial.model_copy(update={"study": "apart"}), root, "alone")


def same(one: Record, other: Record) -> bool:
    assert one.rows and one.hashes
    return all(getattr(one, name) == getattr(other, name) for name in SAME)


def sources(record: Record, *kinds: str) -> set[str]:
    return {s.source for s in record.stages.values() if not kinds or s.kind in kinds}


@pytest.fixture
def copied(warm: Root, tmp_path: Path) -> Root:
    """A root to write in, with what the two orders left."""
    shutil.copytree(warm.path, tmp_path / "root")
    return Root.at(tmp_path / "root")


def records_of(root: Root) -> list[Record]:
    return list(Ledger(root.study("shares")).records())


def test_two_orders_trained_apart_share_nothing_but_features(warm: Root) -> None:
    one, other = sorted(records_of(warm), key=lambda record: record.role)
    assert (one.role, other.role) == ("shared", "witness")
    assert sources(one) == {"made"}
    assert sources(other, "base", "adapter") == {"made"}
    assert sources(other, "features") == {"shared"}


def test_a_certificate_says_what_was_compared(warm: Root) -> None:
    (found,) = certified("group", records_of(warm))
    assert found.holds and found.mismatches == []
    assert found.moved == ("capsule", "wood")
    assert {"base", "bank fabric", "bank wood", "scores capsule"} <= set(found.hashes)


def test_a_difference_of_one_hash_breaks_the_certificate(warm: Root) -> None:
    one, other = records_of(warm)
    hashes = one.hashes | {"bank wood": "0"}
    broken = compare("group", one.model_copy(update={"hashes": hashes}), other)
    assert broken is not None and not broken.holds
    assert broken.mismatches == ["bank wood"]


def test_trials_of_which_one_took_a_single_stage_certify_nothing(warm: Root) -> None:
    one, other = records_of(warm)
    taken = other.stages[StageRef("base", "fabric")].model_copy(update={"trial": one.key})
    shared = other.model_copy(update={"stages": other.stages | {StageRef("base", "fabric"): taken}})
    assert compare("group", one, other) is not None
    assert compare("group", one, shared) is None


def test_trials_that_share_a_stage_certify_nothing(
    copied: Root, make_plan: Callable[..., Plan], small: Config
) -> None:
    first, second = make_plan(small).trials
    copied.study("shares").record(second.key).unlink()
    shared = run(second, copied, "shared")
    assert sources(shared) == {"shared"}
    known = Ledger(copied.study("shares")).read(first.key)
    assert known is not None and compare("group", known, shared) is None


def test_a_scoring_variant_trains_nothing_and_gives_what_it_gives_alone(
    copied: Root, make_plan: Callable[..., Plan], small: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = Grid(field="scoring.top_k", values=(7,))
    (trial, _) = make_plan(small, grid).trials
    expected = alone(trial, copied)
    assert sources(expected) == {"made"}

    def forbidden(model: MoLEFlow, tasks: Iterator[Any], *_: object) -> Iterator[Any]:
        for _task in tasks:
            raise AssertionError("trained although the store holds it")
        yield from ()

    monkeypatch.setattr(learning, "train_tasks", forbidden)
    found = run(trial, copied)
    assert sources(found) == {"shared"}
    assert same(found, expected)
    other = Ledger(copied.study("shares")).read(make_plan(small).trials[0].key)
    assert other is not None and found.hashes == other.hashes and found.rows != other.rows


def test_a_derived_order_gives_what_it_gives_alone(
    copied: Root, make_plan: Callable[..., Plan], small: Config
) -> None:
    folder, second = copied.study("shares"), make_plan(small).trials[1]
    expected = Ledger(folder).read(second.key)
    for found in certified(group_id(second), records_of(copied)):
        write(found, folder)
    folder.record(second.key).unlink()
    shutil.rmtree(folder.trial(second.key))
    derived = run(second, copied, "derived")
    assert expected is not None and derived.role == "derived"
    assert sources(derived) == {"shared"}
    assert same(derived, expected)


def test_without_a_certificate_for_this_machine_a_derived_order_trains_apart(
    copied: Root, make_plan: Callable[..., Plan], small: Config
) -> None:
    folder, second = copied.study("shares"), make_plan(small).trials[1]
    for found in certified(group_id(second), records_of(copied)):
        write(found.model_copy(update={"device": "cuda:sm_90"}), folder)
    folder.record(second.key).unlink()
    shutil.rmtree(copied.store / "adapter")
    derived = run(second, copied, "derived")
    assert derived.role == "witness"
    assert sources(derived, "adapter") == {"made"}


def test_models_of_trials_that_share_are_one_file_on_disk(
    copied: Root, make_plan: Callable[..., Plan], small: Config
) -> None:
    (trial, _) = make_plan(small, Grid(field="scoring.top_k", values=(7,))).trials
    record = run(trial, copied)
    model = copied.study(trial.study).model(trial.key)
    store = Store(copied.store)
    for name, source in record.stages.items():
        if source.kind in ("base", "adapter"):
            entry = store.find(source.kind, source.key)
            assert entry is not None
            inode = (entry / "bank.safetensors").stat().st_ino
            assert inode in {path.stat().st_ino for path in model.iterdir()}, name
    assert load_model(model).sequence == trial.sequence


def test_losses_of_a_shared_stage_are_in_the_events_too(
    copied: Root, make_plan: Callable[..., Plan], small: Config
) -> None:
    first, _ = make_plan(small).trials
    again = first.model_copy(update={"study": "another"})
    run(again, copied)

    def losses(study: str) -> dict[tuple[str, int], float]:
        events = read_events(copied.study(study).events(first.key))
        return {(one.name, one.step): one.value for one in numbers_of(events)}

    assert losses("another") == losses("shares")


def test_an_attempt_that_was_lost_costs_its_stage_only(
    tmp_path: Path,
    warm: Root,
    make_plan: Callable[..., Plan],
    small: Config,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root, (trial, _) = Root.at(tmp_path), make_plan(small).trials
    train_tasks = learning.train_tasks
    trained: list[str] = []

    def dying(model: MoLEFlow, tasks: Iterator[Any], bench: Bench) -> Iterator[Any]:
        for task, end in train_tasks(model, noted(tasks, trained), bench):
            yield task, end
            if trained == ["fabric", task[0]] and end.epoch == 2 and len(trained) == 2:
                raise OSError("the node is gone")

    monkeypatch.setattr(learning, "train_tasks", dying)
    with pytest.raises(OSError, match="gone"):
        run(trial, root)
    lost = trial.sequence[1][0]
    record = run(trial, root)
    assert trained == ["fabric", lost, lost, trial.sequence[2][0]]
    assert record.stages[StageRef("base", "fabric")].source == "resumed"
    assert record.stages[StageRef("adapter", lost)].source == "made"
    assert record.attempts == 2
    undisturbed = Ledger(warm.study("shares")).read(trial.key)
    assert undisturbed is not None and same(record, undisturbed)


def test_every_shared_stage_is_verified_when_all_are_asked_for(
    copied: Root, make_plan: Callable[..., Plan], small: Config
) -> None:
    (trial, _) = make_plan(small, Grid(field="scoring.top_k", values=(7,))).trials
    record = run(trial, copied, verify=1.0)
    assert record.status == "finished"
    trained = [s for s in record.stages.values() if s.kind in ("base", "adapter")]
    assert len(trained) == 3 and all(source.verified for source in trained)


def test_a_stage_that_is_not_what_training_gives_is_found_by_verification(
    copied: Root, make_plan: Callable[..., Plan], small: Config
) -> None:
    """The wrong entry is whole: its checksums and its description fit its tensors."""
    (trial, _) = make_plan(small, Grid(field="scoring.top_k", values=(7,))).trials
    record = run(trial, copied)
    key = record.stages[StageRef("adapter", "wood")].key
    store = Store(copied.store)
    folder = store.find("adapter", key)
    assert folder is not None
    forge(store, key, folder)
    other = trial.model_copy(update={"study": "verified"})
    verified = run(other, copied, verify=1.0)
    assert verified.status == "failed" and verified.failure is not None
    assert verified.failure.kind == "SharingError"
    assert "adapter of wood" in verified.failure.message


def test_a_stage_whose_tensors_are_not_those_described_is_refused(
    copied: Root, make_plan: Callable[..., Plan], small: Config
) -> None:
    (trial, _) = make_plan(small, Grid(field="scoring.top_k", values=(7,))).trials
    key = run(trial, copied).stages[StageRef("adapter", "wood")].key
    store = Store(copied.store)
    folder = store.find("adapter", key)
    assert folder is not None
    forge(store, key, folder)
    refused = run(trial.model_copy(update={"study": "refused"}), copied)
    assert refused.failure is not None and refused.failure.kind == "StoreError"


def forge(store: Store, key: str, folder: Path) -> None:
    """Replace an adapter by another one that is as whole."""
    stage = read_trained(folder)
    tensors = load_file(folder / "bank.safetensors")
    origin = (folder / "made.json").read_bytes()
    name = next(name for name in tensors if name.endswith("beta_raw"))
    tensors[name] = tensors[name] + 1e-3
    store.remove("adapter", key)

    def make(target: Path) -> None:
        save_file(tensors, target / "bank.safetensors")
        (target / "stage.json").write_text(
            stage.model_copy(update={"result": "0" * 20}).model_dump_json()
        )
        (target / "made.json").write_bytes(origin)

    store.publish("adapter", key, make)


def test_with_a_moving_base_prefixes_are_shared_and_nothing_else(
    tmp_path: Path, make_plan: Callable[..., Plan], small: Config
) -> None:
    root, moving = Root.at(tmp_path), small.updated({"freeze_base": False})
    plan = make_plan(moving)
    assert len({group.id for group in keys_of(plan).groups.values()}) == 2
    first, second = (run(trial, root) for trial in plan.trials)
    assert {name: s.source for name, s in second.stages.items() if s.kind != "features"} == {
        StageRef("base", "fabric"): "shared",
        StageRef("adapter", "capsule"): "made",
        StageRef("adapter", "wood"): "made",
    }
    assert first.hashes["bank wood"] != second.hashes["bank wood"]
    assert same(second, alone(plan.trials[1], root))
    variant = make_plan(moving, Grid(field="scoring.top_k", values=(7,))).trials[1]
    assert sources(run(variant, root)) == {"shared"}


def test_flows_of_one_task_each_are_shared_whatever_the_order(
    tmp_path: Path, make_plan: Callable[..., Plan], small: Config
) -> None:
    root = Root.at(tmp_path)
    plan = make_plan(small.updated({"separate": True}))
    run(plan.trials[0], root)
    second = run(plan.trials[1], root)
    assert sources(second) == {"shared"}
    assert same(second, alone(plan.trials[1], root))


def test_a_task_that_another_trial_trains_is_passed_over(
    copied: Root, make_plan: Callable[..., Plan], small: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lease on the second task is let go when the third was learned."""
    (trial, _) = make_plan(small, Grid(field="training.lr", values=(1e-3,))).trials
    expected = alone(trial, copied)
    held = leases_of(trial)[1]
    with Leases(copied.leases, "another") as leases:
        train_tasks = learning.train_tasks
        trained: list[str] = []

        def noting(model: MoLEFlow, tasks: Iterator[Any], bench: Bench) -> Iterator[Any]:
            yield from train_tasks(model, noted(tasks, trained), bench)
            if len(trained) == 2:
                leases.release(held)

        monkeypatch.setattr(learning, "train_tasks", noting)
        assert leases.acquire(held)
        record = run(trial, copied)
    first, second, third = (task[0] for task in trial.sequence)
    assert trained == [first, third, second]
    assert same(record, expected)
    assert record.stages[StageRef("adapter", second)].after == (first, third)
    saved = load_model(copied.study(trial.study).model(trial.key))
    assert saved.sequence == trial.sequence


def noted(tasks: Iterator[Any], trained: list[str]) -> Iterator[Any]:
    """The same tasks; the names of those that were taken are kept."""
    for task, parts in tasks:
        trained.append(task[0])
        yield task, parts


def leases_of(trial: Trial) -> list[str]:
    """Names of the leases on a trial's tasks, on this machine."""
    keys = StageKeys(trial, device_kind(torch.device("cpu")), torch.get_num_threads())
    return [f"{keys.kind(i)}/{keys.task(i)}" for i in range(len(trial.sequence))]
