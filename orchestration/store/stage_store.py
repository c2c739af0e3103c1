"""Results of one trial's stages: found in the store, or made now by whoever holds the lease."""

import time
from collections.abc import Callable
from pathlib import Path

from orchestration.store.lease import Leases
from orchestration.store.store import Store

PAUSE = 0.2
"""Seconds between two looks at a stage that another trial is working on."""
SIGN_OF_LIFE = 30.0
"""Seconds after which a trial that waits says so again."""


class StageStore:
    """The store as one trial sees it.

    Leases keep two trials from making the same result at the same time; without them both would,
    and the results would be the same.
    """

    def __init__(self, store: Store, leases: Leases, waiting: Callable[[str], None]):
        """Args:
        waiting: told the kind of a stage that must be waited for, now and again.
        """
        self._store = store
        self._leases = leases
        self._waiting = waiting
        self._used: dict[str, set[str]] = {}

    @property
    def used(self) -> dict[str, tuple[str, ...]]:
        """By kind, the keys of all results that were found or made."""
        return {kind: tuple(sorted(keys)) for kind, keys in sorted(self._used.items())}

    def offer(self, kind: str, key: str, make: Callable[[Path], None]) -> Path | None:
        """The folder of a result, made now if it is not there; None while another one makes it.

        Raises:
            StoreError: the store cannot be written.
        """
        self._used.setdefault(kind, set()).add(key)
        found = self._store.find(kind, key)
        if found is not None:
            return found
        name = f"{kind}/{key}"
        if not self._leases.acquire(name):
            return None
        try:
            return self._store.get_or_make(kind, key, make)[0]
        finally:
            self._leases.release(name)

    def find(self, kind: str, key: str) -> Path | None:
        """The folder of a result, if it is there.

        Raises:
            StoreError: the store cannot be read.
        """
        self._used.setdefault(kind, set()).add(key)
        return self._store.find(kind, key)

    def claim(self, kind: str, key: str) -> bool:
        """Take it upon this trial to make a result, until it is put there or given up; False while
        another one makes it, or where one has just made it."""
        if not self._leases.acquire(f"{kind}/{key}"):
            return False
        if self.find(kind, key) is None:
            return True
        self.give_up(kind, key)
        return False

    def put(self, kind: str, key: str, make: Callable[[Path], None]) -> Path:
        """Publish a result that was claimed, and end the claim; returns its folder.

        Raises:
            StoreError: the store cannot be written.
        """
        try:
            return self._store.publish(kind, key, make)
        finally:
            self.give_up(kind, key)

    def give_up(self, kind: str, key: str) -> None:
        """End a claim; nothing happens where there is none."""
        self._leases.release(f"{kind}/{key}")

    def get(self, kind: str, key: str, make: Callable[[Path], None]) -> Path:
        """The folder of a result, however long another trial needs to make it."""
        told = 0.0
        while (found := self.offer(kind, key, make)) is None:
            if time.monotonic() - told > SIGN_OF_LIFE:
                self._waiting(kind)
                told = time.monotonic()
            time.sleep(PAUSE)
        return found
