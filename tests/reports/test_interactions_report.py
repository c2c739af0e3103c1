"""Laws of the report on interactions, on ledgers whose truth is known."""

import math

import pandas as pd
import pytest

from orchestration.records.layout import StudyFolder
from orchestration.studies.axes import Grid, Variants
from orchestration.studies.expansion import Trial
from orchestration.studies.study import Study
from reports.audit.study import audit_study
from reports.statistics import adjusted
from reports.writing import write_reports
from tests.reports.audited import changed, impossible, wrong
from tests.reports.conftest import Lab

pytestmark = pytest.mark.slow

WITHOUT = {
    "tail": {"loss.tail_weight": 0.0},
    "mixer": {"mixer.kernel": 0},
    "dia": {"dia.blocks": 0},
}


def by_corner(trial: Trial, metric: str, class_name: str, step: int) -> float:
    """The tail helps twice as much with a frozen base; the mixer helps as much anyhow; the DIA is
    too noisy to say. Without a frozen base everything is forgotten: final values lose, whatever
    component is there."""
    config = trial.config
    tail, mixer, dia = config.loss.tail_weight > 0, config.mixer.kernel > 0, config.dia.blocks > 0
    seed, frozen = trial.seed, config.freeze_base
    jitter = 0.0003 * math.sin(11.0 * seed + 3 * tail + 5 * mixer + 7 * frozen + len(class_name))
    noise = 0.0 if dia else 0.03 * math.sin(91.0 * seed + 40 * frozen)
    own = trial.classes.index(class_name) + 1
    forgotten = 0.0 if frozen or step == own else 0.2 * (1 if tail else 1.2)
    value = 0.6 + 0.02 * tail + 0.02 * mixer + 0.02 * (tail and frozen) + 0.01 * math.sin(seed)
    return value + noise + jitter - forgotten


def two_by_two(lab: Lab, changes: dict[str, object]) -> Study:
    axes = (
        Grid(field="freeze_base", values=(True, False)),
        Variants(baseline="in", variants={"in": {}, "out": changes}),
    )
    seeds = tuple(range(5))
    return Study(question="?", base=lab.config, classes=lab.classes, axes=axes, seeds=seeds)


@pytest.fixture(scope="module")
def study(make_lab, tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    lab = make_lab(tmp_path_factory.mktemp("lab"))
    lab.law = by_corner
    parts = {name: two_by_two(lab, changes) for name, changes in WITHOUT.items()}
    folder, plan = lab.planned(Study.union("?", parts, reports=("interactions",)), "crossed")
    assert len(plan.trials) == 2 * 4 * 5  # the ten with all in are shared
    lab.run(folder, plan.trials)
    write_reports(folder)
    return folder


def interactions(folder: StudyFolder, kind: str = "on_task_mean") -> pd.DataFrame:
    path = folder.report / "tables" / f"interactions-image_auroc-{kind}.csv"
    return pd.read_csv(path).set_index("design")


def test_verdicts_are_those_of_the_effects_that_were_put_in(study: StudyFolder) -> None:
    found = interactions(study)
    told = {"tail": "better", "mixer": "equivalent", "dia": "undecided"}
    assert found["verdict"].to_dict() == told
    assert found.loc["tail", "difference"] == pytest.approx(0.02, abs=0.001)
    assert set(found["seeds"]) == {5} and set(found["df_residual"]) == {16}


def test_forgetting_does_not_pass_for_an_effect_of_a_component(study: StudyFolder) -> None:
    assert interactions(study).loc["tail", "difference"] == pytest.approx(0.02, abs=0.001)
    final = interactions(study, "final_mean").loc["tail", "difference"]
    assert final == pytest.approx(0.02 - 0.2 * 0.2 * 3 / 4, abs=0.001)


def test_trials_that_designs_share_are_in_each_of_them(study: StudyFolder) -> None:
    path = study.report / "tables" / "corners-image_auroc-final_mean.csv"
    both = pd.read_csv(path).query("corner == 'both'")
    assert list(both["n"]) == [5, 5, 5] and both["mean"].nunique() == 1


def test_a_comparison_that_designs_share_counts_once_among_the_p_values(
    study: StudyFolder,
) -> None:
    """What freezing does with all components in is one comparison of the same trials in each."""
    path = study.report / "tables" / "simple_effects-image_auroc-final_mean.csv"
    found = pd.read_csv(path).query("factor == 'first'")
    shared = found[found["other_in"] == 1]
    assert len(found) == 6 and len(shared) == 3 and shared["p_holm"].nunique() == 1
    alone = found[found["other_in"] == 0]
    once = [*alone["p"], shared["p"].iloc[0]]
    assert [*alone["p_holm"], shared["p_holm"].iloc[0]] == pytest.approx(adjusted(once))


def test_every_number_of_the_report_is_found_a_second_time(study: StudyFolder) -> None:
    found = audit_study(study.path)
    assert impossible(found) == []
    assert found["counts"]["holds"] > 300


@pytest.mark.parametrize("column", ["difference", "f", "f_hc3", "interval_low"])
def test_a_changed_number_of_its_tables_is_found(study: StudyFolder, column: str) -> None:
    path = study.report / "tables" / "interactions-image_auroc-final_mean.csv"
    with changed(path, 2, column, lambda value: value * 1.00001) as place:
        assert any(place in one for one in wrong(study))


def test_the_papers_f_stands_beside(study: StudyFolder) -> None:
    found = pd.read_csv(study.report / "tables" / "published-interactions.csv")
    assert list(found["inputs"]) == ["F(1,16)=6.23", "F(1,16)=5.12", "F(1,16)=1.24"]


def test_a_study_without_two_factors_says_so(lab: Lab) -> None:
    lab.reports = ("interactions",)
    folder, plan = lab.plan(task_zeros=1, orders=1, seeds=(0, 1))
    lab.run(folder, plan.trials)
    write_reports(folder)
    page = (folder.report / "report.md").read_text(encoding="utf-8")
    assert "no two factors of two levels each" in page


def test_a_seed_that_lacks_a_corner_is_left_out_and_counted(lab: Lab) -> None:
    lab.law = by_corner
    one = two_by_two(lab, WITHOUT["tail"]).model_copy(update={"reports": ("context_synergy",)})
    folder, plan = lab.planned(one, "one")
    lab.run(folder, plan.trials[1:])
    write_reports(folder)
    (line,) = interactions(folder).reset_index().to_dict("records")
    assert (line["design"], line["seeds"]) == ("freeze_base and variant", 4)
    assert line["left_out"] == 3 and wrong(folder) == []


def test_a_design_that_is_not_compared_is_no_part_of_what_others_have(lab: Lab) -> None:
    lab.law = by_corner
    parts = {name: two_by_two(lab, changes) for name, changes in WITHOUT.items()}
    folder, plan = lab.planned(Study.union("?", parts, reports=("interactions",)), "partial")
    lab.run(folder, (t for t in plan.trials if t.config.dia.blocks > 0 or t.seed == 0))
    write_reports(folder)
    page = (folder.report / "report.md").read_text(encoding="utf-8")
    assert "not compared, for want of two whole seeds: dia" in page
    assert wrong(folder) == []
