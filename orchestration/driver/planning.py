"""From what is asked at the command line to a plan of trials, refused early if it cannot work."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from moleflow.config import Config
from moleflow.errors import StudyError
from moleflow.wording import counted
from orchestration.driver import tpe
from orchestration.driver.measured import (
    feature_distances,
    needs_distances,
    no_distances,
    with_difficulty,
    with_distances,
)
from orchestration.driver.one_name import check_source
from orchestration.driver.preflight import Check
from orchestration.driver.reporting import check_reports
from orchestration.driver.searching import Searching
from orchestration.records.layout import Root
from orchestration.records.plans import write_plan
from orchestration.store.store import folder_of
from orchestration.studies.expansion import Plan, expand, trials_asked
from orchestration.studies.known_classes import Pictures
from orchestration.studies.orders import left_out, sequences
from orchestration.studies.points import settings_from
from orchestration.studies.proposing import Proposal
from orchestration.studies.search import Search
from orchestration.studies.slips import check_written, named_by
from orchestration.studies.study import Study

if TYPE_CHECKING:
    from orchestration.records.dataset import Checked

Say = Callable[[str], None]
QUIET = 30.0
"""Seconds of checking after which it is said how far that is."""
MOST_TRIALS = 10_000
"""Of a study, unless it is asked for: more are usually a slip, and planning them takes minutes."""


class Planning:
    """From a study to a plan, in two steps, so that the second one's checks can run together."""

    def __init__(
        self,
        name: str,
        study: Study,
        data: str | None,
        root: Root,
        say: Say,
        *,
        source: str = "",
        packaged: str = "",
        most: int = MOST_TRIALS,
        store: str | None = None,
        warn: Say = lambda text: None,
    ):
        """Refuse what needs no look into a picture.

        Args:
            data: folder of the classes; None where the study makes its own pictures.
            source: the study's file; empty for one that comes with the package.
            packaged: the study of the package that it is.
            most: trials that the study may have.
            store: where results of stages live; None: below the root folder.
            warn: told of proposals of a search that are damaged.

        Raises:
            DataError, StudyError, StoreError, ConfigError: before anything was started.
        """
        # What only reads a plan needs no pictures.
        from moleflow.data.catalog import classes_in, open_catalog

        refuse_slips(name, study, root, source, packaged)
        if study.search_axis is not None:
            tpe.check_installed(study.search_axis)
        study = with_difficulty(study, root)
        self.searching: Searching | None = None
        """What proposes more trials, once the plan is finished."""
        self._warn = warn
        self._name, self._study, self._root, self._say = name, study, root, say
        self._store = folder_of(store, root)
        self._source, self._packaged = source, packaged
        self._data_root = _data_root(study, data, root, say)
        self._catalog = open_catalog(self._data_root, study.named_classes, say)
        names = study.named_classes or tuple(self._catalog)
        told = check_asked(name, study, names, most, source)
        there = classes_in(self._data_root) if study.named_classes else names
        for line in (*told, *unnamed(study, there)):
            say(line)
        self.configs = settings_from(study, source)
        check_parts(self.configs, self.pictures)

    @property
    def pictures(self) -> dict[str, Pictures]:
        """How many there are, by class."""
        return {n: Pictures(len(one.train), len(one.test)) for n, one in self._catalog.items()}

    def finish(self, check: Check) -> Plan:
        """Check every picture, hear what was found of the backbones, and write `study.json`.

        Raises:
            DataError, WeightsError, StudyError, StoreError, ConfigError: nothing was started.
        """
        from orchestration.records.dataset import checked

        # Again: another driver of this name may have come and gone before this one's turn.
        folder = self._root.study(self._name)
        check_source(folder, self._source, self._packaged, self._study.question)
        pictures = sum(len(data.train) + len(data.test) for data in self._catalog.values())
        self._say(
            f"checking {counted(pictures, 'picture')} of {counted(len(self._catalog), 'class')} "
            f"in {self._data_root}"
        )
        crops = any(config.image.resize == "crop" for config in self.configs)
        fingerprints: dict[str, str] = {}
        said = time.monotonic()
        for class_name, data in self._catalog.items():
            found = checked(data, self._root)
            fingerprints[class_name] = _told(found, class_name, crops, self._say)
            if time.monotonic() - said > QUIET:
                said = time.monotonic()
                self._say(f"checked {len(fingerprints)} of {counted(len(self._catalog), 'class')}")
        for line in _alike(fingerprints):
            self._say(line)
        backbones = dict.fromkeys(config.backbone.name for config in self.configs)
        fetched = any(config.backbone.weights == "pretrained" for config in self.configs)
        told = "; timm fetches its weights where they are not yet, which may take a minute"
        self._say(f"checking the backbone {', '.join(backbones)}{told if fetched else ''}")
        weights, study = check(), self._study
        if needs_distances(study):
            identity = weights[study.base.backbone]
            apart = feature_distances(study, fingerprints, identity, self._store)
            study = with_distances(study, apart)

        def expanded(proposals: Sequence[Proposal] = ()) -> Plan:
            place = str(self._data_root), fingerprints, weights, self._source
            found = expand(self._name, study, *place, proposals)
            return found.model_copy(update={"packaged": self._packaged})

        if study.search_axis is None:
            plan = expanded()
        else:
            self.searching = Searching(study, self._name, self._root, expanded, self._warn)
            plan = self.searching.plan
        write_plan(plan, folder)
        return plan


