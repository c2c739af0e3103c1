"""Laws of recognition: one root, and what it holds is told from its folders."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from moleflow.data.catalog import check_pictures, fingerprint, open_catalog
from moleflow.data.recognition import recognise
from moleflow.errors import DataError

Make = Callable[..., Path]


def test_btad_opens_with_its_own_folder_names(tmp_path: Path, btad: Make):
    catalog = open_catalog(btad(tmp_path))
    assert list(catalog) == ["01", "02", "03"]
    for name, data in catalog.items():
        assert (len(data.train), data.test_good, data.test_anomalous) == (3, 1, 1)
        assert data.has_masks
        check_pictures(data)
        folder = tmp_path / name / "ground_truth/ko"
        assert [p.mask for p in data.test if p.anomalous] == [next(folder.iterdir())]


def test_ok_is_a_defect_like_any_other_beside_good(tmp_path: Path, mvtec_class: Make):
    folder = mvtec_class(tmp_path / "bottle")
    (folder / "test/broken").rename(folder / "test/ok")
    (folder / "ground_truth/broken").rename(folder / "ground_truth/ok")
    data = open_catalog(tmp_path)["bottle"]
    assert (data.test_good, data.test_anomalous, data.masks) == (1, 2, 2)


@pytest.mark.parametrize("gone", ["train", "train/good"])
@pytest.mark.parametrize("defects", [["broken"], ["broken", "ok", "good"], ["broken", "good"]])
def test_a_class_without_normal_pictures_to_train_is_one_of_mvtec_layout(
    tmp_path: Path, mvtec_class: Make, gone: str, defects: list[str]
):
    folder = mvtec_class(tmp_path / "bottle")
    shutil.copytree(folder / "test/broken", folder / "test/ok")
    for test in set((folder / "test").iterdir()) - {folder / "test" / name for name in defects}:
        shutil.rmtree(test)
    shutil.rmtree(folder / gone)
    with pytest.raises(DataError, match="'bottle' has no images under train/good"):
        open_catalog(tmp_path)


@pytest.mark.parametrize("name", ["bracket_black", "metal plate", "Röhre", "a [b]", "test"])
def test_classes_may_have_any_name(tmp_path: Path, mvtec_class: Make, name: str):
    mvtec_class(tmp_path / name)
    assert list(open_catalog(tmp_path, [name])) == [name]


def test_the_same_files_have_one_fingerprint_in_mvtec_and_btad_layout(tmp_path: Path, btad: Make):
    btad(tmp_path / "btad")
    shutil.copytree(tmp_path / "btad/02", tmp_path / "mvtec/02")
    for split in ("train", "test"):
        (tmp_path / f"mvtec/02/{split}/ok").rename(tmp_path / f"mvtec/02/{split}/good")
    there, here = (open_catalog(tmp_path / root)["02"] for root in ("mvtec", "btad"))
    assert fingerprint(there) == fingerprint(here)


def test_a_converted_visa_root_is_opened_as_what_it_became(
    tmp_path: Path, visa: Make, mvtec_class: Make
):
    visa(tmp_path, "candle")
    mvtec_class(tmp_path / "candle")
    assert recognise(tmp_path).title == "MVTec layout"
    assert {p.path.parts[-3] for p in open_catalog(tmp_path)["candle"].train} == {"train"}


def test_a_root_of_several_layouts_is_refused(
    tmp_path: Path, visa: Make, btad: Make, mvtec_class: Make
):
    visa(tmp_path, "candle")
    btad(tmp_path)
    mvtec_class(tmp_path / "bottle")
    with pytest.raises(
        DataError,
        match=r"mixes layouts \(BTAD: 01, 02, 03; MVTec layout: bottle; VisA: candle\); put the",
    ):
        open_catalog(tmp_path)


def test_a_class_of_two_layouts_is_refused(tmp_path: Path, btad: Make, mvtec_class: Make):
    mvtec_class(btad(tmp_path) / "01")
    with pytest.raises(DataError, match=r"01: holds train/good .* and train/ok .*; keep one"):
        open_catalog(tmp_path)


def test_a_class_of_visa_as_root_names_its_parent(tmp_path: Path, visa: Make):
    with pytest.raises(DataError, match=f"holds Data/Images/.*use its parent, {tmp_path}"):
        open_catalog(visa(tmp_path, "candle") / "candle")


@pytest.mark.parametrize("layout", ["visa", "btad"])
def test_a_folder_above_the_root_names_the_root(
    tmp_path: Path, visa: Make, btad: Make, layout: str
):
    root = visa(tmp_path / "inner", "candle") if layout == "visa" else btad(tmp_path / "inner")
    with pytest.raises(DataError, match=rf"holds no class .* did you mean {root}\?"):
        open_catalog(tmp_path)


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        ("train/ok", "'01' has no images under train/ok"),
        ("test/ok", "'01' has no images under test/ok"),
        ("test/ko", "'01' has only good test images"),
    ],
)
def test_an_incomplete_class_of_btad_is_told_in_its_words(
    tmp_path: Path, btad: Make, gone: str, message: str
):
    shutil.rmtree(btad(tmp_path) / "01" / gone)
    with pytest.raises(DataError, match=message):
        open_catalog(tmp_path)


def test_masks_of_which_none_is_named_after_its_picture_are_refused(
    tmp_path: Path, mvtec_class: Make
):
    folder = mvtec_class(tmp_path / "bottle")
    for mask in (folder / "ground_truth/broken").iterdir():
        mask.rename(mask.with_name(mask.name.replace("_mask", "-gt")))
    with pytest.raises(
        DataError, match=r"none is named .* first is .*000-gt\.png\. Name them like 000_mask\.png"
    ):
        open_catalog(tmp_path)
