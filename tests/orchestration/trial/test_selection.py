"""A selection score: measured beside the test metrics, on what training may see and did not."""

import shutil
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from moleflow import profiles
from moleflow.data.catalog import open_catalog
from moleflow.data.synthetic import make_synthetic
from moleflow.metrics.means import mean
from orchestration.records.dataset import checked_fingerprint
from orchestration.records.layout import Root
from orchestration.records.ledger import Ledger, Record
from orchestration.records.objective import outcome, value_of
from orchestration.records.rungs import arrive
from orchestration.studies.expansion import Trial, expand
from orchestration.studies.proposing import Proposal
from orchestration.studies.search import Search, choice
from orchestration.studies.study import Study
from orchestration.studies.terms import Terms
from orchestration.trial.sequence import run_trial
from orchestration.trial.stopping import Stopping

pytestmark = pytest.mark.slow

CLASSES = ("fabric", "wood")
SEARCH = Search(space={"training.lr": choice(2e-3, 1e-3)}, trials=2, rungs=(1,))


def planned(root: Root, data: Path) -> tuple[Trial, ...]:
    config = profiles.quick().updated(
        {"image.size": 64, "backbone.weights": "random", "patches.dim": 16, "training.epochs": 3}
    )
    study = Study(question="?", base=config, classes=CLASSES, axes=(SEARCH,))
    catalog = open_catalog(data, CLASSES)
    prints = {name: checked_fingerprint(found, root) for name, found in catalog.items()}
    rates = SEARCH.space["training.lr"]
    assert rates.kind == "choice"
    made = [
        Proposal(number=number, values={"training.lr": rate}, method="")
        for number, rate in enumerate(rates.values, start=1)
    ]
    weights = {config.backbone: "random:0"}
    return expand("s", study, str(data), prints, weights, proposals=made).trials


def ran(trial: Trial, root: Root, terms: Terms | None = None) -> Record:
    run_trial(trial, root, terms or Terms())
    record = Ledger(root.study("s")).read(trial.key)
    assert record is not None
    return record


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_synthetic(tmp_path_factory.mktemp("data") / "synthetic")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, data: Path) -> tuple[Root, Record]:
    root = Root.at(tmp_path_factory.mktemp("root"))
    return root, ran(planned(root, data)[0], root)


def test_it_is_the_mean_over_classes_of_the_same_metrics_apart_from_those_of_the_test_set(
    done: tuple[Root, Record],
) -> None:
    _, record = done
    last = [
        row.value
        for row in record.selection
        if (row.definition, row.metric, row.routing, row.step)
        == ("step", "image_auroc", "routed", 2)
    ]
    assert len(last) == 2
    assert value_of(record, SEARCH) == mean(last)
    assert {row.metric for row in record.selection} == {row.metric for row in record.rows}
    on_test = SEARCH.model_copy(update={"objective": "test:image_auroc"})
    final = [r for r in record.rows if (r.definition, r.metric) == ("final_mean", "image_auroc")]
    assert value_of(record, on_test) == next(r.value for r in final if r.routing == "routed")
    told = outcome(1, [record.trial], {record.key: record}, SEARCH)
    assert told is not None and (told.outcome, told.value) == ("finished", mean(last))


def test_no_test_picture_has_a_part_in_it(
    done: tuple[Root, Record], data: Path, tmp_path: Path
) -> None:
    _, record = done
    other = tmp_path / "data"
    shutil.copytree(data, other)
    for path in other.glob("*/test/*/*.png"):
        with Image.open(path) as picture:
            ImageOps.invert(picture).save(path)
    (other / "synthetic.json").unlink()
    root = Root.at(tmp_path / "root")
    again = ran(planned(root, other)[0], root)
    assert again.rows != record.rows
    assert again.selection == record.selection


def test_a_trial_that_is_worse_than_others_after_a_task_is_stopped_and_says_so(
    done: tuple[Root, Record], data: Path
) -> None:
    root, _ = done
    trial, folder = planned(root, data)[1], root.study("s")
    rung = folder.rung(Stopping(trial, SEARCH, folder).group, 1)
    arrive(rung, "one that nobody beats", 1, 2.0, SEARCH.keep)
    stopped = ran(trial, root, Terms(search=SEARCH))
    assert stopped.status == "stopped"
    assert stopped.stopped is not None and stopped.failure is None
    assert (stopped.stopped.tasks, stopped.stopped.place, stopped.stopped.among) == (1, 2, 2)
    assert {row.step for row in stopped.rows} == {1}
    assert value_of(stopped, SEARCH) == stopped.stopped.value
    told = outcome(2, [stopped.trial], {stopped.key: stopped}, SEARCH)
    assert told is not None
    assert (told.outcome, told.tasks, told.value) == ("stopped", 1, stopped.stopped.value)
