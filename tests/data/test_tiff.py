"""Laws of TIFF files: read as they were saved, or refused by name, and never as other pixels."""

import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from moleflow.data.opening import open_pixels, pages
from moleflow.errors import DataError

WIDTH, HEIGHT, BITS, INK, STRIPS, CHANNELS, SIZES, PLANES, FORMAT = (
    *(256, 257, 258, 262, 273, 277, 279),
    *(284, 339),
)


def _tiff(strips: list[bytes], tags: Mapping[int, int], size: tuple[int, int], order: str) -> bytes:
    """Strips, then their directory, then what does not fit into it."""
    channels = tags.get(CHANNELS, 1)
    places = [8 + sum(map(len, strips[:i])) for i in range(len(strips))]
    values = {tag: [value] for tag, value in tags.items()} | {
        WIDTH: [size[0]],
        HEIGHT: [size[1]],
        BITS: [tags[BITS]] * channels,
        STRIPS: places,
        278: [size[1]],
        SIZES: [len(strip) for strip in strips],
    }
    start = 8 + sum(map(len, strips))
    behind = start + 2 + 12 * len(values) + 4
    entries, long = b"", b""
    for tag, found in sorted(values.items()):
        content = struct.pack(f"{order}{len(found)}I", *found)
        if len(found) > 1:
            content, long = struct.pack(f"{order}I", behind + len(long)), long + content
        entries += struct.pack(f"{order}HHI", tag, 4, len(found)) + content
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(f"{order}I", start)
    count = struct.pack(f"{order}H", len(values))
    return head + b"".join(strips) + count + entries + bytes(4) + long


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [8, 16])
def test_channels_in_planes_are_read_as_saved_or_refused(tmp_path: Path, order: str, bits: int):
    values = np.random.default_rng(0).integers(0, 2**bits, (6, 5, 3)).astype(f"{order}u{bits // 8}")
    planes = [values[..., channel].tobytes() for channel in range(3)]
    path = tmp_path / "a.tif"
    path.write_bytes(_tiff(planes, {BITS: bits, INK: 2, CHANNELS: 3, PLANES: 2}, (5, 6), order))
    if bits == 8:
        assert np.array_equal(np.asarray(open_pixels(path).image), values)
        return
    with pytest.raises(DataError, match=r"a\.tif: has 16 bits per channel and a plane for each"):
        open_pixels(path)


@pytest.mark.parametrize("bits", [8, 16])
def test_where_0_is_white_a_picture_is_no_negative(tmp_path: Path, bits: int):
    values = np.random.default_rng(0).integers(0, 2**bits, (6, 5)).astype(f"<u{bits // 8}")
    path = tmp_path / "a.tif"
    path.write_bytes(_tiff([values.tobytes()], {BITS: bits, INK: 0}, (5, 6), "<"))
    if bits == 8:
        assert np.array_equal(np.asarray(open_pixels(path).image), 255 - values)
        return
    with pytest.raises(DataError, match=r"a\.tif: .*0 is white"):
        open_pixels(path)


@pytest.mark.parametrize("bits", [8, 16])
def test_values_below_0_are_not_taken_for_large_ones(tmp_path: Path, bits: int):
    values = np.arange(-3, 27).astype(f"<i{bits // 8}").reshape(6, 5)
    path = tmp_path / "a.tif"
    path.write_bytes(_tiff([values.tobytes()], {BITS: bits, INK: 1, FORMAT: 2}, (5, 6), "<"))
    with pytest.raises(DataError, match=r"a\.tif: has"):
        open_pixels(path)


def test_signed_values_from_0_on_are_read(tmp_path: Path):
    values = np.arange(30, dtype=np.int8).reshape(6, 5)
    path = tmp_path / "a.tif"
    path.write_bytes(_tiff([values.tobytes()], {BITS: 8, INK: 1, FORMAT: 2}, (5, 6), "<"))
    assert np.array_equal(np.asarray(open_pixels(path).image), values)


@pytest.mark.parametrize(("bits", "form"), [(64, 3), (16, 3), (24, 1)])
def test_a_tiff_that_is_not_read_is_called_one(tmp_path: Path, bits: int, form: int):
    path = tmp_path / "a.tif"
    content = bytes(30 * bits // 8)
    path.write_bytes(_tiff([content], {BITS: bits, INK: 1, FORMAT: form}, (5, 6), "<"))
    with pytest.raises(DataError, match=r"a\.tif: is a TIFF of a kind that is not read"):
        open_pixels(path)


def test_what_lies_behind_the_first_picture_may_be_damaged(tmp_path: Path):
    """The directory of a second picture is zeros."""
    content = _tiff([bytes(30)], {BITS: 8, INK: 1}, (5, 6), "<")
    (tmp_path / "a.tif").write_bytes(content[:-4] + struct.pack("<I", 8))
    assert open_pixels(tmp_path / "a.tif").image.size == (5, 6)
    assert pages(tmp_path / "a.tif") == 1
