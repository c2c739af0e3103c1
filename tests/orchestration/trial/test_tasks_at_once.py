"""Trials that train several tasks side by side: the same record, and honest seconds."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from moleflow import learning, profiles
from moleflow.data.catalog import open_catalog
from moleflow.data.synthetic import make_synthetic
from moleflow.model import MoLEFlow
from moleflow.training.lanes import Bench
from orchestration.records.dataset import checked_fingerprint
from orchestration.records.events import Epoch, Event, numbers_of, read_events
from orchestration.records.layout import Root
from orchestration.records.ledger import Ledger, Record
from orchestration.records.stages import StageRef
from orchestration.store.lease import active
from orchestration.store.store import Store
from orchestration.studies.axes import Orders, TaskZero
from orchestration.studies.expansion import Trial, expand
from orchestration.studies.study import Study
from orchestration.studies.terms import Resources, Role, Terms
from orchestration.trial import sequence as trials
from orchestration.views.display import failure_text
from orchestration.views.record_brief import brief
from orchestration.views.trial_state import TrialState
from tests.records import certified

pytestmark = pytest.mark.slow

CLASSES = ("capsule", "fabric", "wood")


@pytest.fixture(scope="module")
def orders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Trial, ...]:
    """Two orders with one task 0."""
    data = make_synthetic(tmp_path_factory.mktemp("data") / "synthetic")
    small = {
        "image.size": 64,
        "backbone.weights": "random",
        "patches.dim": 16,
        "flow.blocks": 2,
        "lora.rank": 2,
        "training.epochs": 3,
    }
    config = profiles.quick().updated(small)
    notes = Root.at(tmp_path_factory.mktemp("prints"))
    catalog = open_catalog(data, CLASSES)
    prints = {name: checked_fingerprint(found, notes) for name, found in catalog.items()}
    axes = (TaskZero(classes=("fabric",)), Orders(count=2))
    study = Study(question="?", base=config, classes=CLASSES, axes=axes)
    return expand("many", study, str(data), prints, {config.backbone: "random:0"}).trials


@pytest.fixture(scope="module")
def done(
    tmp_path_factory: pytest.TempPathFactory, orders: tuple[Trial, ...]
) -> tuple[Root, dict[str, Record]]:
    """The first order with tasks side by side, the second as its witness; by role. And the first
    one after the other."""
    root, other = (Root.at(tmp_path_factory.mktemp(name)) for name in ("root", "other"))
    found = {
        "at once": run(orders[0], root),
        "witness": run(orders[1], root, "witness"),
        "in turn": run(orders[0], other, at_once=1),
    }
    return root, found


def run(trial: Trial, root: Root, role: Role = "shared", at_once: int = 3) -> Record:
    trials.run_trial(trial, root, Terms(role=role, resources=Resources(tasks_at_once=at_once)))
    record = Ledger(root.study("many")).read(trial.key)
    assert record is not None
    return record


def events(root: Root, trial: Trial) -> list[Event]:
    return list(read_events(root.study("many").events(trial.key)))


def test_a_record_does_not_depend_on_how_many_tasks_were_trained_at_once(
    done: tuple[Root, dict[str, Record]],
) -> None:
    one, other = done[1]["at once"], done[1]["in turn"]
    assert one.rows and one.rows == other.rows
    assert one.hashes == other.hashes and one.uses == other.uses
    assert one.stages.keys() == other.stages.keys()
    results = {name: source.result for name, source in one.stages.items()}
    assert results == {name: source.result for name, source in other.stages.items()}


def test_seconds_of_tasks_trained_at_once_are_shares_and_say_so(
    done: tuple[Root, dict[str, Record]], orders: tuple[Trial, ...]
) -> None:
    _, second, third = (task[0] for task in orders[0].sequence)
    for record, many in ((done[1]["at once"], 2), (done[1]["in turn"], 1)):
        assert {record.stages[StageRef("adapter", n)].at_once for n in (second, third)} == {many}
        assert record.stages[StageRef("base", "fabric")].at_once == 1
        assert 0 < sum(record.seconds.values()) <= record.ended - record.started
        assert all(record.stages[StageRef("adapter", n)].seconds > 0 for n in (second, third))


def test_a_witness_trains_in_its_order_so_that_a_certificate_has_something_to_rest_on(
    done: tuple[Root, dict[str, Record]], orders: tuple[Trial, ...]
) -> None:
    one, witness = done[1]["at once"], done[1]["witness"]
    first, second, third = (task[0] for task in orders[1].sequence)
    assert {s.after for s in one.stages.values() if s.kind == "adapter"} == {(first,)}
    assert witness.stages[StageRef("adapter", third)].after == (first, second)
    (found,) = certified("group", [one, witness])
    assert found.holds and found.moved == (third,)


def test_views_follow_tasks_whose_epochs_interleave(
    done: tuple[Root, dict[str, Record]], orders: tuple[Trial, ...]
) -> None:
    told = events(done[0], orders[0])
    names = [e.stage.task for e in told if isinstance(e, Epoch) and e.stage.kind == "adapter"]
    assert len(set(names[:2])) == 2, "not interleaved"
    state, fractions, most, part = TrialState(orders[0], 0.0), list[float](), 0, 0.0
    for event in told:
        state = state.after(event)
        fractions.append(state.fraction)
        most, part = max(most, len(state.training)), max(part, state.part(state.training))
    assert part > 1, "of tasks in training, the last one heard of alone counts"
    assert fractions == sorted(fractions) and fractions[-1] == 1.0
    assert most == 2 and not state.training and len(state.learned) == 3


def test_losses_are_told_once_each_whatever_is_trained_beside(
    done: tuple[Root, dict[str, Record]], orders: tuple[Trial, ...]
) -> None:
    root, _ = done
    losses = [
        (one.name, one.step, one.value)
        for one in numbers_of(events(root, orders[0]))
        if one.name.startswith("loss/")
    ]
    epochs = orders[0].config.training.epochs
    assert len(losses) == 3 * epochs
    again = {(name, step) for name, step, _ in losses}
    assert len(again) == len(losses)


def test_a_trial_killed_with_tasks_in_work_loses_these_alone(
    tmp_path: Path,
    done: tuple[Root, dict[str, Record]],
    orders: tuple[Trial, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    train_tasks, root = learning.train_tasks, Root.at(tmp_path)

    def dying(model: MoLEFlow, tasks: Iterator[Any], bench: Bench) -> Iterator[Any]:
        for task, end in train_tasks(model, tasks, bench):
            yield task, end
            if end.last and task != orders[0].sequence[0]:
                raise OSError("the node is gone")

    monkeypatch.setattr(learning, "train_tasks", dying)
    with pytest.raises(OSError, match="gone"):
        run(orders[0], root)
    assert active(root.leases) == []
    monkeypatch.undo()
    record = run(orders[0], root)
    learned = [s.source for s in record.stages.values() if s.kind in ("base", "adapter")]
    assert sorted(learned) == ["made", "resumed", "resumed"]
    undisturbed = done[1]["in turn"]
    assert record.rows == undisturbed.rows and record.hashes == undisturbed.hashes


def test_a_task_that_diverges_beside_others_is_on_record_and_nothing_of_those_after_it_is(
    tmp_path: Path, orders: tuple[Trial, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    train_tasks, root = learning.train_tasks, Root.at(tmp_path)
    first, second, third = orders[0].sequence

    def poisoned(model: MoLEFlow, tasks: Iterator[Any], bench: Bench) -> Iterator[Any]:
        def bad(parts: Any) -> Any:
            return [torch.full_like(part, torch.inf) for part in parts]

        yield from train_tasks(
            model, ((t, bad(parts) if t == second else parts) for t, parts in tasks), bench
        )

    monkeypatch.setattr(learning, "train_tasks", poisoned)
    record = run(orders[0], root)
    assert record.status == "diverged" and record.failure is not None
    assert record.failure.stage == StageRef("adapter", second[0])
    assert record.stages.keys() & {StageRef("adapter", t[0]) for t in (second, third)} == set()
    assert {row.class_name for row in record.rows if row.definition == "step"} == {first[0]}
    assert active(root.leases) == []
    assert [entry.kind for entry in Store(root.store).entries() if entry.kind == "adapter"] == []
    told = failure_text(brief(record), orders[0], None)
    assert f"adapter {second[0]} (task 2 of 3)" in told
