"""Features of a trial's classes: from the store, or extracted and put there."""

import time
from pathlib import Path

from moleflow.data.catalog import ClassData
from moleflow.errors import DataError
from moleflow.features.cache import ClassFeatures, Features, open_features
from moleflow.selection import selection_features
from moleflow.truth import Truth
from orchestration.records.dataset import checked_fingerprint
from orchestration.records.layout import Root
from orchestration.records.stages import StageRef
from orchestration.store.features import Extraction
from orchestration.trial.context import TrialContext
from orchestration.trial.origin import origin, source_of


def class_features(
    context: TrialContext, data: ClassData, extraction: Extraction, notes: Root
) -> ClassFeatures:
    """Of one class, of all its pictures.

    Args:
        notes: where it is noted which files were read before.

    Raises:
        DataError: its files are not those that the study was planned on.
    """
    trial, name = context.trial, data.name
    files = trial.fingerprints[name]
    if checked_fingerprint(data, notes) != files:
        raise DataError(
            f"{trial.data_root}: files of class {name} are not those that the study was "
            "planned on; run the study again to plan it anew"
        )
    stage = StageRef("features", name)
    context.log.begin(stage)
    key, made = context.keys.features(name), False

    def make(folder: Path) -> None:
        nonlocal made
        start = time.perf_counter()
        extraction.of(data, files)(folder)
        took = time.perf_counter() - start
        origin(trial, context.terms, context.device, took).write(folder)
        made = True

    folder = context.stage_store.get("features", key, make)
    context.log.end(stage, source=source_of(trial, "features", key, folder, made))
    return open_features(folder)


def selection_pictures(
    context: TrialContext, data: ClassData, features: ClassFeatures, extraction: Extraction
) -> tuple[Features, Truth]:
    """What settings may be chosen by, of one class: its held-out pictures, and defects on them.

    Args:
        features: of all its training pictures.
    """
    trial, name = context.trial, data.name
    stage = StageRef("defects", name)
    context.log.begin(stage)
    key, made = context.keys.defects(name), False

    def make(folder: Path) -> None:
        nonlocal made
        start = time.perf_counter()
        extraction.of_defects(data, trial.fingerprints[name], features.bits)(folder)
        took = time.perf_counter() - start
        origin(trial, context.terms, context.device, took).write(folder)
        made = True

    folder = context.stage_store.get("defects", key, make)
    context.log.end(stage, source=source_of(trial, "defects", key, folder, made))
    return selection_features(name, features, trial.config, folder)
