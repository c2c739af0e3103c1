"""Laws of VisA's published form: the list decides, and what is wrong with it is told by line."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from moleflow.data.catalog import check_pictures, fingerprint, open_catalog
from moleflow.data.images import load_mask
from moleflow.data.inspection import inspect
from moleflow.errors import DataError

Make = Callable[..., Path]
Row = tuple[str, str, str, str, str]
Rows = Callable[[str], list[Row]]


def test_the_list_decides_the_split(tmp_path: Path, visa: Make):
    catalog = open_catalog(visa(tmp_path, "pcb1", "candle"))
    assert list(catalog) == ["candle", "pcb1"]
    data = catalog["candle"]
    assert [p.path.name for p in data.train] == ["0000.JPG", "0002.JPG", "0003.JPG"]
    assert [(p.path.name, p.defect) for p in data.test] == [
        ("000.JPG", "anomaly"),
        ("001.JPG", "anomaly"),
        ("0001.JPG", "good"),
    ]
    check_pictures(data)


def test_masks_are_those_of_the_list_and_count_above_zero(tmp_path: Path, visa: Make):
    data = open_catalog(visa(tmp_path, "candle"))["candle"]
    folder = tmp_path / "candle/Data/Masks/Anomaly"
    assert [p.mask for p in data.test] == [folder / "000.png", folder / "001.png", None]
    assert data.has_masks
    Image.fromarray(np.eye(8, dtype=np.uint8) * 3).save(folder / "000.png")
    assert np.array_equal(load_mask(folder / "000.png", 8, "squash"), np.eye(8, dtype=bool))


def test_the_order_of_lines_means_nothing(
    tmp_path: Path, visa: Make, visa_rows: Rows, write_list: Make
):
    before = open_catalog(visa(tmp_path, "candle"))
    write_list(tmp_path, visa_rows("candle")[::-1])
    assert open_catalog(tmp_path) == before


def test_columns_may_come_in_any_order_with_others_and_a_byte_order_mark(
    tmp_path: Path, visa: Make, visa_rows: Rows
):
    before = open_catalog(visa(tmp_path, "candle"))
    lines = [",".join((*row[::-1], "note")) for row in visa_rows("candle")]
    text = "\n".join(["mask,image,label,split,object,remark", *lines])
    (tmp_path / "split_csv/1cls.csv").write_text(text, encoding="utf-8-sig")
    assert open_catalog(tmp_path) == before


def test_a_class_without_masks_is_allowed(
    tmp_path: Path, visa: Make, visa_rows: Rows, write_list: Make
):
    visa(tmp_path, "candle")
    write_list(tmp_path, [(*row[:4], "") for row in visa_rows("candle")])
    data = open_catalog(tmp_path)["candle"]
    assert (data.test_anomalous, data.masks) == (2, 0)


def test_masks_that_the_list_does_not_name_are_a_problem(
    tmp_path: Path, visa: Make, visa_rows: Rows, write_list: Make
):
    visa(tmp_path, "candle", "pcb1")
    write_list(tmp_path, [(*row[:4], "") for row in visa_rows("candle")] + visa_rows("pcb1"))
    candle, pcb1 = inspect(tmp_path).classes
    (problem,) = candle.problems
    assert problem.startswith(f"{tmp_path}/candle/Data/Masks: 2 masks belong to no picture")
    assert "column mask of split_csv/1cls.csv" in problem and not (pcb1.problems or pcb1.remarks)
    said: list[str] = []
    open_catalog(tmp_path, say=said.append)
    assert said == [f"candle: {problem}"]


def test_pictures_that_the_list_leaves_out_are_told(
    tmp_path: Path, visa: Make, visa_rows: Rows, write_list: Make
):
    visa(tmp_path, "candle")
    write_list(tmp_path, visa_rows("candle")[1:])
    (remark,) = inspect(tmp_path).classes[0].remarks
    assert remark.startswith(f"{tmp_path}/candle/Data/Images: 1 picture is not used: split_csv")


def _fingerprint(root: Path) -> str:
    return fingerprint(open_catalog(root)["candle"])


def test_a_fingerprint_does_not_depend_on_the_place(tmp_path: Path, visa: Make):
    visa(tmp_path / "here", "candle")
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    assert _fingerprint(tmp_path / "here") == _fingerprint(tmp_path / "there")


@pytest.mark.parametrize("change", ["splits swapped", "masks swapped", "label"])
def test_a_fingerprint_changes_with_the_list_alone(
    tmp_path: Path, visa: Make, visa_rows: Rows, write_list: Make, change: str
):
    visa(tmp_path, "candle")
    rows = [list(row) for row in visa_rows("candle")]
    if change == "label":
        for row in rows:
            row[4] = ""
        write_list(tmp_path, rows)
    before = _fingerprint(tmp_path)
    if change == "splits swapped":
        rows[0][1], rows[1][1] = rows[1][1], rows[0][1]
    elif change == "masks swapped":
        rows[4][4], rows[5][4] = rows[5][4], rows[4][4]
    else:
        rows[4][2] = "normal"
    write_list(tmp_path, rows)
    assert _fingerprint(tmp_path) != before


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ("object,split,label,image", "lacks the column mask; its first line must be object,split,"),
        ("class,set,label,image,mask", "lacks the columns object, split; its first line"),
        ("", "lacks the columns object, split, label, image, mask"),
    ],
)
def test_missing_columns_are_named(
    tmp_path: Path, visa: Make, visa_rows: Rows, write_list: Make, columns: str, message: str
):
    path = write_list(visa(tmp_path, "candle"), visa_rows("candle"), columns)
    with pytest.raises(DataError, match=f"{path}: {message}"):
        open_catalog(tmp_path)


def test_an_empty_list_is_refused(tmp_path: Path, visa: Make, write_list: Make):
    write_list(visa(tmp_path, "candle"), [])
    with pytest.raises(DataError, match="lists no picture"):
        open_catalog(tmp_path)


@pytest.mark.parametrize("content", [b"object,\xff\xfe", b'object,split,label,image,mask\n"a'])
def test_a_file_that_is_no_list_is_refused(tmp_path: Path, visa: Make, content: bytes):
    path = visa(tmp_path, "candle") / "split_csv/1cls.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=str(path)):
        open_catalog(tmp_path)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        (0, "", "line 2 names no object"),
        (1, "valid", "line 2: split 'valid' is neither train nor test"),
        (2, "bad", "line 2: label 'bad' is neither normal nor anomaly"),
        (2, "anomaly", "line 2: trains on an anomaly; move it to split test"),
        (3, "", "line 2: names no image"),
        (3, "candle/Data/Images/Normal/0002.JPG", "0002.JPG is listed 2 times; keep one"),
        (3, "candle/elsewhere/0002.JPG", "2 pictures with split train, .* named 0002.JPG; rename"),
        (4, "x.png", "line 2: gives a normal picture the mask x.png; leave it empty"),
        (3, "../candle/0000.JPG", "line 2: .*0000.JPG points out of the folder; paths count from"),
        (3, "/candle/0000.JPG", "line 2: /candle/0000.JPG points out of the folder"),
        (4, ",x", "line 2: has more fields than there are columns"),
    ],
)
def test_a_line_that_cannot_be_is_named(
    tmp_path: Path,
    visa: Make,
    visa_rows: Rows,
    write_list: Make,
    field: int,
    value: str,
    message: str,
):
    visa(tmp_path, "candle")
    rows = [list(row) for row in visa_rows("candle")]
    rows[0][field : field + 1] = [value] if value != ",x" else ["", "x"]
    path = write_list(tmp_path, rows)
    with pytest.raises(DataError, match=rf"(?s){path}.*{message}"):
        open_catalog(tmp_path)


def test_a_line_of_another_class_does_not_stop_a_class(
    tmp_path: Path, visa: Make, visa_rows: Rows, write_list: Make
):
    visa(tmp_path, "candle", "pcb1")
    write_list(tmp_path, [*visa_rows("candle"), ("pcb1", "valid", "normal", "x.JPG", "")])
    assert list(open_catalog(tmp_path, ["candle"])) == ["candle"]


@pytest.mark.parametrize("gone", ["Images/Normal/0002.JPG", "Masks/Anomaly/001.png"])
def test_listed_files_that_are_not_there_are_named(tmp_path: Path, visa: Make, gone: str):
    path = visa(tmp_path, "candle") / "candle/Data" / gone
    path.unlink()
    with pytest.raises(DataError, match=f"'candle' lists files that are missing.*\n{path}: is not"):
        open_catalog(tmp_path)


def _train_one(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row[1] == "test"] + rows[:1]


def _train_none(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row[1] == "test"]


def _no_test(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row[1] == "train"]


def _no_test_good(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row[1:3] != ("test", "normal")]


def _no_anomaly(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row[2] == "normal"]


def _one_mask(rows: list[Row]) -> list[Row]:
    return [*rows[:5], (*rows[5][:4], "")]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_train_none, "'candle' has no images with split train in split_csv/1cls.csv"),
        (_train_one, "'candle' has only one image with split train in .*; at least two"),
        (_no_test, "'candle' has no images with split test in split_csv/1cls.csv; put normal"),
        (_no_test_good, "'candle' has no images with split test, label normal in .*AUROC"),
        (_no_anomaly, "'candle' has only good test images; AUROC .* with split test, label ano"),
        (_one_mask, r"masks for 1 of 2 .*001\.JPG\. Fill in its mask in split_csv/1cls\.csv"),
    ],
)
def test_an_incomplete_class_is_told_in_words_of_the_list(
    tmp_path: Path,
    visa: Make,
    visa_rows: Rows,
    write_list: Make,
    change: Callable[[list[Row]], list[Row]],
    message: str,
):
    write_list(visa(tmp_path, "candle"), change(visa_rows("candle")))
    with pytest.raises(DataError, match=message):
        open_catalog(tmp_path)


def test_pictures_without_the_list_are_refused_with_its_place(tmp_path: Path, visa: Make):
    shutil.rmtree(visa(tmp_path, "candle") / "split_csv")
    with pytest.raises(
        DataError, match=r"VisA's pictures .* but not split_csv/1cls\.csv.*; add it"
    ):
        open_catalog(tmp_path)


def test_a_list_without_pictures_names_them(tmp_path: Path, visa: Make):
    shutil.rmtree(visa(tmp_path, "candle") / "candle")
    with pytest.raises(DataError, match=r"lists files that are missing.*(?s:.*)0000\.JPG: is not"):
        open_catalog(tmp_path)


def test_an_unknown_class_names_close_ones_of_the_list(tmp_path: Path, visa: Make):
    visa(tmp_path, "candle", "pcb1")
    with pytest.raises(DataError, match=r"'candles'; did you mean candle\? \(there are: candle, p"):
        open_catalog(tmp_path, ["candles"])
