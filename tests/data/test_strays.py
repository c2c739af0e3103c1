"""Laws of what is not taken: it is told, and what would make numbers wrong is refused."""

import os
import shutil
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from moleflow.data.catalog import open_catalog, open_training
from moleflow.data.inspection import inspect
from moleflow.errors import DataError
from orchestration.studies.overrides import Request
from tests.data.others import NOBODY, let_others_in

Make = Callable[..., Path]


@pytest.fixture
def bottle(tmp_path: Path, mvtec_class: Make) -> Path:
    return mvtec_class(tmp_path / "data/bottle")


def _copy(source: Path, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copy(source, target))


def _told(bottle: Path) -> tuple[list[str], list[str]]:
    """What a study is told of a class, and what `data check` calls a problem."""
    said: list[str] = []
    open_catalog(bottle.parent, say=said.append)
    return said, [problem for one in inspect(bottle.parent).classes for problem in one.problems]


def _inner(bottle: Path) -> str:
    _copy(bottle / "train/good/000.png", bottle / "train/good/more/0.png")
    return "1 picture in folders below it is not taken; the first is"


def _gif(bottle: Path) -> str:
    _copy(bottle / "test/good/000.png", bottle / "test/broken/x.GIF")
    return "1 files of other kinds than are read (1 .GIF) are not taken"


def _loose(bottle: Path) -> str:
    _copy(bottle / "test/good/000.png", bottle / "test/x.png")
    return "1 picture in no folder of a kind is not taken"


def _stray_mask(bottle: Path) -> str:
    _copy(bottle / "ground_truth/broken/000_mask.png", bottle / "ground_truth/broken/7_mask.png")
    return "1 mask belongs to no picture and is not taken; the first is"


def _nameless(bottle: Path) -> str:
    _copy(bottle / "test/good/000.png", bottle / "train/good/000")
    _copy(bottle / "test/good/000.png", bottle / "train/good/000.bak")
    return "2 pictures by content, but not by name, are not taken; the first is"


def _nameless_mask(bottle: Path) -> str:
    _copy(bottle / "ground_truth/broken/000_mask.png", bottle / "ground_truth/broken/7_mask")
    return "1 picture by content, but not by name, is not taken; the first is"


def _loose_gif(bottle: Path) -> str:
    _copy(bottle / "test/good/000.png", bottle / "train/x.gif")
    return "1 files of other kinds than are read (1 .gif) are not taken"


def _gif_mask(bottle: Path) -> str:
    _copy(bottle / "ground_truth/broken/000_mask.png", bottle / "ground_truth/broken/7_mask.gif")
    return "1 files of other kinds than are read (1 .gif) are not taken"


LAY = (_inner, _gif, _loose, _stray_mask, _nameless, _nameless_mask, _loose_gif, _gif_mask)


@pytest.mark.parametrize("lay", LAY)
def test_what_looks_meant_and_is_not_taken_is_told(bottle: Path, lay: Callable[[Path], str]):
    expected = lay(bottle)
    said, problems = _told(bottle)
    assert [line for line in said if expected in line] and len(said) == 1
    assert [line for line in problems if expected in line] and len(problems) == 1


def test_a_sound_class_is_told_nothing_of(bottle: Path):
    (bottle / "license.txt").write_text("free")
    (bottle / "train/good/Thumbs.db").write_text("")
    (bottle / "train/good/README").write_text("BMP pictures of bottles")
    (bottle / "train/good/000.json").write_text("{}")
    os.mkfifo(bottle / "train/good/pipe")
    (bottle.parent / "licences").mkdir()
    (bottle.parent / "licences/MIT.txt").write_text("free")
    assert _told(bottle) == ([], [])


def test_pictures_that_are_left_out_on_purpose_are_no_problem(bottle: Path):
    for place in ("validation/good/0.png", "train/broken/0.png", "train/broken/1.png"):
        _copy(bottle / "test/good/000.png", bottle / place)
    said, problems = _told(bottle)
    assert problems == []
    assert said == [
        f"bottle: {bottle}/train/broken: 2 pictures are not used",
        f"bottle: {bottle}/validation: 1 picture is not used",
    ]


