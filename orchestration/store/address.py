"""The parts of a store's address."""

# fsspec comes without type stubs.
# pyright: reportMissingTypeStubs=false

from pathlib import Path
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


def safe_store(store: str | None) -> str:
    """A store's address for others to read; empty for the root folder's own."""
    if store is None:
        return ""
    return safe_uri(store) if "://" in store else store


def absolute_store(store: str | None) -> str | None:
    """A store as trials name it: they run in other folders, where a relative path would point
    elsewhere.

    Raises:
        StoreError: as `check_protocol`.
    """
    if store is None:
        return None
    if "://" in store:
        check_protocol(store)
        return store
    return str(Path(store).expanduser().resolve())
