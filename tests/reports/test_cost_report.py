"""The report on costs, on records with chosen parameters, seconds and sources of stages."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from orchestration.records.layout import StudyFolder
from orchestration.records.ledger import Ledger, StageSource
from orchestration.records.stages import StageRef
from orchestration.studies.expansion import Trial
from reports.audit.study import audit_study
from reports.writing import write_reports
from tests.reports.audited import wrong
from tests.reports.conftest import Lab

pytestmark = pytest.mark.slow
PARAMETERS = {"base": 1000, "bank": 100, "bank/lora": 60, "bank/dia": 40}
HOUR = 3600.0


def run(lab: Lab, folder: StudyFolder, trial: Trial, maker: Trial) -> None:
    """Ten seconds for the base and two for a bank; those of `maker` are what every trial uses."""
    kinds = {StageRef("base", trial.sequence[0][0]): 10.0}
    kinds |= {StageRef("adapter", task[0]): 2.0 for task in trial.sequence[1:]}
    own = trial.key == maker.key
    stages = {
        stage: StageSource(
            kind=stage.kind,
            key=f"{stage}",
            source="made" if own else "shared",
            trial=maker.key,
            seconds=seconds,
        )
        for stage, seconds in kinds.items()
    }
    evaluated = {StageRef("evaluation", task[0]): 0.8 for task in trial.sequence}
    read = dict.fromkeys(stages, 0.01)
    update = {"parameters": PARAMETERS, "stages": stages, "ended": 1_700_000_000.0 + HOUR}
    update |= {"seconds": {**(kinds if own else read), **evaluated}, "peak_memory": 3 * 2**30}
    Ledger(folder).write(lab.record(trial).model_copy(update=update))


@pytest.fixture(scope="module")
def study(make_lab: Callable[[Path], Lab], tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    lab = make_lab(tmp_path_factory.mktemp("cost"))
    lab.reports = ("cost",)
    folder, plan = lab.plan(task_zeros=1, orders=3, seeds=(0,))
    first, second, third = plan.trials
    run(lab, folder, first, first)
    run(lab, folder, second, first)
    lab.fail(folder, third, "gone")
    write_reports(folder)
    return folder


def csv(folder: StudyFolder, name: str) -> pd.DataFrame:
    return pd.read_csv(folder.report / "tables" / f"{name}.csv", keep_default_na=False)


def test_a_sequence_holds_one_base_and_a_bank_for_every_task(study: StudyFolder) -> None:
    (line,) = csv(study, "cost_parameters").to_dict("records")
    assert (line["base"], line["added"], line["tasks"], line["total"]) == (1000, 100, 4, 1400)
    assert (line["added_share"], line["bank/lora"]) == (0.1, 60)


def test_a_stage_that_others_took_is_counted_once(study: StudyFolder) -> None:
    found = csv(study, "cost_stages").set_index("kind")
    assert found.loc["base", ["computed", "taken", "seconds_mean"]].tolist() == [1, 1, 10.0]
    assert found.loc["adapter", ["computed", "taken", "seconds_mean"]].tolist() == [3, 3, 2.0]
    # Both trials evaluate four tasks, each of 80 test pictures; a bank sees 200 for training.
    assert found.loc["evaluation", "computed"] == 8
    assert found.loc["evaluation", "ms_per_picture"] == pytest.approx(10.0)
    assert found.loc["adapter", "ms_per_picture"] == pytest.approx(10.0)


def test_hours_are_those_of_failed_trials_too_and_the_machine_is_named(study: StudyFolder) -> None:
    (line,) = csv(study, "cost_hardware").to_dict("records")
    assert (line["device"], line["host"], line["threads"]) == ("cpu", "node-1", 4)
    assert (line["trials"], line["not_finished"]) == (3, 1)
    assert line["hours"] == pytest.approx(2.25) and line["hours_not_finished"] == 0.25
    assert line["peak_memory_gib"] == 3.0
    text = (study.report / "report.md").read_text("utf-8")
    assert "at work for 2.25 hours, 0.25 of them in 1 of 3 trials that did not finish" in text


def test_the_audit_recomputes_what_a_study_cost(study: StudyFolder) -> None:
    def verdicts(name: str) -> list[str]:
        claims = audit_study(study.path)["claims"]
        return [claim["verdict"] for claim in claims if name in claim["kind"]]

    assert set(verdicts("reports.costs")) == {"holds"}
    path = study.report / "tables" / "cost_stages.csv"
    whole = path.read_text(encoding="utf-8")
    path.write_text(whole.replace(",base,1,", ",base,2,"), encoding="utf-8")
    assert "cannot be true" in verdicts("reports.costs.stages_table")
    path.write_text(whole, encoding="utf-8")


def test_records_that_do_not_agree_stand_in_lines_of_their_own(lab: Lab) -> None:
    """Of four trials one has other parameters, and other pictures of a class."""
    lab.reports = ("cost", "task_order")
    folder, plan = lab.plan(task_zeros=1, orders=1, seeds=range(4))
    for trial in plan.trials:
        record, other = lab.record(trial), trial.seed == 1
        data = dict(record.data)
        if other:
            data["cable"] = data["cable"].model_copy(update={"train": 180})
        update = {"parameters": {**PARAMETERS, "bank": 90 if other else 100}, "data": data}
        Ledger(folder).write(record.model_copy(update=update))
    write_reports(folder)
    sizes = csv(folder, "cost_parameters")[["trials", "total"]].to_numpy().tolist()
    assert sizes == [[3, 1400], [1, 1360]]
    told = csv(folder, "data").query("`class` == 'cable'")[["records", "train"]]
    assert told.to_numpy().tolist() == [[3, 200], [1, 180]]
    assert len(csv(folder, "data")) == 5
    text = (folder.report / "report.md").read_text("utf-8").replace("\\", "")
    assert "records do not agree on cable" in text
    assert "1 of 4 trials: they do not agree" in text and "(1 setting)" in text
    assert wrong(folder) == []


def test_without_parameters_nothing_is_said_of_them(lab: Lab) -> None:
    lab.reports = ("cost",)
    folder, plan = lab.plan(task_zeros=1, orders=1, seeds=(0,))
    lab.run(folder, plan.trials)
    write_reports(folder)
    text = (folder.report / "report.md").read_text("utf-8")
    assert "No finished trial recorded how many parameters" in text
    assert not (folder.report / "tables" / "cost_parameters.csv").exists()
