"""Seeds and test pictures in reports: on studies that kept scores their numbers follow from."""

import re
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from orchestration.records.layout import StudyFolder
from orchestration.studies.axes import Grid, Variants
from orchestration.studies.search import Search, log_uniform
from orchestration.studies.study import Study
from reports.document import plain
from reports.doubt_columns import both_cell, sentence
from reports.evidence import load
from reports.picture_doubt import Doubted, kept, of_setting
from reports.statistics import delong_covariance
from reports.writing import write_reports
from tests.reports.audited import changed, wrong
from tests.reports.conftest import Lab
from tests.reports.pictured import (
    ANOMALOUS,
    GOOD,
    LABELS,
    page,
    read,
    run,
    scores,
)

pytestmark = pytest.mark.slow
AXIS = Variants(
    baseline="main",
    variants={"main": {}, "worse": {"loss.tail_weight": 0.0}, "chance": {"mixer.kernel": 0}},
)


@pytest.fixture(scope="module")
def variants(make_lab: Callable[[Path], Lab], tmp_path_factory) -> StudyFolder:
    lab = make_lab(tmp_path_factory.mktemp("variants"))
    lab.reports = ("ablation", "strategies")
    folder, plan = lab.plan(task_zeros=1, orders=2, seeds=(0, 1, 2), axes=(AXIS,))
    run(lab, folder, plan.trials)
    write_reports(folder)
    return folder


def test_one_seed_has_delongs_deviation_of_each_class_and_no_interval_over_seeds(lab: Lab) -> None:
    folder, plan = lab.plan(task_zeros=1, orders=2, seeds=(0,))
    run(lab, folder, plan.trials)
    write_reports(folder)
    (trial, *_) = plan.trials
    each = [delong_covariance(LABELS, scores(trial, c)[None])[0, 0] for c in trial.classes]
    found = read(folder, "doubt").loc["image_auroc"]
    assert found["sd_pictures"] == pytest.approx(np.sqrt(sum(each)) / len(each))
    assert found["sd_pictures_bootstrap"] == pytest.approx(found["sd_pictures"], rel=0.1)
    assert found["pictures_low"] < found["mean"] < found["pictures_high"]
    assert np.isnan(found["both_low"]) and np.isnan(found["sd_seeds"])
    by_class = read(folder, "doubt_by_class", "class").query("metric == 'image_auroc'")
    assert by_class["sd_pictures_alone"].to_numpy() == pytest.approx(
        [each[trial.classes.index(name)] ** 0.5 for name in by_class.index]
    )
    assert wrong(folder) == []


def test_the_squares_of_both_sources_add_up_and_seeds_do_not_shrink_the_pictures(lab: Lab) -> None:
    folder, plan = lab.plan(task_zeros=1, orders=2, seeds=range(4))
    run(lab, folder, plan.trials)
    write_reports(folder)
    found = read(folder, "doubt").loc["image_auroc"]
    half, of_seeds = (
        (found[f"{name}_high"] - found[f"{name}_low"]) / 2 for name in ("both", "seeds")
    )
    assert np.sqrt(half**2 - of_seeds**2) == pytest.approx(2 * found["sd_pictures"], rel=0.03)
    assert found["seeds"] == 4
    assert found["sd_pictures"] > 3 * found["sd_seeds"]
    text = page(folder)
    lead = "Image AUROC on other seeds and other test pictures: test pictures leave open a standard"
    assert f"{lead} error of {100 * found['sd_pictures']:.2f} points" in text
    assert f", seeds a standard error of {100 * found['sd_seeds']:.2f} points (n = 4 seeds)" in text
    assert "The doubt of earlier steps from test pictures cannot be told" in text


def test_a_verdict_that_rests_on_two_pictures_does_not_stay_clear_of_zero(
    variants: StudyFolder,
) -> None:
    table = read(variants, "contrasts-image_auroc", "setting")
    assert table["verdict"].to_dict() == {"variant = worse": "worse", "variant = chance": "better"}
    worse, chance = (table.loc[f"variant = {name}"] for name in ("worse", "chance"))
    assert worse["both_high"] < 0 and worse["both_low"] < worse["interval_low"]
    assert chance["interval_low"] > 0 > chance["both_low"]
    said = "1 of 2 differences that are not zero over seeds stay clear of it; on other pictures"
    assert f"{said} there may be none: chance." in page(variants)
    # Every picture contributes as much less to the variant's pixel AP.
    worse = read(variants, "contrasts-pixel_ap", "setting").loc["variant = worse"]
    assert worse["difference"] == pytest.approx(-0.1) and worse["sd_pictures"] < 1e-9
    assert wrong(variants) == []


