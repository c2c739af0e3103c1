"""Orders by what a root folder knows: difficulty from a finished study, distances from features."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from moleflow import profiles
from moleflow.errors import StudyError
from moleflow.measurement import Measurement
from orchestration import Orders, Study
from orchestration.driver.measured import (
    feature_distances,
    needs_distances,
    with_difficulty,
    with_distances,
)
from orchestration.records.layout import Root
from orchestration.records.ledger import Ledger
from orchestration.records.plans import write_plan
from orchestration.sharing.keys import features_keys
from orchestration.store.store import Store
from orchestration.studies.expansion import Plan
from orchestration.studies.orders import sequences
from tests.records import record

CLASSES = ("a", "b", "c")
PRINTS = {name: f"files of {name}" for name in CLASSES}


def study(**axis: Any) -> Study:
    return Study(question="?", base=profiles.quick(), axes=(Orders(**axis),))


def order_of(asked: Study) -> str:
    (found,) = sequences(asked, CLASSES)
    return "".join(task[0] for task in found)


def measured(step: int, name: str, value: float, routing: str = "oracle") -> Measurement:
    return Measurement(
        step=step,
        task=CLASSES.index(name),
        class_name=name,
        metric="image_auroc",
        definition="step",
        routing=routing,
        value=value,
    )


@pytest.fixture
def finished(root: Root) -> Root:
    """A study whose class c was easiest after its last task, and hardest before and routed."""
    rows = [measured(2, "a", 0.9), measured(2, "b", 0.7), measured(1, "c", 0.1)]
    rows += [measured(2, "c", 0.95), measured(2, "c", 0.2, "routed")]
    folder = root.study("done")
    done = record("k", study="done", rows=tuple(rows))
    write_plan(Plan(name="done", study=study(), data_root="/", trials=()), folder)
    Ledger(folder).write(done)
    return root


def test_difficulty_is_what_a_finished_study_measured_at_its_end(finished: Root) -> None:
    asked = study(ways=("hard_first",), difficulty_of="done")
    assert order_of(with_difficulty(asked, finished)) == "bac"
    union = with_difficulty(Study.union("?", {"one": asked}), finished)
    assert order_of(union.parts["one"]) == "bac"


def test_a_study_that_measured_nothing_tells_no_difficulty(finished: Root) -> None:
    write_plan(Plan(name="empty", study=study(), data_root="/", trials=()), finished.study("empty"))
    for name in ("empty", "none"):
        with pytest.raises(StudyError, match=name):
            with_difficulty(study(ways=("easy_first",), difficulty_of=name), finished)


def test_distances_are_between_mean_features_of_the_store(tmp_path: Path) -> None:
    at = {"a": 0.0, "b": 5.0, "c": 1.0}
    store, asked = Store(tmp_path), study(ways=("similar",))
    made = tmp_path / "base" / "ke" / "key" / "made.json"
    made.parent.mkdir(parents=True)
    made.write_text(json.dumps({"device": "cpu:x", "threads": 1}))
    keys = features_keys(asked.base, PRINTS, "w", "cpu:x")

    def put(name: str) -> None:
        def make(folder: Path) -> None:
            means = torch.tensor([[at[name] - 1, 0.0], [at[name] + 1, 0.0]])
            for split in ("train", "test"):
                tensors = {"patches": torch.zeros(2, 1, 1, 2), "means": means}
                save_file(tensors, folder / f"{split}.safetensors")

        store.get_or_make("features", keys[name], make)

    put("a")
    put("b")
    with pytest.raises(StudyError, match="no features of c under"):
        feature_distances(asked, PRINTS, "w", tmp_path)
    put("c")
    table = feature_distances(asked, PRINTS, "w", tmp_path)
    assert table == {one: {other: abs(at[one] - at[other]) for other in at} for one in at}
    assert needs_distances(asked) and not needs_distances(with_distances(asked, table))
    assert order_of(with_distances(asked, table)) == "acb"
