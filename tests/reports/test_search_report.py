"""The report of a search: what was chosen, by what, and what that is worth."""

from dataclasses import replace

import pytest

from moleflow.config import Config
from orchestration.records.ledger import Ledger
from orchestration.studies.expansion import Trial
from orchestration.studies.search import Search, log_uniform
from orchestration.studies.study import Study
from reports.evidence import load
from reports.kinds import search as kind
from reports.writing import write_reports


def by_rate(trial: Trial, metric: str, class_name: str, step: int) -> float:
    return 0.5 + 10 * trial.config.training.lr


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["selection", "test:image_auroc"])
def test_what_was_chosen_is_told_and_a_choice_by_the_test_set_in_red(lab, objective: str) -> None:
    axis = Search(space={"training.lr": log_uniform(1e-4, 1e-2)}, trials=3, objective=objective)
    study = Study(question="?", base=Config(), axes=(axis,), reports=("search",))
    folder, plan = lab.planned(study, "searched")
    lab.law = by_rate
    for trial in plan.trials:
        record = lab.record(trial)
        if objective == "selection":
            finals = [row for row in record.rows if row.definition == "final_mean"]
            chosen_by = tuple(replace(row, definition="step_mean") for row in finals)
            record = record.model_copy(update={"selection": chosen_by})
        Ledger(folder).write(record)
    found = kind.proposed(load(folder), axis)
    expected = [by_rate(trial, "", "", 0) for trial in plan.trials]
    assert [one.value for one in found] == pytest.approx(expected)
    write_reports(folder)
    text = (folder.report / "report.md").read_text()
    assert f"Chosen is proposal {expected.index(max(expected)) + 1} " in text
    assert (kind.ON_TEST in text) == (objective != "selection")
