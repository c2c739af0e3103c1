"""Image files to the pixels that they hold. Every failure is a DataError that names the file.

What a file is called says nothing of what it holds: the formats that we promise are tried, no
others (Pillow would run an interpreter for PostScript). What is no file, or holds more pixels than
memory is meant for, is refused before it is opened or decoded.
"""

import io
import stat
import struct
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt16
from PIL import ExifTags, Image, ImageFile, TiffImagePlugin, UnidentifiedImageError

from moleflow.data.lossy import is_lossy
from moleflow.data.tiff import TURNED, below_zero, misread
from moleflow.errors import DataError

FORMATS: dict[str, tuple[str, ...]] = {
    "PNG": (".png",),
    "JPEG": (".jpg", ".jpeg"),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
}
SUFFIXES: tuple[str, ...] = tuple(suffix for suffixes in FORMATS.values() for suffix in suffixes)
MOST_PIXELS = 2**27
"""134 million, 11,585 x 11,585: half a gigabyte in colour."""
STRIP = 256
"""Rows of a picture that are copied at a time."""

HIGH_BIT_MODES = ("I;16", "I;16L", "I;16B", "I;16N")
OTHER_BYTE = {
    f"{mode};16{order}": f"{mode};16{other}"
    for mode in ("RGB", "RGBA")
    for order, other in (("L", "B"), ("B", "L"), ("N", "B" if sys.byteorder == "little" else "L"))
}
"""Pillow keeps 8 of 16 bits per colour. Read in the other byte order, it keeps the other 8."""
PAGED = ("TIFF", "WEBP", "PNG")
"""Formats of which one file may be several pictures of a person's."""
LINKED = ("dvc pull", "git annex get", "git lfs pull")
SIGNS = {
    b"\x89PNG": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"BM": "BMP",
    **dict.fromkeys((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), "TIFF"),
}
"""How files of a format begin, whether they can be read or not."""
POINTERS = {b"version https://git-lfs": "Git LFS", b"/annex/objects/": "git-annex"}
KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe (FIFO)",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@dataclass(frozen=True)
class Pixels:
    """What a file holds. `deep` are its values where a channel has more than 8 bits; `image` then
    has their high bytes at best. `lossy`: see `is_lossy`."""

    image: Image.Image
    lossy: bool
    deep: UInt16[np.ndarray, "..."] | None = None


def open_pixels(path: Path) -> Pixels:
    """All pixels of an image file, in its own mode and depth.

    Raises:
        DataError: the file is missing, damaged, too large, not readable, or no image of `FORMATS`.
    """
    refuse_other_than_files(path)
    try:
        return _pixels(path, path)
    except ValueError as error:
        if "MAX_TEXT" not in str(error):
            raise _damaged(path, error) from None
    # Pillow gives up on long notes in a PNG; the pixels are as good without them.
    try:
        return _pixels(path, io.BytesIO(_without_notes(path.read_bytes())))
    except ValueError as error:
        raise _damaged(path, error) from None


def is_deep(path: Path) -> bool:
    """Whether channels of an image file have more than 8 bits; its pixels are not decoded.

    Raises:
        DataError: as `open_pixels`.
    """
    refuse_other_than_files(path)
    try:
        with _quiet(), _opened(path, path) as image:
            return image.mode in HIGH_BIT_MODES or any(";16" in raw for raw in _raw_modes(image))
    except ValueError:
        return open_pixels(path).deep is not None


def holds_picture(path: Path) -> bool:
    """Whether a file is one of `FORMATS` by its first bytes, whatever it is called."""
    try:
        refuse_other_than_files(path)
        with _quiet(), _opened(path, path):
            return True
    except (DataError, ValueError):
        return False


def pages(path: Path) -> int:
    """How many pictures an image file holds; the first is the one that is used. Where what comes
    behind it cannot be read, there is no other.

    Raises:
        DataError: as `open_pixels`.
    """
    with _quiet(), _opened(path, path) as image:
        try:
            return getattr(image, "n_frames", 1) if image.format in PAGED else 1
        except (OSError, SyntaxError, EOFError, LookupError, TypeError, ValueError, struct.error):
            return 1


def is_turned(pixels: Pixels) -> bool:
    """Whether a tag says that an image file is stored turned or mirrored, and viewers show it
    otherwise than it is read. Damaged tags say nothing."""
    try:
        with _quiet():
            found = pixels.image.getexif().get(ExifTags.Base.Orientation, 1)
    except (SyntaxError, ValueError, LookupError, OSError, struct.error):
        return False
    return found in TURNED


