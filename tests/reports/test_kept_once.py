"""What trials kept of their test pictures is read once, and held once."""

import shutil

import pytest

from moleflow.metrics.catalogue import METRICS
from orchestration.studies.axes import Variants
from reports.evidence import Evidence, load
from reports.kept_scores import FILE
from reports.picture_doubt import Doubted, kept, of_difference
from reports.variants import compare, families
from tests.reports.conftest import Lab

PICTURES = ("good/0.png", "good/1.png", "bent/0.png", "bent/1.png")
AUROC = next(metric for metric in METRICS if metric.name == "image_auroc")


@pytest.fixture
def evidence(lab: Lab) -> Evidence:
    """Of trials that tell every picture rightly."""
    lab.law = lambda trial, metric, class_name, step: 1.0
    axis = Variants(baseline="main", variants={"main": {}, "other": {"mixer.kernel": 0}})
    folder, plan = lab.plan(task_zeros=1, orders=1, seeds=(0, 1), axes=(axis,))
    lab.run(folder, plan.trials)
    for trial in plan.trials:
        lines = ["class,picture,defect,score_routed"]
        for name in trial.classes:
            for i, picture in enumerate(PICTURES):
                kind = picture.split("/")[0].removeprefix("good")
                lines.append(f"{name},{picture},{kind},{i + trial.seed}")
        folder.artifacts(trial.key).mkdir(parents=True)
        (folder.artifacts(trial.key) / FILE).write_text("\n".join(lines), "utf-8")
    return load(folder)


def test_reports_of_a_study_read_scores_once(evidence: Evidence) -> None:
    found = kept(evidence)
    assert len(found.scores) == 4
    for trial in evidence.plan.trials:
        shutil.rmtree(evidence.folder.artifacts(trial.key))
    assert kept(evidence) is found
    assert not kept(load(evidence.folder)).scores


def test_names_of_pictures_are_held_once_whatever_the_number_of_trials(evidence: Evidence) -> None:
    every = [of for scores in kept(evidence).scores.values() for of in scores.values()]
    trained = {id(of): of for of in every}
    assert len(trained) == 4 * len(evidence.settings[0].classes)
    assert len({id(of.pictures) for of in trained.values()}) == len(evidence.settings[0].classes)


def test_doubt_of_a_difference_is_computed_once_for_tables_and_sentences(
    evidence: Evidence,
) -> None:
    (family,) = families(evidence)
    (compared,) = compare(evidence, family.baseline, family.others, AUROC)
    (again,) = compare(evidence, family.baseline, family.others, AUROC)
    found = kept(evidence)
    first = of_difference(evidence, compared, found, "image_auroc")
    assert isinstance(first, Doubted) and first.both.mean == 0
    assert of_difference(evidence, again, found, "image_auroc") is first
    assert of_difference(evidence, compared, found, "image_ap") is not first
