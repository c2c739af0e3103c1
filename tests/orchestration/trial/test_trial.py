"""A trial, in full and for real on small synthetic pictures: its record and artifacts."""

import csv
import errno
import statistics
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import torch
from PIL import Image

from moleflow.config import Config
from moleflow.errors import DeviceError
from moleflow.evaluation import SequenceEvaluation
from moleflow.saved import load_model
from moleflow.tasks.freeze import module_digest
from orchestration.records.events import Epoch, numbers_of, read_events
from orchestration.records.layout import Root
from orchestration.records.ledger import Ledger, Record
from orchestration.records.stages import TRAINED, StageRef
from orchestration.store import features
from orchestration.studies.expansion import Trial
from orchestration.studies.terms import Resources, Terms
from orchestration.trial import sequence as trials
from orchestration.trial.artifacts import write_artifacts
from orchestration.trial.context import prepare_torch
from tests.orchestration.trial.planned import CLASSES, make_plan

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, data_root: Path) -> tuple[Root, list[Trial]]:
    """Both trials of the plan, run in this process."""
    from moleflow import profiles

    config = profiles.quick().updated(
        {"image.size": 64, "backbone.weights": "random", "patches.dim": 16, "training.epochs": 3}
    )
    root = Root.at(tmp_path_factory.mktemp("root"))
    plan = make_plan(root, data_root, config)
    for trial, role in zip(plan.trials, ("shared", "witness"), strict=True):
        assert trials.run_trial(trial, root, Terms(role=role)) == "finished"
    return root, list(plan.trials)


def record_of(done: tuple[Root, list[Trial]], index: int = 0) -> Record:
    root, planned = done
    record = Ledger(root.study("small")).read(planned[index].key)
    assert record is not None
    return record


def test_a_record_says_what_ran(done: tuple[Root, list[Trial]]) -> None:
    record = record_of(done)
    assert record.status == "finished"
    assert record.task0 == "fabric"
    assert record.data["fabric"].train == 20 and record.data["fabric"].masks == 12
    assert record.versions["torch"] == torch.__version__.split("+")[0]
    assert record.device.startswith("cpu:") and record.threads == 1
    assert record.peak_memory > 1e8
    assert {
        StageRef("base", "fabric"),
        StageRef("adapter", "wood"),
        StageRef("evaluation", "capsule"),
        StageRef("features", "wood"),
    } <= set(record.seconds)
    assert record.parameters["bank"] == sum(
        count for part, count in record.parameters.items() if part.startswith("bank/")
    )


def test_a_record_has_the_last_loss_of_every_trained_stage_as_events_tell_it(done) -> None:
    record = record_of(done)
    events = read_events(done[0].study("small").events(record.key))
    last = (one for one in events if isinstance(one, Epoch) and one.epoch == one.epochs)
    assert record.losses == {event.stage: event.numbers["loss"] for event in last}
    assert set(record.losses) == {s for s in record.stages if s.kind in TRAINED}


def test_every_step_measures_every_class_seen_routed_and_oracle(
    done: tuple[Root, list[Trial]],
) -> None:
    record = record_of(done)
    order = [task[0] for task in record.sequence]
    entries = {
        (r.step, r.class_name, r.routing)
        for r in record.rows
        if r.definition == "step" and r.metric == "aupro"
    }
    assert entries == {
        (i + 1, name, routing)
        for i in range(3)
        for name in order[: i + 1]
        for routing in ("routed", "oracle")
    }


def test_backward_transfer_under_the_true_task_is_exactly_zero(
    done: tuple[Root, list[Trial]],
) -> None:
    rows = [r for r in record_of(done).rows if "transfer" in r.definition and r.routing == "oracle"]
    assert len(rows) >= 14
    assert {row.value for row in rows} == {0.0}


def test_final_mean_is_the_mean_over_classes_at_the_last_step(
    done: tuple[Root, list[Trial]],
) -> None:
    rows = [r for r in record_of(done).rows if r.metric == "pixel_ap" and r.routing == "routed"]
    entries = [r.value for r in rows if r.definition == "step" and r.step == 3]
    (mean,) = [r.value for r in rows if r.definition == "final_mean"]
    assert len(entries) == 3
    assert mean == pytest.approx(sum(entries) / 3, abs=1e-12)


def test_two_orders_with_one_task_0_trained_apart_agree_to_the_bit(
    done: tuple[Root, list[Trial]],
) -> None:
    one, other = record_of(done, 0), record_of(done, 1)
    assert one.sequence != other.sequence
    assert one.hashes == other.hashes
    assert {"base", "bank wood", "scores wood"} <= set(one.hashes)


def test_events_carry_losses_by_epoch_and_metrics_by_tasks_seen(
    done: tuple[Root, list[Trial]],
) -> None:
    root, planned = done
    events = list(read_events(root.study("small").events(planned[0].key)))
    told = list(numbers_of(events))
    assert [one.step for one in told if one.name == "loss/fabric"] == [1, 2, 3]
    assert [one.step for one in told if one.name == "image_auroc/mean"] == [1, 2, 3]
    assert events[-1].kind == "end" and events[-1].status == "finished"


def test_artifacts_are_there_and_say_what_the_record_says(done: tuple[Root, list[Trial]]) -> None:
    root, planned = done
    record, folder = record_of(done), root.study("small").artifacts(planned[0].key)
    assert set(record.artifacts) == {
        "all_orders.json",
        *(f"anomaly_maps.{kind}" for kind in ("csv", "png", "zip")),
        "config.json",
        "r_matrices.csv",
        "rivals.csv",
        "scores.csv",
    }
    with Image.open(folder / "anomaly_maps.png") as sheet:
        assert sheet.width > 400 and sheet.height > 1000
    assert Config.model_validate_json((folder / "config.json").read_text()) == record.config
    with (folder / "scores.csv").open() as file:
        scores = list(csv.DictReader(file))
    assert len(scores) == 3 * 22
    hits = sum(row["class"] == row["routed_to"] for row in scores)
    (accuracy,) = [
        r.value
        for r in record.rows
        if r.metric == "routing_accuracy" and r.definition == "final_mean" and r.routing == "routed"
    ]
    assert accuracy == pytest.approx(hits / len(scores))


