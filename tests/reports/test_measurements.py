"""Numbers and records of trials, held in the memory that they need."""

import gc
import math
import tracemalloc
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from orchestration.records.layout import Root, StudyFolder
from orchestration.records.ledger import Failure, Ledger, Record, StageSource
from orchestration.records.plans import plan_of, write_plan
from orchestration.records.results import Rows
from orchestration.records.stages import StageRef
from orchestration.studies.expansion import Trial
from reports.alike import Alike
from reports.evidence import load
from reports.measurements import Measurements
from tests.reports.conftest import Lab

STEPS, CLASSES = 7, tuple("abcdefgh")
MOST_A_TRIAL = 9000
"""Bytes, of 5 classes whose numbers all change at every step."""


@pytest.mark.parametrize("seed", range(5))
def test_numbers_of_every_step_are_those_that_were_measured(seed: int) -> None:
    draw = np.random.default_rng(seed)
    table = draw.choice([0.0, -0.0, 0.5, 0.25], (len(CLASSES), STEPS))
    table[draw.random(table.shape) < 0.4] = np.nan  # not measured
    table[0] = np.nan
    known = Measurements()
    known.add("all", _rows(table))
    known.add("few", _rows(table[:3, : STEPS - 2]))
    for trial, classes, steps in (("all", len(CLASSES), STEPS), ("few", 3, STEPS - 2)):
        expected = np.full((len(CLASSES), STEPS + 1), np.nan)
        expected[:classes, :steps] = table[:classes, :steps]
        record = cast(Record, SimpleNamespace(key=trial, sequence=range(STEPS + 1)))
        for name, values in zip(CLASSES, expected.tolist(), strict=True):
            assert _bits(known.along(record, name, "m")) == _bits(values)
            entries = [known.entry(record, 1 + i, name, "m") for i in range(STEPS + 1)]
            assert _bits(math.nan if one is None else one for one in entries) == _bits(values)


def test_what_is_shared_equals_what_was_read_in_every_part_and_type() -> None:
    numbers = ({"a": 0.0}, {"a": -0.0}, {"a": 1}, {"a": True}, {"a": 1.0}, {"b": 1}, {"a": ()})
    read = [Failure(kind="k", message="m", numbers=dict(one)) for one in (*numbers, *numbers)]
    read.append(Failure(kind="k", message="m"))  # the rest was not given
    alike = Alike()
    shared = [alike.shared(one) for one in read]
    for one, other in zip(read, shared, strict=True):
        assert (repr(one), one.model_fields_set) == (repr(other), other.model_fields_set)
    assert len({id(one) for one in shared}) == len(numbers) + 1


def test_a_trial_takes_no_more_memory_than_its_changing_numbers_need(tmp_path: Path) -> None:
    few, many = _study(tmp_path / "few", 2), _study(tmp_path / "many", 8)
    _bytes(few)  # what is made once, by whoever reads first
    growth = (_bytes(many) - _bytes(few)) / 12
    assert 1000 < growth < MOST_A_TRIAL


def test_a_plan_read_trial_by_trial_is_the_one_that_was_written(lab: Lab) -> None:
    folder, plan = lab.plan(task_zeros=2, orders=2, seeds=(0, 1))
    met: list[Trial] = []

    def kept(trial: Trial) -> Trial:
        met.append(trial)
        return trial

    assert repr(plan_of(folder, kept)) == repr(plan)
    assert tuple(met) == plan.trials
    for some in (plan.trials[:1], ()):
        other = plan.model_copy(update={"trials": some})
        write_plan(other, folder)
        assert plan_of(folder) == other


def _study(place: Path, orders: int) -> StudyFolder:
    """Of two choices of task 0; trials take what they can from the first of theirs."""
    lab = Lab(Root.at(place), CLASSES[:5], _changing)
    folder, plan = lab.plan(task_zeros=2, orders=orders, seeds=(0,))
    for trial in plan.trials:
        record = lab.record(trial)
        stages = {
            StageRef("adapter", name): StageSource(
                kind="adapter", key=name, source="shared", trial=trial.sequence[0][0], seconds=60.0
            )
            for name in trial.classes[1:]
        }
        Ledger(folder).write(record.model_copy(update={"stages": stages}))
    return folder


def _changing(trial: Trial, metric: str, class_name: str, step: int) -> float:
    return 0.9 - 0.01 * step


def _bytes(folder: StudyFolder) -> int:
    """Of what is held of a study after it was read."""
    gc.collect()
    tracemalloc.start()
    try:
        evidence = load(folder)
        assert evidence.settings and evidence.finished
        gc.collect()
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


def _rows(table: np.ndarray) -> Rows:
    names, steps = np.nonzero(~np.isnan(table))
    known = [(name, "m", "step", "routed") for name in CLASSES]
    return Rows(known, names, steps + 1, table[names, steps])


def _bits(values: Iterable[float]) -> list[str]:
    """Tell -0.0 from 0.0, and NaN is NaN."""
    return [value.hex() for value in values]
