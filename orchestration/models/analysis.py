"""Finished trials as analyses see them: the saved model, and features from the store."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from moleflow.analysis import ANALYSES, Subject
from moleflow.data.catalog import ClassData, open_catalog
from moleflow.errors import ConfigError, DataError, StudyError
from moleflow.features.cache import ClassFeatures, open_features
from moleflow.saved import load_model
from orchestration.hiding import HIDDEN
from orchestration.records.dataset import checked_fingerprint
from orchestration.records.layout import Root, not_one_trial
from orchestration.records.ledger import Ledger, Record
from orchestration.records.provenance import device_kind
from orchestration.records.stages import StageRef
from orchestration.sharing.keys import features_keys
from orchestration.store.features import Extraction
from orchestration.store.store import Store, open_store


def chosen_analyses(what: str) -> list[str]:
    """Names in a comma-separated list, in the project's order; all for an empty one.

    Raises:
        ConfigError: there is no such analysis.
    """
    asked = [name.strip() for name in what.split(",") if name.strip()]
    unknown = [name for name in asked if name not in ANALYSES]
    if unknown:
        known = ", ".join(ANALYSES)
        raise ConfigError(f"--what {', '.join(unknown)}: no such analysis; known are {known}")
    return [name for name in ANALYSES if name in asked or not asked]


def finished_records(
    asked: str, root: Root, tell: Callable[[str], None] = lambda text: None
) -> list[Record]:
    """Every finished trial of a study of that name, or the trial whose key begins so.

    Args:
        asked: a study's name; or the beginning of a trial's key, or STUDY/ and that.
        tell: told of files that are not the records that they are named after.

    Raises:
        StudyError: there is none, or several trials' keys begin so, or several studies have it.
    """
    if asked in root.study_names():
        found = [r for r in Ledger(root.study(asked)).sound(tell) if r.status == "finished"]
        if not found:
            command = root.command("status", asked)
            raise StudyError(f"study {asked!r} has no finished trial yet; see `{command}`")
        return found
    return [_one_record(asked, root, tell)]


def _one_record(asked: str, root: Root, tell: Callable[[str], None]) -> Record:
    study, _, prefix = asked.rpartition("/")
    names = root.study_names()
    found = [
        (name, record)
        for name in names
        if prefix and study in ("", name)
        for record in Ledger(root.study(name)).sound(tell, prefix)
    ]
    if not found:
        hint = f"its studies are {', '.join(names)}" if names else "no study has been run there"
        raise StudyError(f"{asked!r} is neither a study nor a trial in {root.path}: {hint}")
    if len({record.key for _, record in found}) > 1:
        raise not_one_trial(asked, [(name, record.key) for name, record in found])
    finished = [(name, record) for name, record in found if record.status == "finished"]
    if not finished:
        key = found[0][1].key
        raise StudyError(f"trial {key} did not finish, so there is nothing to analyse")
    if len(finished) > 1:
        raise not_one_trial(asked, [(name, record.key) for name, record in finished])
    return finished[0][1]


def subject_of(
    record: Record, root: Root, device: torch.device, store: str | None = None
) -> Subject:
    """A finished trial as the analyses see it: its saved model, and features from the store.

    Args:
        store: where results of stages lie; by default where they lay when the trial ran.

    Raises:
        StudyError: the trial kept no model, or its store has an address with secrets.
        ModelError: its model is damaged.
        DataError: its pictures are not those that it was trained on.
        StoreError: the store cannot be reached.
    """
    folder = root.study(record.study).model(record.key)
    if not folder.exists():
        raise StudyError(
            f"trial {record.key} of study {record.study} has no saved model ({folder}); "
            "move its record away and run the study again"
        )
    saved = load_model(folder)
    classes = [name for task in saved.sequence for name in task]
    data = open_catalog(Path(record.data_root), classes)
    opened = open_store(store or _store_of(record), root)
    return Subject(
        model=saved.model.to(device),
        sequence=saved.sequence,
        features=_features(record, data, root, opened, device),
        data=data,
        prototypes=saved.prototypes,
        seconds={(one.kind, one.task): s for one, s in record.computing_seconds.items()},
        peak_memory=record.peak_memory,
    )


def _store_of(record: Record) -> str | None:
    if HIDDEN in record.store:
        raise StudyError(
            f"trial {record.key} used the store {record.store}, whose secrets are not on record; "
            "name it with --store"
        )
    return record.store or None


def _features(
    record: Record, data: Mapping[str, ClassData], root: Root, store: Store, device: torch.device
) -> dict[str, ClassFeatures]:
    """Those that the trial used, where the store still has them; else made anew."""
    extraction = Extraction(record.config, record.weights, device)
    kind = device_kind(device)
    keys = features_keys(record.config, record.fingerprints, record.weights, kind)
    found: dict[str, ClassFeatures] = {}
    for name, pictures in data.items():
        files = checked_fingerprint(pictures, root)
        _check_files(record, name, files)
        used = record.stages.get(StageRef("features", name))
        folder = store.find("features", used.key) if used else None
        if folder is None:
            folder, _ = store.get_or_make("features", keys[name], extraction.of(pictures, files))
        found[name] = open_features(folder).drawn(record.config.data, name)
    return found


def _check_files(record: Record, name: str, files: str) -> None:
    if files != record.fingerprints[name]:
        raise DataError(
            f"{record.data_root}: files of class {name} are not those that trial "
            f"{record.key} was trained on; restore them, or run the study again"
        )
