"""Laws of loading: every mode becomes RGB, and picture and mask share one geometry."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from moleflow.data.decoding import decode_mask
from moleflow.data.images import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    load_mask,
    normalised,
    square_pixels,
)
from moleflow.data.opening import open_pixels
from moleflow.errors import DataError

RED, GREY = (200, 40, 60), (120, 120, 120)


def _normalised(path: Path, size: int, resize: str = "squash") -> torch.Tensor:
    return normalised(square_pixels(path, size, resize).unsqueeze(0))[0]


def _bytes_of(path: Path, size: int = 8, resize: str = "squash") -> np.ndarray:
    """The loaded picture back in 0..255, (size, size, 3)."""
    picture = _normalised(path, size, resize)
    mean, std = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
    return ((picture.permute(1, 2, 0) * std + mean) * 255).numpy()


def _grey16(value: int) -> Image.Image:
    return Image.fromarray(np.full((8, 8), value, np.uint16))


def _transparent_palette() -> Image.Image:
    image = Image.new("RGB", (8, 8), RED).quantize()
    image.info["transparency"] = bytes([0] * 4)
    return image


def _palette(indices: np.ndarray) -> Image.Image:
    """Index 0 is black, 1 a dark red."""
    image = Image.fromarray(indices).convert("P")
    image.putdata(indices.ravel().tolist())
    image.putpalette([0, 0, 0, 9, 0, 0])
    return image


@pytest.mark.parametrize(
    ("image", "colour"),
    [
        (Image.new("RGB", (8, 8), RED), RED),
        (Image.new("L", (8, 8), 120), GREY),
        (_grey16(120 * 257), GREY),
        (Image.new("RGBA", (8, 8), (*RED, 0)), RED),
        (Image.new("LA", (8, 8), (120, 10)), GREY),
        (Image.new("RGB", (8, 8), RED).quantize(), RED),
        (_transparent_palette(), RED),
        (Image.new("1", (8, 8), 1), (255, 255, 255)),
    ],
    ids=["RGB", "L", "I;16", "RGBA", "LA", "P", "P transparent", "1"],
)
def test_every_png_mode_becomes_its_rgb_colour(
    tmp_path: Path, image: Image.Image, colour: tuple[int, ...]
):
    path = tmp_path / "picture.png"
    image.save(path)
    np.testing.assert_allclose(_bytes_of(path), np.broadcast_to(colour, (8, 8, 3)), atol=1e-3)


@pytest.mark.parametrize("order", ["<", ">"])
def test_16_bit_grey_keeps_its_high_byte_whatever_its_byte_order(tmp_path: Path, order: str):
    path = tmp_path / "picture.tif"
    Image.fromarray(np.full((8, 8), 120 * 256 + 255, f"{order}u2")).save(path)
    np.testing.assert_allclose(_bytes_of(path)[0, 0], GREY, atol=1e-3)


def test_a_grey_jpeg_becomes_rgb(tmp_path: Path):
    path = tmp_path / "picture.jpg"
    Image.new("L", (8, 8), 120).save(path, quality=100)
    np.testing.assert_allclose(_bytes_of(path)[0, 0], GREY, atol=1)


def test_cmyk_becomes_rgb(tmp_path: Path):
    path = tmp_path / "picture.tif"
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(path)
    np.testing.assert_allclose(_bytes_of(path)[0, 0], (255, 0, 0), atol=2)


def test_pixels_without_a_known_range_are_refused(tmp_path: Path):
    path = tmp_path / "picture.tif"
    Image.fromarray(np.ones((8, 8), np.float32)).save(path)
    with pytest.raises(DataError, match="32-bit"):
        square_pixels(path, 8, "squash")


def test_a_missing_picture_is_named(tmp_path: Path):
    with pytest.raises(DataError, match=r"gone\.png"):
        square_pixels(tmp_path / "gone.png", 8, "squash")


def test_a_picture_is_float32_and_normalised(tmp_path: Path):
    path = tmp_path / "picture.png"
    Image.new("RGB", (10, 6), RED).save(path)
    picture = _normalised(path, 4)
    assert picture.shape == (3, 4, 4) and picture.dtype == torch.float32
    expected = (torch.tensor(RED) / 255 - torch.tensor(IMAGENET_MEAN)) / torch.tensor(IMAGENET_STD)
    torch.testing.assert_close(picture[:, 0, 0], expected)


def test_shrinking_averages_instead_of_skipping_pixels(tmp_path: Path):
    path = tmp_path / "picture.png"
    checkers = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    Image.fromarray(checkers).save(path)
    np.testing.assert_allclose(_bytes_of(path), 127.5, atol=6)


def test_exif_orientation_is_not_applied(tmp_path: Path):
    path = tmp_path / "picture.png"
    image = Image.new("L", (8, 8))
    image.paste(255, (0, 0, 8, 4))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(path, exif=exif)
    assert _bytes_of(path)[0, :, 0].min() > 250


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("turned", range(1, 9))
def test_a_tiff_is_read_as_it_is_stored_or_refused(tmp_path: Path, turned: int, kind: type):
    path, stored = tmp_path / "picture.tif", np.zeros((20, 30), kind)
    stored[:5, :5] = 255
    Image.fromarray(stored).save(path, tiffinfo={0x0112: turned})
    if turned == 1:
        assert np.array_equal(decode_mask(path), stored > 0)
        return
    for read in (decode_mask, open_pixels):
        with pytest.raises(DataError, match=rf"picture.tif: .*orientation \({turned}\)"):
            read(path)


@pytest.mark.parametrize("resize", ["squash", "crop"])
@pytest.mark.parametrize("shape", [(64, 96), (96, 64), (61, 83), (64, 64)])
@pytest.mark.parametrize("size", [32, 50, 128])
def test_a_marked_square_lands_at_the_same_place_in_picture_and_mask(
    tmp_path: Path, shape: tuple[int, int], size: int, resize: str
):
    pixels = np.zeros(shape, np.uint8)
    pixels[20:41, 22:47] = 255
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    Image.fromarray(pixels).save(tmp_path / "mask.png")
    bright = _bytes_of(tmp_path / "picture.png", size, resize)[..., 0]
    marked = load_mask(tmp_path / "mask.png", size, resize)
    scale = size / (min(shape) if resize == "crop" else np.array(shape))
    offset = (np.array(shape) - min(shape)) / 2 if resize == "crop" else 0
    centre = (np.array([30.5, 34.5]) - offset) * scale
    for weight in (bright, marked.astype(float)):
        rows, columns = np.indices((size, size)) + 0.5
        found = [(weight * axis).sum() / weight.sum() for axis in (rows, columns)]
        np.testing.assert_allclose(found, centre, atol=0.8)
    assert ((bright > 127) == marked).mean() > 0.97


@pytest.mark.parametrize(
    "mask",
    [
        Image.fromarray(np.eye(8, dtype=np.uint8)),
        Image.fromarray(np.eye(8, dtype=np.uint16)),
        Image.fromarray(np.eye(8, dtype=bool)),
        Image.fromarray(np.eye(8, dtype=np.uint8)[..., None] * np.array([0, 0, 9], np.uint8)),
        Image.fromarray(
            np.dstack([np.eye(8, dtype=np.uint8)] * 3 + [np.full((8, 8), 255, np.uint8)])
        ),
        Image.fromarray(np.dstack([np.eye(8, dtype=np.uint8), np.full((8, 8), 255, np.uint8)])),
        _palette(np.eye(8, dtype=np.uint8)),
    ],
    ids=["L", "I;16", "1", "RGB", "RGBA", "LA", "P"],
)
def test_every_mask_pixel_above_zero_is_anomalous(tmp_path: Path, mask: Image.Image):
    mask.save(tmp_path / "mask.png")
    assert np.array_equal(load_mask(tmp_path / "mask.png", 8, "squash"), np.eye(8, dtype=bool))


def test_without_a_mask_nothing_is_anomalous():
    mask = load_mask(None, 5, "crop")
    assert mask.shape == (5, 5) and mask.dtype == bool and not mask.any()
