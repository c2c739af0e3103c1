"""What is drawn and written where orders are many."""

import pytest

from reports import figures
from reports.document import plain
from reports.evidence import Evidence, load
from reports.performance import by_order, r_entries
from reports.statistics import summarise
from tests.reports.conftest import Lab


@pytest.fixture
def evidence(lab: Lab) -> Evidence:
    lab.law = lambda trial, metric, c, step: 0.5 + 0.01 * trial.seed - (0.1 if step == 3 else 0.0)
    folder, plan = lab.plan(task_zeros=2, orders=2, seeds=(0, 1))
    lab.run(folder, plan.trials[:-1])
    return load(folder)


def test_orders_that_are_too_many_for_a_line_each_are_drawn_by_task_zero(
    evidence: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = figures.by_order(evidence, evidence.settings[0])
    monkeypatch.setattr(figures, "MOST_ROWS", 3)
    many = figures.by_order(evidence, evidence.settings[0])
    assert few is not None and many is not None
    assert plain(few.caption).startswith("A dot per trial")
    assert plain(many.caption).startswith("4 orders are too many for a line each")
    assert _height(many.svg) < 0.75 * _height(few.svg)


def test_entries_of_r_are_the_numbers_of_each_step_and_trial(evidence: Evidence) -> None:
    found = by_order(evidence.settings[0].finished, evidence)
    assert sorted(map(len, found.values())) == [1, 2, 2, 2]
    for records in found.values():
        for step, name, summary, keys in r_entries(evidence, records, "image_auroc"):
            entries = {
                r.key: evidence.measurements.entry(r, step, name, "image_auroc") for r in records
            }
            values = [value for value in entries.values() if value is not None]
            assert summary == summarise(values)
            assert keys == tuple(key for key, value in entries.items() if value is not None)


def _height(svg: str) -> float:
    return float(svg.split(' height="')[1].split("pt")[0])