def _deeper(bottle: Path) -> str:
    shutil.copytree(bottle, bottle.parent / "more/cable")
    return f"{bottle.parent}/more: holds classes of its own, which are not taken (cable); move"


def _deep(bottle: Path) -> str:
    shutil.copytree(bottle, bottle.parent / "more/and/cable")
    return f"{bottle.parent}/more: holds pictures and is no class, so they are not taken; the first"


def _capitals(bottle: Path) -> str:
    _copy(bottle / "train/good/000.png", bottle.parent / "cable/Train/Good/0.png")
    return f"{bottle.parent}/cable: holds pictures and is no class"


def _beside(bottle: Path) -> str:
    _copy(bottle / "train/good/000.png", bottle.parent / "0.png")
    return f"{bottle.parent}: 1 picture in no folder of a kind is not taken"


def _link(bottle: Path) -> str:
    (bottle.parent / "alias").symlink_to(bottle)
    return f"{bottle.parent}/alias: is the folder of class bottle too (a link)"


@pytest.mark.parametrize("lay", [_deeper, _deep, _capitals, _beside, _link])
def test_what_lies_beside_the_classes_is_told(bottle: Path, lay: Callable[[Path], str]):
    expected = lay(bottle)
    (remark,) = inspect(bottle.parent).remarks
    assert remark.startswith(expected)
    assert _told(bottle)[0] == [remark]
    assert inspect(bottle.parent, ["bottle"]).remarks == ()


def _folders_of_masks(truth: Path) -> None:
    for number in range(2):
        mask = truth / f"broken/00{number}_mask.png"
        _copy(mask, truth / f"broken/00{number}/000.png")
        mask.unlink()


def _flat(truth: Path) -> None:
    for mask in (truth / "broken").iterdir():
        mask.rename(truth / mask.name)


def _other_case(truth: Path) -> None:
    (truth / "broken").rename(truth / "Broken")


@pytest.mark.parametrize("move", [_folders_of_masks, _flat, _other_case])
def test_masks_in_other_places_are_refused_if_none_is_taken(
    bottle: Path, move: Callable[[Path], None]
):
    move(bottle / "ground_truth")
    with pytest.raises(
        DataError, match=r"has 2 masks, but none .*Name them like 000_mask\.png, in"
    ):
        open_catalog(bottle.parent)


@pytest.mark.parametrize(
    "name",
    ["Ground_Truth", "ground-truth", "masks", "GT", "bottle_groundtruth", "train/broken_masks"],
)
def test_a_folder_that_may_hold_the_masks_is_told(bottle: Path, name: str):
    (bottle / "ground_truth").rename(bottle / name)
    _, problems = _told(bottle)
    assert [line for line in problems if f"{bottle}/{name}: 2 masks belong to no picture" in line]


@pytest.mark.parametrize("place", ["ground_truth/bottle", "masks", "bottle.ground_truth"])
def test_masks_beside_the_classes_are_a_problem_where_a_class_has_none(bottle: Path, place: str):
    (bottle.parent / place).parent.mkdir(exist_ok=True)
    (bottle / "ground_truth").rename(bottle.parent / place)
    said, problems = _told(bottle)
    expected = f"{bottle.parent / Path(place).parts[0]}: 2 masks belong to no picture"
    assert any(line.startswith(expected) for line in problems)
    assert any(expected in line for line in said)
    assert "Expected is bottle/ground_truth/<defect>/<stem>_mask.*" in "".join(problems)


def test_one_mask_for_two_pictures_is_refused(bottle: Path):
    Image.fromarray(np.zeros((7, 9), np.uint8)).save(bottle / "test/broken/000.jpg")
    with pytest.raises(DataError, match=r"000_mask\.png: by its name .* 000\.jpg and 000\.png"):
        open_catalog(bottle.parent)