def test_what_pictures_contribute_has_the_classes_pixel_metrics_as_its_mean(
    done: tuple[Root, list[Trial]],
) -> None:
    root, planned = done
    record = record_of(done)
    ends = {
        (row.class_name, row.metric): row.value
        for row in record.rows
        if (row.definition, row.routing, row.step) == ("step", "routed", len(CLASSES))
    }
    with (root.study("small").artifacts(planned[0].key) / "scores.csv").open() as file:
        scores = list(csv.DictReader(file))
    for name in CLASSES:
        for metric in ("pixel_auroc", "pixel_ap", "pixel_f1_max", "aupro"):
            parts = [float(r[f"pseudo_value {metric}"]) for r in scores if r["class"] == name]
            assert statistics.fmean(parts) == pytest.approx(ends[name, metric], abs=1e-12)
            assert len(set(parts)) > 2


def test_artifacts_of_an_attempt_are_not_touched_by_one_that_fails_over_its_own(
    done: tuple[Root, list[Trial]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was taken for dead, say, and now cannot write."""
    root, planned = done
    folder = root.study("small").artifacts(planned[0].key)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("orchestration.trial.artifacts.write_scores", full)
    evaluation = cast(SequenceEvaluation, SimpleNamespace(measurements=()))
    with pytest.raises(OSError, match="No space"):
        write_artifacts(folder, planned[0], {}, evaluation, {}, {})
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in folder.parent.glob(".*")] == []


def test_the_sheet_of_maps_has_the_best_the_median_and_the_worst_picture_of_each_class(
    done: tuple[Root, list[Trial]],
) -> None:
    root, planned = done
    folder = root.study("small").artifacts(planned[0].key)
    with (folder / "scores.csv").open() as file:
        scores = list(csv.DictReader(file))
    with (folder / "anomaly_maps.csv").open() as file:
        shown = list(csv.DictReader(file))
    for name in planned[0].classes:
        bad = sorted(
            float(row["score_routed"])
            for row in scores
            if row["class"] == name and row["defect"] != "good"
        )
        kept = {row["why"]: float(row["score"]) for row in shown if row["class"] == name}
        assert (kept["best"], kept["worst"]) == (bad[-1], bad[0])
        assert kept["median"] == sorted(bad, reverse=True)[len(bad) // 2]
    with Image.open(folder / "anomaly_maps.png") as sheet:
        ends = [int(row["mask"]) + int(row["size"]) for row in shown]
        assert max(ends) <= sheet.height < max(ends) + int(shown[0]["size"])


def test_features_are_extracted_once(
    done: tuple[Root, list[Trial]], monkeypatch: pytest.MonkeyPatch
) -> None:
    root, planned = done

    def forbidden(*_: object) -> None:
        raise AssertionError("the backbone ran although every feature is in the store")

    monkeypatch.setattr(features, "load_backbone", forbidden)
    again = planned[0].model_copy(update={"study": "another"})
    assert trials.run_trial(again, root, Terms()) == "finished"


def test_a_trial_with_a_record_is_not_run_again(
    done: tuple[Root, list[Trial]], monkeypatch: pytest.MonkeyPatch
) -> None:
    root, planned = done
    monkeypatch.setattr(trials, "SequenceRun", None)
    before = record_of(done)
    assert trials.run_trial(planned[0], root, Terms()) == "finished"
    assert record_of(done) == before


def test_threads_are_the_trials_cpus() -> None:
    prepare_torch(Resources(cpus_per_trial=2.0))
    assert torch.get_num_threads() == 2


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has the GPU")
def test_a_gpu_that_is_not_there_is_told_and_never_replaced() -> None:
    with pytest.raises(DeviceError, match="torch sees none"):
        prepare_torch(Resources(gpus_per_trial=0.5))
    chosen = prepare_torch(Resources(gpus_per_trial=0.5, device="cpu"))
    assert chosen == torch.device("cpu")


def test_a_finished_trials_model_is_kept_and_is_the_one_on_record(
    tmp_path: Path, data_root: Path, tiny: Config
) -> None:
    root = Root.at(tmp_path)
    trial = make_plan(root, data_root, tiny).trials[0]
    assert trials.run_trial(trial, root, Terms()) == "finished"
    record = Ledger(root.study("small")).read(trial.key)
    saved = load_model(root.study("small").model(trial.key))
    assert record is not None and saved.sequence == trial.sequence
    assert record.hashes["base"] == module_digest(saved.model.base)
    for task in trial.sequence:
        assert record.hashes[f"bank {'+'.join(task)}"] == module_digest(saved.model.banks[task])


def test_what_only_some_trials_need_is_not_imported_by_all():
    """Most trials of a study take features and tasks from others, and would wait for imports."""
    code = """
import sys, torch
from orchestration.trial.context import prepare_torch
from tests.orchestration.trial.planned import CLASSES, make_plan
from orchestration.studies.terms import Resources
prepare_torch(Resources())
assert torch.are_deterministic_algorithms_enabled()
assert not torch.is_deterministic_algorithms_warn_only_enabled()
assert not {"timm", "torchvision", "sklearn", "torch._dynamo", "sympy"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])
