"""A plan that is only looked at: nothing is written, and no picture is decoded."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from moleflow.config_parts import BackboneConfig
from moleflow.errors import StudyError, WeightsError
from orchestration.driver.measured import (
    feature_distances,
    needs_distances,
    with_difficulty,
    with_distances,
)
from orchestration.driver.planning import (
    MOST_TRIALS,
    check_asked,
    check_parts,
    refuse_slips,
    unnamed,
)
from orchestration.driver.preflight import check_models, checking_beside
from orchestration.records.layout import Root, StudyFolder
from orchestration.records.proposals import Proposals
from orchestration.store.store import folder_of
from orchestration.studies.expansion import Plan, expand
from orchestration.studies.known_classes import Pictures, classes_of
from orchestration.studies.points import drawn_proposals, settings_from
from orchestration.studies.proposing import Proposal, search_id
from orchestration.studies.study import Study


@dataclass(frozen=True)
class Look:
    """Where a study that is only planned finds its classes, and what is known of its trials."""

    data: str | None = None
    """Folder of the classes."""
    classes_of: str | None = None
    """A data set that need not be there."""
    source: str = ""
    packaged: str = ""
    """The study of the package that it is."""
    most: int = MOST_TRIALS
    store: str | None = None


@dataclass(frozen=True)
class Preview:
    """What a study would run."""

    plan: Plan
    pictures: Mapping[str, Pictures]
    """By class."""
    known: bool
    """Whether trials have the keys that they will have when they run: content of pictures and of
    weights was looked at. Otherwise nothing can be known of what exists already."""
    left_out: tuple[str, ...] = ()
    """What of the study does not fit these classes and is left out or made to fit."""


def preview(name: str, study: Study, root: Root, look: Look, say: Callable[[str], None]) -> Preview:
    """Resolve a study without running it.

    Raises:
        DataError, StudyError, StoreError, ConfigError, WeightsError: it could not run like that.
    """
    from moleflow.data.catalog import classes_in

    refuse_slips(name, study, root, look.source, look.packaged)
    study = with_difficulty(study, root)
    fingerprints: dict[str, str] | None = None
    if look.classes_of is not None:
        place, pictures = look.classes_of, _published(study, look)
        there = tuple(classes_of(look.classes_of))
    else:
        place, pictures, fingerprints = _on_disk(study, root, look, say)
        again = study.named_classes and Path(place).is_dir()
        there = classes_in(Path(place)) if again else tuple(pictures)
    unfit = check_asked(name, study, study.named_classes or tuple(pictures), look.most, look.source)
    unfit += unnamed(study, there)
    for line in unfit:
        say(line)
    configs = settings_from(study, look.source)
    check_models(configs)
    check_parts(configs, pictures)
    weights: Mapping[BackboneConfig, str] = {one.backbone: str(one.backbone) for one in configs}
    known = fingerprints is not None
    faults = dict.fromkeys(weights_fault(one.backbone.weights) for one in configs)
    for fault in () if known else filter(None, faults):
        say(f"{fault}; a run would be refused")
    if known:
        try:
            with checking_beside(configs, root, keep=False) as check:
                weights = check()
        except WeightsError as error:
            say(f"{error}; until then it is not known what exists already")
            known = False
    prints = fingerprints or {name: f"{place}/{name}" for name in pictures}
    if needs_distances(study):
        identity, store = weights[study.base.backbone], folder_of(look.store, root)
        study = with_distances(study, feature_distances(study, prints, identity, store))
    proposals = drawn_proposals(study, _made(study, root.study(name), say))
    plan = expand(name, study, place, prints, weights, look.source, proposals)
    return Preview(plan, pictures, known, tuple(unfit))


def weights_fault(weights: str) -> str:
    """What shows of a file of weights without torch: its place, and its header."""
    if weights in ("pretrained", "random"):
        return ""
    path = Path(weights)
    if not path.is_file():
        return f"backbone.weights: {path} is no file"
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            whole = length <= path.stat().st_size - 8 and isinstance(
                json.loads(file.read(length)), dict
            )
    except (OSError, ValueError) as error:
        return f"backbone.weights: {path} cannot be read as safetensors ({error})"
    return "" if whole else f"backbone.weights: {path} cannot be read as safetensors (no header)"


def _made(study: Study, folder: StudyFolder, say: Callable[[str], None]) -> dict[int, Proposal]:
    """Of a search: those that were made."""
    return Proposals(folder, search_id(study)).seen(say) if study.search_axis else {}


def _published(study: Study, look: Look) -> dict[str, Pictures]:
    if look.data is not None:
        raise StudyError("--data and --classes-of both say where classes are; give one of them")
    assert look.classes_of is not None
    there = classes_of(look.classes_of)
    missing = [name for name in study.named_classes if name not in there]
    if missing:
        raise StudyError(
            f"--classes-of {look.classes_of}: it has no class {', '.join(missing)}; it has "
            f"{', '.join(there)}"
        )
    return {name: there[name] for name in study.named_classes or sorted(there)}


def _on_disk(
    study: Study, root: Root, look: Look, say: Callable[[str], None]
) -> tuple[str, dict[str, Pictures], dict[str, str] | None]:
    """Where the classes are, their pictures, and their fingerprints where anything could be there
    already that is known by them."""
    from moleflow.data.catalog import open_catalog
    from orchestration.records.dataset import kept_fingerprint

    folder = _folder(study, root, look)
    if folder is None:
        from moleflow.data.synthetic import synthetic_pictures

        return "synthetic", {n: Pictures(*two) for n, two in synthetic_pictures().items()}, None
    catalog = open_catalog(folder, study.named_classes, say)
    pictures = {name: Pictures(len(one.train), len(one.test)) for name, one in catalog.items()}
    if not _holds_something(root, look):
        return str(folder), pictures, None
    from moleflow.data.catalog import fingerprint

    found = {n: kept_fingerprint(one, root) or fingerprint(one) for n, one in catalog.items()}
    return str(folder), pictures, found


def _folder(study: Study, root: Root, look: Look) -> Path | None:
    """None: of a study that makes its pictures when it runs."""
    if look.data is not None:
        return Path(look.data).expanduser().resolve()
    if study.data == "synthetic":
        there = root.synthetic
        return there if there.is_dir() else None
    raise StudyError(
        "this study needs pictures: name the folder that holds the classes with --data DIR, or a "
        "data set whose classes are known with --classes-of mvtec"
    )


def _holds_something(root: Root, look: Look) -> bool:
    """Whether this root folder or the store may know any stage or trial."""
    store = folder_of(look.store, root)
    return store is None or bool(root.study_names()) or any(store.glob("*/*/*/manifest.json"))
