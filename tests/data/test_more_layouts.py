"""Laws of further data sets in the form in which their authors publish them, on small trees."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from moleflow.data.catalog import (
    ClassData,
    check_pictures,
    fingerprint,
    open_catalog,
    open_training,
)
from moleflow.data.images import load_mask
from moleflow.data.inspection import inspect
from moleflow.data.recognition import recognise
from moleflow.errors import DataError

Make = Callable[..., Path]
SIZE = (12, 10)


def _paint(path: Path, value: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", SIZE, value).save(path)
    return path


def _mark(path: Path, place: int = 3, value: int = 255) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    marked = np.zeros(SIZE[::-1], np.uint8)
    marked[place : place + 2, 4:7] = value
    Image.fromarray(marked).save(path)
    return path


def _counts(data: ClassData) -> tuple[int, int, int, int]:
    return len(data.train), data.test_good, data.test_anomalous, data.masks


def _sound(root: Path, title: str) -> dict[str, ClassData]:
    """The catalog of a root that is recognised, and in which nothing is wrong."""
    assert recognise(root).title == title
    assert inspect(root).problems == 0
    catalog = open_catalog(root)
    for data in catalog.values():
        check_pictures(data)
    return catalog


# MVTec LOCO AD


def _loco(folder: Path) -> Path:
    for number in range(3):
        _paint(folder / f"train/good/{number:03}.png", 90 + number)
    _paint(folder / "validation/good/000.png", 99)
    _paint(folder / "test/good/000.png", 95)
    for defect in ("logical_anomalies", "structural_anomalies"):
        _paint(folder / f"test/{defect}/000.png", len(defect))
        _mark(folder / f"ground_truth/{defect}/000/000.png", 1)
    _mark(folder / "ground_truth/logical_anomalies/000/001.png", 6, 254)
    return folder


def test_loco_has_a_folder_of_masks_for_each_picture(tmp_path: Path):
    _loco(tmp_path / "pushpins")
    data = _sound(tmp_path, "MVTec LOCO")["pushpins"]
    assert _counts(data) == (3, 1, 2, 2)
    logical = next(p for p in data.test if p.defect == "logical_anomalies")
    assert [path.name for path in logical.masks] == ["000.png", "001.png"]
    marked = load_mask(logical.masks, 12, "squash")
    assert marked[:5].any() and marked[7:].any()
    assert inspect(tmp_path).classes[0].remarks == (
        f"{tmp_path}/pushpins/validation: 1 picture is not used",
    )


def test_every_mask_of_a_loco_picture_is_in_the_fingerprint(tmp_path: Path):
    folder = _loco(tmp_path / "pushpins")
    before = fingerprint(open_catalog(tmp_path)["pushpins"])
    _mark(folder / "ground_truth/logical_anomalies/000/001.png", 5, 254)
    assert fingerprint(open_catalog(tmp_path)["pushpins"]) != before


# MVTec AD 2


def test_ad_2_is_tested_on_its_public_pictures(tmp_path: Path):
    folder = tmp_path / "can"
    for number in range(3):
        _paint(folder / f"train/good/{number:03}_regular.png", 90 + number)
    for place in ("validation/good", "test_private", "test_private_mixed"):
        _paint(folder / place / "000_regular.png", 70)
    _paint(folder / "test_public/good/000_regular.png", 95)
    _paint(folder / "test_public/bad/000_regular.png", 20)
    _mark(folder / "test_public/ground_truth/bad/000_regular_mask.png")
    data = _sound(tmp_path, "MVTec AD 2")["can"]
    assert _counts(data) == (3, 1, 1, 1)
    assert len(inspect(tmp_path).classes[0].remarks) == 3
    shutil.rmtree(folder / "test_public")
    _paint(folder / "test_public/good/000_regular.png", 95)
    with pytest.raises(DataError, match="'can' has only good test images"):
        open_catalog(tmp_path)


# DAGM 2007


def _dagm(folder: Path) -> Path:
    for split in ("Train", "Test"):
        for number in range(1, 5):
            _paint(folder / split / f"{number:04}.PNG", number + len(split) * 9)
        _mark(folder / split / "Label" / "0003_label.PNG")
        (folder / split / "Label" / "Labels.txt").write_text("1")
    return folder


def test_dagm_pictures_are_defective_if_they_have_a_label(tmp_path: Path):
    for name in ("Class1", "Class10", "Class2"):
        _dagm(tmp_path / name)
    catalog = _sound(tmp_path, "DAGM 2007")
    assert list(catalog) == ["Class1", "Class2", "Class10"]
    data = catalog["Class1"]
    assert _counts(data) == (3, 3, 1, 1)
    assert [p.path.name for p in data.train] == ["0001.PNG", "0002.PNG", "0004.PNG"]
    assert inspect(tmp_path).classes[0].remarks == (
        "1 defective training pictures are not trained on",
    )


def test_a_dagm_label_of_no_picture_is_told(tmp_path: Path):
    folder = _dagm(tmp_path / "Class1")
    _mark(folder / "Test/Label/0009_label.PNG")
    assert "0009_label.PNG" in inspect(tmp_path).classes[0].problems[0]


def test_a_class_of_dagm_as_root_names_its_parent(tmp_path: Path):
    with pytest.raises(DataError, match=f"use its parent, {tmp_path}"):
        open_catalog(_dagm(tmp_path / "Class1"))


# KolektorSDD2


def _ksdd(root: Path) -> Path:
    for split in ("train", "test"):
        for number in range(4):
            stem = root / split / f"{10000 + number}"
            _paint(stem.with_suffix(".png"), number + len(split) * 9)
            truth = stem.with_name(f"{stem.name}_GT.png")
            _mark(truth) if number == 2 else _paint(truth, 0)
    return root


def test_ksdd_pictures_are_defective_if_their_mask_marks_something(tmp_path: Path):
    data = _sound(_ksdd(tmp_path), "KolektorSDD2")["kolektorsdd2"]
    assert _counts(data) == (3, 3, 1, 1)
    assert [p.path.stem for p in data.train] == ["10000", "10001", "10003"]
    assert inspect(tmp_path).classes[0].remarks == (
        "1 defective training pictures are not trained on",
    )
    assert len(open_training(tmp_path)["kolektorsdd2"].train) == 3


def test_a_ksdd_picture_without_a_mask_is_refused(tmp_path: Path):
    (_ksdd(tmp_path) / "test/10001_GT.png").unlink()
    with pytest.raises(DataError, match=r"test/10001\.png: has no mask 10001_GT\.png"):
        open_catalog(tmp_path)
    assert "10001_GT" in inspect(tmp_path).classes[0].problems[0]


def test_a_ksdd_mask_without_a_picture_is_told(tmp_path: Path):
    (_ksdd(tmp_path) / "test/10001.png").unlink()
    assert "1 masks belong to no picture" in inspect(tmp_path).classes[0].problems[0]


def test_ksdd_in_another_distribution_is_refused_by_name(tmp_path: Path):
    for inner in ("img", "ann"):
        (tmp_path / "train" / inner).mkdir(parents=True)
    with pytest.raises(DataError, match="not how the authors of KolektorSDD2 publish it"):
        open_catalog(tmp_path)


# Real-IAD


def _entry(name: str, kind: str, number: int, view: int, masked: bool) -> dict[str, Any]:
    place = "OK" if kind == "OK" else f"NG/{kind}"
    stem = f"{place}/S{number:04}/{name}_{number:04}_{kind}_C{view}_2023"
    return {
        "category": name,
        "anomaly_class": kind,
        "image_path": f"{stem}.jpg",
        "mask_path": f"{stem}.png" if masked else None,
    }


def _realiad(root: Path, lists: str = "realiad_jsons", size: str = "realiad_1024") -> Path:
    """One class; of an anomalous sample the second view shows no defect."""
    name = "audiojack"
    train = [_entry(name, "OK", 1, view, False) for view in range(1, 4)]
    test = [_entry(name, "OK", 2, 1, False)]
    test += [_entry(name, "AK", 3, 1, True), _entry(name, "AK", 3, 2, False)]
    for value, one in enumerate((*train, *test)):
        _paint(root / size / name / one["image_path"], 10 + 9 * value)
        if one["mask_path"]:
            _mark(root / size / name / one["mask_path"])
    _write(root / lists / f"{name}.json", train, test)
    return root


def _write(path: Path, train: list[Any], test: list[Any], **meta: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    head = {"prefix": f"{path.stem}/", "normal_class": "OK", "pre_transform": False} | meta
    path.write_text(json.dumps({"meta": head, "train": train, "test": test}))


def test_real_iad_is_labelled_by_its_list_and_not_by_its_folders(tmp_path: Path):
    data = _sound(_realiad(tmp_path), "Real-IAD")["audiojack"]
    assert _counts(data) == (3, 2, 1, 1)
    normal = [p.path for p in data.test if not p.anomalous]
    assert any("/NG/AK/" in str(path) for path in normal)
    assert [p.defect for p in data.test if p.anomalous] == ["AK"]
    (remark,) = inspect(tmp_path).classes[0].remarks
    assert remark.startswith("1 test pictures of anomalous samples have no mask")


@pytest.mark.parametrize("nested", [False, True])
def test_real_iads_lists_may_be_named_themselves(tmp_path: Path, nested: bool):
    _realiad(tmp_path)
    lists = tmp_path / "realiad_jsons"
    if nested:
        lists.rename(tmp_path / "moved")
        lists.mkdir()
        (tmp_path / "moved").rename(lists / "realiad_jsons")
        assert open_catalog(tmp_path) == open_catalog(lists / "realiad_jsons")
    else:
        assert open_catalog(tmp_path) == open_catalog(lists)


def test_real_iads_lists_may_lie_beside_the_classes(tmp_path: Path):
    _realiad(tmp_path, lists="data", size="data")
    assert _counts(_sound(tmp_path / "data", "Real-IAD")["audiojack"]) == (3, 2, 1, 1)


def test_noisy_training_of_real_iad_is_told(tmp_path: Path):
    _realiad(tmp_path)
    path = tmp_path / "realiad_jsons/audiojack.json"
    found = json.loads(path.read_text())
    found["train"].append(found["test"].pop(1))
    found["test"].append(_entry("audiojack", "AK", 9, 1, True))
    _paint(tmp_path / "realiad_1024/audiojack" / found["test"][-1]["image_path"], 3)
    _mark(tmp_path / "realiad_1024/audiojack" / found["test"][-1]["mask_path"])
    path.write_text(json.dumps(found))
    said: list[str] = []
    assert len(open_catalog(tmp_path, say=said.append)["audiojack"].train) == 4
    assert "1 of 4 training pictures are listed as anomalous" in said[0]


def _two_sets(root: Path) -> str:
    shutil.copytree(root / "realiad_jsons", root / "realiad_jsons_sv")
    return r"several sets of lists of Real-IAD \(realiad_jsons, realiad_jsons_sv\); name the one"


def _two_sizes(root: Path) -> str:
    shutil.copytree(root / "realiad_1024", root / "realiad_256")
    return r"several sizes of pictures of Real-IAD \(realiad_1024, realiad_256\); keep the one"


def _no_pictures(root: Path) -> str:
    shutil.rmtree(root / "realiad_1024")
    return r"there are no pictures in .*/realiad_1024 "


def _no_lists(root: Path) -> str:
    shutil.rmtree(root / "realiad_jsons")
    (root / "realiad_1024/audiojack").rename(root / "audiojack")
    return "holds Real-IAD's pictures .* but not its JSON lists"


def _outside(root: Path) -> str:
    entry = _entry("audiojack", "OK", 1, 1, False) | {"image_path": "../../etc/x.jpg"}
    _write(root / "realiad_jsons/audiojack.json", [entry], [])
    return r"x\.jpg points out of the class's folder"


def _other_keys(root: Path) -> str:
    entry = _entry("audiojack", "OK", 1, 1, False)
    del entry["mask_path"]
    _write(root / "realiad_jsons/audiojack.json", [entry], [])
    return r"audiojack\.json: is not a list of Real-IAD \(train\.0\.mask_path: Field required\)"


def _no_json(root: Path) -> str:
    (root / "realiad_jsons/audiojack.json").write_text("{")
    return r"audiojack\.json: is not a list of Real-IAD \(the file"


def _gone(root: Path) -> str:
    shutil.rmtree(root / "realiad_1024/audiojack/NG")
    return "(?s)lists files that are missing.*NG/AK/S0003"


@pytest.mark.parametrize(
    "spoil",
    [_two_sets, _two_sizes, _no_pictures, _no_lists, _outside, _other_keys, _no_json, _gone],
)
def test_what_real_iad_leaves_open_is_refused(tmp_path: Path, spoil: Callable[[Path], str]):
    expected = spoil(_realiad(tmp_path))
    with pytest.raises(DataError, match=expected):
        open_catalog(tmp_path)


@pytest.mark.parametrize("make", [_ksdd, _realiad])
def test_a_folder_above_names_the_root(tmp_path: Path, make: Callable[[Path], Path]):
    make(tmp_path / "inner")
    with pytest.raises(DataError, match=f"did you mean {tmp_path}/inner"):
        open_catalog(tmp_path)


def test_mvtec_3d_is_refused_by_name(tmp_path: Path, mvtec_class: Callable[..., Path]):
    for place in ("train/good", "test/good", "test/broken"):
        folder = mvtec_class(tmp_path / "bagel") / place
        files = list(folder.iterdir())
        (folder / "rgb").mkdir()
        for file in files:
            file.rename(folder / "rgb" / file.name)
    with pytest.raises(DataError, match=r"(?s)bagel: is in the layout of MVTec 3D-AD, .*<stem>_m"):
        open_catalog(tmp_path)
    (one,) = inspect(tmp_path).classes
    assert len(one.problems) == 1
