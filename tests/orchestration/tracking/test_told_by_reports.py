"""What reports conclude stands on the runs of studies and settings."""

import csv
import math
import re
from collections.abc import Sequence
from typing import Any

import pytest

from moleflow.config import Config
from moleflow.measurement import Measurement
from orchestration.records.layout import Root
from orchestration.records.plans import plan_of
from orchestration.studies.axes import Grid, Orders, TaskZero
from orchestration.studies.expansion import Plan, Trial
from orchestration.tracking.address import default_uri
from orchestration.tracking.exporter import sync
from orchestration.tracking.mlflow.report_tables import CONTRASTS, KINDS, Finding
from orchestration.tracking.mlflow.study_answer import points, settings_of
from orchestration.tracking.mlflow.told_by_reports import findings, fitting, shown_on_study
from orchestration.tracking.tracker import TrackerRefused
from reports.evidence import load
from reports.first_task import first_tasks
from reports.picture_doubt import kept
from reports.statistics import effects
from reports.two_by_two import KINDS as KINDS_OF_VALUES
from reports.two_by_two import crossed
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


def end_all(root: Root, plan: Plan) -> None:
    """Numbers that differ by task 0, by settings, and by both settings together; no two seeds of a
    pair differ by the same."""
    for n, trial in enumerate(plan.trials):
        first, config = trial.classes.index(trial.sequence[0][0]), trial.config
        both = config.training.lr != LR and not config.freeze_base
        value = 0.8 + 0.02 * first * (1 + (config.training.lr != LR)) - 0.05 * both + 1e-4 * n**1.5
        rows = [
            Measurement(3, -1, "", "image_auroc", definition, "routed", value - shift)
            for definition, shift in (("final_mean", 0.0), ("on_task_mean", 1e-3 * both))
        ]
        end_trial(root, trial, rows=tuple(rows))


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


def test_trials_alone_have_parameters_and_every_field(story: dict[str, Any]):
    """So docs/tracking.md says."""
    for run in story["first"].values():
        asked = set(Config().flat()) | {"lr", "task0", "order", "seed"}
        assert set(run["params"]) == (asked if "moleflow.trial" in run["tags"] else set())


@pytest.fixture(scope="module")
def root_of_two(tmp_path_factory: pytest.TempPathFactory) -> Root:
    """A study of first tasks under two settings, and one of two factors, each with its report."""
    root = Root.at(tmp_path_factory.mktemp("root"))
    rates = Grid(field="training.lr", values=(LR, 2 * LR))
    frozen = Grid(field="freeze_base", values=(True, False))
    asked = {
        "firsts": {"axes": (TaskZero(count=3), rates), "reports": ("task0",)},
        "crossed": {"axes": (frozen, rates), "reports": ("interactions",)},
    }
    for name, changes in asked.items():
        plan = small_plan(root, name, seeds=(0, 1), **changes)
        end_all(root, plan)
        write_reports(root.study(name))
    return root


def plan_told(root: Root, name: str) -> tuple[Plan, dict[str, Any]]:
    plan = plan_of(root.study(name))
    return plan, told(plan, root)


def last_of(run: dict[str, Any], section: str) -> dict[str, float]:
    return {name: v for name, _, _, v in run["history"] if name.startswith(f"{section}/")}


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


def test_a_setting_s_run_says_which_first_task_is_best_as_its_report_does(
    root_of_two: Root,
) -> None:
    _, runs = plan_told(root_of_two, "firsts")
    evidence = load(root_of_two.study("firsts"))
    metric = evidence.concluded[0]
    assert len(evidence.settings) == 2
    for setting in evidence.settings:
        found = first_tasks(evidence, setting, metric, kept(evidence))
        assert found is not None
        verdict, best = found.verdict, found.best
        leader = found.names[best.leader]
        expected = {
            "range": verdict.range,
            "upper": verdict.upper,
            "p": verdict.p,
            "p_equivalence": verdict.p_equivalence,
            "probability_best": best.probability[best.leader],
            "seeds": 2.0,
        }
        for name, one in zip(found.names, effects(found.values), strict=True):
            low, high = one.interval
            numbers = {"effect": one.difference, "effect_low": low, "effect_high": high}
            expected |= {f"{name} {number}": value for number, value in numbers.items()}
        run = runs[setting.label]
        shown = last_of(run, "first_task")
        assert shown == {f"first_task/image_auroc {n}": v for n, v in expected.items()}
        assert run["tags"]["moleflow.verdict.first_task.image_auroc"] == verdict.verdict
        assert run["tags"]["moleflow.best.first_task.image_auroc"] == leader == "wood"


