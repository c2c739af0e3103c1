"""Laws of the report on task 0, on ledgers whose truth is known."""

import math
import re
from collections.abc import Sequence
from contextlib import ExitStack
from typing import cast

import numpy as np
import pandas as pd
import pytest

from moleflow.metrics.catalogue import METRICS
from orchestration.records.layout import StudyFolder
from orchestration.records.ledger import Record
from orchestration.records.stages import StageRef
from orchestration.studies.expansion import Trial
from reports.base_loss import blocks, foretold, sentence
from reports.document import Text, plain
from reports.evidence import Evidence, Setting
from reports.first_task import FirstTasks
from reports.writing import write_reports
from tests.reports.audited import changed, wrong

pytestmark = pytest.mark.slow


FIRST = ("bottle", "cable", "hazelnut", "metal_nut")


def loss(trial: Trial) -> float:
    """Lower where the image AUROC is higher, roughly."""
    first = FIRST.index(trial.sequence[0][0])
    return -3.0 - 0.03 * first + 0.01 * math.cos(9.0 * trial.seed + 4 * first)


def by_first(trial: Trial, metric: str, class_name: str, step: int) -> float:
    """Image AUROC depends on task 0 by 3 points; pixel AP hardly; a seed's luck is shared."""
    first = FIRST.index(trial.sequence[0][0])
    luck = 0.01 * math.sin(37.0 * trial.seed + len(class_name))
    own = 0.0005 * math.sin(11.0 * trial.seed + 5 * first + len(metric))
    effect = 0.03 * first if metric == "image_auroc" else 0.0
    return 0.8 + luck + own + effect


