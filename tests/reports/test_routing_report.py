"""The report on routing, on a study whose router sends two pictures elsewhere."""

import csv as files
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from orchestration.records.layout import StudyFolder
from orchestration.records.ledger import Ledger, RoutingCounts
from orchestration.studies.axes import Grid
from orchestration.studies.expansion import Trial
from reports.audit.study import audit_study
from reports.evidence import load
from reports.kept_scores import FILE, kept_scores
from reports.writing import write_reports
from tests.reports.audited import wrong
from tests.reports.conftest import Lab

pytestmark = pytest.mark.slow
LOST = 0.05
WRONG = ("cable", "bent/001.png")


def scores(folder: StudyFolder, trial: Trial) -> None:
    """Two pictures a class; of the second of `cable`, task `bottle` is nearer than its own."""
    path = folder.artifacts(trial.key)
    path.mkdir(parents=True)
    names = trial.classes
    with (path / "scores.csv").open("w", newline="", encoding="utf-8") as file:
        writer = files.writer(file)
        distances = [f"squared_distance {name}" for name in names]
        head = ["class", "picture", "defect", "routed_to"]
        writer.writerow([*head, *distances])
        for name in names:
            for picture, kind in (("good/000.png", ""), ("bent/001.png", "bent")):
                far = {other: 100.0 if other == name else 400.0 for other in names}
                if (name, picture) == WRONG:
                    far["bottle"] = 80.0 + trial.seed
                chosen = min(far, key=lambda other: far[other])
                row = [name, picture, kind, chosen]
                writer.writerow([*row, *(far[other] for other in names)])


def run(lab: Lab, folder: StudyFolder, trial: Trial) -> None:
    """Routed numbers of `cable` lie below the oracle's, and one of its 20 pictures goes elsewhere
    once `bottle` is known."""
    record = lab.record(trial)
    rows = tuple(
        replace(row, value=row.value - LOST)
        if (row.class_name, row.routing) == ("cable", "routed") and _knows(trial, row.step)
        else replace(row, value=row.value - LOST / 4)
        if (row.definition, row.routing) == ("final_mean", "routed")
        else row
        for row in record.rows
        if row.routing != "routed" or row.definition in ("step", "final_mean")
    )
    assert record.routing is not None
    names, tasks = record.routing.classes, record.routing.tasks
    counts = [list(row) for row in record.routing.counts]
    counts[names.index("cable")][tasks.index("cable")] = 19
    counts[names.index("cable")][tasks.index("bottle")] = 1
    routing = RoutingCounts(
        classes=names, tasks=tasks, counts=tuple(map(tuple, counts)), smallest_margin=-20.0
    )
    Ledger(folder).write(record.model_copy(update={"rows": rows, "routing": routing}))
    scores(folder, trial)


def _knows(trial: Trial, step: int) -> bool:
    return trial.sequence.index(("bottle",)) < step


