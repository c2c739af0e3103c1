"""Which pictures of a class a trial's sheet has, and when it has a map of before."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from moleflow import profiles
from moleflow.data.catalog import ClassData, Picture, open_catalog
from moleflow.data.synthetic import make_synthetic
from moleflow.evaluation import ClassScores, RoutedScores
from orchestration.records.dataset import checked_fingerprint
from orchestration.records.layout import Root
from orchestration.records.map_sheets import EARLIER, TILES
from orchestration.studies.axes import TaskZero
from orchestration.studies.expansion import Trial, expand
from orchestration.studies.study import Study
from orchestration.studies.terms import Terms
from orchestration.trial.map_sheet import ClassLine, class_line
from orchestration.trial.sequence import run_trial

GOOD, BAD = 3, 9
OWN = np.zeros(GOOD + BAD, dtype=np.int64)


def pictures() -> ClassData:
    defects = ["good"] * GOOD + ["scratch"] * BAD
    test = tuple(Picture(Path(f"test/{d}/{i}.png"), d, None) for i, d in enumerate(defects))
    return ClassData("wood", (), test)


def scores(of: list[float]) -> ClassScores:
    values = torch.tensor(of)
    return ClassScores(values.reshape(-1, 1, 1).expand(-1, 2, 2).clone(), values.numpy())


BANKS = {
    0: scores([float(i) for i in range(GOOD + BAD)]),
    1: scores([i + 0.05 * (7 - i) ** 2 for i in range(GOOD + BAD)]),
}
"""Under the second one all but one picture score higher."""


def line(*sent_elsewhere: int) -> ClassLine:
    """Where later these pictures were sent to another task's bank."""
    chosen = OWN.copy()
    chosen[list(sent_elsewhere)] = 1
    found = class_line(pictures(), RoutedScores(chosen, BANKS), RoutedScores(OWN, BANKS))
    assert len({one.index for one in found.shown}) == len(found.shown) <= 6
    return found


def by_why(found: ClassLine) -> dict[str, int]:
    return {one.why: one.index for one in found.shown}


def test_a_class_that_later_tasks_left_alone_has_no_map_of_before() -> None:
    found = line()
    assert found.tiles == TILES and "changed" not in by_why(found)
    assert all(one.earlier == one.score for one in found.shown)


def test_of_pictures_that_changed_the_one_that_did_by_most_is_shown() -> None:
    found = line(4, 5, 7, 8)
    (one,) = [one for one in found.shown if one.why == "changed"]
    assert found.tiles == (*TILES, EARLIER) and one.index == 4
    assert (one.earlier, one.score) == (BANKS[0].images[4], BANKS[1].images[4])


def test_a_picture_on_the_sheet_already_is_not_shown_twice() -> None:
    found = line(GOOD + BAD - 1)
    assert found.changed and by_why(found)["best"] == GOOD + BAD - 1
    assert "changed" not in by_why(found)


def test_a_class_whose_pictures_score_the_same_elsewhere_has_not_changed() -> None:
    assert not line(7).changed


def ran(root: Root, data: Path, *classes: str) -> Trial:
    """One trial of these classes, in this order, whose base goes on learning."""
    config = profiles.quick().updated(
        {
            "image.size": 64,
            "backbone.weights": "random",
            "patches.dim": 16,
            "flow.blocks": 2,
            "training.epochs": 2,
            "training.warmup_epochs": 0,
            "freeze_base": False,
        }
    )
    catalog = open_catalog(data, classes)
    prints = {name: checked_fingerprint(found, root) for name, found in catalog.items()}
    study = Study(question="?", base=config, classes=classes, axes=(TaskZero(classes=classes[:1]),))
    weights = {config.backbone: "random:0"}
    (trial,) = expand("s", study, str(data), prints, weights).trials
    assert run_trial(trial, root, Terms()) == "finished"
    return trial


def table(root: Root, trial: Trial, name: str) -> list[dict[str, str]]:
    with (root.study("s").artifacts(trial.key) / name).open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_when_a_class_was_learned_its_maps_were_those_of_a_sequence_that_ends_there(
    tmp_path: Path,
) -> None:
    """A second class so like the first one that pictures of the first are sent to it."""
    data = make_synthetic(tmp_path / "data")
    shutil.copytree(data / "fabric", data / "twin")
    for path in sorted((data / "twin/train/good").iterdir())[::2]:
        path.unlink()
    root = Root.at(tmp_path / "root")
    whole, first = ran(root, data, "fabric", "twin"), ran(root, data, "fabric")
    then = {row["picture"]: row["score_routed"] for row in table(root, first, "scores.csv")}
    now = {
        row["picture"]: row for row in table(root, whole, "scores.csv") if row["class"] == "fabric"
    }
    assert {row["routed_to"] for row in now.values()} == {"fabric", "twin"}
    shown = table(root, whole, "anomaly_maps.csv")
    for row in shown:
        if row["class"] == "fabric":
            assert row["score_when_learned"] == then[row["picture"]]
            assert row["score"] == now[row["picture"]]["score_routed"]
            assert row[EARLIER]
        else:
            assert row["score_when_learned"] == row["score"] and not row[EARLIER]
