"""The part of the task-order report on all orders, on studies with chosen numbers."""

import itertools
import re
import statistics
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from orchestration.records.all_orders import AllOrders, ClassInOrders, write_kept
from orchestration.records.layout import Root, StudyFolder
from orchestration.studies.expansion import Trial
from reports.all_orders import COLUMNS
from reports.audit import known_tasks
from reports.audit.order_effects import MOST_DRAWN
from reports.audit.study import audit_study
from reports.order_choice import share_better
from reports.statistics.orders import drawn
from reports.writing import write_reports
from tests.reports.audited import changed, impossible, unchecked, wrong
from tests.reports.conftest import METRICS, Lab

pytestmark = pytest.mark.slow


def keep(
    folder: StudyFolder, trial: Trial, value: Callable[[str], float], pixel_ap: float | None = None
) -> None:
    """What a trial keeps where the router makes no mistake; pixel AP may be one for all classes."""
    same = {} if pixel_ap is None else {"pixel_ap": pixel_ap}
    tasks = tuple("+".join(task) for task in trial.sequence)
    classes = tuple(
        ClassInOrders(
            name=name,
            task="+".join(task),
            rivals=(),
            choice=(0,),
            values={m: (same.get(m, value(name)),) for m in (*METRICS, "routing_accuracy")},
            without={},
        )
        for task in trial.sequence
        for name in task
    )
    kept = AllOrders(trial=trial.key, tasks=tasks, classes=classes)
    folder.artifacts(trial.key).mkdir(parents=True)
    write_kept(folder.artifacts(trial.key), kept)


def by_class(name: str) -> float:
    return {"bottle": 0.9, "cable": 0.8, "hazelnut": 0.7, "metal_nut": 0.6}[name]


