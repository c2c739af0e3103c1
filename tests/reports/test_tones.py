"""Intervals in figures: two tones, and no share beyond 0 and 100 %."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from moleflow.drawing import shares
from orchestration.records.layout import StudyFolder
from orchestration.studies.axes import Grid
from orchestration.studies.study import Study
from reports import crossing, doubts, picture_doubt, tones, two_by_two
from reports.document import plain
from reports.evidence import load
from reports.writing import write_reports
from tests.reports import pictured
from tests.reports.conftest import Lab


@pytest.mark.parametrize("along", ["x", "y"])
def test_an_axis_of_shares_ends_at_100_and_at_0_and_one_within_is_left_alone(along: str) -> None:
    for low, high, ends in ((60, 108, (60, 100)), (-5, 50, (0, 50)), (20, 80, (20, 80))):
        ax = Figure().subplots()
        (ax.set_xlim if along == "x" else ax.set_ylim)(low, high)
        shares(ax, along)  # pyright: ignore[reportArgumentType]
        axis, spine = (ax.xaxis, "bottom") if along == "x" else (ax.yaxis, "left")
        assert (ax.spines[spine].get_bounds() or (low, high)) == ends
        assert all(0 <= tick <= 100 for tick in axis.get_majorticklocs())


def drawn(seeds: tuple[float, float], both: tuple[float, float] | None) -> list[tuple[str, list]]:
    ax = Figure().subplots()
    tones.upright(ax, 1.0, seeds, both, "red", 1.0)
    return [(str(line.get_marker()), list(line.get_ydata())) for line in ax.lines]


def test_an_interval_beyond_a_share_is_cut_there_with_an_arrow_and_said() -> None:
    assert drawn((0.9, 1.02), None) == [("^", [100.0]), ("None", [90.0, 100.0])]
    assert drawn((-0.1, 0.2), None) == [("v", [0.0]), ("None", [0.0, 20.0])]
    assert drawn((0.2, 1.0), None) == [("None", [20.0, 100.0])]
    assert "An arrow" in tones.beyond([None, (0.9, 1.02)])
    assert tones.beyond([None, (0.2, 1.0)]) == ""


def test_the_lighter_interval_is_that_over_pictures_and_lies_below() -> None:
    ax = Figure().subplots()
    tones.across(ax, 0.0, (-0.01, 0.02), (-0.03, 0.04), "red", 1.0)
    wide, narrow = ax.lines
    assert list(wide.get_xdata()) == [-3, 4] and list(narrow.get_xdata()) == [-1, 2]
    assert (wide.get_alpha() or 0) < (narrow.get_alpha() or 0)


@pytest.fixture(scope="module")
def study(make_lab: Callable[[Path], Lab], tmp_path_factory) -> StudyFolder:
    """Two components of which one makes every score worse."""
    lab = make_lab(tmp_path_factory.mktemp("tones"))
    axes = (Grid(field="loss.tail_weight", values=(0.7, 0.0)),
            Grid(field="lora.rank", values=(64, 16)))  # fmt: skip
    one = Study(question="?", base=lab.config, classes=lab.classes, axes=axes, seeds=(0, 1, 2))
    one = one.model_copy(update={"reports": ("interactions", "ablation")})
    folder, plan = lab.planned(one, "toned")
    pictured.run(lab, folder, plan.trials)
    write_reports(folder)
    return folder


@pytest.mark.slow
def test_all_that_is_drawn_of_crossed_lines_lies_within_their_axes(
    study: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    evidence, canvases = load(study), list[Figure]()
    monkeypatch.setattr(crossing, "drawn", lambda canvas, *_: canvases.append(canvas))
    metric = evidence.concluded[0]
    (one,) = two_by_two.crossed(evidence, metric, "final_mean")
    above, below = (
        replace(one, values=dict.fromkeys(one.values, values))
        for values in ((0.96, 0.99, 1.0), (0.3, 0.31, 0.32))
    )
    for found in ((above, below), (below, above)):
        crossing.lines_figure(metric, "final_mean", found, lambda *_: "")
        for ax in canvases.pop().axes:
            low, high = ax.get_ylim()
            ends = [y for line in ax.lines for y in line.get_ydata()]  # pyright: ignore
            assert low <= min(ends) and max(ends) <= high


@pytest.mark.slow
def test_no_class_is_drawn_beyond_what_a_share_can_be(
    study: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    evidence, canvases, captions = load(study), list[Figure](), list[str]()

    def caught(canvas: Figure, *of: object) -> None:
        canvases.append(canvas)
        captions.append(plain(of[-1]))  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(doubts, "drawn", caught)
    setting = evidence.settings[0]
    one = picture_doubt.of_setting(evidence, setting, picture_doubt.kept(evidence), "image_auroc")
    assert isinstance(one, picture_doubt.Doubted)
    wide = np.tile([[0.9], [0.95], [1.0]], len(one.classes))
    for values, arrow in ((wide, True), (np.full_like(wide, 0.6) + wide / 100, False)):
        doubts.class_figure(setting, replace(one, values=values))
        (ax,) = canvases.pop().axes
        ends = [x for line in ax.lines for x in line.get_xdata()]  # pyright: ignore
        assert max(ends) <= 100 and (ax.spines["bottom"].get_bounds() or (0, 100))[1] <= 100
        assert ("An arrow" in captions.pop()) == arrow


SAID = {
    "forest-image_auroc": "the darker line is over seeds, the lighter over seeds and test pictures",
    "forest_by_class-image_auroc": "the darker line is over seeds, the lighter over seeds and",
    "crossed-image_auroc-final_mean": "the darker upright line is over seeds, the lighter",
    "crossed-image_auroc-on_task_mean": "over seeds alone",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SAID)
def test_forests_and_crossed_lines_have_two_tones_where_pictures_are_known(
    study: StudyFolder, name: str
) -> None:
    (path,) = study.report.rglob(f"{name}.svg")
    lighter = len(re.findall(r"opacity: 0\.4\b", path.read_text("utf-8")))
    assert (lighter > 0) == ("alone" not in SAID[name])
    page = (path.parents[1] / "report.md").read_text("utf-8")
    (caption,) = (line for line in page.splitlines() if f"{name}.png" in line)
    after = page[page.index(caption) + len(caption) :][:600]
    assert SAID[name] in after
