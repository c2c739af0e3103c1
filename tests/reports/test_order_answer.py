"""Laws of what a report on task order answers: the verdict of each metric, with its n."""

import re

import pytest

from moleflow.config import Config
from orchestration.records.layout import StudyFolder
from orchestration.studies.expansion import Trial
from reports.document import plain
from reports.evidence import load
from reports.order_answer import sentences
from reports.picture_doubt import kept
from reports.writing import write_reports
from tests.reports.audited import wrong

pytestmark = pytest.mark.slow


def lifted(trial: Trial, metric: str, class_name: str, step: int) -> float:
    """By 0.1 where bottle is first, beside a noise of seeds and orders of thousandths."""
    noise = (int(trial.key[:6], 16) % 7) / 1000
    return 0.8 + 0.1 * (trial.sequence[0] == ("bottle",)) + trial.seed / 1000 + noise


def first_of(folder: StudyFolder) -> str:
    evidence = load(folder)
    (setting,) = evidence.settings
    return plain(sentences(evidence, setting, kept(evidence))[0])


def test_task_zero_is_judged_first_and_with_its_n(lab):
    lab.law = lifted
    folder, plan = lab.plan(seeds=(0, 1, 2))
    lab.run(folder, plan.trials)
    told = first_of(folder)
    assert ". Which task is first: different (means within " in told
    assert (
        "margin 0.5, n = 3 seeds of 2 tasks 0). Most likely best: bottle, 100 % over seeds alone."
        in told
    )


def test_one_seed_gives_no_verdict(lab):
    lab.law = lifted
    folder, plan = lab.plan(seeds=(0,))
    lab.run(folder, plan.trials)
    told = first_of(folder)
    assert "(n = 2; too few seeds to judge)" in told
    assert "different" not in told


def test_orders_that_matter_by_design_are_judged_and_a_changed_verdict_is_found(lab):
    lab.law = lifted
    lab.config = Config().updated({"freeze_base": False})
    folder, plan = lab.plan(seeds=(0, 1, 2))
    lab.run(folder, plan.trials)
    told = re.search(r", the order after task 0: (undecided with \d of 2)", first_of(folder))
    assert told is not None
    other_verdict = told[1].replace("undecided", "different")
    (written,) = write_reports(folder)
    assert wrong(folder) == []
    page = written.html.read_text(encoding="utf-8")
    other = page.replace(told[1], other_verdict)
    assert other != page
    written.html.write_text(other, encoding="utf-8")
    assert any(other_verdict in one for one in wrong(folder))