@pytest.mark.parametrize("name", ["Good", "good ", " GOOD"])
def test_normal_pictures_in_a_folder_of_like_name_are_not_called_a_defect(bottle: Path, name: str):
    (bottle / "test/good").rename(bottle / "test" / name)
    with pytest.raises(DataError, match=rf"test/{name}: is it good\? Rename it so"):
        open_catalog(bottle.parent)


@pytest.fixture
def readable(tmp_path_factory: pytest.TempPathFactory, mvtec_class: Make) -> Path:
    """A data set that others may look into."""
    root = tmp_path_factory.mktemp("shared")
    let_others_in(root)
    for name in ("bottle", "cable"):
        mvtec_class(root / name)
    return root


@pytest.fixture
def as_nobody() -> Iterator[Callable[[], None]]:
    """Call it to be another user, whom permissions bind."""
    root = os.geteuid() == 0
    yield lambda: os.seteuid(NOBODY) if root else None
    if root:
        os.seteuid(0)


def test_a_folder_that_may_not_be_read_is_no_class(readable: Path, as_nobody: Callable[[], None]):
    (readable / "cable").chmod(0)
    as_nobody()
    said: list[str] = []
    assert list(open_catalog(readable, say=said.append)) == ["bottle"]
    assert said == [
        f"{readable}/cable: the folder may not be read (permission denied); change its permissions"
    ]
    with pytest.raises(DataError, match="cable: the folder may not be read"):
        open_catalog(readable, ["cable"])


def test_a_class_with_a_folder_that_may_not_be_read_is_refused(
    readable: Path, as_nobody: Callable[[], None]
):
    (readable / "cable/train/good").chmod(0)
    as_nobody()
    assert list(open_catalog(readable, ["bottle"])) == ["bottle"]
    with pytest.raises(DataError, match="cable/train/good: the folder may not be read"):
        open_training(readable)


@pytest.mark.parametrize(
    ("place", "mode"),
    [
        ("split_csv/1cls.csv", 0),
        *((p, m) for p in (".", "bottle", "bottle/train", "split_csv", "Data") for m in (0, 0o444)),
    ],
)
def test_what_may_not_be_looked_at_is_refused_by_name(
    readable: Path, as_nobody: Callable[[], None], visa: Make, place: str, mode: int
):
    shutil.rmtree(readable / "cable")
    if "split" in place or "Data" in place:
        shutil.rmtree(readable / "bottle")
        visa(readable, "bottle")
        open_catalog(readable)  # imports what reads the list
    place = place.replace("Data", "bottle/Data")
    (readable / place).chmod(mode)
    as_nobody()
    with pytest.raises(DataError) as refused:
        open_catalog(readable)
    assert f"{readable / place}" in str(refused.value)


def test_a_folder_above_that_may_not_be_entered_is_not_said_to_be_missing(
    readable: Path, as_nobody: Callable[[], None]
):
    readable.chmod(0o444)
    as_nobody()
    with pytest.raises(DataError, match=r"bottle: cannot be looked at \(Permission denied\)"):
        open_catalog(readable / "bottle")


def test_a_class_beside_folders_that_may_not_be_entered_is_read(
    readable: Path, as_nobody: Callable[[], None]
):
    (readable / "other/Data/Images").mkdir(parents=True)
    (readable / "other/Data").chmod(0)
    as_nobody()
    assert list(open_catalog(readable)) == ["bottle", "cable"]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("typed", ["NFC", "NFD"])
def test_a_name_is_the_same_however_its_letters_are_composed(
    tmp_path: Path, mvtec_class: Make, form: str, typed: str
):
    name = "Schlüssel"
    mvtec_class(tmp_path / unicodedata.normalize(form, name))
    assert list(open_catalog(tmp_path, [unicodedata.normalize(typed, name)])) == [name]
    assert Request(classes=(unicodedata.normalize(typed, name),)).classes == (name,)


