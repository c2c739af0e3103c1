"""Laws of the ablation report, on ledgers whose truth is known."""

import json
import math
import re

import pandas as pd
import pytest

from moleflow.config import Config
from orchestration.records.layout import StudyFolder
from orchestration.records.ledger import Ledger
from orchestration.studies.axes import Grid, Orders, Variants
from orchestration.studies.expansion import Trial
from orchestration.studies.study import Study
from reports.digits import at_work, from_to, rounded
from reports.evidence import load
from reports.writing import write_reports
from tests.reports.audited import changed, wrong
from tests.reports.conftest import Lab

pytestmark = pytest.mark.slow

AXIS = Variants(
    baseline="main",
    variants={
        "main": {},
        "no tail": {"loss.tail_weight": 0.0},
        "no mixer": {"mixer.kernel": 0},
        "rank 16": {"lora.rank": 16},
        "no dia": {"dia.blocks": 0},
    },
)
EFFECTS = {"no tail": -0.05, "no mixer": 0.03, "rank 16": 0.0, "no dia": 0.0}


def by_variant(trial: Trial, metric: str, class_name: str, step: int) -> float:
    """A seed's luck is shared by its variants; `no dia` has luck of its own, `rank 16` none."""
    variant = trial.axes["variant"]
    luck = 0.004 * math.sin(37.0 * trial.seed + len(class_name))
    own = 0.02 * math.sin(91.0 * trial.seed + 1) if variant == "no dia" else 0.0
    jitter = 0.0004 * math.sin(11.0 * trial.seed + len(variant)) if variant != "rank 16" else 0.0
    return 0.9 + luck + own + EFFECTS.get(variant, 0.0) + (jitter if variant != "main" else 0.0)


