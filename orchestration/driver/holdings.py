"""Which tasks of a plan lie in a store, as far as names tell. Imports no torch."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from orchestration.records.layout import Root
from orchestration.records.stages import TRAINED
from orchestration.sharing.keys import StageKeys
from orchestration.sharing.savings import Held, nothing
from orchestration.store.entry import MANIFEST
from orchestration.store.store import folder_of, open_store
from orchestration.studies.expansion import Trial
from orchestration.studies.terms import Terms

MADE = "made.json"
FEW = 20
"""Entries of a remote store that are asked on what kind of machine they were made, at most."""


def holdings(root: Root, terms: Terms) -> Held:
    """What the store holds of a trial's tasks, on any of the kinds of machine which made what lies
    there and on which these terms may run it; nothing where the store is no folder."""
    store = folder_of(terms.store, root)
    if store is None:
        return nothing
    place = store
    machines = {machine for machine in machines_of(place) if _fits(*machine, terms)}
    return _held(machines, lambda kind, key: (place / kind / key[:2] / key / MANIFEST).is_file())


def holdings_anywhere(root: Root, terms: Terms) -> Held:
    """The same of a store wherever it is: one that is no folder is listed once.

    Raises:
        StoreError: it cannot be reached.
    """
    if folder_of(terms.store, root) is not None:
        return holdings(root, terms)
    store = open_store(terms.store, root)
    there = {(entry.kind, entry.key) for entry in store.entries()}
    trained = sorted((kind, key) for kind, key in there if kind in TRAINED)
    told = [store.read(kind, key, MADE) for kind, key in trained[:: len(trained) // FEW + 1]]
    machines = {one for content in told if content and (one := _machine(content))}
    fitting = {machine for machine in machines if _fits(*machine, terms)}
    return _held(fitting, lambda kind, key: (kind, key) in there)


def _held(machines: Iterable[tuple[str, int]], there: Callable[[str, str], bool]) -> Held:
    known = frozenset(machines)
    if not known:
        return nothing

    def held(trial: Trial, apart: str) -> frozenset[str]:
        here = StageKeys(trial, device="", threads=0)
        found = set[str]()
        for device, threads in known:
            keys = StageKeys(trial, device, threads, apart)
            for index in range(len(trial.sequence)):
                if there(keys.kind(index), keys.task(index)):
                    found.add(here.task(index))
            for name in trial.classes:
                if there("features", keys.features(name)):
                    found.add(here.features(name))
        return frozenset(found)

    return held


def _fits(device: str, threads: int, terms: Terms) -> bool:
    resources = terms.resources
    if resources.gpus_per_trial and resources.device != "cpu":
        return device.startswith("cuda")
    return not device.startswith("cuda") and threads == resources.threads


def machines_of(store: Path) -> Iterator[tuple[str, int]]:
    """Kinds of machine that trained something."""
    for kind in TRAINED:
        for path in (store / kind).glob(f"*/*/{MADE}"):
            with suppress(OSError):  # damaged: found when it is used
                if found := _machine(path.read_bytes()):
                    yield found


def _machine(content: bytes) -> tuple[str, int] | None:
    """What an entry says of who made it."""
    try:
        made = json.loads(content)
        return str(made["device"]), int(made["threads"])
    except (ValueError, KeyError, TypeError):
        return None