@pytest.fixture(scope="module")
def study(make_lab: Callable[[Path], Lab], tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    lab = make_lab(tmp_path_factory.mktemp("routing"))
    lab.reports = ("routing",)
    folder, plan = lab.plan()
    for trial in plan.trials:
        run(lab, folder, trial)
    write_reports(folder)
    return folder


def csv(folder: StudyFolder, name: str) -> pd.DataFrame:
    return pd.read_csv(folder.report / "tables" / f"{name}.csv", keep_default_na=False)


def test_misrouting_costs_what_the_oracle_has_more(study: StudyFolder) -> None:
    found = csv(study, "routing_cost").query("metric == 'image_auroc'").set_index("class")
    assert found.loc["cable", "mean"] == pytest.approx(LOST)
    assert found.loc["bottle", "mean"] == 0
    assert found.loc["", "mean"] == pytest.approx(LOST / 4)
    page = (study.report / "index.html").read_text(encoding="utf-8")
    assert "misrouting costs" in page and "1.25 ± 0.00 points" in page


def test_a_misrouted_picture_is_named_with_where_it_went(study: StudyFolder) -> None:
    found = csv(study, "misrouted")
    assert found[["class", "picture", "kind", "to"]].values.tolist() == [[*WRONG, "bent", "bottle"]]
    # Eight trials, of which two each share task 0 and seed.
    assert found[["trials", "misrouted"]].values.tolist() == [[4, 4]]
    assert found["smallest_ratio"].item() == pytest.approx(0.8)


def test_margins_of_a_class_are_ratios_of_squared_distances(study: StudyFolder) -> None:
    found = csv(study, "routing_margins").set_index("class")
    assert found.loc["bottle", "smallest"] == found.loc["bottle", "median"] == 4
    assert found.loc["cable", "smallest"] == pytest.approx(0.8)
    assert found.loc["cable", "misrouted"] == 4 and found.loc["cable", "pictures"] == 8


def test_accuracy_stands_for_every_class_and_step_that_knows_it(study: StudyFolder) -> None:
    every = csv(study, "routing_accuracy")
    found = every.query("definition == 'step'").set_index(["class", "step"])
    assert found.loc[("cable", "4"), "mean"] == pytest.approx(0.9 - LOST)
    assert set(found.loc["bottle"].index) == {"1", "2", "3", "4"}
    # Half of the trials learn `cable` first.
    learned = every.query("definition == 'just learned'").set_index("class")
    assert learned.loc["cable", "mean"] == pytest.approx(0.9 - LOST / 2)


def test_the_audit_recomputes_all_that_is_said_of_the_router(study: StudyFolder) -> None:
    def wrong() -> list[str]:
        return [
            claim["claim"]
            for claim in audit_study(study.path)["claims"]
            if claim["verdict"] == "cannot be true"
        ]

    told = {claim["kind"] for claim in audit_study(study.path)["claims"]
            if claim["verdict"] == "not checkable"}  # fmt: skip
    assert not wrong() and not {kind for kind in told if "rout" in kind}
    path = study.report / "tables" / "misrouted.csv"
    whole = path.read_text(encoding="utf-8")
    path.write_text(whole.replace(",4,4,", ",4,3,"), encoding="utf-8")
    assert len(wrong()) == 1
    path.write_text(whole, encoding="utf-8")


def test_pictures_are_told_to_be_missing_where_no_trial_kept_its_scores(lab: Lab) -> None:
    lab.reports = ("routing",)
    folder, plan = lab.plan(task_zeros=1, orders=1, seeds=(0,))
    lab.run(folder, plan.trials)
    write_reports(folder)
    assert "No finished trial kept its scores" in (folder.report / "report.md").read_text("utf-8")
    assert not (folder.report / "tables" / "misrouted.csv").exists()


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: whole[: whole.rindex(b"good/000.png,") + 20],
        lambda whole: whole + b'"' + b"x" * 200_000,
        lambda whole: whole.replace(b"400.0", b"400.0 m"),
        lambda whole: whole.replace(b"bottle,", b"bottles,"),
        lambda whole: whole.replace(b"bottle,", b"b\xf6ttle,"),
    ],
    ids=["cut off", "a line without end", "no number", "another class", "no text"],
)
def test_damaged_scores_are_as_none(lab: Lab, damage: Callable[[bytes], bytes]) -> None:
    folder, plan = lab.plan(task_zeros=1, orders=1, seeds=(0,))
    (trial,) = plan.trials
    run(lab, folder, trial)
    evidence, path = load(folder), folder.artifacts(trial.key) / FILE
    assert len(kept_scores(evidence, *evidence.finished)) == 2 * len(trial.classes)
    path.write_bytes(damage(path.read_bytes()))
    assert kept_scores(evidence, *evidence.finished) == []


@pytest.fixture(scope="module")
def settings(
    make_lab: Callable[[Path], Lab], tmp_path_factory: pytest.TempPathFactory
) -> StudyFolder:
    """Six, of which the last misroutes."""
    lab = make_lab(tmp_path_factory.mktemp("settings"))
    lab.reports = ("routing",)
    axis = Grid(field="lora.rank", values=(64, 32, 16, 8, 4, 2))
    folder, plan = lab.plan(task_zeros=1, orders=2, seeds=(0,), axes=(axis,))
    for trial in plan.trials:
        if trial.axes["lora.rank"] == "2":
            run(lab, folder, trial)
        else:
            lab.run(folder, [trial])
    write_reports(folder)
    return folder


def test_several_settings_are_answered_together_with_their_extremes(settings: StudyFolder) -> None:
    text = (settings.report / "report.md").read_text("utf-8").replace("\\", "")
    head = text[: text.index("\n## ")]
    points = [line for line in head.splitlines() if line.startswith("- ")]
    assert len(points) == 3 and "958 of 960 test images" in points[0]
    assert points[0].endswith("Fewest: 98.75 % with lora.rank = 2.")
    ends = "costs from 0.00 points (lora.rank = 64) to 1.25 points (lora.rank = 2) with 6 settings"
    assert ends in points[1] and "(n = 12 trials; margin 0.5 points)" in points[1]
    assert text.count("In short") == 6 and wrong(settings) == []


def test_settings_that_misroute_nothing_are_told_in_one_sentence(lab: Lab) -> None:
    lab.reports = ("routing",)
    axes = (Grid(field="lora.rank", values=(64, 32)),)
    folder, plan = lab.plan(task_zeros=1, orders=1, seeds=(0,), axes=axes)
    lab.run(folder, plan.trials)
    write_reports(folder)
    text = (folder.report / "report.md").read_text("utf-8")
    assert "The share is the same with every setting." in text
    assert "Image AUROC: misrouting costs nothing with any of 2 settings (n = 2 trials)." in text
    assert wrong(folder) == []


def test_one_task_leaves_the_router_nothing_to_choose(lab: Lab) -> None:
    lab.reports = ("routing",)
    folder, plan = lab.plan(scenario="joint", task_zeros=1, orders=1, seeds=(0,))
    lab.run(folder, plan.trials)
    write_reports(folder)
    text = (folder.report / "report.md").read_text("utf-8")
    assert "the router had nothing to choose" in text and "misrouting costs" not in text
