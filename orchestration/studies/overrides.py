"""What a person changes of a study at the command line."""

import csv
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, cast

from pydantic import Field

from moleflow.errors import StudyError, nearest
from moleflow.profiles import profile
from moleflow.settings import Settings
from orchestration.studies.axes import Axis, Grid, Orders, Scenarios, TaskZero, Variants, Zip
from orchestration.studies.order_tables import orders_in, published_names
from orchestration.studies.orders_axis import RULES
from orchestration.studies.points import fields_of
from orchestration.studies.search import Search
from orchestration.studies.study import Study
from orchestration.studies.written import ClassName, Value

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
    order: tuple[str, ...] = ()
    """Each an order `a,b,c`, a rule, the name of a published order, or a file."""
    order_seed: int | None = None
    task0: tuple[ClassName, ...] = ()
    seeds: int | None = None
    vary: dict[str, Value] = Field(default_factory=dict[str, Any])
    """Values of config fields, each an axis."""
    zipped: dict[str, Value] = Field(default_factory=dict[str, Any])
    """Values of config fields that change together."""
    search_trials: int | None = None
    settings: dict[str, Any] = Field(default_factory=dict[str, Any])


def customised(study: Study, request: Request) -> Study:
    """The study with the command line's changes; of a union, each part.

    Raises:
        ConfigError: a setting is unknown or does not fit.
        StudyError: a count is not positive, a class is named twice, or two changes, or one and the
            study, contradict each other.
    """
    counts = {
        "--orders": request.orders,
        "--seeds": request.seeds,
        "--search-trials": request.search_trials,
    }
    if request.search_trials is not None and study.search_axis is None:
        raise StudyError("--search-trials: the study has no Search axis; leave it out")
    for name, count in counts.items():
        if count is not None and not 1 <= count <= MOST_COUNT:
            raise StudyError(f"{name} {count}: give a number from 1 to {MOST_COUNT}")
    for name, classes in (("--classes", request.classes), ("--task0", request.task0)):
        if len(set(classes)) < len(classes):
            raise StudyError(f"{name}: each class may be named once")
    return _changed(study, request)


def replaced(study: Study, request: Request) -> list[str]:
    """What of a study the command line takes the place of without naming it, a sentence each."""
    how = "--groups" if request.groups else f"--scenario {request.scenario}"
    asked = request.scenario is not None or request.groups
    if asked and any(part.scenarios_axis for part in study.leaves):
        return [f"{how}: takes the place of all scenarios of the study"]
    return []


def _changed(study: Study, request: Request) -> Study:
    base = profile(request.profile) if request.profile else study.base
    base = base.updated(absolute_weights(request.settings))
    changes: dict[str, Any] = {"base": base, "minus": _each(study.minus, request)}
    if request.data is not None:
        changes["data"] = "folder"
    if study.parts:
        names, parts = list(study.parts), _each(tuple(study.parts.values()), request)
        changes["parts"] = dict(zip(names, parts, strict=True))
    else:
        changes |= {"axes": _axes(study, request), **_tasks(request)}
        if request.classes:
            changes["classes"] = request.classes
        if request.seeds is not None:
            changes["seeds"] = tuple(range(request.seeds))
    return _telling_of_it(study, changes)


def _telling_of_it(study: Study, changes: Mapping[str, Any]) -> Study:
    """The changed study, with reports of what it varies; those that a study names stay, and those
    that tell of what is added come after them."""
    tree = {**dict(study), **changes}
    del tree["reports"]
    changed = Study(**tree)
    if not study.names_reports:
        return changed
    added = [kind for kind in changed.telling if kind not in study.telling]
    return Study(**tree, reports=tuple(dict.fromkeys((*study.reports, *added))))


def _each(studies: tuple[Study, ...], request: Request) -> tuple[Study, ...]:
    return tuple(_changed(one, request) for one in studies)


def _tasks(request: Request) -> dict[str, Any]:
    """A scenario takes the place of the study's groups, and groups that of its scenario."""
    if request.scenario is not None and request.groups:
        raise StudyError("--scenario and --groups both say how tasks are made; give one of them")
    if request.scenario is not None:
        return {"scenario": request.scenario, "groups": ()}
    return {"scenario": "1-1", "groups": request.groups} if request.groups else {}


