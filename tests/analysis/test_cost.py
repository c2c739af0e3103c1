"""Costs against what a saved sequence holds."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file

from moleflow.analysis.cost import cost
from moleflow.analysis.subject import Subject
from moleflow.saved import save_model

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("settings", [{}, {"separate": True}, {"router__distance": "euclidean"}])
def test_bytes_are_those_of_the_saved_sequence(
    make_subject: Callable[..., Subject], settings: dict[str, object], tmp_path: Path
) -> None:
    subject = make_subject(("bottle", "cable", "wood"), **settings)
    save_model(
        tmp_path / "model", subject.model, subject.prototypes, "", dict.fromkeys(subject.data, "")
    )
    tensors = [t for f in (tmp_path / "model").glob("*.safetensors") for t in load_file(f).values()]
    last = cost(subject).tables["cost_memory"].iloc[-1]
    assert last["tasks"] == 3
    assert last["total [bytes]"] == sum(t.numel() * t.element_size() for t in tensors)


def test_parameters_by_component_are_all_there_are(subject: Subject) -> None:
    table = cost(subject).tables["cost"]
    by_owner = table.groupby("owner")["parameters"].sum()
    assert by_owner["base"] == sum(p.numel() for p in subject.model.base.parameters())
    for task in subject.sequence:
        whole = sum(p.numel() for p in subject.model.banks[task].parameters())
        assert by_owner[f"bank of {task[0]}"] == whole
    lora = table.set_index(["owner", "component"]).loc[("bank of wood", "lora"), "parameters"]
    # 2 blocks of layers 16x16, 16x8, 8x16, 16x8 at rank 4.
    assert lora == 2 * 4 * (32 + 24 + 24 + 24)


def test_one_base_serves_all_tasks_and_separate_flows_take_one_each(
    make_subject: Callable[..., Subject],
) -> None:
    shared = cost(make_subject()).tables["cost_memory"]
    apart = cost(make_subject(separate=True)).tables["cost_memory"]
    assert shared["base [bytes]"].nunique() == 1
    assert list(apart["base [bytes]"]) == list(apart["separate_flows [bytes]"])
    assert list(apart["base [bytes]"] / apart["base [bytes]"][0]) == [1, 2, 3]


def test_stages_without_a_record_are_missing(subject: Subject) -> None:
    table = cost(subject).tables["cost_seconds"].set_index("task")
    assert table.loc["bottle", "training [s]"] == 12.5
    assert table.isna().sum().sum() == 8


def test_seconds_of_a_task_are_those_of_its_own_stages(subject: Subject) -> None:
    seconds = {
        ("base", "bottle"): 3.0,
        ("adapter", "cable"): 2.0,
        ("features", "cable"): 1.5,
        ("evaluation", "cable"): 0.5,
    }
    table = cost(dataclasses.replace(subject, seconds=seconds)).tables["cost_seconds"]
    assert list(table.iloc[1]) == ["cable", 1.5, 2.0, 0.5]


def test_features_of_a_task_are_missing_if_one_class_is(
    make_subject: Callable[..., Subject],
) -> None:
    subject = make_subject(tasks=(("bottle", "cable"), ("wood",)))
    seconds = {("features", "bottle"): 1.0, ("features", "cable"): 2.0, ("features", "wood"): 4.0}
    table = cost(dataclasses.replace(subject, seconds=seconds)).tables["cost_seconds"]
    assert list(table["features [s]"]) == [3.0, 4.0]
    del seconds[("features", "cable")]
    table = cost(dataclasses.replace(subject, seconds=seconds)).tables["cost_seconds"]
    assert table["features [s]"].isna().tolist() == [True, False]


def test_times_per_picture_are_measured_and_their_circumstances_stated(subject: Subject) -> None:
    analysis = cost(subject)
    table = analysis.tables["cost_ms_per_picture"]
    assert list(table["part"]) == ["density", "map", "routing"]
    assert (table["smallest [ms]"] > 0).all()
    assert (table["smallest [ms]"] <= table["median [ms]"]).all()
    assert (table["median [ms]"] <= table["largest [ms]"]).all()
    assert any("device cpu, 1 threads, batches of 16" in note for note in analysis.notes)


def test_memory_that_was_not_recorded_is_said_to_be_missing(subject: Subject) -> None:
    assert "300 MiB" in cost(subject).notes[-1]
    assert "missing" in cost(dataclasses.replace(subject, peak_memory=0)).notes[-1]