def test_the_study_s_run_has_interactions_and_their_verdicts_as_its_report_does(
    root_of_two: Root,
) -> None:
    _, runs = plan_told(root_of_two, "crossed")
    evidence = load(root_of_two.study("crossed"))
    expected = dict[str, float]()
    for kind in KINDS_OF_VALUES:
        (one,) = crossed(evidence, evidence.concluded[0], kind)
        assert one.result is not None
        result, subject = one.result.contrast, f"image_auroc {kind} {one.design.name}"
        assert result.interval is not None and result.p_holm is not None
        low, high = result.interval
        numbers = {"difference": result.difference, "interval_low": low, "interval_high": high}
        numbers |= {"p_holm": result.p_holm, "seeds": 2.0}
        expected |= {f"interactions/{subject} {n}": v for n, v in numbers.items()}
        tag = f"moleflow.verdict.interactions.{subject}"
        assert runs["study"]["tags"][tag] == result.verdict
    assert len(expected) == 10
    assert last_of(runs["study"], "interactions") == expected


@pytest.mark.parametrize(("settings", "room"), [(2, True), (23, True), (24, False), (31, False)])
def test_the_study_s_run_has_under_150_names_in_at_most_ten_sections(
    root: Root, settings: int, room: bool
):
    grid = Grid(field="training.lr", values=tuple(LR * (n + 1) for n in range(settings)))
    plan = small_plan(root, axes=(grid,))
    named = settings_of(plan)
    sent, _ = points(plan, all_ended(plan), "")
    means = {name for point in sent for name in point.study}
    told = [Finding(CONTRASTS, s, m, {"difference": 0.1}, {}) for s in named for m in "ab"]
    differences = set(shown_on_study(told, named))
    assert len(differences) == (2 * settings if room else 0)
    names = differences | {n.replace("image_auroc", m) for n in means for m in "abcd"}
    assert len(names) < 150
    assert len({name.rpartition("/")[0] for name in names}) <= 10


@pytest.mark.parametrize("lines", [1, 5, 15, 300])
def test_a_run_of_one_setting_has_room_for_what_matters_most(root: Root, lines: int) -> None:
    plan = small_plan(root, axes=(Orders(count=2),))
    named = settings_of(plan)
    sent, _ = points(plan, all_ended(plan), "")
    told = [
        Finding(
            kind, None, f"image_auroc {n}", {c: 0.1 for group in kind.numbers for c in group}, {}
        )
        for kind in KINDS
        for n in range(lines)
    ]
    shown = set(shown_on_study(told, named))
    means = {name for point in sent for name in point.study}
    names = shown | {n.replace("image_auroc", m) for n in means for m in "abcd"}
    assert len(names) < 150
    assert len({name.rpartition("/")[0] for name in names}) <= 10
    first = {f"interactions/image_auroc {n} difference" for n in range(lines)}
    assert first <= shown if lines <= 15 else not first & shown


def test_numbers_that_are_shown_together_are_shown_whole_or_not() -> None:
    group = {str(n): 0.0 for n in range(10)}
    assert fitting([group], 139) == group
    assert fitting([group], 140) == {}


def test_a_table_that_no_report_has_written_is_named(root: Root, plan: Plan) -> None:
    folder = root.study(plan.name)
    path = folder.report / "tables" / "contrasts-image_auroc.csv"
    path.parent.mkdir(parents=True)
    path.write_text("setting,verdict\na,better\n")
    anew = root.command("report", "small")
    with pytest.raises(TrackerRefused, match=f"{path}.*{re.escape(anew)}"):
        findings(plan, folder)
