"""The parts of a store's address."""

# fsspec comes without type stubs.
# pyright: reportMissingTypeStubs=false

from urllib.parse import SplitResult, urlsplit

from moleflow.errors import StoreError
from orchestration.hiding import safe_uri

ARROWS = ("s3", "gs", "gcs", "hdfs", "viewfs", "file")
"""Protocols that Arrow speaks; all others are fsspec's."""


def parts_of(uri: str) -> SplitResult:
    """Raises:
    StoreError: the address is malformed.
    """
    try:
        found = urlsplit(uri)
    except ValueError as error:
        raise StoreError(
            f"--store {safe_uri(uri)}: not an address ({error}); write a folder, or e.g. "
            "s3://bucket/prefix"
        ) from None
    if found.scheme == "file" and found.netloc not in ("", "localhost"):
        raise StoreError(
            f"--store {safe_uri(uri)}: file:// names a folder of this machine; write file:///PATH"
        )
    return found


def check_protocol(uri: str) -> None:
    """Refuse at the start what no trial could open, without asking anyone.

    Raises:
        StoreError: the address is malformed, or of a protocol that nothing here speaks.
    """
    scheme = parts_of(uri).scheme
    if scheme in ARROWS:
        return
    from fsspec import available_protocols  # for few

    if scheme not in available_protocols():
        raise StoreError(
            f"--store {safe_uri(uri)}: no protocol {scheme!r}; write a folder, or e.g. "
            "s3://bucket/prefix"
        )
