"""Whether an image file holds its pixels as they were, or as a compression leaves them, which adds
values near an edge that nobody drew."""

from pathlib import Path

from PIL import ImageFile

ALWAYS = ("JPEG", "MPO")
IN_TIFF = ("jpeg", "tiff_jpeg")
LOSSY, LOSSLESS, FRAME, FRAME_HEADER = b"VP8 ", b"VP8L", b"ANMF", 16
"""Chunks of WebP (RFC 9649): a picture of VP8, and a frame with its own chunks behind a header."""


def is_lossy(image: ImageFile.ImageFile, path: Path) -> bool:
    """Whether the pixels of an opened file may differ from those that were saved."""
    if image.format == "TIFF":
        return image.info.get("compression") in IN_TIFF
    return image.format in ALWAYS or (image.format == "WEBP" and _holds_vp8(path))


def _holds_vp8(path: Path) -> bool:
    """Whether the first picture of a WebP file is of VP8, and not of its lossless form."""
    with path.open("rb") as file:
        file.seek(12)
        while len(head := file.read(8)) == 8:
            kind, length = head[:4], int.from_bytes(head[4:], "little")
            if kind in (LOSSY, LOSSLESS):
                return kind == LOSSY
            file.seek(FRAME_HEADER if kind == FRAME else length + length % 2, 1)
    return False
