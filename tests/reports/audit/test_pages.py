"""A page's words and cells are compared with what they are of, and with nothing beside it."""

import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from orchestration.records.layout import StudyFolder
from orchestration.records.plans import plan_of
from orchestration.studies.axes import Grid, Variants
from orchestration.studies.expansion import Trial
from reports.audit.records import read
from reports.audit.study import audit_study
from reports.audit.ways import allowed
from reports.audit.words import Allowed
from reports.writing import write_reports
from tests.reports.audited import impossible
from tests.reports.conftest import Lab

pytestmark = pytest.mark.slow

FIRSTS = ("bottle", "cable", "hazelnut", "metal_nut")
VARIANTS = {"main": {}, "low": {"mixer.kernel": 0}, "alike": {"dia.blocks": 0}}


def luck(trial: Trial, metric: str, name: str) -> float:
    return 0.0004 * math.sin(37.0 * trial.seed + int(trial.key[:4], 16) + len(metric) + len(name))


def by_first(trial: Trial, metric: str, name: str, step: int) -> float:
    """Image AUROC depends on task 0, pixel AP does not."""
    effect = 0.03 * FIRSTS.index(trial.sequence[0][0]) if metric == "image_auroc" else 0.0
    return 0.8 + effect + luck(trial, metric, name)


def by_variant(trial: Trial, metric: str, name: str, step: int) -> float:
    """What takes from image AUROC gives to pixel AP."""
    effect = {"low": -0.05, "alike": 0.0, "main": 0.0}[trial.axes["variant"]]
    return 0.8 + effect * (1 if metric == "image_auroc" else -1) + luck(trial, metric, name)


def by_corner(trial: Trial, metric: str, name: str, step: int) -> float:
    """Two components help each other in image AUROC, and add up in pixel AP."""
    both = trial.config.freeze_base and trial.config.mixer.kernel > 0
    return 0.8 + 0.03 * (both and metric == "image_auroc") + luck(trial, metric, name)


def written(lab: Lab, kind: str) -> StudyFolder:
    if kind in ("task_order", "task0"):
        lab.law, lab.reports = by_first, (kind,)
        folder, plan = lab.plan(task_zeros=4, orders=1, seeds=range(4))
    elif kind in ("ablation", "strategies"):
        lab.law, lab.reports = by_variant, (kind,)
        axis = Variants(baseline="main", variants=VARIANTS)
        folder, plan = lab.plan(task_zeros=1, orders=1, seeds=range(4), axes=(axis,))
    else:
        lab.law, lab.reports = by_corner, (kind,)
        axes = (
            Grid(field="freeze_base", values=(True, False)),
            Variants(baseline="in", variants={"in": {}, "out": {"mixer.kernel": 0}}),
        )
        folder, plan = lab.plan(task_zeros=1, orders=1, seeds=range(4), axes=axes)
    lab.run(folder, plan.trials)
    write_reports(folder)
    return folder


@pytest.fixture(scope="module")
def study(
    make_lab: Callable[[Path], Lab], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], StudyFolder]:
    """Of a kind of report, a copy that a test may spoil."""
    made: dict[str, StudyFolder] = {}

    def of(kind: str) -> StudyFolder:
        if kind not in made:
            made[kind] = written(make_lab(tmp_path_factory.mktemp(kind)), kind)
        copy = StudyFolder(tmp_path_factory.mktemp("copy") / made[kind].name)
        shutil.copytree(made[kind].path, copy.path)
        return copy

    return of


def replaced(folder: StudyFolder, pattern: str, text: str) -> list[str]:
    """What is found of a page in which the first match's second group is another text."""
    page = folder.report / "index.html"
    whole, many = re.subn(
        pattern, rf"\g<1>{text}\g<3>", page.read_text("utf-8"), count=1, flags=re.DOTALL
    )
    assert many == 1
    page.write_text(whole, "utf-8")
    return impossible(audit_study(folder.path))