@pytest.mark.parametrize("metric", ["image_auroc", "pixel_ap"])
def test_the_doubt_of_differences_of_classes_adds_up_to_that_of_their_mean(
    variants: StudyFolder, metric: str
) -> None:
    every = read(variants, f"contrasts_by_class-{metric}", "setting")
    for name, of_all in read(variants, f"contrasts-{metric}", "setting").iterrows():
        classes = every.loc[name]
        assert len(classes) == 4 and classes["good"].tolist() == [GOOD] * 4
        whole = np.sqrt((classes["sd_pictures"] ** 2).sum()) / 4
        assert whole == pytest.approx(of_all["sd_pictures"], rel=1e-6, abs=1e-12)
        assert (classes["both_low"] <= classes["interval_low"]).all()
    if metric == "image_auroc":
        bottle = every.loc["variant = chance"].set_index("class").loc["bottle"]
        assert bottle["interval_low"] > 0 > bottle["both_low"]


def test_of_a_class_that_is_separated_perfectly_pictures_tell_nothing(
    variants: StudyFolder,
) -> None:
    evidence = load(variants)
    made = of_setting(evidence, evidence.settings[0], kept(evidence), "image_auroc")
    assert isinstance(made, Doubted) and isinstance(made.of_class("bottle"), Doubted)
    perfect = replace(made.over_images[0], values=np.ones_like(made.over_images[0].values))
    apart = replace(made, over_images=(perfect, *made.over_images[1:]))
    assert "separate it perfectly" in str(apart.of_class("bottle"))
    assert isinstance(apart.of_class("cable"), Doubted)


def test_a_mean_of_settings_has_the_doubt_that_it_has_alone(variants: StudyFolder) -> None:
    folder = variants.report / "strategies" / "tables"
    settings = pd.read_csv(folder / "settings-image_auroc.csv").set_index("definition")
    assert list(settings.loc["final_mean", "setting"])[1] == "variant = worse"
    found = settings.loc["final_mean"].iloc[1]
    alone = read(variants, "doubt-setting2").loc["image_auroc"]
    columns = ["sd_seeds", "sd_pictures", "both_low", "both_high", "good", "anomalous"]
    assert found[columns].tolist() == pytest.approx(alone[columns].tolist())
    assert settings.loc["on_task_mean", columns].isna().all(axis=None)
    text = (variants.report / "strategies" / "report.md").read_text("utf-8")
    pictures = f"{4 * GOOD} good and {4 * ANOMALOUS} anomalous"
    assert f"the 95 % interval over seeds and test pictures (n = {pictures})" in text
    assert f" to {100 * found['sd_pictures']:.2f} points (worse, {pictures})" in text


def test_an_estimate_of_pictures_below_zero_is_said(variants: StudyFolder) -> None:
    evidence = load(variants)
    made = of_setting(evidence, evidence.settings[0], kept(evidence), "image_auroc")
    assert isinstance(made, Doubted)
    below = replace(made, both=replace(made.both, images_negative=True))
    for one, times in ((made, 0), (below, 1)):
        cell = both_cell(one, of_setting)
        told = (cell.note, plain(sentence("image_auroc", [("", one)])))
        assert [text.count("below 0") for text in told] == [times, times]


def test_a_difference_has_the_doubt_of_pictures_that_both_saw(variants: StudyFolder) -> None:
    line = read(variants, "contrasts-image_auroc", "setting").loc["variant = worse"]
    evidence = load(variants)
    made = of_setting(evidence, evidence.settings[0], kept(evidence), "image_auroc")
    assert isinstance(made, Doubted)
    assert 0 < line["sd_pictures"] < 2**0.5 * made.from_images * 1.5
    assert line["seeds_both"] == 3 and line["trials_left_out"] == 0


@pytest.fixture(scope="module")
def firsts(make_lab: Callable[[Path], Lab], tmp_path_factory) -> StudyFolder:
    """Three tasks 0, which move one picture of a class or all anomalous ones."""
    lab = make_lab(tmp_path_factory.mktemp("firsts"))
    lab.reports = ("task0",)
    folder, plan = lab.plan(task_zeros=3, orders=1, seeds=(0, 1, 2))
    run(lab, folder, plan.trials)
    write_reports(folder)
    return folder


