"""Laws of the tidy results table."""

import os
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from moleflow.errors import StoreError
from moleflow.measurement import Measurement
from orchestration.records import results
from orchestration.records.layout import Root, StudyFolder
from orchestration.records.ledger import Ledger, MisfitError, Record, Status
from tests.records import record as new_record


def record(key: str, status: Status = "finished", rows: int = 2, **axes: str) -> Record:
    return new_record(
        key,
        study="orders",
        status=status,
        axes=axes,
        sequence=(("a", "b"), ("c",)),
        seed=3,
        rows=tuple(
            Measurement(
                step=i + 1,
                task=0,
                class_name="a",
                metric="image_auroc",
                definition="step",
                routing="oracle",
                value=1 / (3 + i),
            )
            for i in range(rows)
        ),
    )


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    return Root.at(tmp_path).study("orders")


def written(folder: StudyFolder) -> pd.DataFrame:
    return pd.read_parquet(results.write(folder))


def test_every_row_of_every_record_is_one_line(folder: StudyFolder):
    for one in (record("k1"), record("k2", rows=3)):
        Ledger(folder).write(one)
    table = written(folder)
    assert table["trial"].tolist() == ["k1"] * 2 + ["k2"] * 3
    assert table["value"].tolist()[:2] == [1 / 3, 1 / 4]


def test_columns_and_types_stand_in_the_promised_order(folder: StudyFolder):
    Ledger(folder).write(record("k", task0="a+b", order="x"))
    table = written(folder)
    assert list(table.columns) == [
        "study",
        "trial",
        "status",
        "axis.order",
        "axis.task0",
        "seed",
        "order",
        "task0",
        "step",
        "task",
        "class",
        "metric",
        "definition",
        "routing",
        "value",
    ]
    assert table.loc[0, "order"] == "a+b > c"
    assert table["value"].dtype == "float64" and table["seed"].dtype == "int64"


def test_trials_that_did_not_finish_are_in_it_with_their_status(folder: StudyFolder):
    Ledger(folder).write(record("bad", status="diverged", rows=1))
    assert written(folder)["status"].tolist() == ["diverged"]


def test_an_axis_that_a_trial_lacks_is_missing(folder: StudyFolder):
    Ledger(folder).write(record("k1", rows=1, rank="8"))
    Ledger(folder).write(record("k2", rows=1))
    assert written(folder)["axis.rank"].isna().tolist() == [False, True]


def test_an_empty_ledger_gives_an_empty_table_with_its_types(folder: StudyFolder):
    folder.path.mkdir(parents=True)
    table = written(folder)
    assert len(table) == 0
    assert table.dtypes["value"] == "float64"


def test_reading_gives_what_was_written(folder: StudyFolder, monkeypatch: pytest.MonkeyPatch):
    """However many records are in memory at a time."""
    keys = ("k1", "k2", "k3", "k4", "k5")
    records = [record(key, rank=key) if key < "k4" else record(key, lr=key) for key in keys]
    for one in records:
        Ledger(folder).write(one)
    for chunk in (1, 2, 5, 50):
        monkeypatch.setattr(results, "CHUNK", chunk)
        assert results.write(folder) == folder.results
        expected = results.tabulate(records, ["lr", "rank"])
        pd.testing.assert_frame_equal(results.read(folder), expected)


def test_writing_leaves_no_other_file(folder: StudyFolder):
    Ledger(folder).write(record("k"))
    results.write(folder)
    assert sorted(path.name for path in folder.path.iterdir()) == ["results.parquet", "trials"]


def test_a_table_that_is_not_there_is_named_with_the_remedy(folder: StudyFolder):
    with pytest.raises(StoreError, match=r"results\.parquet.*run the study again"):
        results.read(folder)


def test_a_damaged_table_is_named_with_the_remedy(folder: StudyFolder):
    folder.path.mkdir(parents=True)
    folder.results.write_bytes(b"PAR1 torn")
    with pytest.raises(StoreError, match=r"not a results table.*run the study again"):
        results.read(folder)


def test_a_folder_that_cannot_be_written_is_named(folder: StudyFolder):
    with pytest.raises(StoreError, match="cannot be written"):
        results.write(folder)


def measured(folder: StudyFolder) -> dict[str, list[tuple[results.Name, int, float]]]:
    found = results.measured(folder, {"k1", "k2", "k3"}, [])
    return {
        trial: [
            (rows.known[name], step, value)
            for name, step, value in zip(
                rows.names.tolist(), rows.steps.tolist(), rows.values.tolist(), strict=True
            )
        ]
        for trial, rows in found
    }


def test_numbers_of_the_table_are_those_of_the_records(folder: StudyFolder):
    for one in (record("k1"), record("k2", rows=5), record("k3", rows=0), record("k4")):
        Ledger(folder).write(one)
    of_records = measured(folder)
    assert {trial: len(rows) for trial, rows in of_records.items()} == {"k1": 2, "k2": 5, "k3": 0}
    assert of_records["k1"][1] == (("a", "image_auroc", "step", "oracle"), 2, 0.25)
    # Groups of rows end within trials.
    pq.write_table(pq.read_table(results.write(folder)), folder.results, row_group_size=3)
    assert measured(folder) == {trial: rows for trial, rows in of_records.items() if rows}


def test_where_nothing_was_measured_the_table_has_no_numbers(folder: StudyFolder):
    Ledger(folder).write(record("k1", "failed", rows=0))
    results.write(folder)
    assert measured(folder) == {}


def test_a_table_of_an_earlier_ledger_is_not_taken_for_the_present_one(folder: StudyFolder):
    Ledger(folder).write(record("k1"))
    results.write(folder)
    Ledger(folder).write(record("k1", rows=3))
    assert len(measured(folder)["k1"]) == 3
    assert len(results.current(folder)) == 3


def test_a_pipe_in_a_records_place_is_not_waited_for(folder: StudyFolder):
    Ledger(folder).write(record("one"))
    written(folder)
    folder.record("one").unlink()
    os.mkfifo(folder.record("one"))
    with pytest.raises(MisfitError, match="is not a regular file"):
        results.current(folder)


def test_a_table_is_mended_where_it_cannot_be_read_and_let_be_where_it_can(folder: StudyFolder):
    Ledger(folder).write(record("one"))
    results.mend(folder)
    assert not folder.results.exists()
    content = results.write(folder).read_bytes()
    Ledger(folder).write(record("two"))
    results.mend(folder)
    assert folder.results.read_bytes() == content
    folder.results.write_bytes(content[:-20])
    results.mend(folder)
    assert set(results.read(folder)["trial"]) == {"one", "two"}
