"""Laws of the catalog: what is accepted, what is refused, what a fingerprint depends on."""

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from moleflow.data.catalog import check_pictures, fingerprint, open_catalog
from moleflow.errors import DataError

REAL_COUNTS = {
    "ball_screw": (60, 25, 30),
    "cookie": (31, 14, 30),
    "hazelnut": (24, 10, 17),
    "magnetic_tile": (60, 25, 30),
}


def _paint(path: Path, value: int = 100, size: tuple[int, int] = (9, 7)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, value).save(path)
    return path


def _class(root: Path, name: str = "bottle", masks: bool = True) -> Path:
    folder = root / name
    for number in range(3):
        _paint(folder / f"train/good/{number}.png", 90 + number)
    _paint(folder / "test/good/0.png", 95)
    for number in range(2):
        _paint(folder / f"test/broken/{number}.png", 30 + number)
        if masks:
            _paint(folder / f"ground_truth/broken/{number}_mask.png", 255)
    return folder


def test_classes_come_sorted_with_their_counts(tmp_path: Path):
    for name in ("wood", "bottle", "cable"):
        _class(tmp_path, name)
    catalog = open_catalog(tmp_path)
    assert list(catalog) == ["bottle", "cable", "wood"]
    data = catalog["wood"]
    assert (data.name, len(data.train), data.test_good, data.test_anomalous) == ("wood", 3, 1, 2)
    assert data.masks == 2 and data.has_masks


def test_only_the_named_classes_are_opened(tmp_path: Path):
    _class(tmp_path, "bottle")
    _class(tmp_path, "wood")
    shutil.rmtree(_class(tmp_path, "cable") / "train/good")
    assert list(open_catalog(tmp_path, ["wood", "bottle"])) == ["bottle", "wood"]


@pytest.mark.parametrize("mask", ["0_mask.png", "0.png", "0_mask.PNG", "0.bmp"])
def test_a_mask_is_found_by_either_name_and_any_suffix(tmp_path: Path, mask: str):
    folder = _class(tmp_path)
    (folder / "ground_truth/broken/0_mask.png").rename(folder / "ground_truth/broken" / mask)
    masks = [p.mask for p in open_catalog(tmp_path)["bottle"].test if p.anomalous]
    assert masks[0] == folder / "ground_truth/broken" / mask


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".JPEG", ".bmp", ".TIF", ".tiff"])
def test_pictures_of_every_accepted_suffix_are_found(tmp_path: Path, suffix: str):
    folder = _class(tmp_path)
    _paint(folder / f"train/good/extra{suffix}")
    assert len(open_catalog(tmp_path)["bottle"].train) == 4


def test_other_and_hidden_files_are_not_pictures(tmp_path: Path):
    folder = _class(tmp_path)
    (tmp_path / "license.txt").write_text("free")
    (tmp_path / "notes").mkdir()
    (folder / "train/good/Thumbs.db").write_bytes(b"")
    (folder / "train/good/._0.png").write_bytes(b"")
    data = open_catalog(tmp_path)["bottle"]
    assert len(data.train) == 3
    check_pictures(data)


def test_a_class_without_any_mask_is_allowed(tmp_path: Path):
    _class(tmp_path, masks=False)
    data = open_catalog(tmp_path)["bottle"]
    assert not data.has_masks and data.masks == 0
    check_pictures(data)


def _drop(*parts: str) -> Callable[[Path], None]:
    def drop(folder: Path) -> None:
        for part in parts:
            path = folder / part
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return drop


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_drop("train"), "'bottle' has no images under train/good"),
        (_drop("train/good/0.png", "train/good/1.png"), "only one image .* at least two"),
        (_drop("test"), "'bottle' has no images under test "),
        (_drop("test/good"), "no images under test/good .* AUROC needs good and anomalous"),
        (_drop("test/broken"), "only good test images .* AUROC needs good and anomalous"),
        (
            _drop("ground_truth/broken/1_mask.png"),
            r"masks for 1 of 2 .* first without one is .*test/broken/1\.png.*broken/1_mask\.png",
        ),
    ],
)
def test_an_incomplete_class_is_refused(
    tmp_path: Path, damage: Callable[[Path], None], message: str
):
    damage(_class(tmp_path))
    with pytest.raises(DataError, match=message):
        open_catalog(tmp_path)


def test_a_missing_root_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match=r"nowhere: does not exist; name the folder"):
        open_catalog(tmp_path / "nowhere")


def test_a_root_without_classes_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match="holds no class"):
        open_catalog(tmp_path)


def test_a_class_as_root_names_its_parent(tmp_path: Path):
    folder = _class(tmp_path)
    with pytest.raises(DataError, match=f"use its parent, {tmp_path}"):
        open_catalog(folder)