def test_differences_of_tasks_0_have_intervals_that_pictures_only_widen(
    firsts: StudyFolder,
) -> None:
    pairs = read(firsts, "task0_pairs-image_auroc", "other")
    effects = read(firsts, "task0_effects-image_auroc", "task0")
    for table, name in ((pairs, "difference"), (effects, "effect")):
        both = "both" if table is pairs else "effect_both"
        low, high = table[f"{name}_low"], table[f"{name}_high"]
        assert (table[f"{both}_low"] < low).all() and (table[f"{both}_high"] > high).all()
        middle = (table[f"{both}_low"] + table[f"{both}_high"]) / 2
        assert middle.tolist() == pytest.approx(table[name].tolist())
    assert pairs["seeds_both"].tolist() == [3, 3, 3]
    assert wrong(firsts) == []


def test_which_task_0_is_best_is_told_over_seeds_and_on_other_pictures_too(
    firsts: StudyFolder,
) -> None:
    effects = read(firsts, "task0_effects-image_auroc", "task0")
    verdict = read(firsts, "task0_verdicts").loc["image_auroc"]
    over_seeds, both = effects["probability_best"], effects["probability_best_both"]
    assert both.sum() == pytest.approx(1) and both.max() < over_seeds.max() - 0.02
    assert (verdict["leader_both"], verdict["probability_best_both"]) == (both.idxmax(), both.max())
    assert verdict["upper_both"] > verdict["upper"] and verdict["trials_left_out"] == 0
    said = f"{100 * over_seeds.max():.0f} % over seeds, {100 * both.max():.0f} % on other test"
    assert said in page(firsts)
    of_pixels = read(firsts, "task0_effects-pixel_ap", "task0")
    assert of_pixels["probability_best_both"].sum() == pytest.approx(1)


BEST_CHANGED = (
    ("task0_effects-image_auroc", 3, "probability_best_both"),
    ("task0_verdicts", 2, "probability_best_both"),
    ("task0_verdicts", 2, "upper_both"),
)


def test_other_numbers_of_what_is_best_on_other_pictures_are_found(
    firsts: StudyFolder, tmp_path: Path
) -> None:
    folder = StudyFolder(tmp_path / firsts.name)
    shutil.copytree(firsts.path, folder.path)
    path = folder.report / "index.html"
    text = path.read_text("utf-8")
    text, many = re.subn(r"(<span[^>]*>)\d+ %(</span> on other)", r"\g<1>3 %\2", text)
    assert many == 2
    path.write_text(text, "utf-8")
    with ExitStack() as stack:
        places = [
            stack.enter_context(
                changed(folder.report / "tables" / f"{name}.csv", line, column, lambda v: v - 0.03)
            )
            for name, line, column in BEST_CHANGED
        ]
        found = wrong(folder)
    assert [place for place in places if not any(place in one for one in found)] == []
    assert any("a sentence says 3 %" in one for one in found)


def test_which_tasks_0_differ_on_other_pictures_too_is_told(firsts: StudyFolder) -> None:
    said = "Image AUROC, with other test pictures too: 2 of 3 differences that are not zero over"
    assert said in page(firsts)


@pytest.fixture(scope="module")
def crossed(make_lab: Callable[[Path], Lab], tmp_path_factory) -> StudyFolder:
    """Anomalous pictures lose with the axis of variants, unless the tail is out too."""
    lab = make_lab(tmp_path_factory.mktemp("crossed"))
    axes = (
        Grid(field="loss.tail_weight", values=(0.0, 0.5)),
        Variants(baseline="main", variants={"main": {}, "worse": {"mixer.kernel": 0}}),
    )
    lab.reports = ("interactions",)
    folder, plan = lab.plan(task_zeros=1, orders=1, seeds=(0, 1, 2), axes=axes)
    run(lab, folder, plan.trials)
    write_reports(folder)
    return folder