@pytest.fixture(scope="module")
def study(make_lab: Callable[[Path], Lab], tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    """Two task 0s, two orders and two seeds, every class with one number wherever it stands; one
    trial keeps a damaged file."""
    lab = make_lab(tmp_path_factory.mktemp("study"))
    lab.law = lambda trial, metric, c, step: by_class(c)
    folder, plan = lab.plan()
    lab.run(folder, plan.trials)
    for trial in plan.trials:
        keep(folder, trial, by_class)
    damaged = folder.artifacts(plan.trials[0].key) / "all_orders.json"
    damaged.write_bytes(damaged.read_bytes().replace(b"0.9", b"0.8"))
    write_reports(folder)
    return folder


def test_pairs_of_which_nothing_was_kept_are_counted_and_another_count_is_found(lab: Lab) -> None:
    lab.law = lambda trial, metric, c, step: by_class(c)
    folder, plan = lab.plan()
    lab.run(folder, plan.trials)
    first = plan.trials[0]
    for trial in plan.trials:
        if (trial.sequence[0], trial.seed) != (first.sequence[0], first.seed):
            keep(folder, trial, by_class)
    (written, *_) = write_reports(folder)
    page = written.html.read_text(encoding="utf-8")
    assert page.count(">1 of 4 pairs</span> of task 0 and seed no trial kept") == 1
    assert wrong(folder) == []
    written.html.write_text(page.replace(">1 of 4 pairs<", ">2 of 4 pairs<"), encoding="utf-8")
    assert any("2 of 4 pairs" in one for one in wrong(folder))


def csv(folder: StudyFolder, name: str) -> pd.DataFrame:
    return pd.read_csv(folder.report / "tables" / f"{name}.csv")


def test_one_order_for_each_task_zero_is_compared_with_nothing(lab: Lab) -> None:
    lab.classes, lab.law = ("bottle", "cable"), lambda trial, metric, c, step: by_class(c)
    folder, plan = lab.plan(orders=1)
    lab.run(folder, plan.trials)
    for trial in plan.trials:
        keep(folder, trial, by_class)
    write_reports(folder)
    found = csv(folder, "order_spread")
    assert (found["orders"] == 1).all()
    assert found[["sd", "largest_range", "verdict"]].isna().all(axis=None)
    page = (folder.report / "report.md").read_text(encoding="utf-8")
    assert page.count("one order each: nothing to compare | – | – | – | 1 |") == len(found)
    assert "no order matters |" not in page and wrong(folder) == []


def test_all_orders_have_their_columns_and_hand_computed_numbers(study: StudyFolder) -> None:
    found = csv(study, "all_orders")
    assert tuple(found.columns) == COLUMNS
    lines = found.query("metric == 'image_auroc' and quantity == 'running_mean' and seed == 0")
    assert lines["task0"].tolist() == ["bottle", "cable"]
    # Best after bottle: cable, hazelnut, metal_nut: means .9, .85, .8, .75; worst the other way
    # round: .9, .75, .7333, .75.
    line = lines.iloc[0]
    assert line["orders"] == 6
    assert line["maximum"] == pytest.approx((0.9 + 0.85 + 0.8 + 0.75) / 4)
    assert line["minimum"] == pytest.approx((0.9 + 0.75 + 2.2 / 3 + 0.75) / 4)
    ends = found.query("quantity == 'final_mean'")
    assert (ends["minimum"] == ends["maximum"]).all() and (ends["sd"] == 0).all()


def test_sd_over_all_orders_is_divided_by_their_number_and_the_table_says_so(
    study: StudyFolder,
) -> None:
    def over_steps(order: tuple[float, ...]) -> float:
        return statistics.mean(statistics.mean((0.9, *order[:n])) for n in range(4))

    six = [over_steps(order) for order in itertools.permutations((0.8, 0.7, 0.6))]
    lines = csv(study, "all_orders").query("metric == 'image_auroc' and task0 == 'bottle'")
    sd = lines.query("quantity == 'running_mean'")["sd"].tolist()
    assert sd == pytest.approx([statistics.pstdev(six)] * 2)
    page = (study.report / "report.md").read_text("utf-8")
    (caption,) = re.findall(r"\*\*(Orders with one task 0 and seed.*?)\*\*", page)
    assert "(divided by their number, since they are all there are, and not by n − 1" in caption


def test_averaging_is_the_cause_where_the_router_makes_no_mistake(study: StudyFolder) -> None:
    found = csv(study, "order_causes").set_index(["metric", "source"])["sd"]
    for metric in ("image_auroc", "pixel_ap"):
        assert found[metric, "routing among the tasks known"] == pytest.approx(0, abs=1e-12)
        assert found[metric, "averaging"] == pytest.approx(found[metric, "all together"])
        assert found[metric, "averaging"] > 0.01


def test_best_and_worst_order_and_regret_of_the_alphabetical(study: StudyFolder) -> None:
    found = csv(study, "order_extremes").query("metric == 'image_auroc' and task0 == 'bottle'")
    assert found["best_order"].item() == "bottle > cable > hazelnut > metal_nut"
    assert found["worst_order"].item() == "bottle > metal_nut > hazelnut > cable"
    regret = csv(study, "order_regret").query("metric == 'image_auroc'").set_index("rule")
    assert regret.loc["alphabetical", "regret"] == 0 == regret.loc["alphabetical", "better_orders"]


def test_an_order_is_not_better_than_itself_by_rounding() -> None:
    assert share_better(np.array([0.1 + 0.2, 0.3, 0.4, 0.2]), 0.3) == 0.25


def test_the_audit_recomputes_what_is_said_of_orders_and_finds_what_was_changed(
    study: StudyFolder,
) -> None:
    def verdicts() -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for claim in audit_study(study.path)["claims"]:
            name = claim["claim"].split("/")[-1].split(".")[0]
            found.setdefault(name, set()).add(claim["verdict"])
        return {name: of for name, of in found.items() if name.startswith("order_")}

    names = ("order_spread", "order_extremes", "order_regret", "order_causes")
    assert verdicts() == {name: {"holds"} for name in names}
    for name, before, after in (
        ("order_spread", "inside the margin", "beyond the margin"),
        ("order_extremes", "metal_nut > hazelnut > cable", "hazelnut > metal_nut > cable"),
        ("order_regret", "alphabetical,bottle > cable", "alphabetical,cable > bottle"),
        ("order_causes", "averaging,0.0", "averaging,0.1"),
    ):
        path = study.report / "tables" / f"{name}.csv"
        whole = path.read_text(encoding="utf-8")
        changed = whole.replace(before, after)
        path.write_text(changed if changed != whole else whole.replace("beyond", "inside"))
        assert "cannot be true" in verdicts()[name], name
        path.write_text(whole, encoding="utf-8")


def test_a_trial_whose_numbers_are_not_those_derived_for_its_order_is_told_in_red(lab: Lab) -> None:
    folder, plan = lab.plan(task_zeros=1, orders=1, seeds=(0,))
    lab.run(folder, plan.trials)  # all 0.9, and derived are others
    keep(folder, plan.trials[0], by_class)
    write_reports(folder)
    page = (folder.report / "report.md").read_text("utf-8")
    assert f"in 1 trial ({plan.trials[0].key}): what is said of all orders here is not" in page


def test_a_damaged_file_is_told_and_another_trial_speaks_for_its_orders(
    study: StudyFolder,
) -> None:
    page = (study.report / "index.html").read_text(encoding="utf-8")
    assert "does not match its checksum" in page
    assert "8 of 8 trials" in page


def test_where_the_order_matters_by_design_orders_are_measured_and_none_is_derived(
    lab: Lab,
) -> None:
    lab.config = lab.config.updated({"freeze_base": False})
    lab.law = lambda trial, metric, c, step: 0.9 if trial.sequence[-1] == ("cable",) else 0.8
    folder, plan = lab.plan(task_zeros=1, orders=3, seeds=(0, 1, 2))
    lab.run(folder, plan.trials)
    write_reports(folder)
    assert not (folder.report / "tables" / "all_orders.csv").exists()
    found = csv(folder, "order_measured")
    assert set(found["verdict"]) == {"different"}
    assert found["range"].iloc[0] == pytest.approx(0.1)
    path = folder.report / "tables" / "order_measured.csv"
    assert wrong(folder) == []
    with (
        changed(path, 2, "upper", lambda value: value + 1e-6) as upper,
        changed(path, 2, "p", lambda value: value + 1e-6) as p,
        changed(path, 3, "p_equivalence", lambda value: value - 1e-6) as p_equivalence,
    ):
        told = "\n".join(wrong(folder))
        assert all(place in told for place in (upper, p, p_equivalence))


def test_the_audit_goes_through_every_order_and_finds_what_was_changed(study: StudyFolder) -> None:
    def verdicts() -> dict[str, int]:
        claims = audit_study(study.path)["claims"]
        of = [c["verdict"] for c in claims if "all_orders.csv" in c["claim"]]
        return {verdict: of.count(verdict) for verdict in of}

    assert verdicts() == {"holds": 1}
    path = study.report / "tables" / "all_orders.csv"
    whole = path.read_text(encoding="utf-8")
    line = next(line for line in whole.splitlines() if ",running_mean," in line)
    *front, last = line.split(",")
    path.write_text(whole.replace(line, ",".join([*front, str(float(last) + 0.001)])))
    assert verdicts() == {"holds": 1, "cannot be true": 1}
    path.write_text(whole, encoding="utf-8")


@pytest.mark.parametrize("tasks", [8, 10, 17])
def test_numbers_of_all_orders_are_found_again_of_tasks_too_many_to_go_through_all(
    tmp_path: Path, tasks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 8 tasks a report goes through every order, of 10 it has formulas, of 17 neither."""
    monkeypatch.setattr(drawn, "DERIVED", MOST_DRAWN)
    monkeypatch.setattr(known_tasks, "DRAWN", MOST_DRAWN)
    for cached in (drawn.drawn_orders, drawn.drawn_paths, known_tasks.walks):
        cached.cache_clear()
    names = tuple(f"class{number:02}" for number in range(tasks))
    lab = Lab(Root.at(tmp_path), names, lambda trial, metric, c, step: (
        0.7 if metric == "pixel_ap" else 0.9 - 0.01 * int(c[-2:])
    ))  # fmt: skip
    lab.reports = ("task_order",)
    folder, plan = lab.plan(task_zeros=2, orders=1, seeds=(0, 1))
    lab.run(folder, plan.trials)
    for trial in plan.trials:
        keep(folder, trial, lambda c: 0.9 - 0.01 * int(c[-2:]), pixel_ap=0.7)
    (written, *_) = write_reports(folder)
    found = audit_study(folder.path)
    assert impossible(found) == []
    assert unchecked(found) == []
    page = written.html.read_text(encoding="utf-8")
    # Of pixel AP, which is one number: with each of two tasks 0.
    assert page.count("no order differs") == (0 if tasks == 17 else 2)
    cell = re.search(r'id="table-order_spread".*?<td class="number"[^>]*>', page, re.DOTALL)
    assert cell is not None
    other = f"{page[: cell.end()]}7.77<{page[cell.end() :].partition('<')[2]}"
    written.html.write_text(other, encoding="utf-8")
    path = folder.report / "tables" / "all_orders.csv"
    with changed(path, 2, "q05", lambda value: value + 1e-6) as low:
        told = impossible(audit_study(folder.path))
    assert any("shows 7.77" in one for one in told)
    assert any(low in one for one in told)
    for cached in (drawn.drawn_orders, drawn.drawn_paths, known_tasks.walks):
        cached.cache_clear()


def test_what_one_trial_keeps_of_orders_is_damaged_though_another_speaks_for_it(
    study: StudyFolder,
) -> None:
    told = [one for one in impossible(audit_study(study.path)) if "all_orders.json" in one]
    assert len(told) == 1 and "does not match its checksum" in told[0]


def test_a_report_that_tells_of_lost_trials_is_wrong_and_no_crash(lab: Lab) -> None:
    lab.law, lab.reports = lambda trial, metric, c, step: by_class(c), ("task_order",)
    folder, plan = lab.plan()
    lab.run(folder, plan.trials)
    for trial in plan.trials:
        keep(folder, trial, by_class)
    write_reports(folder)
    for trial in plan.trials[::3]:
        (folder.artifacts(trial.key) / "all_orders.json").unlink()
    assert impossible(audit_study(folder.path))
