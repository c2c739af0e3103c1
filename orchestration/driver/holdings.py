"""Which tasks of a plan lie in a store that is a folder, as far as names tell. Imports no torch."""

import json
from collections.abc import Iterator
from pathlib import Path

from orchestration.records.layout import Root
from orchestration.records.stages import TRAINED
from orchestration.sharing.keys import StageKeys
from orchestration.sharing.savings import Held, nothing
from orchestration.store.entry import MANIFEST
from orchestration.store.store import folder_of
from orchestration.studies.expansion import Trial
from orchestration.studies.terms import Terms

MADE = "made.json"


def holdings(root: Root, terms: Terms) -> Held:
    """What the store holds of a trial's tasks, on any of the kinds of machine which made what lies
    there and on which these terms may run it; nothing where the store is no folder."""
    store = folder_of(terms.store, root)
    if store is None:
        return nothing
    machines = {machine for machine in machines_of(store) if _fits(*machine, terms)}

    def held(trial: Trial, apart: str) -> frozenset[str]:
        here = StageKeys(trial, device="", threads=0)
        found = set[str]()
        for device, threads in machines:
            keys = StageKeys(trial, device, threads, apart)
            for index in range(len(trial.sequence)):
                kind, key = keys.kind(index), keys.task(index)
                if (store / kind / key[:2] / key / MANIFEST).is_file():
                    found.add(here.task(index))
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
            try:
                made = json.loads(path.read_bytes())
                yield str(made["device"]), int(made["threads"])
            except (OSError, ValueError, KeyError, TypeError):  # damaged: found when it is used
                continue