SENTENCES = [
    ("task_order", "reports.order_answer._of_first", "different", "equivalent"),
    ("task0", "reports.kinds.task0.sentence", "different", "equivalent"),
    ("task0", "reports.first_task.dots", "different", "equivalent"),
    ("ablation", "reports.verdicts.sentences", "worse", "better"),
    ("strategies", "reports.verdicts.sentences", "worse", "better"),
    ("interactions", "reports.kinds.interactions.sentence", "they help each other", "they add up"),
    ("interactions", "reports.crossing.lines_figure", "better", "equivalent"),
]


@pytest.mark.parametrize(("kind", "function", "own", "other"), SENTENCES)
def test_a_sentence_on_image_auroc_with_the_verdict_on_pixel_ap_is_found(
    study: Callable[[str], StudyFolder], kind: str, function: str, own: str, other: str
) -> None:
    folder = study(kind)
    assert impossible(audit_study(folder.path)) == []
    span = rf'(by {re.escape(function)}">)({own})(</span>)'
    assert f'by {function}">{other}</span>' in (folder.report / "index.html").read_text("utf-8")
    assert any(f"a sentence says {other}," in one for one in replaced(folder, span, other))


ROWS = [
    ("ablation", r'(id="table-contrasts-image_auroc".*?>&lt; )(0\.001)(<)', "0.900"),
    ("ablation", r'(id="table-main-setting1".*?>)(4 of 4)(<)', "4 of 3"),
    ("ablation", r'(id="table-contrasts-image_auroc".*?<td[^>]*>)(worse)(<)', "equivalent"),
    ("task0", r'(id="table-task0_verdicts".*?<td[^>]*>)(different)(<)', "equivalent"),
    ("task0", r'(id="table-settings".*?>scoring.top_k</th><td[^>]*>)(\d+)(<)', "0"),
    ("task0", r'(id="table-by_class".*?<td class="number" data-source="\d+">)(\d+)(<)', "15"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "pattern", "other"), ROWS)
def test_a_row_with_what_another_line_of_its_table_has_is_found(
    study: Callable[[str], StudyFolder], kind: str, pattern: str, other: str
) -> None:
    found = replaced(study(kind), pattern, other)
    assert any("index.html" in one and f"the page shows {other}" in one for one in found)


def test_another_short_name_of_an_order_is_found(study: Callable[[str], StudyFolder]) -> None:
    folder = study("task0")
    path = folder.report / "tables" / "orders.csv"
    path.write_text(path.read_text("utf-8").replace("O2,", "O3,"), "utf-8")
    assert any("orders.csv line 3, name" in one for one in impossible(audit_study(folder.path)))


def test_a_number_of_the_same_trials_and_another_metric_is_found(
    study: Callable[[str], StudyFolder],
) -> None:
    folder = study("ablation")
    tables = [folder.report / "tables" / f"contrasts-{m}.csv" for m in ("image_auroc", "pixel_ap")]
    own, other = (f"{100 * pd.read_csv(path).set_index('setting').loc['variant = low', 'mean']:.2f}"
                  for path in tables)  # fmt: skip
    found = replaced(folder, rf'(>low<.*?data-source="\d+">)({own})( ± )', other)
    assert any(f"the page shows {other}" in one for one in found)


def test_a_mean_with_no_deviation_of_its_own_is_found(
    study: Callable[[str], StudyFolder],
) -> None:
    folder = study("ablation")
    cell = r'(id="table-contrasts-image_auroc".*?>)(([\d.]+) ± [\d.]+)'
    shown = re.search(cell, (folder.report / "index.html").read_text("utf-8"), re.DOTALL)
    assert shown is not None
    other = f"{shown[3]} ± {shown[3]}"
    found = replaced(folder, rf"(>)({re.escape(shown[2])})(<)", other)
    assert any(f"the page shows {other}" in one for one in found)