def test_two_folders_of_one_name_are_refused(tmp_path: Path, mvtec_class: Make):
    for form in ("NFC", "NFD"):
        mvtec_class(tmp_path / unicodedata.normalize(form, "Schlüssel"))
    with pytest.raises(DataError, match="both names read 'Schlüssel'"):
        open_catalog(tmp_path)


def test_names_that_are_no_text_are_told(bottle: Path):
    odd = bottle.parent / b"caf\xe9".decode("utf-8", "surrogateescape")
    shutil.copytree(bottle, odd)
    found = inspect(bottle.parent)
    assert [one.name for one in found.classes] == ["bottle"]
    assert "caf\\xe9: its name is not UTF-8" in found.remarks[0]
    shutil.copy(bottle / "train/good/000.png", bottle / "train/good" / f"{odd.name}.png")
    with pytest.raises(DataError, match=r"caf\\xe9\.png: its name is not UTF-8"):
        open_training(bottle.parent)
    assert "caf\\xe9.png: its name" in inspect(bottle.parent).classes[0].problems[0]


@pytest.mark.parametrize(
    ("called", "folder"),
    [
        ("000_mask.png", "test/broken"),
        ("000-GT.png", "test/good"),
        ("000.label.bmp", "test/broken"),
        ("000_mask.png", "train/good"),
    ],
)
def test_masks_beside_pictures_never_count_as_pictures(
    bottle: Path, called: str, folder: str
) -> None:
    shutil.rmtree(bottle / "ground_truth")
    stray = bottle / folder / called
    _copy(bottle / "test/good/000.png", stray)
    with pytest.raises(DataError, match="would count as pictures"):
        open_catalog(bottle.parent)
    problems = [problem for problem in _told_by_check(bottle) if "count as pictures" in problem]
    assert len(problems) == 1
    assert str(stray) in problems[0]


def test_a_picture_called_like_a_mask_is_one_where_it_has_a_mask_of_its_own(bottle: Path) -> None:
    truth = bottle / "ground_truth/broken"
    _copy(bottle / "test/broken/000.png", bottle / "test/broken/000_mask.png")
    _copy(truth / "000_mask.png", truth / "000_mask_mask.png")
    data = open_catalog(bottle.parent)["bottle"]
    assert data.has_masks
    assert data.test_anomalous == len(list((bottle / "test/broken").iterdir()))


@pytest.mark.parametrize("folder", ["test/stains", "test/good", "train/good"])
def test_pictures_of_two_colours_among_photographs_are_told(bottle: Path, folder: str) -> None:
    _photograph(bottle)
    target = bottle / folder / "seventh.png"
    target.parent.mkdir(exist_ok=True)
    mask = np.zeros((40, 40), np.uint8)
    mask[3:9, 5:20] = 255
    Image.fromarray(mask).save(target)
    (problem,) = (p for p in _told_by_check(bottle) if "no more than two colours" in p)
    assert str(target) in problem


def test_photographs_are_not_taken_for_masks(bottle: Path) -> None:
    _photograph(bottle)
    assert not any("two colours" in problem for problem in _told_by_check(bottle))


def test_where_all_pictures_have_two_colours_they_are_photographs(bottle: Path) -> None:
    _photograph(bottle, colours=2)
    assert not any("two colours" in problem for problem in _told_by_check(bottle))


def _told_by_check(bottle: Path) -> list[str]:
    return [problem for one in inspect(bottle.parent).classes for problem in one.problems]


def _photograph(bottle: Path, colours: int = 256) -> None:
    """Every picture of the class becomes one of so many colours; it has no masks any more."""
    shutil.rmtree(bottle / "ground_truth")
    for number, path in enumerate(sorted(bottle.glob("*/*/*.*"))):
        grey = np.random.default_rng(number).integers(0, colours, (40, 40), np.uint8)
        Image.fromarray(grey).save(path)