def test_an_unknown_class_names_close_and_known_ones(tmp_path: Path):
    _class(tmp_path, "bottle")
    _class(tmp_path, "wood")
    with pytest.raises(
        DataError, match=r"'botle'; did you mean bottle\? \(there are: bottle, wood\)"
    ):
        open_catalog(tmp_path, ["botle"])


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif"])
def test_a_truncated_picture_is_named(tmp_path: Path, suffix: str):
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    path = _class(tmp_path) / f"train/good/torn{suffix}"
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=rf"torn\{suffix}: "):
        check_pictures(open_catalog(tmp_path)["bottle"])


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n"])
def test_a_file_that_is_no_image_is_named(tmp_path: Path, content: bytes):
    (_class(tmp_path) / "test/good/0.png").write_bytes(content)
    with pytest.raises(DataError, match=r"test/good/0\.png: "):
        check_pictures(open_catalog(tmp_path)["bottle"])


def test_a_mask_of_another_size_names_both_sizes(tmp_path: Path):
    _paint(_class(tmp_path) / "ground_truth/broken/1_mask.png", 255, (8, 7))
    with pytest.raises(DataError, match=r"1_mask\.png: is 8 x 7 .*broken/1\.png is 9 x 7"):
        check_pictures(open_catalog(tmp_path)["bottle"])


def test_a_mask_that_marks_nothing_is_refused(tmp_path: Path):
    _paint(_class(tmp_path) / "ground_truth/broken/0_mask.png", 0)
    with pytest.raises(DataError, match=r"0_mask\.png: marks no pixel"):
        check_pictures(open_catalog(tmp_path)["bottle"])


def test_all_problems_come_at_once_ten_by_name(tmp_path: Path):
    folder = _class(tmp_path)
    for number in range(13):
        (folder / f"train/good/bad{number}.png").write_bytes(b"no")
    with pytest.raises(DataError) as caught:
        check_pictures(open_catalog(tmp_path)["bottle"])
    lines = str(caught.value).splitlines()
    assert len(lines) == 12 and lines[-1] == "and 3 more"


def test_progress_counts_every_picture(tmp_path: Path):
    _class(tmp_path)
    seen: list[int] = []
    check_pictures(open_catalog(tmp_path)["bottle"], seen.append)
    assert seen == [1, 2, 3, 4, 5, 6]


def _fingerprint(root: Path) -> str:
    return fingerprint(open_catalog(root)["bottle"])


def test_a_fingerprint_does_not_depend_on_place_or_time(tmp_path: Path):
    folder = _class(tmp_path / "here")
    there = shutil.copytree(folder, tmp_path / "there/bottle")
    os.utime(there / "train/good/0.png", (1, 1))
    assert _fingerprint(tmp_path / "here") == _fingerprint(tmp_path / "there")
    assert len(_fingerprint(tmp_path / "here")) == 20


def test_a_fingerprint_in_mvtec_layout_is_of_paths_sizes_and_contents(tmp_path: Path):
    """Written out anew from its definition: stored results are found by these digits."""
    folder = _class(tmp_path)
    expected = hashlib.sha256()
    for path in sorted(folder.rglob("*.png"), key=lambda path: path.relative_to(folder).as_posix()):
        content = path.read_bytes()
        parts = (path.relative_to(folder).as_posix(), len(content), _sha256(content))
        expected.update("".join(f"{part}\0" for part in parts).encode())
    assert _fingerprint(tmp_path) == expected.hexdigest()[:20]


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    "change",
    [
        lambda f: _paint(f / "train/good/1.png", 7),
        lambda f: _paint(f / "ground_truth/broken/1_mask.png", 254),
        lambda f: (f / "train/good/1.png").rename(f / "train/good/7.png"),
        lambda f: (f / "train/good/2.png").rename(f / "test/good/2.png"),
        lambda f: (f / "train/good/2.png").unlink(),
        lambda f: shutil.rmtree(f / "ground_truth"),
    ],
    ids=["picture", "mask", "name", "split", "fewer", "no masks"],
)
def test_a_fingerprint_changes_with(tmp_path: Path, change: Callable[[Path], object]):
    folder = _class(tmp_path)
    before = _fingerprint(tmp_path)
    change(folder)
    assert _fingerprint(tmp_path) != before


@pytest.mark.real
@pytest.mark.skipif("MOLEFLOW_REAL_DATA" not in os.environ, reason="MOLEFLOW_REAL_DATA is not set")
@pytest.mark.parametrize("name", REAL_COUNTS)
def test_real_classes_open_with_their_counts(name: str):
    data = open_catalog(Path(os.environ["MOLEFLOW_REAL_DATA"]) / "data", [name])[name]
    assert (len(data.train), data.test_good, data.test_anomalous) == REAL_COUNTS[name]
    assert data.has_masks
    check_pictures(data)
