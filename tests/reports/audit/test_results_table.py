"""The table of results beside the records says what they say, trial by trial and row by row."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from orchestration.records.layout import StudyFolder
from orchestration.records.results import write
from orchestration.studies.expansion import Trial
from reports.audit.records import read
from reports.audit.results import audit_results
from tests.reports.conftest import Lab


def by_trial(trial: Trial, metric: str, class_name: str, step: int) -> float:
    return 0.7 + (int(trial.key[:4], 16) % 89 + len(class_name) - 3 * step) / 1000


@pytest.fixture
def study(lab: Lab) -> tuple[StudyFolder, list[Trial]]:
    """Four trials, the last of which failed, with their table; two are yet to run."""
    lab.law = by_trial
    folder, plan = lab.plan(task_zeros=2, orders=1, seeds=(0, 1, 2))
    lab.run(folder, plan.trials[:3])
    lab.fail(folder, plan.trials[3], "loss is not finite", "diverged")
    write(folder)
    assert told(folder) == []
    return folder, list(plan.trials)


def told(folder: StudyFolder) -> list[str]:
    found = audit_results(read(folder.path))
    return [f"{Path(one.place).name}: {one.why}" for one in found if one.why]


def changed(folder: StudyFolder, how: Callable[[pd.DataFrame], pd.DataFrame]) -> list[str]:
    """What is found of a table with other rows, that says to be of the same records."""
    table = parquet.read_table(folder.results)
    other = pa.Table.from_pandas(how(table.to_pandas()), table.schema, preserve_index=False)
    parquet.write_table(other, folder.results)
    return told(folder)


def place(rows: pd.DataFrame, trial: Trial) -> int:
    """Of a row on the trial's image AUROC at the end."""
    of = (rows.trial == trial.key) & (rows.metric == "image_auroc") & (rows.step == 4)
    return int(rows.index[of & (rows.routing == "routed")][0])


CHANGES = {
    "value": (0.91234, "image_auroc of {name}, step after step 4, routed: the table has 0.91234"),
    "task": (3, "image_auroc of {name}, step after step 4, routed: the table has task 3"),
    "seed": (7, "seed: the table has 7, and the record has 0"),
    "axis.task0": ("wood", "axis.task0: the table has wood"),
    "status": ("failed", "status: the table has failed, and the record has finished"),
}


@pytest.mark.parametrize("column", CHANGES)
def test_a_row_that_is_not_its_records_is_found(
    study: tuple[StudyFolder, list[Trial]], column: str
) -> None:
    folder, (trial, *_) = study
    value, said = CHANGES[column]

    def change(rows: pd.DataFrame) -> pd.DataFrame:
        rows.loc[place(rows, trial), column] = value
        return rows

    (one,) = changed(folder, change)
    assert one.startswith(f"results.parquet {trial.key} {said.format(name=trial.classes[0])}")


def test_rows_that_a_table_of_these_records_lacks_are_found(
    study: tuple[StudyFolder, list[Trial]],
) -> None:
    folder, (first, second, *_) = study

    def change(rows: pd.DataFrame) -> pd.DataFrame:
        return rows[rows.trial != first.key].drop(place(rows, second))

    one, other = sorted(changed(folder, change), key=lambda text: first.key in text)
    many = len(folder.record(first.key).read_text("utf-8").split('"metric"')) - 1
    assert one.endswith(f"{second.key} rows: the table has {many - 1}, and the record has {many}")
    assert other.endswith(f"{first.key} rows: the table has 0, and the record has {many}")


def test_of_a_table_from_before_later_records_what_had_finished_is_compared(
    study: tuple[StudyFolder, list[Trial]], lab: Lab
) -> None:
    folder, trials = study
    lab.run(folder, trials[4:])
    folder.record(trials[3].key).unlink()
    lab.run(folder, trials[3:4])  # which had diverged
    assert told(folder) == []

    def change(rows: pd.DataFrame) -> pd.DataFrame:
        rows.loc[place(rows, trials[1]), "value"] += 1e-9
        return rows

    (one,) = changed(folder, change)
    assert trials[1].key in one


def test_rows_of_a_damaged_record_are_found(study: tuple[StudyFolder, list[Trial]]) -> None:
    folder, (trial, *_) = study
    record = folder.record(trial.key)
    record.write_bytes(record.read_bytes().replace(b'"value": 0.', b'"value": 1.', 1))
    (one,) = told(folder)
    assert trial.key in one and one.endswith("and the record has none")


def test_a_table_that_cannot_be_read_is_found(study: tuple[StudyFolder, list[Trial]]) -> None:
    folder, _ = study
    folder.results.write_bytes(folder.results.read_bytes()[:-9])
    (one,) = told(folder)
    assert "cannot be read" in one
