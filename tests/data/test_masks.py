"""Laws of masks: what is marked in a file is marked in the square, whatever its size and edges."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from moleflow.config import Config
from moleflow.data.catalog import ClassData, check_pictures, open_catalog
from moleflow.data.decoding import decode_mask, read_mask
from moleflow.data.examination import examine
from moleflow.data.images import load_mask
from moleflow.data.inspection import inspect
from moleflow.data.pictures import Picture
from moleflow.errors import DataError
from moleflow.evaluation import SequenceEvaluation
from moleflow.model import MoLEFlow

Make = Callable[..., Path]


def _save(path: Path, marked: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(marked.astype(np.uint8) * 255).save(path)
    return path


def _marking(shape: tuple[int, int], *places: tuple[slice, slice]) -> np.ndarray:
    marked = np.zeros(shape, bool)
    for place in places:
        marked[place] = True
    return marked


@pytest.mark.parametrize("resize", ["squash", "crop"])
def test_a_region_of_any_size_survives_shrinking_where_it_is(tmp_path: Path, resize: str):
    draws = np.random.default_rng(0)
    for number in range(40):
        row, column = draws.integers(0, 637, 2)
        side = int(draws.integers(1, 4))
        spot = np.s_[row : row + side, column : column + side]
        path = _save(tmp_path / f"{number}.png", _marking((640, 640), spot))
        found = np.argwhere(load_mask(path, 64, resize))
        assert len(found) >= 1
        assert abs(found.mean(axis=0) - np.array([row, column]) / 10).max() <= 1


def test_regions_that_survive_to_the_nearest_pixel_keep_their_pixels(tmp_path: Path):
    large, small = np.s_[100:307, 55:401], np.s_[501:503, 604:605]
    alone = load_mask(_save(tmp_path / "a.png", _marking((640, 640), large)), 64, "squash")
    nearest = Image.fromarray(_marking((640, 640), large)).resize(
        (64, 64), Image.Resampling.NEAREST
    )
    assert np.array_equal(alone, np.asarray(nearest))
    both = load_mask(_save(tmp_path / "b.png", _marking((640, 640), large, small)), 64, "squash")
    assert np.argwhere(both & ~alone).tolist() == [[50, 60]] and not (alone & ~both).any()


def test_what_lies_outside_of_the_crop_is_not_drawn_at_its_edge(tmp_path: Path):
    path = _save(tmp_path / "m.png", _marking((64, 512), np.s_[20:22, 10:12], np.s_[5:6, 500:501]))
    assert not load_mask(path, 32, "crop").any() and load_mask(path, 32, "squash").any()


def test_several_masks_of_a_picture_are_joined(tmp_path: Path):
    one = _save(tmp_path / "0.png", _marking((8, 8), np.s_[0:2, 0:2]))
    other = _save(tmp_path / "1.png", _marking((8, 8), np.s_[5:8, 5:8]))
    found = load_mask((one, other), 8, "squash")
    assert np.array_equal(found, decode_mask(one) | decode_mask(other))
    with pytest.raises(DataError, match=r"2\.png: is of another size than .*0\.png"):
        load_mask((one, _save(tmp_path / "2.png", np.ones((8, 9)))), 8, "squash")


def _crop_class(root: Path, *inside: bool) -> ClassData:
    """A class of wide pictures whose masks mark something in the centre, or at the left edge."""
    folder = root / "wide"
    for place in ("train/good/0.png", "train/good/1.png", "test/good/0.png"):
        _save(folder / place, np.zeros((16, 64)))
    for number, centre in enumerate(inside):
        _save(folder / f"test/bad/{number}.png", np.zeros((16, 64)))
        place = np.s_[4:8, 30:34] if centre else np.s_[4:8, 2:6]
        _save(folder / f"ground_truth/bad/{number}_mask.png", _marking((16, 64), place))
    return open_catalog(root)["wide"]


def test_masks_that_a_crop_leaves_nothing_of_are_named(tmp_path: Path):
    data = _crop_class(tmp_path, True, False, False)
    found = check_pictures(data)
    assert found.cut_off.startswith(
        "with image.resize=crop all that 2 of 3 masks mark is cut off, so they"
    )
    assert f"the first is {tmp_path}/wide/ground_truth/bad/1_mask.png" in found.cut_off
    assert found.cut_off in inspect(tmp_path).classes[0].remarks


def _truth(data: ClassData, resize: str) -> np.ndarray | None:
    config = Config().updated({"image.size": 16, "image.resize": resize})
    model = MoLEFlow(config, (2, 2), 0, ("wide",))
    return SequenceEvaluation(model, (("wide",),), {"wide": data}, {}).truth("wide")[1]


def test_a_class_of_which_a_crop_keeps_no_marked_pixel_has_no_masks(tmp_path: Path):
    data = _crop_class(tmp_path, False, False)
    assert _truth(data, "crop") is None and _truth(data, "squash") is not None


def test_a_class_of_which_a_crop_keeps_some_masks_is_measured_by_them(tmp_path: Path):
    masks = _truth(_crop_class(tmp_path, False, True), "crop")
    assert masks is not None and masks.any(axis=(1, 2)).tolist() == [False, True, False]


@pytest.fixture
def disc() -> np.ndarray:
    rows, columns = np.indices((200, 200))
    return (rows - 90) ** 2 + (columns - 110) ** 2 < 30**2


@pytest.mark.parametrize("value", [60, 100, 255])
@pytest.mark.parametrize("quality", [40, 75, 95])
def test_a_mask_saved_as_jpeg_keeps_its_area(
    tmp_path: Path, disc: np.ndarray, quality: int, value: int
):
    path = tmp_path / "m.jpg"
    Image.fromarray(disc.astype(np.uint8) * value).save(path, quality=quality)
    mask = read_mask(path)
    assert mask.soft and abs(mask.marked.sum() / disc.sum() - 1) < 0.02
    assert (np.asarray(Image.open(path)) > 0).sum() > 1.05 * disc.sum(), "rings are there"


@pytest.mark.parametrize("quality", [30, 75])
@pytest.mark.parametrize(("name", "options"), [("m.webp", {}), ("m.tif", {"compression": "jpeg"})])
def test_a_thin_mask_saved_with_loss_keeps_its_lines(
    tmp_path: Path, name: str, options: dict[str, str], quality: int
):
    """What the format adds along a straight line is even, and has few levels."""
    drawn = _marking((256, 256), np.s_[85:88, :128])
    Image.fromarray(drawn.astype(np.uint8) * 255).save(tmp_path / name, quality=quality, **options)
    mask = read_mask(tmp_path / name)
    assert mask.soft and (mask.marked ^ drawn).sum() < 0.1 * drawn.sum()


@pytest.mark.parametrize("animated", [False, True])
def test_numbers_in_a_webp_without_loss_all_count(tmp_path: Path, animated: bool):
    levels = np.zeros((40, 40), np.uint8)
    levels[3:9, 3:9], levels[20:30, 20:30] = 40, 250
    image, more = Image.fromarray(levels).convert("RGB"), Image.new("RGB", (40, 40), "red")
    pages = {"save_all": True, "append_images": [more]} if animated else {}
    image.save(tmp_path / "m.webp", lossless=True, **pages)
    mask = read_mask(tmp_path / "m.webp")
    assert not mask.soft and (mask.marked == (levels > 0)).all()


def test_a_resized_mask_keeps_its_share(tmp_path: Path, disc: np.ndarray):
    large = Image.fromarray(disc.astype(np.uint8) * 255).resize(
        (333, 333), Image.Resampling.BICUBIC
    )
    large.save(tmp_path / "m.png")
    mask = read_mask(tmp_path / "m.png")
    assert mask.soft and abs(mask.marked.mean() / disc.mean() - 1) < 0.02


@pytest.mark.parametrize(
    "levels",
    [[1, 2, 3], list(range(1, 120)), [255], [64, 128, 192, 255], [1, 255], [254, 255]],
    ids=["VisA", "many kinds", "two values", "shades of kinds", "1 and 255", "LOCO"],
)
def test_numbers_of_kinds_of_defects_all_count(tmp_path: Path, levels: list[int]):
    values = np.zeros((12, 12), np.uint8)
    values.flat[: len(levels)] = levels
    Image.fromarray(values).save(tmp_path / "m.png")
    mask = read_mask(tmp_path / "m.png")
    assert not mask.soft and mask.marked.sum() == len(levels)


def test_numbers_of_defects_all_count(tmp_path: Path):
    """As where each of a picture's defects has a number of its own, 10, 20, ... 200."""
    levels = np.zeros((80, 100), np.uint8)
    for number in range(20):
        y, x = 20 * (number // 5) + 2, 20 * (number % 5) + 3
        levels[y : y + 5, x : x + 6] = 10 * (number + 1)
    Image.fromarray(levels).save(tmp_path / "numbered.png")
    found = read_mask(tmp_path / "numbered.png")
    assert not found.soft and (found.marked == (levels > 0)).all()


@pytest.mark.parametrize("kind", [Image.Resampling.BILINEAR, Image.Resampling.BICUBIC])
def test_edges_of_a_resized_square_are_grey_along_it_too(tmp_path: Path, kind: Image.Resampling):
    levels = np.zeros((128, 128), np.uint8)
    levels[30:90, 20:80] = 255
    Image.fromarray(levels).resize((300, 260), kind).save(tmp_path / "resized.png")
    found = read_mask(tmp_path / "resized.png")
    assert found.soft and abs(found.marked.mean() - 60 * 60 / 128**2) < 0.002


@pytest.mark.parametrize("quality", [75, 100])
def test_masks_with_grey_edges_are_told(tmp_path: Path, mvtec_class: Make, quality: int):
    folder = mvtec_class(tmp_path / "bottle") / "ground_truth/broken"
    (folder / "000_mask.png").unlink()
    marked = _marking((7, 9), np.s_[2:5, 3:6]).astype(np.uint8) * 255
    Image.fromarray(marked).save(folder / "000_mask.jpg", quality=quality)
    (remark,) = inspect(tmp_path).classes[0].remarks
    assert remark.startswith("1 of 2 masks have grey edges") and "000_mask.jpg" in remark


def test_inverted_masks_are_told_as_a_problem(tmp_path: Path, mvtec_class: Make):
    folder = mvtec_class(tmp_path / "bottle") / "ground_truth/broken"
    _save(folder / "001_mask.png", ~_marking((7, 9), np.s_[2:5, 3:6]))
    (problem,) = inspect(tmp_path).classes[0].problems
    assert problem.startswith("1 of 2 masks mark all but a part inside")
    assert "inverted" in problem and f"{folder}/001_mask.png" in problem


def test_masks_of_the_whole_picture_are_told_as_a_problem(tmp_path: Path, mvtec_class: Make):
    folder = mvtec_class(tmp_path / "bottle") / "ground_truth/broken"
    _save(folder / "001_mask.png", np.ones((7, 9), bool))
    (problem,) = inspect(tmp_path).classes[0].problems
    assert problem.startswith("1 of 2 masks mark all of the picture")
    assert f"{folder}/001_mask.png" in problem


def test_a_large_defect_is_not_called_inverted(tmp_path: Path):
    marked = _marking((20, 20), np.s_[0:19, 0:20])
    path = _save(tmp_path / "m.png", marked)
    assert not examine(Picture(path, "bad", path)).inverted
