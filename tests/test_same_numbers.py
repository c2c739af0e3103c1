"""The command that shows that a change moves no number sees a number that moved."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from tests.same_numbers import main


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """A root folder with a study of one trial, as far as the command looks into it."""
    study = tmp_path / "before" / "studies" / "s"
    (study / "trials").mkdir(parents=True)
    rows = {"study": "s", "trial": "k", "seed": [0, 0], "metric": ["a", "b"], "value": [0.5, 0.25]}
    pd.DataFrame(rows).to_parquet(study / "results.parquet")
    record = {"axes": {}, "sequence": [["x"]], "seed": 0, "hashes": {"base": "1", "bank x": "2"}}
    (study / "trials" / "k.json").write_text(json.dumps(record))
    return tmp_path / "before"


@pytest.fixture
def after(before: Path, tmp_path: Path) -> Path:
    shutil.copytree(before, tmp_path / "after")
    return tmp_path / "after"


def test_other_keys_and_another_order_of_rows_are_the_same_numbers(
    before: Path, after: Path
) -> None:
    study = after / "studies" / "s"
    rows = pd.read_parquet(study / "results.parquet")
    rows.assign(trial="other", axis="new").iloc[::-1].to_parquet(study / "results.parquet")
    (study / "trials" / "k.json").rename(study / "trials" / "other.json")
    assert main([str(before), str(after)]) == 0


def test_the_last_bit_of_a_number_is_seen(
    before: Path, after: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = after / "studies" / "s"
    rows = pd.read_parquet(study / "results.parquet")
    rows.assign(value=[0.5, 0.25 + 2**-54]).to_parquet(study / "results.parquet")
    assert main([str(before), str(after)]) == 1
    assert "1 of 2 rows differ" in capsys.readouterr().out


def test_a_hash_that_moved_is_seen(
    before: Path, after: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = after / "studies" / "s" / "trials" / "k.json"
    path.write_text(path.read_text().replace('"2"', '"3"'))
    assert main([str(before), str(after)]) == 1
    assert "1 hashes differ, e.g. of bank x" in capsys.readouterr().out


def test_a_trial_that_one_of_them_lacks_is_seen(before: Path, after: Path) -> None:
    (after / "studies" / "s" / "trials" / "k.json").unlink()
    assert main([str(before), str(after)]) == 1
