"""Laws of the inspection: everything is counted, everything wrong is named, nothing stops it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from moleflow.data.catalog import open_catalog
from moleflow.data.inspection import ClassInspection, inspect
from moleflow.errors import DataError

Make = Callable[..., Path]


def _one(root: Path) -> ClassInspection:
    (found,) = inspect(root).classes
    return found


def test_a_sound_class_has_its_counts_and_no_problem(tmp_path: Path, mvtec_class: Make):
    mvtec_class(tmp_path / "bottle")
    found = inspect(tmp_path)
    assert (found.root, found.layout, found.problems) == (tmp_path, "MVTec layout", 0)
    data = open_catalog(tmp_path)["bottle"]
    assert found.classes == (ClassInspection("bottle", (), data, ((9, 7),), ("grey",)),)


@pytest.mark.parametrize(("layout", "classes"), [("VisA", ["candle", "pcb1"]), ("BTAD", ["03"])])
def test_every_layout_is_inspected(
    tmp_path: Path, visa: Make, btad: Make, layout: str, classes: list[str]
):
    root = visa(tmp_path, "pcb1", "candle") if layout == "VisA" else btad(tmp_path)
    found = inspect(root, classes)
    assert (found.layout, found.problems) == (layout, 0)
    assert [one.name for one in found.classes] == classes


def test_sizes_and_modes_are_those_of_the_files(tmp_path: Path, mvtec_class: Make):
    folder = mvtec_class(tmp_path / "bottle") / "train/good"
    Image.new("RGB", (20, 5), (9, 8, 7)).save(folder / "a.png")
    Image.new("RGBA", (20, 5), (6, 8, 7, 9)).save(folder / "b.png")
    Image.fromarray(np.full((5, 20), 2000, np.uint16)).save(folder / "c.png")
    Image.new("RGB", (8, 8), (1, 2, 3)).quantize().save(folder / "d.png")
    found = _one(tmp_path)
    assert found.sizes == ((8, 8), (9, 7), (20, 5))
    assert found.modes == ("16-bit grey", "RGB", "RGBA", "grey", "palette")


def _tear(folder: Path) -> str:
    path = folder / "train/good/001.png"
    path.write_bytes(path.read_bytes()[:-30])
    return f"{path}: the image is damaged"


def _no_image(folder: Path) -> str:
    (folder / "test/good/000.png").write_text("no")
    return f"{folder}/test/good/000.png: is not an image"


def _no_range(folder: Path) -> str:
    path = folder / "train/good/float.tif"
    Image.fromarray(np.ones((7, 9), np.float32)).save(path)
    return f"{path}: pixels are 32-bit"


def _small_mask(folder: Path) -> str:
    path = folder / "ground_truth/broken/001_mask.png"
    mask = Image.new("L", (8, 7))
    mask.putpixel((3, 3), 255)
    mask.save(path)
    return f"{path}: is 8 x 7 pixels but its picture {folder}/test/broken/001.png is 9 x 7"


def _empty_mask(folder: Path) -> str:
    path = folder / "ground_truth/broken/000_mask.png"
    Image.new("L", (9, 7)).save(path)
    return f"{path}: marks no pixel"


def _torn_mask(folder: Path) -> str:
    (folder / "ground_truth/broken/000_mask.png").write_bytes(b"")
    return f"{folder}/ground_truth/broken/000_mask.png: is not an image"


def _no_mask(folder: Path) -> str:
    (folder / "ground_truth/broken/001_mask.png").unlink()
    return f"{folder}/test/broken/001.png: has no mask"


def _leak(folder: Path) -> str:
    path = folder / "test/good/same.bmp"
    Image.open(folder / "train/good/002.png").convert("RGB").save(path)
    return f"{path}: has the same pixels as {folder}/train/good/002.png, so training sees"


def _contradiction(folder: Path) -> str:
    path = folder / "test/good/same.bmp"
    Image.open(folder / "test/broken/000.png").save(path)
    return f"{folder}/test/broken/000.png: has the same pixels as {path}, so one picture counts"


def _good_mask(folder: Path) -> str:
    path = folder / "ground_truth/good/000_mask.png"
    path.parent.mkdir()
    shutil.copy(folder / "ground_truth/broken/000_mask.png", path)
    return f"{path}: marks pixels of a picture that counts as normal"


def _torn_good_mask(folder: Path) -> str:
    path = folder / "ground_truth/good/000_mask.png"
    path.parent.mkdir()
    path.write_text("no")
    return f"{path}: is not an image"


def _no_test(folder: Path) -> str:
    shutil.rmtree(folder / "test")
    return f"{folder.parent}: class 'bottle' has no images under test "


def _nothing_to_train(folder: Path) -> str:
    shutil.rmtree(folder / "train")
    return f"{folder.parent}: class 'bottle' has no images under train/good"


SPOIL = [
    _tear,
    _no_image,
    _no_range,
    _small_mask,
    _empty_mask,
    _torn_mask,
    _no_mask,
    _leak,
    _contradiction,
    _good_mask,
    _torn_good_mask,
    _no_test,
    _nothing_to_train,
]


@pytest.mark.parametrize("spoil", SPOIL)
def test_what_is_wrong_is_named(tmp_path: Path, mvtec_class: Make, spoil: Callable[[Path], str]):
    expected = spoil(mvtec_class(tmp_path / "bottle"))
    problems = _one(tmp_path).problems
    assert [problem for problem in problems if problem.startswith(expected)]


def test_problems_of_one_class_come_all_at_once(tmp_path: Path, mvtec_class: Make):
    folder = mvtec_class(tmp_path / "bottle")
    expected = [spoil(folder) for spoil in (_tear, _small_mask, _empty_mask, _leak)]
    for number in range(12):
        (folder / f"train/good/bad{number}.png").write_text("no")
    problems = _one(tmp_path).problems
    assert len(problems) == 4 + 12
    assert all(any(problem.startswith(start) for problem in problems) for start in expected)


def test_a_broken_class_does_not_hide_the_others(
    tmp_path: Path, visa: Make, write_list: Make, visa_rows: Callable[[str], list[tuple[str, ...]]]
):
    visa(tmp_path, "candle", "pcb1")
    write_list(tmp_path, [("candle", "half", "normal", "x.JPG", ""), *visa_rows("pcb1")])
    candle, pcb1 = inspect(tmp_path).classes
    assert candle.data is None and "1cls.csv: line 2: split 'half'" in candle.problems[0]
    assert pcb1.data is not None and len(pcb1.data.train) == 3 and not pcb1.problems


def test_files_of_the_list_that_are_gone_are_all_named(tmp_path: Path, visa: Make):
    images = visa(tmp_path, "candle") / "candle/Data/Images"
    gone = [*(images / "Normal").iterdir(), images / "Anomaly/001.JPG"]
    for path in gone:
        path.unlink()
    found = _one(tmp_path)
    assert len(found.problems) == len(gone)
    assert sorted(problem.partition(":")[0] for problem in found.problems) == sorted(map(str, gone))


def test_a_picture_twice_in_training_is_no_leak(tmp_path: Path, mvtec_class: Make):
    folder = mvtec_class(tmp_path / "bottle") / "train/good"
    shutil.copy(folder / "000.png", folder / "copy.png")
    assert _one(tmp_path).problems == ()


def test_a_mask_of_a_normal_picture_that_marks_nothing_is_sound(tmp_path: Path, mvtec_class: Make):
    path = mvtec_class(tmp_path / "bottle") / "ground_truth/good/000_mask.png"
    path.parent.mkdir()
    Image.new("L", (9, 7)).save(path)
    assert (_one(tmp_path).problems, _one(tmp_path).remarks) == ((), ())


def _repeated(folder: Path) -> str:
    shutil.copy(folder / "train/good/000.png", folder / "train/good/copy.png")
    return "1 of 4 training pictures repeat another one of them, pixel for pixel: the first is"


def _tiny(folder: Path) -> str:
    Image.new("L", (1, 1)).save(folder / "train/good/tiny.png")
    return "1 of 7 pictures are far smaller than the others, or only some pixels wide"


@pytest.mark.parametrize("lay", [_repeated, _tiny])
def test_what_is_odd_is_a_remark(tmp_path: Path, mvtec_class: Make, lay: Callable[[Path], str]):
    expected = lay(mvtec_class(tmp_path / "bottle"))
    (remark,) = _one(tmp_path).remarks
    assert remark.startswith(expected) and _one(tmp_path).problems == ()


def test_pictures_of_another_class_are_a_remark(tmp_path: Path, mvtec_class: Make):
    bottle, wood = mvtec_class(tmp_path / "bottle"), mvtec_class(tmp_path / "wood")
    first, second = inspect(tmp_path).classes
    assert first.remarks == () and second.problems == ()
    assert second.remarks == (
        "6 pictures have the same pixels as pictures of other classes: the first is "
        f"{wood}/train/good/000.png, as {bottle}/train/good/000.png",
    )


def test_a_class_without_masks_is_sound(tmp_path: Path, mvtec_class: Make):
    shutil.rmtree(mvtec_class(tmp_path / "bottle") / "ground_truth")
    assert _one(tmp_path).problems == ()


def test_progress_counts_the_pictures_of_all_classes(tmp_path: Path, mvtec_class: Make):
    for name in ("bottle", "wood"):
        mvtec_class(tmp_path / name)
    seen: list[tuple[int, int]] = []
    inspect(tmp_path, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(done, 12) for done in range(1, 13)]


def test_a_root_that_cannot_be_opened_is_an_error(tmp_path: Path):
    with pytest.raises(DataError, match="holds no class"):
        inspect(tmp_path)


@pytest.mark.parametrize("name", ["mean", "a+b", " bottle", "bot\ntle"])
def test_a_name_that_no_study_can_use_is_a_problem(
    tmp_path: Path, mvtec_class: Make, name: str
) -> None:
    mvtec_class(tmp_path / name)
    assert any(repr(name) in problem and "rename" in problem for problem in _one(tmp_path).problems)


@pytest.mark.parametrize("form", ["png", "jpg", "webp"])
def test_pictures_that_viewers_turn_are_told(tmp_path: Path, mvtec_class: Make, form: str):
    folder = mvtec_class(tmp_path / "bottle") / "train/good"
    tags, picture = Image.Exif(), Image.new("L", (9, 7), 90)
    picture.putpixel((1, 1), 20)
    picture.putpixel((2, 2), 200)
    for number, tag in enumerate((1, 3)):
        tags[0x0112] = tag
        picture.save(folder / f"{900 + number}.{form}", exif=tags)
    told = [line for line in _one(tmp_path).remarks if "stored turned" in line]
    assert len(told) == 1 and told[0].startswith("1 of ") and f"{folder}/901.{form}" in told[0]


def test_damaged_tags_are_no_damage(tmp_path: Path, mvtec_class: Make):
    folder = mvtec_class(tmp_path / "bottle") / "train/good"
    damaged = b"Exif\0\0nothing that a tag is in"
    Image.open(folder / "000.png").save(folder / "000.png", exif=damaged)
    found = _one(tmp_path)
    assert found.problems == () and not any("turned" in line for line in found.remarks)


def test_an_animation_is_told(tmp_path: Path, mvtec_class: Make):
    folder = mvtec_class(tmp_path / "bottle") / "train/good"
    still, moved = (
        Image.fromarray(np.arange(k, k + 63).reshape(7, 9).astype("u1")) for k in (0, 9)
    )
    still.save(folder / "901.png", save_all=True, append_images=[moved])
    (told,) = (line for line in _one(tmp_path).remarks if "more than one picture" in line)
    assert f"{folder}/901.png" in told


def test_a_mask_with_pages_is_told_as_a_picture_with_pages_is(tmp_path: Path, mvtec_class: Make):
    """What the other pages mark does not count."""
    folder = mvtec_class(tmp_path / "bottle") / "ground_truth/broken"
    mask = Image.open(folder / "000_mask.png")
    mask.save(folder / "000_mask.tif", save_all=True, append_images=[mask])
    mask.close()
    (folder / "000_mask.png").unlink()
    (told,) = _one(tmp_path).remarks
    assert told.startswith("1 file holds more than one picture") and "000_mask.tif" in told