@pytest.fixture(scope="module")
def study(make_lab, tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    lab = make_lab(tmp_path_factory.mktemp("lab"))
    lab.reports, lab.law, lab.loss = ("task0",), by_first, loss
    folder, plan = lab.plan(task_zeros=4, orders=1, seeds=range(4))
    lab.run(folder, plan.trials)
    write_reports(folder)
    return folder


def verdicts(folder: StudyFolder) -> pd.DataFrame:
    return pd.read_csv(folder.report / "tables" / "task0_verdicts.csv").set_index("metric")


def test_verdicts_are_those_of_the_effects_that_were_put_in(study: StudyFolder) -> None:
    found = verdicts(study)
    assert found["verdict"].to_dict() == {"image_auroc": "different", "pixel_ap": "equivalent"}
    assert found.loc["image_auroc", "range"] == pytest.approx(0.09, abs=0.002)
    assert found.loc["image_auroc", "leader"] == "metal_nut"


def test_the_answer_says_verdict_and_n_first(study: StudyFolder) -> None:
    page = (study.report / "report.md").read_text(encoding="utf-8")
    assert "Image AUROC: different, it matters which task is first (n = 4 seeds of 4" in page
    assert "Pixel AP: equivalent, it does not matter which task is first (n = 4 seeds" in page


def test_every_number_of_the_report_is_found_a_second_time(study: StudyFolder) -> None:
    assert wrong(study) == []


def test_the_relation_of_loss_and_result_that_was_put_in_is_found(study: StudyFolder) -> None:
    found = pd.read_csv(study.report / "tables" / "task0_base_loss.csv").set_index("metric")
    assert -1 < found.loc["image_auroc", "correlation"] < -0.9
    assert found.loc["image_auroc", "p"] == pytest.approx(1 / 24)
    assert found["task_zeros"].tolist() == [4, 4]
    page = (study.report / "report.md").read_text(encoding="utf-8")
    assert "Image AUROC (n = 4 tasks 0): better results go with a lower last training loss" in page


CHANGED = {
    "task0_base_loss": "correlation correlation_low correlation_high p task_zeros",
    "task0_losses": "loss loss_sd seeds",
}


def test_changed_numbers_on_the_bases_loss_are_found(study: StudyFolder) -> None:
    page = study.report / "index.html"
    whole = page.read_text(encoding="utf-8")
    told = r"(reports\.base_loss\.(?:figure|sentence)\"[^>]*>)−1\.00<"
    text, many = re.subn(told, r"\1−0.72<", whole)
    with ExitStack() as changes:
        places = [
            changes.enter_context(
                changed(study.report / "tables" / f"{name}.csv", 2, column, other)
            )
            for name, columns in CHANGED.items()
            for column in columns.split()
        ]
        page.write_text(text, encoding="utf-8")
        found = wrong(study)
        page.write_text(whole, encoding="utf-8")
    assert [place for place in places if not any(place in one for one in found)] == []
    assert many >= 2 and sum("says −0.72" in one for one in found) == many


def other(value: float) -> float:
    return value + 1 if value == int(value) else value * 1.01


def test_a_changed_number_of_its_tables_is_found(study: StudyFolder) -> None:
    path = study.report / "tables" / "task0_effects-image_auroc.csv"
    with changed(path, 2, "effect", lambda value: value + 1e-6) as place:
        assert any(place in one for one in wrong(study))


def test_the_papers_numbers_stand_beside_and_on_other_data_no_difference_is_taken(
    study: StudyFolder,
) -> None:
    table = pd.read_csv(study.report / "tables" / "published-task0.csv")
    line = table[(table.config == "bottle") & (table.metric == "pixel_ap")].iloc[0]
    assert line["published"] == pytest.approx(0.5578) and line["n"] == 4
    assert table["difference"].isna().all()
    page = (study.report / "report.md").read_text(encoding="utf-8")
    assert "no difference is taken" in page and "Seeds: 3 there, 4 here." in page


def test_on_the_papers_data_the_difference_is_taken(lab) -> None:
    from reports.papers import classes_of_paper

    lab.reports, lab.classes = ("task0",), tuple(sorted(classes_of_paper()))
    folder, plan = lab.plan(task_zeros=2, orders=1, seeds=(0, 1))
    lab.run(folder, plan.trials)
    write_reports(folder)
    table = pd.read_csv(folder.report / "tables" / "published-task0.csv")
    line = table[(table.config == "bottle") & (table.metric == "pixel_ap")].iloc[0]
    assert line["difference"] == pytest.approx(0.9 - 0.5578)
    assert wrong(folder) == []


def test_a_study_declares_the_margin(lab) -> None:
    lab.reports, lab.law = ("task0",), by_first
    lab.margins = {"image_auroc": 0.2, "aupro": 0.01}
    folder, plan = lab.plan(task_zeros=3, orders=1, seeds=range(4))
    lab.run(folder, plan.trials)
    write_reports(folder)
    found = verdicts(folder)["verdict"].to_dict()
    assert found == dict.fromkeys(("image_auroc", "pixel_ap", "aupro"), "equivalent")


def test_one_seed_compares_nothing_and_says_so(lab) -> None:
    lab.reports = ("task0",)
    folder, plan = lab.plan(task_zeros=2, orders=1, seeds=(0,))
    lab.run(folder, plan.trials)
    write_reports(folder)
    page = (folder.report / "report.md").read_text(encoding="utf-8")
    assert "Fewer than two tasks 0 with two seeds each have finished" in page


def first_tasks(losses: Sequence[float | None], ends: Sequence[float]) -> FirstTasks:
    """Of tasks 0 a, b, … with two seeds each, which hardly differ."""
    names = tuple("abcdefghijkl"[: len(ends)])
    trials = [
        Record.model_construct(
            key=f"{name}{seed}", seed=seed, sequence=((name,),),
            losses={} if one is None else {StageRef("base", name): one + 0.01 * seed},
        )
        for name, one in zip(names, losses, strict=True)
        for seed in (0, 1)
    ]  # fmt: skip
    values = tuple((end, end + 0.001) for end in ends)
    metric = next(one for one in METRICS if one.name == "image_auroc")
    return FirstTasks(metric, names, (0, 1), values, tuple(trials), 0, "")


def test_the_correlation_of_losses_and_results_is_that_of_their_means() -> None:
    losses = [3.0, 2.5, 2.8, 1.9, 2.2, 2.6]
    ends = [0.80, 0.86, 0.84, 0.90, 0.85, 0.83]
    seen = foretold(first_tasks(losses, ends)).correlation
    assert seen.value == pytest.approx(np.corrcoef(losses, ends)[0, 1])
    told = plain(sentence(foretold(first_tasks(losses, ends))))
    assert told.startswith("Image AUROC (n = 6 tasks 0): better results go with a lower last")


def test_a_task_0_without_a_loss_is_left_out_and_three_are_too_few() -> None:
    found = first_tasks([3.0, None, 2.8, 1.9], [0.8, 0.9, 0.84, 0.9])
    assert foretold(found).names == ["a", "c", "d"]
    (told,) = blocks(cast(Evidence, None), cast(Setting, None), [found])
    assert isinstance(told, Text)
    assert "there are 4 tasks 0, and of 3 of them the records have" in plain(told.words)
