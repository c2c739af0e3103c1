"""Whether trials can keep their results where they are told to, found out before one starts."""

import os
import threading
from collections.abc import Callable

from moleflow.errors import StoreAwayError, StoreError
from orchestration.records.layout import Root
from orchestration.store.address import safe_store
from orchestration.store.store import folder_of, open_store

PATIENCE = 20.0
"""Seconds for a store to answer."""


def check_store(
    store: str | None,
    root: Root,
    say: Callable[[str], None],
    warn: Callable[[str], None],
    *,
    elsewhere: bool = False,
) -> None:
    """
    Args:
        elsewhere: trials run on other machines, which may see what this one does not: it is told
            and nothing refused.

    Raises:
        StoreError: it cannot be reached, or written.
    """
    if store is None:
        return
    try:
        _check(store, root, say)
    except StoreError as error:
        if not elsewhere:
            raise
        warn(f"--store, as seen from here: {error}")


def _check(store: str, root: Root, say: Callable[[str], None]) -> None:
    folder = folder_of(store, root)
    if folder is not None:
        there = next(place for place in (folder, *folder.parents) if place.exists())
        if not there.is_dir():
            raise StoreError(f"--store {folder}: {there} is no folder; name another one")
        if not os.access(there, os.W_OK | os.X_OK):
            raise StoreError(f"--store {folder}: {there} cannot be written; choose another folder")
        return
    say(f"checking the store {safe_store(store)}")
    found: list[BaseException] = [
        StoreAwayError(f"--store {safe_store(store)}: no answer within {PATIENCE:.0f} s")
    ]

    def ask() -> None:
        try:
            open_store(store, root)
            found.clear()
        except Exception as error:  # raised below, in the thread that asks
            found[:] = [error]

    asking = threading.Thread(target=ask, name="check of the store", daemon=True)
    asking.start()
    asking.join(PATIENCE)
    if found:
        raise found[0]