def test_a_number_of_another_metrics_column_is_found(study: Callable[[str], StudyFolder]) -> None:
    folder = study("task0")
    lines = pd.read_csv(folder.report / "tables" / "by_task0.csv").set_index(["task0", "metric"])
    one = lines.loc["metal_nut", "pixel_ap"]
    other = f"{100 * one['mean']:.2f} ± {100 * one['sd']:.2f}"
    counts = r"(?:<td[^>]*>\d+</td>)+"
    cell = rf'(id="table-by_task0".*?>metal_nut</th>{counts}<td[^>]*>)([^<]*)(<)'
    found = replaced(folder, cell, other)
    assert any(f"the page shows {other}" in one for one in found)


def test_a_count_is_no_number_that_rounds_to_it() -> None:
    assert Allowed(values=(0.03, 3.0)).admits("3.0 points")
    assert not Allowed(values=(0.03, 3.0)).admits("n = 3 seeds")


NAMED = [
    ("task0", "reports.kinds.task0.sentence", "metal_nut", "bottle"),
    ("task_order", "reports.order_answer._of_first", "metal_nut", "bottle"),
    ("ablation", "reports.verdicts.sentences", "low", "alike"),
]


@pytest.mark.parametrize(("kind", "function", "own", "other"), NAMED)
def test_a_sentence_that_concludes_with_another_name_is_found(
    study: Callable[[str], StudyFolder], kind: str, function: str, own: str, other: str
) -> None:
    span = rf'(by {re.escape(function)}">)({own})(</span>)'
    found = replaced(study(kind), span, other)
    assert any(f"a sentence says {other}," in one for one in found)


def test_where_none_has_a_verdict_only_the_variant_that_differs_most_is_to_be_named(
    lab: Lab,
) -> None:
    lab.law = lambda trial, *of: by_variant(trial, *of) + 0.4 * luck(trial, "", "") * 1000
    lab.reports = ("ablation",)
    axis = Variants(baseline="main", variants=VARIANTS)
    folder, plan = lab.plan(task_zeros=1, orders=1, seeds=range(2), axes=(axis,))
    lab.run(folder, plan.trials)
    write_reports(folder)
    assert impossible(audit_study(folder.path)) == []
    text = (folder.report / "report.md").read_text("utf-8")
    found = re.search(
        r"Image AUROC[^;]*0 of 2 comparisons have a verdict; largest difference: (\w+)", text
    )
    assert found is not None
    records = read(folder.path).of_metric("image_auroc")
    for name in ("low", "alike"):
        trials = [t.key for t in plan.trials if t.axes["variant"] in ("main", name)]
        may_be = allowed("reports.verdicts.sentences", trials, records)
        assert may_be is not None and may_be.admits(name) == (name == found[1])


LABELS = [
    ("ablation", r'(id="table-contrasts-image_auroc">\s*<figcaption>)(Image AUROC)(,)'),
    ("task0", r'(id="table-task0_verdicts".*?<th[^>]*>)(Image AUROC)(<)'),
]


@pytest.mark.parametrize(("kind", "pattern"), LABELS)
def test_a_table_that_is_called_by_another_metric_is_found(
    study: Callable[[str], StudyFolder], kind: str, pattern: str
) -> None:
    found = replaced(study(kind), pattern, "Pixel AP")
    assert any("the page says Pixel AP, and the table is of image_auroc" in one for one in found)


def test_lines_of_pairs_that_the_ledger_has_no_more_are_found(
    study: Callable[[str], StudyFolder],
) -> None:
    folder = study("ablation")
    plan = plan_of(folder)
    for trial in plan.trials:
        if trial.axes["variant"] == "low":
            folder.record(trial.key).unlink()
    found = impossible(audit_study(folder.path))
    by_class = "contrasts_by_class-image_auroc.csv line 2: is no line of"
    assert any(by_class in one and "no seed has both settings" in one for one in found)
