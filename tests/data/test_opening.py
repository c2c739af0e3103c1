"""Laws of opening: what a file holds decides, and what is no picture is named and left alone."""

import os
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from moleflow.data.catalog import open_catalog
from moleflow.data.decoding import decode_mask, eight_bit
from moleflow.data.opening import MOST_PIXELS, open_pixels
from moleflow.errors import DataError
from tests.data.others import NOBODY, let_others_in

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + _checksum(kind + content)


def _checksum(content: bytes) -> bytes:
    return struct.pack(">I", zlib.crc32(content))


def _png(width: int, height: int, colour: int, depth: int, rows: bytes, *more: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = [_chunk(b"IHDR", header), *more, _chunk(b"IDAT", zlib.compress(rows))]
    return SIGNATURE + b"".join(parts) + _chunk(b"IEND", b"")


def _deep_png(values: np.ndarray) -> bytes:
    """48-bit RGB or 64-bit RGBA."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    height, width, channels = values.shape
    return _png(width, height, {3: 2, 4: 6, 2: 4}[channels], 16, rows)


def _deep_tiff(values: np.ndarray, order: str, packed: bool) -> bytes:
    """48-bit RGB in one strip."""
    height, width, _ = values.shape
    content = values.astype(f"{order}u2").tobytes()
    content = zlib.compress(content) if packed else content
    place = 8 + 2 + 9 * 12 + 4
    short = {
        tag: struct.pack(f"{order}HHIHH", tag, 3, 1, value, 0)
        for tag, value in ((259, 8 if packed else 1), (262, 2), (277, 3))
    }
    long = {
        tag: struct.pack(f"{order}HHII", tag, kind, count, value)
        for tag, kind, count, value in (
            (256, 4, 1, width),
            (257, 4, 1, height),
            (258, 3, 3, place),
            (273, 4, 1, place + 6),
            (278, 4, 1, height),
            (279, 4, 1, len(content)),
        )
    }
    entries = short | long
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(f"{order}IH", 8, len(entries))
    bits = struct.pack(f"{order}IHHH", 0, 16, 16, 16)
    return head + b"".join(entries[tag] for tag in sorted(entries)) + bits + content


def _values(channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 65536, (5, 7, channels)).astype(np.uint16)


@pytest.mark.parametrize(
    "content",
    [
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n{} loop\n",
        b"P5 2 2 255\n\0\0\0\0",
        b"GIF89a\x01\0\x01\0\0\0\0!",
    ],
    ids=["PostScript", "PGM", "GIF"],
)
def test_only_the_promised_formats_are_tried_whatever_the_name(tmp_path: Path, content: bytes):
    path = tmp_path / "x.png"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"x\.png: is not an image of a kind that is read \(PNG"):
        open_pixels(path)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP", "TIFF", "WEBP"])
def test_every_promised_format_is_read_whatever_the_name(tmp_path: Path, form: str):
    path = tmp_path / "x.png"
    Image.new("RGB", (8, 8), (90, 90, 90)).save(path, form)
    assert abs(np.asarray(eight_bit(open_pixels(path), path)).astype(int) - 90).max() <= 1


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize(
    ("make", "said"),
    [(_pipe, r"is a pipe \(FIFO\)"), (_device, "is a device"), (Path.mkdir, "is a folder")],
)
def test_what_is_no_file_is_refused_without_being_opened(
    tmp_path: Path, make: Callable[[Path], None], said: str
):
    make(tmp_path / "x.png")
    with pytest.raises(DataError, match=rf"x\.png: {said}, not a file"):
        open_pixels(tmp_path / "x.png")


def test_too_many_pixels_are_refused_before_they_are_decoded(tmp_path: Path):
    """The file's pixels are not even there: decoding them would call it damaged."""
    side = int(MOST_PIXELS**0.5) + 1
    (tmp_path / "x.png").write_bytes(_png(side, side, 0, 8, b""))
    with pytest.raises(DataError, match="too large, more than 134,217,728 pixels"):
        open_pixels(tmp_path / "x.png")


@pytest.fixture
def nobody() -> Iterator[None]:
    """Root may read everything; these tests are of those who may not."""
    if os.geteuid() == 0:
        os.seteuid(NOBODY)
        yield
        os.seteuid(0)
    else:
        yield


def test_a_file_that_may_not_be_read_is_not_called_damaged(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
):
    path = tmp_path_factory.mktemp("mine") / "x.png"
    Image.new("L", (8, 8)).save(path)
    path.chmod(0)
    let_others_in(path.parent)
    request.getfixturevalue("nobody")
    with pytest.raises(DataError, match=r"x\.png: may not be read \(permission denied\)"):
        open_pixels(path)


def test_a_link_to_nothing_names_what_it_points_to(tmp_path: Path):
    (tmp_path / "x.png").symlink_to("../annex/objects/abc")
    with pytest.raises(DataError, match=r"is a link to \.\./annex/objects/abc, .*git annex get"):
        open_pixels(tmp_path / "x.png")


def test_a_pointer_to_content_elsewhere_is_named(tmp_path: Path):
    (tmp_path / "x.png").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with pytest.raises(DataError, match="is a pointer of Git LFS, its content is elsewhere; fetch"):
        open_pixels(tmp_path / "x.png")


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
@pytest.mark.parametrize("after", [False, True])
def test_long_notes_in_a_png_do_not_hide_its_pixels(tmp_path: Path, kind: bytes, after: bool):
    packed = zlib.compress(bytes(2**21))
    note = {
        b"zTXt": b"camera\0\0" + packed,
        b"iTXt": b"camera\0\1\0\0\0" + packed,
        b"iCCP": b"profile\0\0" + packed,
    }[kind]
    content = _png(2, 1, 0, 8, b"\0\x07\x09", *([] if after else [_chunk(kind, note)]))
    if after:
        content = content[:-12] + _chunk(kind, note) + content[-12:]
    (tmp_path / "x.png").write_bytes(content)
    assert np.asarray(open_pixels(tmp_path / "x.png").image).tolist() == [[7, 9]]


@pytest.mark.parametrize(
    "content",
    [
        _deep_png(_values()),
        *(_deep_tiff(_values(), order, packed) for order in "<>" for packed in (False, True)),
    ],
    ids=["PNG", "TIFF", "TIFF packed", "TIFF other order", "TIFF other order packed"],
)
def test_16_bits_of_every_colour_are_read(tmp_path: Path, content: bytes):
    (tmp_path / "x").write_bytes(content)
    found = open_pixels(tmp_path / "x").deep
    assert found is not None and np.array_equal(found, _values())


def test_alpha_does_not_hide_the_16_bits_of_colours(tmp_path: Path):
    (tmp_path / "x").write_bytes(_deep_png(_values(4)))
    found = open_pixels(tmp_path / "x").deep
    assert found is not None and np.array_equal(found, _values(4)[..., :3])


def test_16_bits_that_cannot_be_read_in_full_are_refused(tmp_path: Path):
    (tmp_path / "x").write_bytes(_deep_png(_values(2)))
    with pytest.raises(DataError, match=r"cannot be read in full \(LA;16B\); save it as 16-bit"):
        open_pixels(tmp_path / "x")


def test_a_mask_counts_colours_of_every_depth(tmp_path: Path):
    values = np.zeros((4, 4, 3), np.uint16)
    values[1, 2, 2] = 3
    (tmp_path / "mask.png").write_bytes(_deep_png(values))
    assert np.argwhere(decode_mask(tmp_path / "mask.png")).tolist() == [[1, 2]]


def test_a_catalog_does_not_wait_for_a_pipe(tmp_path: Path, mvtec_class: Callable[..., Path]):
    os.mkfifo(mvtec_class(tmp_path / "bottle") / "train/good/x.png")
    with pytest.raises(DataError, match=r"(?s)restore them.*x\.png: is a pipe"):
        open_catalog(tmp_path)