def _axes(study: Study, request: Request) -> tuple[Axis, ...]:
    axes = _order_axes(study, request)
    if request.scenario is not None or request.groups:
        axes = [axis for axis in axes if not isinstance(axis, Scenarios)]
    varied = {f: absolute_weights({f: v})[f] for f, v in request.vary.items()}
    for field in request.vary:
        axes = [axis for axis in axes if not (isinstance(axis, Grid) and axis.field == field)]
    axes += [Grid(field=field, values=values) for field, values in varied.items()]
    if request.zipped:
        axes.append(Zip(fields={f: absolute_weights({f: v})[f] for f, v in request.zipped.items()}))
    everywhere = fields_of(axis for axis in axes if isinstance(axis, Grid | Zip | Variants))
    for search in (axis for axis in axes if isinstance(axis, Search)):
        everywhere |= set(search.space)
    unseen = sorted(set(request.settings) & everywhere)
    if unseen:
        raise StudyError(
            f"--set {unseen[0]}: an axis of the study gives every trial its own value; leave "
            f"--set out, or write --vary {unseen[0]}=… where the study has a Grid over it"
        )
    if request.search_trials is not None:
        axes = [_longer(a, request.search_trials) if isinstance(a, Search) else a for a in axes]
    return tuple(axes)


def _longer(axis: Search, trials: int) -> Search:
    tree: dict[str, Any] = {**dict(axis), "trials": trials}
    return Search(**tree)


def _order_axes(study: Study, request: Request) -> list[Axis]:
    """Axes of the study, with the orders and choices of task 0 that are asked for instead."""
    order, task0 = study.orders_axis, study.task0_axis
    seed = {} if request.order_seed is None else {"seed": request.order_seed}
    if request.order:
        order, task0 = _stated(request, seed, request.classes or study.named_classes), None
        if request.task0:
            raise StudyError("--order says which class is first, so --task0 cannot; give one")
    else:
        if request.orders is not None:
            drawn = {"named": (), "ways": (), "published": (), "listed": ()}
            order = order.model_copy(update={**drawn, "count": request.orders})
        elif request.task0 and order.given:
            raise StudyError(
                "--task0: the study states whole orders; say with --orders how many to draw instead"
            )
        task0 = TaskZero(classes=request.task0) if request.task0 else task0
        order = order.model_copy(update=seed)
    others: list[Axis] = [axis for axis in study.axes if not isinstance(axis, Orders | TaskZero)]
    asked = study.orders_axis in study.axes or order != Orders()
    return [*([task0] if task0 else []), *([order] if asked else []), *others]


def _named(text: str, known: Collection[str]) -> tuple[str, ...]:
    """Classes or groups between commas; one with a comma in its name stands in double quotes.

    Raises:
        StudyError: one word that is no class, or no list.
    """
    if not {",", "+"} & set(text) and text not in known:
        close = nearest(text, [*RULES, *published_names(), *known])
        raise StudyError(
            f"--order {text}: neither a rule nor a published order{close}; write classes as a,b,c, "
            f"the name of a .csv or .json file, or a rule: {', '.join(RULES)}"
        )
    try:
        return tuple(next(csv.reader([text])))
    except csv.Error as error:
        raise StudyError(f"--order {text}: {error}; write classes as a,b,c") from None


def _stated(request: Request, seed: dict[str, int], known: Collection[str]) -> Orders:
    """Orders as they are typed: class by class, by a rule, by a published name, or in a file."""
    found: dict[str, list[Any]] = {"named": [], "ways": [], "published": [], "listed": []}
    for text in request.order:
        if text in RULES:
            found["ways"].append(text)
        elif text in published_names():
            found["published"].append(text)
        elif Path(text).suffix in (".csv", ".json"):
            found["listed"] += orders_in(Path(text))
        else:
            found["named"].append(_named(text, known))
    if request.orders is not None and "random" not in found["ways"]:
        raise StudyError("--orders counts orders that are drawn, and --order states them; give one")
    tree: dict[str, Any] = {**found, **seed}
    if request.orders is not None:
        tree["count"] = request.orders
    return Orders(**tree)


def absolute_weights(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Trials run in other folders, so a relative path would point elsewhere there."""
    changed = dict(settings)
    weights = changed.get("backbone.weights")
    if isinstance(weights, tuple):
        changed["backbone.weights"] = tuple(map(_absolute, cast("tuple[Any, ...]", weights)))
    elif weights is not None:
        changed["backbone.weights"] = _absolute(weights)
    return changed


def _absolute(weights: Any) -> Any:
    if not isinstance(weights, str) or weights in ("pretrained", "random"):
        return weights
    return str(Path(weights).expanduser().resolve())
