"""Laws of 10-, 12- and 14-bit pictures in 16-bit files: the training pictures tell their range."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from moleflow.config import Config
from moleflow.config_parts import ImageConfig
from moleflow.data.catalog import ClassData, check_pictures, open_catalog
from moleflow.data.decoding import eight_bit
from moleflow.data.depth import class_depth, depth_of
from moleflow.data.opening import open_pixels
from moleflow.features.backbone import load_backbone
from moleflow.features.cache import ClassFeatures, extract_features, open_features

Make = Callable[..., Path]


def _noise(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (16, 16)).astype(np.uint8)


def _class(root: Path, bits: int, test_bits: int = 0) -> ClassData:
    """Noise that uses all 8 bits (`bits` 8, in 8-bit files), or so many bits of 16."""
    number = 0
    for place, count in (("train/good", 2), ("test/good", 1), ("test/bad", 1)):
        (root / "c" / place).mkdir(parents=True)
        used = test_bits or bits if place.startswith("test") else bits
        for i in range(count):
            pixels, number = _noise(number), number + 1
            deep = pixels.astype(np.uint16) << (used - 8)
            Image.fromarray(pixels if used == 8 else deep).save(root / f"c/{place}/{i}.png")
    return open_catalog(root)["c"]


@pytest.mark.parametrize(
    ("highest", "bits"),
    [(0, 8), (255, 8), (256, 10), (1023, 10), (4095, 12), (4096, 14), (16384, 16), (65535, 16)],
)
def test_the_fewest_bits_of_a_camera_that_hold_the_highest_value(highest: int, bits: int):
    assert depth_of(highest) == bits


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_training_pictures_tell_the_range_and_test_pictures_do_not(tmp_path: Path, bits: int):
    data = _class(tmp_path, bits, test_bits=16)
    assert class_depth(data.train, ImageConfig()) == bits
    assert class_depth(data.train, ImageConfig(bits=11)) == 11


def test_8_bit_pictures_have_no_range_to_be_told(tmp_path: Path):
    assert class_depth(_class(tmp_path, 8).train, ImageConfig()) is None


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_the_highest_bits_that_are_used_are_kept(tmp_path: Path, bits: int):
    path = tmp_path / "x.png"
    Image.fromarray(_noise(0).astype(np.uint16) << (bits - 8)).save(path)
    assert np.array_equal(np.asarray(eight_bit(open_pixels(path), path, bits)), _noise(0))


def test_values_above_the_range_are_white(tmp_path: Path):
    path = tmp_path / "x.png"
    Image.fromarray(np.array([[0, 4095, 4096, 65535]], np.uint16)).save(path)
    seen = np.asarray(eight_bit(open_pixels(path), path, 12))
    assert seen.tolist() == [[0, 255, 255, 255]]


def _features(data: ClassData, config: Config, folder: Path) -> ClassFeatures:
    folder.mkdir()
    extract_features(data, config, load_backbone(config.backbone), torch.device("cpu"), folder)
    return open_features(folder)


@pytest.mark.slow
def test_a_class_of_12_bits_has_the_features_of_its_8_highest(tmp_path: Path, tiny: Config):
    plain = _features(_class(tmp_path / "8", 8), tiny, tmp_path / "a")
    deep = _features(_class(tmp_path / "12", 12), tiny, tmp_path / "b")
    assert (plain.bits, deep.bits) == (None, 12)
    assert torch.equal(plain.train.patches, deep.train.patches)
    assert torch.equal(plain.test.means, deep.test.means)
    dark = _features(
        open_catalog(tmp_path / "12")["c"], tiny.updated({"image.bits": 16}), tmp_path / "c"
    )
    assert not torch.equal(dark.train.patches, deep.train.patches)


def test_an_unused_range_is_told_and_a_full_one_is_not(tmp_path: Path):
    (remark,) = check_pictures(_class(tmp_path / "12", 12)).remarks
    assert "2 training pictures have 16 bits per channel and values up to 40" in remark
    assert "looks like 12 bits" in remark and "image.bits" in remark
    assert check_pictures(_class(tmp_path / "16", 16)).remarks == ()


def test_test_pictures_above_the_range_are_told(tmp_path: Path):
    _, remark = check_pictures(_class(tmp_path, 10, test_bits=12)).remarks
    assert "2 test pictures have higher values" in remark and "--set image.bits=12" in remark
