"""What holds for every analysis, whatever the trial was."""

from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import moleflow
from moleflow.analysis import ANALYSES, Analysis, Subject
from moleflow.drawing import canvas, house_style, to_png, to_svg
from moleflow.tasks.freeze import module_digest

pytestmark = pytest.mark.slow

VARIANTS: dict[str, dict[str, object]] = {
    "whole": {},
    "one task": {"classes": ("bottle",)},
    "tasks of several classes": {"tasks": (("bottle", "cable"), ("wood",))},
    "no low-rank updates": {"classes": ("bottle", "cable"), "lora": "off"},
    "no flow, no mixer": {"classes": ("bottle", "cable"), "flow__blocks": 0, "mixer__kernel": 0},
    "no adapter after the flow": {"classes": ("bottle", "cable"), "dia__blocks": 0},
    "no masks": {"classes": ("bottle", "cable"), "without_masks": True},
    "separate flows": {"classes": ("bottle", "cable"), "separate": True},
    "base not frozen": {"classes": ("bottle", "cable"), "freeze_base": False},
    "multi-scale, FiLM": {"classes": ("bottle", "cable"), "multiscale": "on", "adapter": "film"},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_analysis_gives_tables_and_a_figure(
    make_subject: Callable[..., Subject], variant: str
) -> None:
    subject = make_subject(**VARIANTS[variant])
    names: list[str] = []
    for name, analyse in ANALYSES.items():
        analysis = analyse(subject)
        assert analysis.name == name == next(iter(analysis.tables))
        assert analysis.notes and analysis.title and analysis.unit and analysis.n
        assert analysis.finding.endswith(".") and "nan" not in analysis.finding
        assert [*analysis.captions] == [*analysis.tables] and all(analysis.captions.values())
        names += analysis.tables
        for table in analysis.tables.values():
            assert len(table.columns) > 1 and table.columns.is_unique
            assert not np.isinf(table.select_dtypes("number")).any(axis=None)
        with house_style():
            analysis.figure.draw_without_rendering()
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", [name for name in ANALYSES if name != "cost"])
def test_an_analysis_gives_the_same_bytes_twice(subject: Subject, name: str) -> None:
    one, other = ANALYSES[name](subject), ANALYSES[name](subject)
    assert {k: t.to_csv() for k, t in one.tables.items()} == {
        k: t.to_csv() for k, t in other.tables.items()
    }
    assert to_svg(one.figure) == to_svg(other.figure)


def test_analyses_leave_the_model_as_it_was(subject: Subject) -> None:
    modules = [*subject.model.bases.values(), *subject.model.banks.values()]
    before = [module_digest(module) for module in modules]
    for analyse in ANALYSES.values():
        analyse(subject)
    assert [module_digest(module) for module in modules] == before
    assert tuple(subject.model.banks) == subject.sequence


def drawn(subject: Subject) -> Analysis:
    return ANALYSES["routing"](subject)


def test_the_users_settings_do_not_reach_a_figure(subject: Subject) -> None:
    plain = to_svg(drawn(subject).figure)
    with mpl.rc_context({"axes.grid": True, "font.size": 20, "lines.linewidth": 5}):
        assert to_svg(drawn(subject).figure) == plain


def test_drawing_leaves_the_users_settings_alone(subject: Subject) -> None:
    with mpl.rc_context({"font.size": 17}):
        before = dict(mpl.rcParams)
        to_png(drawn(subject).figure)
        assert dict(mpl.rcParams) == before


def test_settings_come_back_when_drawing_fails() -> None:
    before = dict(mpl.rcParams)
    with pytest.raises(ZeroDivisionError), house_style():
        canvas(1 / 0, 1)
    assert dict(mpl.rcParams) == before


def test_nothing_draws_through_pyplot() -> None:
    top = Path(moleflow.__file__).parents[1]
    files = [path for name in ("moleflow", "reports") for path in (top / name).rglob("*.py")]
    assert len(files) > 50 and not [path.name for path in files if "pyplot" in path.read_text()]


def ticks_outside(figure: Figure) -> list[mpl.text.Text]:
    """Labels of ticks beyond the axes' limits, which are not drawn."""
    return [
        tick.label1
        for axes in figure.findobj(Axes)
        for axis in (axes.xaxis, axes.yaxis)
        for tick in axis.get_major_ticks()
        if not min(axis.get_view_interval()) <= tick.get_loc() <= max(axis.get_view_interval())
    ]


@pytest.mark.soak
def test_words_in_a_figure_do_not_overlap_with_fifteen_tasks(
    make_subject: Callable[..., Subject],
) -> None:
    names = (
        *("bottle", "cable", "capsule", "carpet", "grid", "hazelnut", "leather", "metal_nut"),
        *("pill", "screw", "tile", "toothbrush", "transistor", "wood", "zipper"),
    )
    subject = make_subject(names, flow__blocks=1, training__epochs=3, training__warmup_epochs=1)
    for name, analyse in ANALYSES.items():
        figure = analyse(subject).figure
        with house_style():
            figure.draw_without_rendering()
            hidden = ticks_outside(figure)
            boxes = [
                (text.get_text(), text.get_window_extent())
                for text in figure.findobj(mpl.text.Text)
                if text.get_text() and text.get_rotation() == 0 and text not in hidden
            ]
        clashes = [
            (a, b)
            for i, (a, one) in enumerate(boxes)
            for b, other in boxes[i + 1 :]
            if a != b
            and min(one.x1, other.x1) - max(one.x0, other.x0) > 1
            and min(one.y1, other.y1) - max(one.y0, other.y0) > 1
        ]
        assert not clashes, name
