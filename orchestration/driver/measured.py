"""Tables that orders need and that a root folder knows: how hard classes are, how far apart."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from moleflow.errors import StudyError
from orchestration.driver.holdings import machines_of
from orchestration.records.finished import load
from orchestration.records.layout import Root
from orchestration.sharing.keys import features_keys
from orchestration.store.store import Store
from orchestration.studies.study import Study

if TYPE_CHECKING:
    from torch import Tensor

METRIC = "image_auroc"


def with_difficulty(study: Study, root: Root) -> Study:
    """The study, its difficulties those that a finished study measured: the mean over its trials of
    each class's image AUROC after the last task, under the true task.

    Raises:
        StudyError: that study is not known, or measured nothing.
    """
    if study.parts:
        parts = {name: with_difficulty(part, root) for name, part in study.parts.items()}
        return study.model_copy(update={"parts": parts})
    axis = study.orders_axis
    if not axis.by_difficulty or axis.difficulty or not axis.difficulty_of:
        return study
    frame = load(root.path, axis.difficulty_of).frame
    rows = frame[(frame["metric"] == METRIC) & (frame["routing"] == "oracle")]
    rows = rows[(rows["definition"] == "step") & (rows["status"] == "finished")]
    rows = rows[rows["step"] == rows.groupby("trial")["step"].transform("max")]
    if not len(rows):
        raise StudyError(
            f"difficulty_of: study {axis.difficulty_of} has no finished trial in {root.path}; run "
            "it first, or give difficulty={class: metric, …}"
        )
    table = {
        str(name): float(value) for name, value in rows.groupby("class")["value"].mean().items()
    }
    return _with_orders(study, {"difficulty": table})


def needs_distances(study: Study) -> bool:
    """Whether orders follow distances that are still to be found."""
    own = study.orders_axis.by_distance and not study.orders_axis.distances
    return own or any(map(needs_distances, study.parts.values()))


def with_distances(study: Study, distances: Mapping[str, Mapping[str, float]]) -> Study:
    """The study, and these distances where it needs some."""
    if study.parts:
        parts = {name: with_distances(part, distances) for name, part in study.parts.items()}
        return study.model_copy(update={"parts": parts})
    if not needs_distances(study):
        return study
    return _with_orders(study, {"distances": {a: dict(row) for a, row in distances.items()}})


def no_distances(classes: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """All nought: to see whether a study fits its classes before any feature is looked for."""
    return {one: dict.fromkeys(classes, 0.0) for one in classes}


def feature_distances(
    study: Study, fingerprints: Mapping[str, str], weights: str, store: Path | None
) -> dict[str, dict[str, float]]:
    """Euclidean distances between the mean features of classes' training pictures, as the study's
    base config makes them.

    Raises:
        StudyError: the store has no features of a class, or is no folder.
    """
    from moleflow.features.cache import open_features

    means: dict[str, Tensor] = {}
    for device in sorted({device for device, _ in machines_of(store)}) if store else ():
        keys = features_keys(study.base, fingerprints, weights, device)
        for name in keys.keys() - means.keys():
            folder = Store(store).find("features", keys[name]) if store else None
            if folder is not None:
                means[name] = open_features(folder).train.means.double().mean(dim=0)
    missing = sorted(fingerprints.keys() - means.keys())
    if missing:
        raise StudyError(
            f"orders by similarity: the store has no features of {', '.join(missing)} under these "
            "settings; run one order of them first, e.g. moleflow run grid with the same options, "
            "or give distances={class: {class: distance, …}, …}"
        )
    return {
        a: {b: float((means[a] - means[b]).square().sum().sqrt()) for b in means}
        for a in sorted(means)
    }


def _with_orders(study: Study, changes: dict[str, object]) -> Study:
    axes = tuple(
        axis.model_copy(update=changes) if axis is study.orders_axis else axis
        for axis in study.axes
    )
    return study.model_copy(update={"axes": axes})
