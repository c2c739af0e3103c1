"""Every order of four classes, computed from one trial for each task 0, and trained for real."""

import csv
import itertools
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

from moleflow import profiles
from moleflow.data.catalog import open_catalog
from moleflow.data.synthetic import make_synthetic
from moleflow.metrics.means import mean
from orchestration.records.dataset import checked_fingerprint
from orchestration.records.layout import Root, StudyFolder
from orchestration.records.ledger import Ledger, Record
from orchestration.records.plans import write_plan
from orchestration.studies.axes import Orders, TaskZero
from orchestration.studies.expansion import expand
from orchestration.studies.study import Study
from orchestration.studies.terms import Terms
from orchestration.trial import sequence as trials
from reports.all_orders import all_orders_table, checked, orders_of
from reports.evidence import load
from reports.statistics.orders import of_values

pytestmark = pytest.mark.soak
CLASSES = ("fabric", "fabric_again", "wood", "wood_again")
"""Two products, each drawn twice, which the router takes for each other."""
SMALL = {
    "image.size": 64,
    "backbone.weights": "random",
    "patches.dim": 16,
    "flow.blocks": 2,
    "lora.rank": 4,
    "training.epochs": 3,
}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    """All 24 orders, each trained apart from the others."""
    data_root = tmp_path_factory.mktemp("data") / "classes"
    for again, name in itertools.product((0, 1), ("fabric", "wood")):
        drawn = make_synthetic(tmp_path_factory.mktemp("drawn") / "synthetic", seed=again)
        shutil.copytree(drawn / name, data_root / f"{name}{'_again' * again}")
    root = Root.at(tmp_path_factory.mktemp("root"))
    config = profiles.quick().updated(SMALL)
    axes = (TaskZero(count=4), Orders(count=6))
    asked = Study(question="?", base=config, classes=CLASSES, axes=axes)
    catalog = open_catalog(data_root, CLASSES)
    prints = {name: checked_fingerprint(data, root) for name, data in catalog.items()}
    plan = expand("all", asked, str(data_root), prints, {config.backbone: "random:0"})
    folder = root.study("all")
    folder.path.mkdir(parents=True)
    write_plan(plan, folder)
    assert len({trial.sequence for trial in plan.trials}) == 24
    for trial in plan.trials:
        assert trials.run_trial(trial, root, Terms(role="witness")) == "finished"
    return folder


def steps(record: Record, metric: str) -> Iterable[dict[str, float]]:
    """Routed numbers of the classes known at each step, as the record has them."""
    rows = [r for r in record.rows if (r.metric, r.routing) == (metric, "routed")]
    for step in range(1, len(record.sequence) + 1):
        yield {r.class_name: r.value for r in rows if (r.definition, r.step) == ("step", step)}


QUANTITIES: dict[str, Callable[[list[dict[str, float]], Record], float]] = {
    "running_mean": lambda found, _: mean(mean(step.values()) for step in found),
    "worst_step": lambda found, _: min(mean(step.values()) for step in found),
    "final_mean": lambda found, _: mean(found[-1].values()),
    "on_task_mean": lambda found, r: mean(s[t[0]] for s, t in zip(found, r.sequence, strict=True)),
    "last_task": lambda found, record: found[-1][record.sequence[-1][0]],
}


def test_all_orders_are_those_trained_for_real_to_the_last_digit(study: StudyFolder) -> None:
    evidence = load(study)
    (setting,) = evidence.settings
    found = orders_of(evidence, setting)
    lines = [line.values for line in all_orders_table(setting, found).lines]
    records = list(Ledger(study).records())
    assert len(records) == 24 and {len(line) for line in lines} == {12}
    assert len(lines) == 4 * 8 * len(QUANTITIES)
    moved = set[str]()
    for line in lines:
        name, metric = str(line["quantity"]), str(line["metric"])
        trained = [
            QUANTITIES[name](list(steps(record, metric)), record)
            for record in records
            if record.task0 == line["task0"]
        ]
        assert line["orders"] == len(trained) == 6
        of = of_values("running_mean", np.array(trained), 6, "every order")
        quantiles = (line["q05"], line["q50"], line["q95"])
        assert (line["minimum"], line["maximum"]) == (min(trained), max(trained))
        assert (line["mean"], line["sd"], quantiles) == (of.mean, of.sd, of.quantiles)
        moved |= {name} if of.sd else set()
    assert moved == set(QUANTITIES) - {"final_mean"}


def test_trained_orders_have_the_numbers_derived_for_them_in_every_step(
    study: StudyFolder,
) -> None:
    evidence = load(study)
    found = checked(evidence, orders_of(evidence, evidence.settings[0]).groups)
    assert len(found.trials) == 24 and not found.differing
    # Pairs of step and class known, with seven metrics and the router's accuracy.
    assert found.numbers == 24 * 10 * 8


def test_pictures_that_another_task_can_have_are_kept_with_their_scores(study: StudyFolder) -> None:
    record = next(iter(Ledger(study).records()))
    folder: Path = study.artifacts(record.key)
    with (folder / "rivals.csv").open(encoding="utf-8") as file:
        rivals = list(csv.DictReader(file))
    with (folder / "scores.csv").open(encoding="utf-8") as file:
        scores = {(line["class"], line["picture"]): line for line in csv.DictReader(file)}
    assert rivals and len(scores) == 4 * 22
    taken = {(r["class"], r["picture"], r["task"]): r["score"] for r in rivals}
    for line in rivals:
        of = scores[line["class"], line["picture"]]
        assert line["squared_distance"] == of[f"squared_distance {line['task']}"]
    for (name, picture), line in scores.items():
        if line["routed_to"] != name:
            assert taken[name, picture, line["routed_to"]] == line["score_routed"]