def test_interactions_and_effects_have_intervals_that_pictures_only_widen(
    crossed: StudyFolder,
) -> None:
    for name in ("interactions", "simple_effects"):
        table = read(crossed, f"{name}-image_auroc-final_mean")
        assert (table["both_low"] <= table["interval_low"]).all()
        assert (table["both_high"] >= table["interval_high"]).all()
        assert (table["both_high"] - table["both_low"] > 0.001).any()
        assert "both_low" not in read(crossed, f"{name}-image_auroc-on_task_mean").columns
    text = page(crossed)
    assert "Image AUROC, with other test pictures too: 1 of 1 difference" in text
    assert wrong(crossed) == []


def test_a_corner_has_the_doubt_of_its_setting(crossed: StudyFolder) -> None:
    corner = read(crossed, "corners-image_auroc-final_mean", "corner").loc["neither"]
    evidence = load(crossed)
    axes = {"loss.tail_weight": "0.5", "variant": "worse"}
    (setting,) = (s for s in evidence.settings if axes.items() <= s.trials[0].axes.items())
    made = of_setting(evidence, setting, kept(evidence), "image_auroc")
    assert isinstance(made, Doubted)
    assert (corner["both_low"], corner["both_high"]) == pytest.approx(made.both.interval)
    low, high = made.both.interval
    assert f"{100 * low:.2f}, {100 * high:.2f}" in page(crossed)


@pytest.mark.parametrize(
    ("study", "said"), [("variants", "1 of 2"), ("firsts", "2 of 3"), ("crossed", "1 of 1")]
)
def test_another_number_of_differences_that_stay_clear_is_found(
    request: pytest.FixtureRequest, tmp_path: Path, study: str, said: str
) -> None:
    made: StudyFolder = request.getfixturevalue(study)
    folder = StudyFolder(tmp_path / made.name)
    shutil.copytree(made.path, folder.path)
    path = folder.report / "index.html"
    changed, many = re.subn(rf"(too: <span[^>]*>){said}", r"\g<1>0 of 2", path.read_text("utf-8"))
    assert many == 1
    path.write_text(changed, "utf-8")
    assert any("a sentence says 0 of 2" in one for one in wrong(folder))


def test_what_a_search_chose_has_the_doubt_from_pictures_on_test(lab: Lab) -> None:
    axis = Search(
        space={"training.lr": log_uniform(1e-4, 1e-2)}, trials=2, objective="test:image_auroc"
    )
    base = lab.config
    study = Study(question="?", base=base, axes=(axis,), seeds=(0, 1, 2), reports=("search",))
    folder, plan = lab.planned(study, "searched")
    run(lab, folder, plan.trials)
    write_reports(folder)
    found = read(folder, "proposals", "proposal").loc[1]
    each = [t for t in plan.trials if t.axes["proposal"] == "1"]
    shared = np.mean([scores(trial, "bottle") for trial in each], axis=0)
    alone = delong_covariance(LABELS, shared[None])[0, 0] ** 0.5
    assert found["sd_pictures"] == pytest.approx(alone / 2, rel=0.5)
    assert found["both_low"] < found["test"] < found["both_high"]
    assert f"standard error of {100 * found['sd_pictures']:.2f} points" in page(folder)
    assert wrong(folder) == []


def heights(svg: str) -> list[float]:
    """Of bands, in the order in which they are drawn."""
    paths = re.findall(r'id="FillBetween[^"]*">\s*<defs>\s*<path id="[^"]*" d="([^"]*)"', svg)
    each = [[float(y) for y in re.findall(r"[ML] \S+ (\S+)", path)] for path in paths]
    return [max(ys) - min(ys) for ys in each]


def test_curves_have_a_band_over_seeds_inside_of_one_with_pictures(lab: Lab) -> None:
    axis = Grid(field="loss.tail_weight", values=(0.5, 0.6))
    lab.reports = ("sensitivity",)
    folder, plan = lab.plan(task_zeros=1, orders=1, seeds=(0, 1, 2), axes=(axis,))
    run(lab, folder, plan.trials)
    write_reports(folder)
    svg = (folder.report / "figures" / "curve-loss_tail_weight.svg").read_text("utf-8")
    outer, inner, *of_pixels = heights(svg)
    assert outer > inner and of_pixels[0] > of_pixels[1] > 0
    of = read(folder, "settings-image_auroc", "definition").loc["final_mean"].iloc[0]
    widths = of["both_high"] - of["both_low"], of["interval_high"] - of["interval_low"]
    assert outer / inner == pytest.approx(widths[0] / widths[1], rel=1e-3)
    assert "the lighter over seeds and test pictures" in page(folder)