def refuse_slips(name: str, study: Study, root: Root, source: str, packaged: str) -> None:
    """Refuse what shows before the classes are known.

    Raises:
        StudyError, StoreError: of the root folder, of the study's name, or of what is asked.
    """
    root.check_format()
    check_source(root.study(name), source, packaged, study.question)
    with named_by(source):
        check_reports(study)
        check_written(study)


def check_parts(configs: Sequence[Config], pictures: Mapping[str, Pictures]) -> None:
    """Raises:
    DataError: a class has too few training pictures for what a setting holds out of them.
    """
    from moleflow.data.fraction import drawn

    for part in dict.fromkeys(config.data for config in configs):
        for name, there in pictures.items():
            drawn(there.train, part, name)


def check_asked(
    name: str, study: Study, names: tuple[str, ...], most: int, source: str = ""
) -> list[str]:
    """Whether a study fits the classes that there are.

    Returns:
        What of it does not and is left out, a sentence each.

    Raises:
        StudyError: it does not, or asks for more than `most` trials.
    """
    with named_by(source):
        return _checked(name, study, names, most)


def _checked(name: str, study: Study, names: tuple[str, ...], most: int) -> list[str]:
    asked = trials_asked(study, names)
    if asked > most:
        raise StudyError(
            f"study {name} asks for {asked} trials, which is more than {most}: ask for fewer "
            f"orders, seeds or values, or say that you mean it: --most-trials {asked}"
        )
    told = dict[str, None]()
    for part in study.leaves:
        own = with_distances(part, no_distances(part.named_classes or names))
        found = sequences(own, part.named_classes or names)
        if part.search_axis is not None:
            _check_rungs(part.search_axis, min(map(len, found), default=0))
        told |= dict.fromkeys(left_out(own, part.named_classes or names))
    return list(told)


def unnamed(study: Study, there: tuple[str, ...]) -> list[str]:
    """Classes that are there and not learned, only as orders do not name them."""
    found = dict[str, None]()
    for part in study.leaves:
        named = next(iter(part.orders_axis.named), ())
        if named and not part.classes and not part.groups:
            left = [one for one in there if one not in part.named_classes]
            if left:
                found[f"left out: {', '.join(left)}, which the orders do not name"] = None
    return list(found)


def _check_rungs(search: Search, tasks: int) -> None:
    if search.rungs and search.rungs[-1] >= tasks:
        raise StudyError(
            f"Search.rungs: {search.rungs}; a trial has {tasks} tasks, and none is stopped after "
            "the last; name smaller numbers"
        )


def _told(found: "Checked", name: str, crops: bool, say: Say) -> str:
    """Says what was found in a class's files, and returns their fingerprint."""
    for line in (*found.told, *([found.cut_off] if crops and found.cut_off else [])):
        say(f"{name}: {line}")
    return found.fingerprint


def _alike(fingerprints: Mapping[str, str]) -> Iterator[str]:
    """Classes that are copies of, or links to, another one."""
    known: dict[str, str] = {}
    for name, files in fingerprints.items():
        same = known.setdefault(files, name)
        if same != name:
            yield f"{name}: has the same files as class {same}, so both are one product"


def _data_root(study: Study, data: str | None, root: Root, say: Say) -> Path:
    if data is not None:
        return Path(data).expanduser().resolve()
    if study.data == "synthetic":
        from moleflow.data.synthetic import make_synthetic  # scipy takes longer than the rest

        root.claim()
        say("making synthetic pictures")
        return make_synthetic(root.synthetic)
    raise StudyError(
        "this study needs pictures: name the folder that holds the classes with --data DIR"
    )
