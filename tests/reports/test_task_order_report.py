"""Laws of the task-order report, on studies with chosen numbers."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from moleflow.config import Config
from moleflow.errors import StoreError, StudyError
from moleflow.metrics.catalogue import COLUMNS, METRICS
from orchestration.records.layout import StudyFolder
from orchestration.records.ledger import Ledger, Span
from orchestration.studies.axes import Grid
from orchestration.studies.expansion import Trial
from reports.document import Written
from reports.evidence import load
from reports.provenance import SYNTHETIC, UNTRAINED, facts
from reports.writing import write_reports

pytestmark = pytest.mark.slow


def write(folder: StudyFolder) -> Written:
    (written,) = write_reports(folder)
    return written


def html(folder: StudyFolder) -> str:
    return write(folder).html.read_text(encoding="utf-8")


def text_of(page: str) -> str:
    """What a reader sees: no markup, one space between words."""
    words: list[str] = []
    parser = HTMLParser()
    parser.handle_data = words.append
    parser.feed(re.sub(r"<(style|script)\b.*?</\1>|</?span[^>]*>", "", page, flags=re.DOTALL))
    return " ".join(" ".join(words).split())


def csv(folder: StudyFolder, name: str) -> pd.DataFrame:
    return pd.read_csv(folder.report / "tables" / f"{name}.csv")


def by_seed(trial: Trial, metric: str, class_name: str, step: int) -> float:
    return 0.9 if trial.seed == 0 else 0.8


def by_task0(trial: Trial, metric: str, class_name: str, step: int) -> float:
    return 0.9 if trial.sequence[0] == ("bottle",) else 0.8


@pytest.fixture(scope="module")
def report(make_lab, tmp_path_factory) -> Written:
    """Two task 0s, two orders each, two seeds: 0.9 with seed 0 and 0.8 with seed 1."""
    lab = make_lab(tmp_path_factory.mktemp("finished"))
    lab.law = by_seed
    folder, plan = lab.plan()
    lab.run(folder, plan.trials)
    return write(folder)


@pytest.fixture(scope="module")
def page(report) -> str:
    return report.html.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def finished(report) -> StudyFolder:
    """Folder of the study that `report` is about."""
    return StudyFolder(report.html.parent.parent)


def test_main_table_shows_hand_computed_mean_and_deviation(page):
    # 4 x 0.9 and 4 x 0.8: mean 0.85, sd sqrt(8 * 0.05^2 / 7) = 0.05345.
    assert "Image AUROC 85.00 ± 5.35 80.00 to 90.00 8 4 of 4" in text_of(page)


def test_headline_is_the_main_table_within_100_columns(report):
    headline = report.headline
    assert re.search(r"Image AUROC +85\.00 ± 5\.35", headline)
    assert max(map(len, headline.splitlines())) <= 100


def test_deviation_by_task_zero_is_over_seeds(finished):
    line = csv(finished, "by_task0").query("metric == 'image_auroc'").iloc[0]
    assert (line["n"], line["trials"]) == (2, 4)
    assert line["sd"] == pytest.approx(0.1 / 2**0.5)


def test_a_seed_without_every_order_is_left_out_of_task_zeros_mean_and_counted(lab):
    lab.law = by_seed
    folder, plan = lab.plan(task_zeros=1)
    done = [t for t in plan.trials if t.seed == 0] + [t for t in plan.trials if t.seed == 1][:1]
    lab.run(folder, done)
    page = text_of(html(folder))
    assert csv(folder, "by_task0")["mean"].tolist() == pytest.approx([0.9] * len(COLUMNS))
    assert "bottle 1 1 left out: orders missing 3 90.00 ± –" in page


def test_deviation_with_one_seed_is_a_dash(lab):
    folder, plan = lab.plan(seeds=(0,))
    lab.run(folder, plan.trials)
    page = text_of(html(folder))
    assert csv(folder, "by_order")["sd"].isna().all()
    assert "bottle 1 2 90.00 ± –" in page


def test_intervals_begin_at_three_seeds(lab):
    lab.law = lambda trial, *_: 0.8 + 0.01 * trial.seed
    folder, plan = lab.plan(task_zeros=1, orders=1, seeds=(0, 1, 2))
    lab.run(folder, plan.trials)
    write(folder)
    line = csv(folder, "main").set_index("metric").loc["image_auroc"]
    # Mean 0.81, sd 0.01 over n = 3 seeds: half width 4.303 * 0.01 / sqrt(3).
    assert line["interval_high"] - line["mean"] == pytest.approx(0.02484, abs=1e-5)


def test_two_seeds_claim_no_significance(page, finished):
    assert "no statement about significance" in text_of(page)
    assert csv(finished, "main")["interval_low"].isna().all()


def test_failed_trials_are_listed_and_enter_no_mean(lab):
    lab.law = lambda trial, *_: 0.1 if trial.seed else 0.9
    folder, plan = lab.plan(task_zeros=1, orders=1)
    lab.run(folder, plan.trials[:1])
    lab.fail(folder, plan.trials[1], "loss is not finite", "diverged")
    page = text_of(html(folder))
    assert f"{plan.trials[1].key} diverged O1 1 adapter cable DivergedError loss is not" in page
    assert "2 planned: 1 finished, 1 diverged, 0 failed, 0 not run yet" in page
    assert csv(folder, "main")["mean"].tolist() == pytest.approx([0.9] * len(METRICS))


def test_trials_that_were_not_run_are_listed(lab):
    folder, plan = lab.plan(task_zeros=1, orders=1)
    lab.run(folder, plan.trials[:-1])
    html(folder)
    assert csv(folder, "not_run")["trial"].tolist() == [plan.trials[-1].key]


def test_records_outside_the_plan_are_counted_and_left_out(lab):
    folder, plan = lab.plan(task_zeros=1, orders=1)
    lab.run(folder, plan.trials)
    Ledger(folder).write(lab.record(plan.trials[0]).model_copy(update={"key": "stray"}))
    page = text_of(html(folder))
    assert "1 in the ledger that this plan does not ask for" in page
    assert csv(folder, "main")["n"].tolist() == [2] * len(METRICS)


def test_class_names_are_escaped(lab):
    lab.classes = ("a_b", "<script>alert(1)</script>", "$\\frac$", "p|q")
    folder, plan = lab.plan(task_zeros=2, orders=1)
    lab.run(folder, plan.trials[:-1])
    lab.fail(folder, plan.trials[-1], "<img src=x onerror=alert(1)>")
    report = write(folder)
    page = report.html.read_text(encoding="utf-8")
    assert "<script>alert" not in page and "<img" not in page
    assert page.count("<script") == 2  # our own two
    assert "&lt;script&gt;" in page
    assert "<script" not in report.markdown.read_text(encoding="utf-8")
    assert r"a\_b" in (folder.report / "tables" / "by_class.tex").read_text(encoding="utf-8")


def test_two_writes_give_the_same_bytes(finished):
    def contents() -> dict[Path, bytes]:
        write(finished)
        files = sorted(path for path in finished.report.rglob("*") if path.is_file())
        return {path: path.read_bytes() for path in files}

    first = contents()
    assert first == contents()
    assert {path.suffix for path in first} == {
        ".html",
        ".md",
        ".csv",
        ".json",
        ".tex",
        ".svg",
        ".png",
    }


def test_the_page_needs_no_other_file_and_no_network(page):
    assert not re.search(r"https?:|@import|<link|\bsrc=", page)


def test_every_link_of_the_page_leads_somewhere(page, finished):
    ids = set(re.findall(r'\bid="([^"]*)"', page))
    links = re.findall(r'<a href="([^"]*)"', page)
    assert len(links) > 20
    for link in links:
        assert link[1:] in ids if link.startswith("#") else (finished.report / link).is_file()


def test_ids_in_the_page_are_unique(page):
    ids = re.findall(r'\bid="([^"]*)"', page)
    assert len(ids) == len(set(ids))


def test_equal_hashes_are_counted_as_bit_identical(page):
    page = text_of(page)
    assert "16 of 16 banks, 16 of 16 classes’ scores, 4 of 4 bases" in page
    assert "n = 4 groups" in page


def test_a_bank_that_differs_between_orders_is_reported(lab):
    folder, plan = lab.plan(task_zeros=1, seeds=(0,))
    lab.hashes[plan.trials[0].key] = {"bank cable": "other"}
    lab.run(folder, plan.trials)
    page = text_of(html(folder))
    assert "3 of 4 banks" in page
    (line,) = csv(folder, "invariance_mismatches").to_dict("records")
    assert line["name"] == "bank cable"
    assert plan.trials[0].key in (line["trial"], line["other_trial"])


def test_without_pairs_invariance_says_there_was_nothing_to_compare(lab):
    folder, plan = lab.plan(orders=1, seeds=(0,))
    lab.run(folder, plan.trials)
    assert "there was nothing to compare" in text_of(html(folder))


@pytest.mark.parametrize("field", ["freeze_base", "seeding"])
def test_banks_that_depend_on_the_order_by_design_are_not_called_mismatches(lab, field):
    value = {"freeze_base": False, "seeding": "positional"}[field]
    lab.config = Config().updated({field: value})
    folder, plan = lab.plan(task_zeros=1, seeds=(0,))
    lab.hashes[plan.trials[0].key] = {"bank cable": "other"}
    lab.run(folder, plan.trials)
    page = text_of(html(folder))
    assert "in 2 of the trials" in page and "depend on the order by design" in page
    assert not (folder.report / "tables" / "invariance_mismatches.csv").exists()


def test_if_only_task_zero_matters_variance_and_disparity_say_so(lab):
    lab.law = by_task0
    folder, plan = lab.plan()
    lab.run(folder, plan.trials)
    write(folder)
    table = csv(folder, "variance").query("metric == 'image_auroc'").set_index("source")
    assert table.loc["task 0", "share"] == pytest.approx(1.0)
    assert table.loc["order within task 0", "share"] == pytest.approx(0.0)
    table = csv(folder, "disparity").query("metric == 'image_auroc'").set_index("scope")
    assert table.loc["all orders", "aopd"] == pytest.approx(0.1)
    assert table.loc["same task 0", "aopd"] == pytest.approx(0.0)


@pytest.mark.parametrize("weights", ["random", "pretrained"])
def test_untrained_backbone_is_announced_iff_weights_are_random(lab, weights):
    lab.weights = weights
    folder, plan = lab.plan(task_zeros=1, orders=1, seeds=(0,))
    lab.run(folder, plan.trials)
    report = write(folder)
    untrained = weights == "random"
    assert (UNTRAINED in report.html.read_text(encoding="utf-8")) == untrained
    assert (UNTRAINED in report.markdown.read_text(encoding="utf-8")) == untrained
    assert ("backbone is untrained" in report.headline) == untrained


@pytest.mark.parametrize("data", ["synthetic", "folder"])
def test_synthetic_data_is_announced_iff_it_is(lab, data):
    folder, _ = lab.plan(data=data)
    assert (SYNTHETIC in html(folder)) == (data == "synthetic")


def test_a_class_without_masks_is_a_dash_and_the_mean_says_over_how_many(lab):
    lab.without_masks = frozenset({"cable"})
    folder, plan = lab.plan(task_zeros=1, orders=1)
    lab.run(folder, plan.trials)
    page = text_of(html(folder))
    assert "Pixel AP 90.00 ± 0.00 90.00 to 90.00 2 3 of 4" in page
    assert "cable 2 90.00 ± 0.00 90.00 ± 0.00 – – – 90.00 ± 0.00" in page


def test_no_finished_trial_is_said(lab):
    folder, _ = lab.plan()
    report = write(folder)
    assert "No trial has finished" in report.html.read_text(encoding="utf-8")
    assert "No trial has finished" in report.headline


def test_settings_of_a_grid_are_reported_apart(lab):
    lab.law = lambda trial, *_: 0.9 if trial.axes["dia.blocks"] == "2" else 0.5
    axes = (Grid(field="dia.blocks", values=(0, 2)),)
    folder, plan = lab.plan(axes=axes, task_zeros=1, orders=1, seeds=(0,))
    lab.run(folder, plan.trials)
    page = text_of(html(folder))
    assert "Setting 1: dia.blocks = 0" in page
    assert "Setting 2: dia.blocks = 2" in page
    assert set(csv(folder, "main-setting1")["max"]) == {0.5}
    assert set(csv(folder, "main-setting2")["max"]) == {0.9}


def test_routing_counts_are_summed_over_trials_by_name(page, finished):
    table = csv(finished, "confusion").set_index(["class", "task"])["images"]
    assert table["bottle", "bottle"] == 8 * 20
    assert table["bottle", "cable"] == 0
    assert "Smallest margin between the best wrong task and the true one: 12.5" in text_of(page)


def test_r_matrix_table_holds_every_entry_once(finished):
    table = csv(finished, "r_matrix").query("metric == 'image_auroc' and routing == 'routed'")
    assert len(table) == 4 * (4 * 5 // 2)
    assert set(table["n"]) == {2}


def test_at_most_six_r_matrices_are_drawn(lab):
    folder, plan = lab.plan(task_zeros=4, orders=2, seeds=(0,))
    lab.run(folder, plan.trials)
    assert "6 of 8 orders drawn" in text_of(html(folder))


def test_a_study_that_was_not_planned_is_named(lab):
    with pytest.raises(StudyError, match="no such study"):
        write(lab.root.study("nothing"))


def test_a_damaged_plan_is_named_with_the_remedy(lab):
    folder, _ = lab.plan()
    folder.asked.write_text("{", encoding="utf-8")
    with pytest.raises(StoreError, match="run the study again"):
        write(folder)


def test_making_a_report_imports_no_torch_ray_or_mlflow():
    code = (
        "import sys, reports.writing, reports.kinds.task_order\n"
        "print([n for n in ('torch', 'ray', 'mlflow') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_report_says_where_its_pages_are(report, finished):
    assert report.html == finished.report / "index.html" and report.html.exists()
    assert report.markdown == finished.report / "report.md" and report.markdown.exists()


def test_pauses_between_attempts_are_not_time_at_work(lab):
    folder, plan = lab.plan(task_zeros=1, orders=1, seeds=(0, 1))
    spans = [((0.0, 3600.0), (36000.0, 39600.0)), ((1800.0, 5400.0),)]
    for trial, own in zip(plan.trials, spans, strict=True):
        known = tuple(Span(started=a, ended=b) for a, b in own)
        times = {"started": own[0][0], "ended": own[-1][1], "spans": known}
        Ledger(folder).write(lab.record(trial).model_copy(update=times))
    told = dict(facts(load(folder)))
    assert told["Wall span"].endswith("(11.0 h, trials at work in 2.5 h of them)")