@pytest.fixture(scope="module")
def study(make_lab, tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    lab = make_lab(tmp_path_factory.mktemp("lab"))
    lab.reports, lab.law = ("ablation",), by_variant
    folder, plan = lab.plan(task_zeros=1, orders=2, seeds=range(5), axes=(AXIS,))
    lab.run(folder, plan.trials)
    write_reports(folder)
    return folder


def contrasts(folder: StudyFolder, metric: str = "image_auroc") -> pd.DataFrame:
    path = folder.report / "tables" / f"contrasts-{metric}.csv"
    return pd.read_csv(path).set_index("setting")


def test_verdicts_are_those_of_the_effects_that_were_put_in(study: StudyFolder) -> None:
    found = contrasts(study)["verdict"].to_dict()
    assert found == {
        "variant = no tail": "worse",
        "variant = no mixer": "better",
        "variant = rank 16": "no-op",
        "variant = no dia": "undecided",
    }


def test_seeds_repeat_and_orders_do_not(study: StudyFolder) -> None:
    assert set(contrasts(study)["seeds"]) == {5} and set(contrasts(study)["pairs"]) == {10}


def test_a_difference_is_that_of_paired_seeds(study: StudyFolder) -> None:
    line = contrasts(study).loc["variant = no tail"]
    assert line["difference"] == pytest.approx(-0.05, abs=0.0005)
    assert line["interval_low"] < line["difference"] < line["interval_high"]


def test_undecided_says_how_many_seeds_would_tell(study: StudyFolder) -> None:
    line = contrasts(study).loc["variant = no dia"]
    low, more, high = (line[f"seeds_to_decide{end}"] for end in ("_low", "", "_high"))
    page = (study.report / "report.md").read_text(encoding="utf-8")
    assert 0 < low < more < high
    told = [rounded(int(more), round), from_to(int(low), int(high))]
    said = f"; no dia: about {told[0]} more seeds would most likely tell, {told[1]}, each "
    assert said in page


def test_what_a_seed_more_costs_is_what_its_trials_took(study: StudyFolder) -> None:
    evidence = load(study)
    (pairs,) = (s for s in evidence.settings if s.label == "variant = no dia")
    took = sum(record.working_seconds for record in pairs.finished)
    baseline = sum(record.working_seconds for record in evidence.settings[0].finished)
    line = contrasts(study).loc["variant = no dia"]
    assert line["seconds_per_seed"] == pytest.approx((took + baseline) / 5)
    minutes = line["seeds_to_decide"] * line["seconds_per_seed"] / 60
    assert line["minutes_to_decide"] == pytest.approx(minutes)
    page = (study.report / "report.md").read_text(encoding="utf-8")
    assert f", each {at_work(line['seconds_per_seed'])} of work; no-op" in page


def test_a_variant_that_changes_no_number_is_told(study: StudyFolder) -> None:
    page = (study.report / "report.md").read_text(encoding="utf-8")
    assert "rank 16: no effect: all numbers equal" in page
    assert page.count("no effect: all numbers") == 1


def test_a_no_op_has_none_of_the_verdicts_and_is_counted_apart(study: StudyFolder) -> None:
    assert contrasts(study).loc["variant = rank 16", "verdict"] == "no-op"
    page = (study.report / "report.md").read_text(encoding="utf-8").replace("\\", "")
    (told,) = re.findall(r"^- Image AUROC against main .*$", page, re.M)
    assert " of 3 comparisons have a verdict" in told and "equivalent: rank 16" not in told
    assert told.endswith("; no-op, with the baseline’s numbers to the bit: rank 16.")
    assert " of 3 variants have a verdict; no-op, with the baseline’s" in page
    assert "| rank 16 | no-op |" in page


def test_a_no_op_beats_nothing_by_the_clock(lab) -> None:
    """It is the fastest; another setting has its numbers, and the costs of all are the same."""
    lab.reports, lab.law = ("ablation",), by_variant
    folder, plan = lab.plan(task_zeros=1, orders=1, seeds=range(3), axes=(AXIS,))
    for trial in plan.trials:
        record = lab.record(trial)
        slow = 1.0 - 0.5 * (trial.axes["variant"] == "rank 16")
        took = {stage: slow * seconds for stage, seconds in record.seconds.items()}
        sizes = {"base": 100, "bank": 10}
        Ledger(folder).write(record.model_copy(update={"seconds": took, "parameters": sizes}))
    write_reports(folder)
    found = pd.read_csv(folder.report / "tables" / "pareto.csv").set_index("setting")["beaten_by"]
    assert math.isnan(found["variant = rank 16"])
    assert found["variant = main"] == 2  # by those that are better, and not by the clock
    page = (folder.report / "report.md").read_text(encoding="utf-8").replace("\\", "")
    assert (
        "1 of 4: no mixer." in page
        and "Not drawn: no-op, with the baseline’s numbers to the bit: rank 16." in page
    )
    assert wrong(folder) == []


def test_the_same_training_under_another_config_is_told(lab) -> None:
    lab.reports, lab.law = ("ablation",), lambda trial, *_: 0.9 + trial.config.scoring.top_k / 1e3
    axis = Grid(field="scoring.top_k", values=(3, 5))
    folder, plan = lab.plan(task_zeros=1, orders=1, seeds=(0, 1), axes=(axis,))
    for trial in plan.trials:
        record = lab.record(trial)
        kept = {"base": "b", "bank cable": f"same{trial.seed}"}
        Ledger(folder).write(record.model_copy(update={"hashes": kept}))
    write_reports(folder)
    page = (folder.report / "report.md").read_text(encoding="utf-8")
    assert "k = 5: trained weights equal the baseline’s to the bit" in page


def test_a_pair_that_lacks_one_side_is_left_out_and_counted(lab) -> None:
    lab.reports, lab.law = ("ablation",), by_variant
    folder, plan = lab.plan(task_zeros=1, orders=2, seeds=range(4), axes=(AXIS,))
    lost = next(t for t in plan.trials if t.axes["variant"] == "no tail" and t.seed == 3)
    lab.run(folder, [trial for trial in plan.trials if trial is not lost])
    lab.fail(folder, lost, "loss is not finite", "diverged")
    write_reports(folder)
    line = contrasts(folder).loc["variant = no tail"]
    assert line["seeds"] == 3 and line["pairs_left_out"] == 1
    page = (folder.report / "report.md").read_text(encoding="utf-8")
    assert "of 8 trials: 1 diverged" in page
    assert (line["finished"], line["diverged"], line["not_run"]) == (7, 1, 0)


def test_a_study_without_its_baseline_compares_nothing_and_says_so(lab) -> None:
    lab.reports = ("ablation",)
    axis = Grid(field="lora.rank", values=(8, 16))
    folder, plan = lab.plan(task_zeros=1, orders=1, axes=(axis,))
    lab.run(folder, plan.trials)
    write_reports(folder)
    page = (folder.report / "report.md").read_text(encoding="utf-8")
    assert "does not run its baseline" in page
    assert not list((folder.report / "tables").glob("contrasts-*"))


def test_every_line_names_the_trials_that_it_rests_on(study: StudyFolder) -> None:
    path = study.report / "tables" / "contrasts-image_auroc.sources.json"
    sources = json.loads(path.read_text(encoding="utf-8"))
    assert "contrast_table" in json.dumps(sources)


def test_every_number_of_the_report_is_found_a_second_time(study: StudyFolder) -> None:
    assert wrong(study) == []


@pytest.mark.parametrize("column", ["difference", "interval_low", "p_equivalence_holm", "margin"])
def test_a_changed_number_of_a_contrast_is_found(study: StudyFolder, column: str) -> None:
    path = study.report / "tables" / "contrasts-image_auroc.csv"
    with changed(path, 5, column, lambda value: value * 1.0001 + 1e-7) as place:
        assert any(place in one for one in wrong(study))


@pytest.mark.parametrize("end", ["", "_low", "_high"])
def test_other_numbers_of_seeds_to_decide_are_found(study: StudyFolder, end: str) -> None:
    path = study.report / "tables" / "contrasts-image_auroc.csv"
    (line,) = [i for i, name in enumerate(contrasts(study).index, start=2) if "dia" in name]
    with changed(path, line, f"seeds_to_decide{end}", lambda value: value + 5) as place:
        assert any(place in one for one in wrong(study))


def ranking(folder: StudyFolder) -> pd.DataFrame:
    path = folder.report / "tables" / "ranking-image_auroc.csv"
    return pd.read_csv(path).set_index("setting")


def test_many_variants_are_ranked_by_what_was_put_in(study: StudyFolder) -> None:
    found = ranking(study)
    assert found["average_rank"].idxmin() == "variant = no mixer"
    assert found["average_rank"].idxmax() == "variant = no tail"
    # Equal in every run, so they share their places, and a run of one is above half of the other's.
    equal = found.loc[["variant = main", "variant = rank 16"]]
    assert equal["average_rank"].nunique() == 1 and equal["interquartile_mean"].nunique() == 1
    assert found.loc["variant = rank 16", "improvement"] == 0.5
    assert found.loc["variant = no mixer", "improvement"] == 1.0


@pytest.mark.parametrize("column", ["average_rank", "interval_low", "improvement_high"])
def test_a_changed_number_of_a_ranking_is_found(study: StudyFolder, column: str) -> None:
    path = study.report / "tables" / "ranking-image_auroc.csv"
    with changed(path, 3, column, lambda value: value * 1.0001) as place:
        assert any(place in one for one in wrong(study))


def test_the_baseline_under_another_name_is_no_variant(lab) -> None:
    lab.reports, lab.law = ("ablation",), by_variant
    named = {"main": {}, "again": {}, "no tail": {"loss.tail_weight": 0.0}}
    axis = AXIS.model_copy(update={"variants": named})
    folder, plan = lab.plan(task_zeros=1, orders=1, seeds=range(3), axes=(axis,))
    lab.run(folder, plan.trials)
    write_reports(folder)
    assert list(contrasts(folder).index) == ["variant = no tail"]
    assert wrong(folder) == []


def test_few_settings_are_not_ranked(lab) -> None:
    lab.reports, lab.law = ("ablation",), by_variant
    few = AXIS.model_copy(update={"variants": dict(list(AXIS.variants.items())[:3])})
    folder, plan = lab.plan(task_zeros=1, orders=1, seeds=range(3), axes=(few,))
    lab.run(folder, plan.trials)
    write_reports(folder)
    assert not list((folder.report / "tables").glob("rank*"))


def test_where_nothing_is_decided_the_largest_difference_is_told(lab) -> None:
    def law(trial: Trial, metric: str, c: str, step: int) -> float:
        far = {"no tail": 0.05, "main": 0.0}.get(trial.axes["variant"], 0.01)
        return 0.8 + far * trial.seed

    lab.reports, lab.law = ("ablation",), law
    few = AXIS.model_copy(update={"variants": dict(list(AXIS.variants.items())[:3])})
    folder, plan = lab.plan(task_zeros=1, orders=1, seeds=range(2), axes=(few,))
    lab.run(folder, plan.trials)
    told = write_reports(folder)[0].headline.replace("\n", " ")
    assert "0 of 2 comparisons have a verdict; largest difference: no tail (2.50 points)" in told
    assert wrong(folder) == []


def test_a_class_differs_as_its_numbers_do(study: StudyFolder) -> None:
    found = pd.read_csv(study.report / "tables" / "contrasts_by_class-image_auroc.csv")
    tail = found[found["setting"] == "variant = no tail"]
    assert set(tail["class"]) == {"bottle", "cable", "hazelnut", "metal_nut"}
    assert tail["difference"].to_numpy() == pytest.approx(-0.05, abs=0.001)


def test_what_nothing_beats_is_said(lab) -> None:
    """Of two equals the cheaper one; the better one whatever it costs."""
    lab.reports, lab.law = ("ablation",), by_variant
    folder, plan = lab.plan(task_zeros=1, orders=1, seeds=(0, 1), axes=(AXIS,))
    for trial in plan.trials:
        size = 100 if trial.axes["variant"] in ("main", "no mixer") else 50
        record = lab.record(trial).model_copy(update={"parameters": {"base": size, "bank": 10}})
        Ledger(folder).write(record)
    write_reports(folder)
    found = pd.read_csv(folder.report / "tables" / "pareto.csv").set_index("setting")
    assert found.loc["variant = no mixer", "beaten_by"] == 0
    assert found.loc["variant = main", "beaten_by"] > 0
    assert found.loc["variant = main", "parameters"] == 100 + 4 * 10
    assert wrong(folder) == []


def test_each_part_of_a_union_is_compared_with_its_own_baseline_though_it_is_run_once(lab) -> None:
    """The baseline is one trial a seed, and stands in the tables of both parts under its names."""
    lab.law = lambda trial, *_: 0.9 - 0.05 * trial.config.loss.tail_ratio + trial.seed / 1e3
    grid = Grid(field="loss.tail_ratio", values=(0.02, 0.5))
    parts = {
        "components": Study(question="?", base=Config(), axes=(AXIS,), seeds=(0, 1, 2)),
        "ratios": Study(question="?", base=Config(), axes=(grid,), seeds=(0, 1, 2)),
    }
    union = Study.union("Both?", parts, reports=("ablation",))
    folder, plan = lab.planned(union, "both")
    assert len(plan.trials) == 18 and sum(bool(trial.also) for trial in plan.trials) == 3
    lab.run(folder, plan.trials)
    write_reports(folder)
    tables = sorted((folder.report / "tables").glob("contrasts-image_auroc*.csv"))
    assert [path.stem for path in tables] == [
        "contrasts-image_auroc-part1",
        "contrasts-image_auroc-part2",
    ]
    first, second = (pd.read_csv(path) for path in tables)
    assert set(first["baseline"]) == {"variant = main, part = components"} and len(first) == 4
    assert list(second["setting"]) == ["loss.tail_ratio = 0.5, part = ratios"]
    assert list(second["baseline"]) == ["loss.tail_ratio = 0.02, part = ratios"]
    assert second["difference"].iloc[0] == pytest.approx(-0.05 * 0.48)
    page = (folder.report / "report.md").read_text(encoding="utf-8")
    assert "components" in page and "ratios" in page
    assert wrong(folder) == []


MANY = {f"v{i}": {"loss.tail_ratio": 0.02 + i / 100} for i in range(1, 9)}


@pytest.fixture(scope="module")
def many(make_lab, tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    """Parts of eight variants each, and one that changes nothing; the last has not run."""
    lab = make_lab(tmp_path_factory.mktemp("many"))
    gain = {i: (0.01 * i if i < 6 else -0.01) for i in range(1, 9)}
    lab.law = lambda trial, *_: (
        0.8
        + trial.seed / 1e3
        + gain.get(round(100 * trial.config.loss.tail_ratio) - 2, 0.0)
        + 1e-5 * (int(trial.key[:4], 16) % 7)
    )
    axis = AXIS.model_copy(update={"variants": {"main": {}, "rank": {"lora.rank": 32}, **MANY}})
    parts = {
        name: Study(question="?", base=Config(dia={"blocks": blocks}), axes=(axis,), seeds=range(3))
        for name, blocks in (("deep", 4), ("flat", 1))
    }
    union = Study.union("Which?", parts, reports=("ablation",))
    folder, plan = lab.planned(union, "many")
    lab.run(folder, [t for t in plan.trials if t.axes["variant"] != "v8"])
    write_reports(folder)
    return folder


def test_the_answer_is_a_sentence_per_metric_however_many_variants_a_union_has(
    many: StudyFolder,
) -> None:
    """The largest differences are named with their part, the others are counted."""
    page = (many.report / "report.md").read_text(encoding="utf-8")
    head = page[: page.index("\n## ")]
    points = [line for line in head.splitlines() if line.startswith("- ")]
    assert len(points) == 2 * len(load(many).concluded) and max(map(len, points)) < 500
    assert head.count("too: not known (trials kept no scores that tell it)") == 2
    told = points[0].replace("\\", "")
    assert (
        "): 16 of 16 comparisons have a verdict; better: deep: v5 (" in told
        or "better: flat: v5 (" in told
    )
    assert told.count(" points),") + told.count(" points) ") + told.count(" points);") == 3 + 3 + 2
    assert " and 7 more; worse: " in told and " and 1 more; equivalent: " in told
    assert "for want of finished pairs: deep: v8, flat: v8." in told
    assert wrong(many) == []


def test_a_part_is_not_named_on_each_line_of_its_own_table(many: StudyFolder) -> None:
    page = (many.report / "report.md").read_text(encoding="utf-8").replace("\\", "")
    own = page[page.index("## deep") : page.index("## What it costs")]
    assert "part = " not in own and "deep: " not in own and "| v5 |" in own
    assert "| deep: v5 |" in page[page.index("## What it costs") :]


def test_an_order_study_in_a_union_has_the_trials_that_other_parts_ask_for_too(lab) -> None:
    base = Study(question="?", base=Config(), classes=lab.classes, seeds=(0, 1))
    orders = base.model_copy(update={"axes": (Orders(count=2),)})
    folder, plan = lab.planned(Study.union("?", {"noise": base, "orders": orders}), "u")
    lab.run(folder, plan.trials)
    sizes = {setting.label: len(setting.finished) for setting in load(folder).settings}
    assert sizes == {"part = noise": 2, "part = orders": 4}


def test_nothing_stays_of_a_report_before(lab) -> None:
    lab.reports, lab.law = ("ablation",), by_variant
    folder, plan = lab.plan(task_zeros=1, orders=1, seeds=(0, 1), axes=(AXIS,))
    lab.run(folder, plan.trials)
    stale = folder.report / "tables" / "contrasts-of-yesterday.csv"
    stale.parent.mkdir(parents=True)
    stale.write_text("metric\n")
    write_reports(folder)
    assert not stale.exists() and (stale.parent / "contrasts-image_auroc.csv").exists()


def test_settings_of_which_no_seed_has_finished_in_all_are_in_no_ranking(lab: Lab) -> None:
    lab.reports, lab.law = ("ablation",), by_variant
    folder, plan = lab.plan(task_zeros=1, orders=1, seeds=range(2), axes=(AXIS,))
    lost = {("no tail", 0), ("no mixer", 1)}
    lab.run(folder, (t for t in plan.trials if (t.axes["variant"], t.seed) not in lost))
    write_reports(folder)
    assert not list(folder.report.rglob("ranking-*.csv")) and wrong(folder) == []