def refuse_other_than_files(path: Path) -> None:
    """Tell from its name what cannot be read, or would be waited for without end.

    Raises:
        DataError: no file, a folder, a pipe, a device, or not to be looked at.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise _unopened(path, error) from None
    if not stat.S_ISREG(mode):
        kind = KINDS.get(stat.S_IFMT(mode), "something else")
        raise DataError(f"{path}: is {kind}, not a file; remove or rename it")


def unusable(path: Path) -> str:
    """Why `refuse_other_than_files` would refuse a file; empty if it would not."""
    try:
        refuse_other_than_files(path)
    except DataError as error:
        return str(error)
    return ""


def _pixels(path: Path, source: Path | io.BytesIO) -> Pixels:
    with _quiet(), _opened(path, source) as image:
        raw_modes, lossy = _raw_modes(image), is_lossy(image, path)
        _load(path, image)
    if isinstance(image, TiffImagePlugin.TiffImageFile) and below_zero(image):
        raise DataError(f"{path}: has values below 0; save it with values from 0 on")
    if image.mode in HIGH_BIT_MODES:
        return Pixels(image, lossy, np.asarray(image).astype(np.uint16))
    if not any(";16" in raw for raw in raw_modes):
        return Pixels(image, lossy)
    if not all(raw in OTHER_BYTE for raw in raw_modes):
        raise DataError(
            f"{path}: has 16 bits per channel in a form that cannot be read in full "
            f"({', '.join(sorted(set(raw_modes)))}); save it as 16-bit grey or RGB without alpha"
        )
    with _quiet(), _opened(path, source) as low:
        low.tile = [tile._replace(args=_other_byte(tile.args)) for tile in low.tile]
        _load(path, low)
    return Pixels(image, lossy, _joined(image, low))


def _joined(high: Image.Image, low: Image.Image) -> UInt16[np.ndarray, "h w 3"]:
    """Both bytes of every colour, some rows at a time: a whole copy of each would be much."""
    deep = np.empty((high.height, high.width, 3), np.uint16)
    for top in range(0, high.height, STRIP):
        strip = (0, top, high.width, min(top + STRIP, high.height))
        rows = deep[top : strip[3]]
        rows[...] = np.asarray(high.crop(strip))[..., :3]
        rows <<= 8
        rows |= np.asarray(low.crop(strip))[..., :3]
    return deep


def _opened(path: Path, source: Path | io.BytesIO) -> ImageFile.ImageFile:
    """The header of an image file.

    Raises:
        DataError: see `open_pixels`.
        ValueError: its notes are too long for Pillow.
    """
    try:
        if isinstance(source, io.BytesIO):
            source.seek(0)
        image = Image.open(source, formats=list(FORMATS))
    except UnidentifiedImageError:
        raise DataError(f"{path}: {_no_image(path)}") from None
    except Image.DecompressionBombError:
        raise _too_large(path) from None
    except (OSError, SyntaxError, EOFError, struct.error) as error:
        raise _unopened(path, error) from None
    assert isinstance(image, ImageFile.ImageFile)
    if image.width * image.height > MOST_PIXELS:
        image.close()
        raise _too_large(path)
    if isinstance(image, TiffImagePlugin.TiffImageFile) and (wrong := misread(image)):
        image.close()
        raise DataError(f"{path}: {wrong}")
    return image


def _load(path: Path, image: ImageFile.ImageFile) -> None:
    try:
        image.load()
    except (OSError, SyntaxError, EOFError, struct.error) as error:
        raise _unopened(path, error) from None


def _raw_modes(image: ImageFile.ImageFile) -> list[str]:
    """How the file's bytes are to be read, e.g. `RGB;16B`; known before they are."""
    found = [tile.args[0] if isinstance(tile.args, tuple) else tile.args for tile in image.tile]
    return [raw for raw in found if isinstance(raw, str)]


def _other_byte(arguments: object) -> object:
    if isinstance(arguments, tuple):
        return (OTHER_BYTE[arguments[0]], *arguments[1:])
    return OTHER_BYTE[str(arguments)]


def _quiet() -> warnings.catch_warnings:
    """Pillow warns about large pictures and odd metadata; damage to pixels raises instead."""
    return warnings.catch_warnings(action="ignore")


def _without_notes(png: bytes) -> bytes:
    """A PNG without its text and colour profile, which say nothing of its pixels."""
    kept, place = [png[:8]], 8
    while place + 8 <= len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        end = place + 12 + length
        if png[place + 4 : place + 8] not in (b"tEXt", b"zTXt", b"iTXt", b"iCCP"):
            kept.append(png[place:end])
        place = end
    return b"".join(kept)


def _no_image(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(200)
    for sign, system in POINTERS.items():
        if sign in head:
            return f"is a pointer of {system}, its content is elsewhere; fetch it"
    for sign, form in SIGNS.items():
        if head.startswith(sign):
            return (
                f"is a {form} of a kind that is not read, or damaged; save it with 8 or 16 bits "
                "per channel, as grey or RGB"
            )
    return f"is not an image of a kind that is read ({', '.join(FORMATS)}); replace or remove it"


def _too_large(path: Path) -> DataError:
    return DataError(
        f"{path}: the image is too large, more than {MOST_PIXELS:,} pixels; shrink it or cut it "
        "into parts"
    )


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(f"{path}: the image is damaged ({error}); replace or remove it")


def _unopened(path: Path, error: Exception) -> DataError:
    """What the system says of a file is no damage to the image in it."""
    if isinstance(error, FileNotFoundError):
        if path.is_symlink():
            return DataError(
                f"{path}: is a link to {path.readlink()}, which is not there; fetch it "
                f"({', '.join(LINKED)}) or remove it"
            )
        return DataError(f"{path}: there is no such image; restore it or leave it out")
    if isinstance(error, PermissionError):
        return DataError(f"{path}: may not be read (permission denied); change its permissions")
    if isinstance(error, OSError) and error.errno is not None:
        return DataError(f"{path}: cannot be read ({error.strerror}); look at its disk or link")
    return _damaged(path, error)
