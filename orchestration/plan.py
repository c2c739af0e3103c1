"""From what is asked at the command line to a plan of trials, refused early if it cannot work."""

import difflib
import importlib
import pkgutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationError

from moleflow.errors import MoleflowError, StoreError, StudyError
from moleflow.files import read_regular
from moleflow.profiles import profile
from moleflow.sealed import seal, unsealed
from moleflow.settings import Settings
from orchestration.layout import Root, StudyFolder
from orchestration.ledger import write_atomically
from orchestration.preflight import Check
from orchestration.study import (
    Axis,
    ClassName,
    Grid,
    Orders,
    Plan,
    Study,
    TaskZero,
    check_name,
    expand,
    grid_points,
    sequences,
    trials_asked,
)
from orchestration.study_file import study_in

if TYPE_CHECKING:
    from orchestration.dataset import Checked

Say = Callable[[str], None]
QUIET = 30.0
"""Seconds of checking after which it is said how far that is."""
MOST_COUNT = 1_000_000
"""Of orders or seeds."""
MOST_TRIALS = 10_000
"""Of a study, unless it is asked for: more are usually a slip, and planning them takes minutes."""


class Request(Settings):
    """What a person changed of a study at the command line; None and empty leave it as it is."""

    data: str | None = None
    classes: tuple[ClassName, ...] = ()
    profile: str | None = None
    scenario: str | None = None
    groups: tuple[tuple[ClassName, ...], ...] = ()
    orders: int | None = None
    order: tuple[tuple[ClassName, ...], ...] = ()
    task0: tuple[ClassName, ...] = ()
    seeds: int | None = None
    settings: dict[str, Any] = Field(default_factory=dict[str, Any])


def known_studies() -> list[str]:
    """Names of the studies that come with the package."""
    package = importlib.import_module("search_spaces")
    return sorted(module.name for module in pkgutil.iter_modules(package.__path__))


