"""Features of a trial's classes: from the store, or extracted and put there."""

import time
from collections.abc import Callable
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
    stage, key = StageRef("features", name), context.keys.features(name)
    folder = _got_or_made(context, stage, key, extraction.of(data, files))
    return open_features(folder)


def selection_pictures(
    context: TrialContext, data: ClassData, features: ClassFeatures, extraction: Extraction
) -> tuple[Features, Truth]:
    """What settings may be chosen by, of one class: its held-out pictures, and defects on them.

    Args:
        features: of all its training pictures.
    """
    trial, name = context.trial, data.name
    stage, key = StageRef("defects", name), context.keys.defects(name)
    extracting = extraction.of_defects(data, trial.fingerprints[name], features.bits)
    folder = _got_or_made(context, stage, key, extracting)
    return selection_features(name, features, trial.config, folder)


def _got_or_made(
    context: TrialContext, stage: StageRef, key: str, extracting: Callable[[Path], None]
) -> Path:
    """The stage's folder in the store, and a note of who made it and in what time."""
    made = False

    def make(folder: Path) -> None:
        nonlocal made
        start = time.perf_counter()
        extracting(folder)
        took = time.perf_counter() - start
        origin(context.trial, context.terms, context.device, took).write(folder)
        made = True

    context.log.begin(stage)
    folder = context.stage_store.get(stage.kind, key, make)
    context.log.end(stage, source=source_of(context.trial, stage.kind, key, folder, made))
    return folder
