"""What reports say of settings against their baseline stands on the runs of both."""

import csv
import math
from collections.abc import Sequence
from typing import Any

import pytest

from moleflow.config import Config
from moleflow.measurement import Measurement
from orchestration.records.layout import Root
from orchestration.studies.axes import Grid, Orders
from orchestration.studies.expansion import Plan, Trial
from orchestration.tracking.address import default_uri
from orchestration.tracking.exporter import sync
from orchestration.tracking.mlflow.against_baseline import Contrast, beside, contrasts_in
from orchestration.tracking.mlflow.study_answer import points, settings_of
from orchestration.tracking.tracker import TrackerRefused
from reports.writing import write_reports
from tests.orchestration.tracking.stores import (
    begin_trial,
    contents,
    end_trial,
    no_warning,
    small_plan,
)
from tests.orchestration.tracking.test_study_answer import all_ended

pytestmark = pytest.mark.slow

LR = Config().training.lr
OTHER = f"training.lr = {2 * LR}"
HEAD = ("difference", "interval_low", "interval_high", "p_holm", "seeds")


def told(plan: Plan, root: Root) -> dict[str, Any]:
    """All that the store holds once the report is kept."""
    from orchestration.tracking.mlflow.runs import MlflowTracker

    assert sync(plan, root.study(plan.name), MlflowTracker(root), no_warning)
    return contents(default_uri(root), plan.name)


def finish(root: Root, trials: Sequence[Trial]) -> None:
    for trial in trials:
        variant = trial.axes["training.lr"] != str(LR)
        value = 0.8 + 0.001 * trial.seed + variant * (0.05 + 0.0001 * trial.seed)
        row = Measurement(3, -1, "", "image_auroc", "final_mean", "routed", value)
        begin_trial(root, trial)
        end_trial(root, trial, rows=(row,))


def take_back(root: Root, name: str) -> None:
    """As the report is written where no pair of trials has finished any more."""
    path = root.study(name).report / "tables" / "contrasts-image_auroc.csv"
    with path.open(newline="") as file:
        (line,) = csv.DictReader(file)
    line |= dict.fromkeys((*HEAD, "verdict"), "")
    path.write_text(f"{','.join(line)}\n{','.join(line.values())}\n")


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The base config and one variant, of two seeds each; sent, and sent once more."""
    from mlflow import MlflowClient

    root = Root.at(tmp_path_factory.mktemp("root"))
    axes = (Orders(count=1), Grid(field="training.lr", values=(LR, 2 * LR)))
    plan = small_plan(root, axes=axes, seeds=(0, 1), reports=("ablation",))
    finish(root, plan.trials)
    write_reports(root.study(plan.name))
    acts = {"first": told(plan, root)}
    client = MlflowClient(tracking_uri=default_uri(root))
    client.delete_tag(acts["first"]["study"]["id"], "moleflow.report")
    acts["again"] = told(plan, root)
    take_back(root, plan.name)
    acts["taken back"] = told(plan, root)
    return acts


def of_section(run: dict[str, Any]) -> dict[str, float]:
    history = sorted(run["history"], key=lambda one: one[1])
    return {name: value for name, _, _, value in history if name.startswith("against_baseline/")}


def test_a_setting_s_run_has_the_numbers_and_the_verdict_of_its_report(
    story: dict[str, Any],
) -> None:
    run = story["first"][OTHER]
    shown = of_section(run)
    assert set(shown) == {f"against_baseline/image_auroc {name}" for name in HEAD}
    low, middle, high, p, seeds = (
        shown[f"against_baseline/image_auroc {name}"]
        for name in ("interval_low", "difference", "interval_high", "p_holm", "seeds")
    )
    assert middle == pytest.approx(0.05005) and low < middle < high
    assert (0 < p < 0.05, seeds) == (True, 2)
    assert run["tags"]["moleflow.verdict.image_auroc"] == "better"


def test_the_study_s_run_has_the_differences_beside_each_other(story: dict[str, Any]) -> None:
    name = f"against_baseline/image_auroc lr {2 * LR}"
    assert of_section(story["first"]["study"]) == {name: pytest.approx(0.05005)}
    assert of_section(story["first"][f"training.lr = {LR}"]) == {}  # the baseline


def test_what_a_report_says_that_is_sent_again_is_there_once(story: dict[str, Any]) -> None:
    assert story["again"] == story["first"]


def test_what_a_report_says_no_more_is_not_shown_further(story: dict[str, Any]) -> None:
    run = story["taken back"][OTHER]
    shown = {**of_section(run), **of_section(story["taken back"]["study"])}
    assert len(shown) == 6 and all(math.isnan(value) for value in shown.values())
    assert not [tag for tag in run["tags"] if tag.startswith("moleflow.verdict.")]


@pytest.mark.parametrize(("settings", "room"), [(2, True), (21, True), (22, False), (31, False)])
def test_the_study_s_run_has_under_150_names_in_at_most_ten_sections(
    root: Root, settings: int, room: bool
):
    grid = Grid(field="training.lr", values=tuple(LR * (n + 1) for n in range(settings)))
    plan = small_plan(root, axes=(grid,))
    named = settings_of(plan)
    sent, _ = points(plan, all_ended(plan), "")
    means = {name for point in sent for name in point.study}
    contrasts = [Contrast(s, m, "better", {"difference": 0.1}) for s in named for m in "ab"]
    differences = set(beside(contrasts, named))
    assert len(differences) == (2 * settings if room else 0)
    names = differences | {n.replace("image_auroc", m) for n in means for m in "abcd"}
    assert len(names) < 150
    assert len({name.rpartition("/")[0] for name in names}) <= 10


def test_a_table_that_no_report_has_written_is_named(root: Root, plan: Plan) -> None:
    folder = root.study(plan.name)
    path = folder.report / "tables" / "contrasts-image_auroc.csv"
    path.parent.mkdir(parents=True)
    path.write_text("setting,verdict\na,better\n")
    with pytest.raises(TrackerRefused, match=f"{path}.*moleflow report small"):
        contrasts_in(folder, plan.study.reports)