def load_study(name: str) -> tuple[str, Study]:
    """A study by name, or by the path of a Python file that defines STUDY.

    Raises:
        StudyError: no such study, or its file is no study.
    """
    if name.endswith(".py"):
        return check_name(Path(name).stem), study_in(Path(name))
    if name in known_studies():
        return name, importlib.import_module(f"search_spaces.{name}").STUDY
    close = difflib.get_close_matches(name, known_studies(), n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    raise StudyError(
        f"unknown study {name!r}: {hint}known are {', '.join(known_studies())}, "
        "or give the path of a .py file that defines STUDY"
    )


def customised(study: Study, request: Request) -> Study:
    """The study with the command line's changes.

    Raises:
        ConfigError: a setting is unknown or does not fit.
        StudyError: a count is not positive, a class is named twice, or both a scenario and groups
            are given.
    """
    for name, count in (("--orders", request.orders), ("--seeds", request.seeds)):
        if count is not None and not 1 <= count <= MOST_COUNT:
            raise StudyError(f"{name} {count}: give a number from 1 to {MOST_COUNT}")
    for name, classes in (("--classes", request.classes), ("--task0", request.task0)):
        if len(set(classes)) < len(classes):
            raise StudyError(f"{name}: each class may be named once")
    base = profile(request.profile) if request.profile else study.base
    base = base.updated(absolute_weights(request.settings))
    changes: dict[str, Any] = {"base": base, "axes": _axes(study, request)}
    changes |= _tasks(request)
    if request.classes:
        changes["classes"] = request.classes
    if request.seeds is not None:
        changes["seeds"] = tuple(range(request.seeds))
    if request.data is not None:
        changes["data"] = "folder"
    return study.model_copy(update=changes)


def _tasks(request: Request) -> dict[str, Any]:
    """A scenario takes the place of the study's groups, and groups that of its scenario."""
    if request.scenario is not None and request.groups:
        raise StudyError("--scenario and --groups both say how tasks are made; give one of them")
    if request.scenario is not None:
        return {"scenario": request.scenario, "groups": ()}
    return {"scenario": "1-1", "groups": request.groups} if request.groups else {}


def _axes(study: Study, request: Request) -> tuple[Axis, ...]:
    axes: list[Axis] = list(study.axes)
    if request.order and (request.orders is not None or request.task0):
        raise StudyError("--order names orders, so neither --orders nor --task0 can; give one")
    if request.order:
        others = [axis for axis in axes if isinstance(axis, Grid)]
        return (Orders(named=request.order), *others)
    if request.orders is not None:
        axes = [axis for axis in axes if not isinstance(axis, Orders)]
        axes.append(study.orders_axis.model_copy(update={"count": request.orders, "named": ()}))
    if request.task0:
        axes = [axis for axis in axes if not isinstance(axis, TaskZero)]
        axes.insert(0, TaskZero(classes=request.task0))
    return tuple(axes)


def absolute_weights(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Trials run in other folders, so a relative path would point elsewhere there."""
    changed = dict(settings)
    weights = changed.get("backbone.weights")
    if isinstance(weights, str) and weights not in ("pretrained", "random"):
        changed["backbone.weights"] = str(Path(weights).expanduser().resolve())
    return changed


class Planning:
    """From a study to a plan, in two steps, so that the second one's checks can run together."""

    def __init__(
        self,
        name: str,
        study: Study,
        request: Request,
        root: Root,
        say: Say,
        *,
        source: str = "",
        most: int = MOST_TRIALS,
    ):
        """Refuse what needs no look into a picture.

        Args:
            source: the study's file; empty for one that comes with the package.
            most: trials that the study may have.

        Raises:
            DataError, StudyError, StoreError, ConfigError: before anything was started.
        """
        from moleflow.data.catalog import open_catalog  # what only reads a plan needs no pictures

        root.claim()
        check_report(study)
        check_source(root.study(name), source)
        self._name, self._study, self._root, self._say = name, study, root, say
        self._source = source
        self._data_root = _data_root(study, request, root, say)
        self._catalog = open_catalog(self._data_root, study.named_classes, say)
        names = study.named_classes or tuple(self._catalog)
        asked = trials_asked(study, names)
        if asked > most:
            raise StudyError(
                f"study {name} asks for {asked} trials, which is more than {most}: ask for fewer "
                f"orders, seeds or values, or say that you mean it: --most-trials {asked}"
            )
        sequences(study, names)
        self.configs = [config for _, config in grid_points(study)]

    def finish(self, check: Check) -> Plan:
        """Check every picture, hear what was found of the backbones, and write `study.json`.

        Raises:
            DataError, WeightsError, StudyError, StoreError, ConfigError: nothing was started.
        """
        from orchestration.dataset import checked

        pictures = sum(len(data.train) + len(data.test) for data in self._catalog.values())
        self._say(
            f"checking {pictures} pictures of {len(self._catalog)} classes in {self._data_root}"
        )
        crops = any(config.image.resize == "crop" for config in self.configs)
        fingerprints: dict[str, str] = {}
        said = time.monotonic()
        for class_name, data in self._catalog.items():
            found = checked(data, self._root)
            fingerprints[class_name] = _told(found, class_name, crops, self._say)
            if time.monotonic() - said > QUIET:
                said = time.monotonic()
                self._say(f"checked {len(fingerprints)} of {len(self._catalog)} classes")
        backbones = dict.fromkeys(config.backbone.name for config in self.configs)
        self._say(f"checking the backbone {', '.join(backbones)}")
        weights = check()
        plan = expand(
            self._name, self._study, str(self._data_root), fingerprints, weights, self._source
        )
        write_plan(plan, self._root.study(self._name))
        return plan


def check_report(study: Study) -> None:
    """Whether the report that is to be written at the end can be.

    Raises:
        StudyError: none of that name is installed.
    """
    known = {entry.name: entry for entry in entry_points(group="moleflow.reports")}
    if study.report not in known:
        raise StudyError(
            f"the study asks for report {study.report!r}, and installed are "
            f"{', '.join(known) or 'none'}; mend its field report, or install moleflow anew"
        )


def check_source(folder: StudyFolder, source: str) -> None:
    """One name is one study: another file's would mix its trials with those that are there.

    Raises:
        StudyError: the folder is that of another file, which is still there.
    """
    try:
        before = plan_of(folder).source
    except MoleflowError:  # none yet, or damaged: it is written anew
        return
    builtin = folder.name in known_studies()
    another = Path(before).is_file() if before else builtin
    if another and before != source and not (source and before and _same(before, source)):
        raise StudyError(
            f"study {folder.name} of this root folder is {before or 'the one of the package'}, and "
            f"this is {source or 'the one of the package'}; give the file another name, or choose "
            "another --root"
        )


def _same(one: str, other: str) -> bool:
    with suppress(OSError):
        return Path(one).samefile(other)
    return False


def write_plan(plan: Plan, folder: StudyFolder) -> None:
    """Raises:
    StoreError: the study's folder cannot be written.
    """
    write_atomically(folder.asked, seal(plan.model_dump_json(indent=1)))


def _told(found: "Checked", name: str, crops: bool, say: Say) -> str:
    """Says what was found in a class's files, and returns their fingerprint."""
    for line in (*found.told, *([found.cut_off] if crops and found.cut_off else [])):
        say(f"{name}: {line}")
    return found.fingerprint


def read_plan(name: str, root: Root) -> Plan:
    """The plan that a study was last run with.

    Raises:
        StudyError: this root folder holds no such study.
        StoreError: the root folder is of another format.
    """
    root.check_format()
    path = root.study(check_name(name)).asked
    if not path.exists():
        if root.study(name).driver.exists():
            raise StudyError(f"study {name} is being planned just now; look again in a moment")
        there = root.study_names()
        hint = f"it holds {', '.join(there)}" if there else "no study has been run there"
        raise StudyError(f"no study {name!r} in {root.path}: {hint}; is --root right?")
    return plan_of(root.study(name))


def plan_of(folder: StudyFolder) -> Plan:
    """The plan in a study's folder.

    Raises:
        StudyError: there is none.
        StoreError: it is damaged, or another study's.
    """
    remedy = "run the study again, with what was asked before: it is written anew"
    try:
        plan = Plan.model_validate_json(unsealed(read_regular(folder.asked)))
    except FileNotFoundError:
        raise StudyError(
            f"{folder.asked}: no such study; run it first, or name the --root it was run in"
        ) from None
    except OSError as error:
        raise StoreError(f"{folder.asked}: cannot be read ({error.strerror}); {remedy}") from None
    except ValidationError as error:
        reason = str(error).splitlines()[0]
        raise StoreError(f"{folder.asked}: not a plan ({reason}); {remedy}") from None
    except ValueError as error:
        raise StoreError(f"{folder.asked}: {error}; {remedy}") from None
    if plan.name != folder.name:
        raise StoreError(f"{folder.asked}: is the plan of study {plan.name}; {remedy}")
    return plan


def _data_root(study: Study, request: Request, root: Root, say: Say) -> Path:
    if request.data is not None:
        return Path(request.data).expanduser().resolve()
    if study.data == "synthetic":
        from moleflow.data.synthetic import make_synthetic  # scipy takes longer than the rest

        say("making synthetic pictures")
        return make_synthetic(root.path / "synthetic")
    raise StudyError(
        "this study needs pictures: name the folder that holds the classes with --data DIR"
    )
