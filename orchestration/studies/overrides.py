"""What a person changes of a study at the command line."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from moleflow.errors import StudyError
from moleflow.profiles import profile
from moleflow.settings import Settings
from orchestration.studies.axes import Axis, Grid, Orders, TaskZero
from orchestration.studies.study import Study
from orchestration.studies.written import ClassName

MOST_COUNT = 1_000_000
"""Of orders or seeds."""


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
