"""A study is pure data: a question, a base config, axes and seeds; and its expansion to trials.

Imports no torch: planning a study takes milliseconds.
"""

import hashlib
import itertools
import json
import math
import string
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeAlias, cast

import numpy as np
from pydantic import AfterValidator, Field, model_validator

from moleflow.config import BackboneConfig, Config
from moleflow.data.layout import composed
from moleflow.data.sequences import (
    Sequence,
    cut,
    draw_sequences,
    in_groups,
    in_scenario,
    order_name,
    sequences_with,
    task_name,
    task_sizes,
)
from moleflow.errors import StudyError
from moleflow.settings import Settings

MOST_VALUES = 100_000
"""Of one field: more are a slip."""
METHOD_VERSION = 3
"""Raised whenever the same settings would give other numbers; part of every key."""


ClassName = Annotated[str, AfterValidator(composed)]
"""As the catalog names classes, however their letters are composed."""


class Written(Settings):
    """What people write in a study file: ordinary Python, so lists and ranges are as good as tuples
    and NumPy's numbers as good as Python's."""

    if not TYPE_CHECKING:

        def __init__(self, **data: Any) -> None:
            super().__init__(**{name: _tuples(value) for name, value in data.items()})

        # JSON does not come by here: its lists become tuples anyway.
        __init__.__pydantic_base_init__ = True


def _tuples(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, (list, tuple, range)):
        many = cast("list[Any] | tuple[Any, ...] | range", value)
        if len(many) > MOST_VALUES:
            raise StudyError(f"{len(many)} values at once; give at most {MOST_VALUES}")
        return tuple(map(_tuples, many))
    return cast("object", value.item()) if isinstance(value, np.generic) else value


class TaskZero(Written):
    """Axis: which class is learned first, shaping the base. Named classes, or the first `count`.

    Where a task holds several classes, the class stands in task 0 with others; with groups, its
    group does, and `count` is one of groups.
    """

    kind: Literal["task0"] = "task0"
    classes: tuple[ClassName, ...] = ()
    count: int = 0


class Orders(Written):
    """Axis: task orders.

    With a `TaskZero` axis, `count` orders of the rest for each task 0; without, `count` whole
    orders. Where task 0 is one class or group, theirs differ as long as there are others, but for
    `each` neighbours. The first order is alphabetical, groups as given. An order is cut into tasks
    after it was drawn; orders that give the same tasks are one.
    """

    kind: Literal["orders"] = "orders"
    count: int = 1
    each: Annotated[int, Field(ge=1)] = 1
    """Orders that have one first class, before the next first class has its turn."""
    named: tuple[tuple[ClassName, ...], ...] = ()
    """These orders instead: each names every class, or every group as `a+b`."""


class Grid(Written):
    """Axis: values of one config field."""

    kind: Literal["grid"] = "grid"
    field: str
    values: tuple[Any, ...]


Axis: TypeAlias = Annotated[TaskZero | Orders | Grid, Field(discriminator="kind")]


class Study(Written):
    """What is asked."""

    question: str
    base: Config
    classes: tuple[ClassName, ...] = ()
    """Classes to learn; empty: those of the groups, or all that the data root holds."""
    scenario: str = "1-1"
    """How an order is cut into tasks: `a-b`, or `joint` (see `moleflow.data.sequences`)."""
    groups: tuple[tuple[ClassName, ...], ...] = ()
    """Explicit tasks instead of a scenario; orders then permute them."""
    axes: tuple[Axis, ...] = ()
    seeds: tuple[int, ...] = (0,)
    data: Literal["folder", "synthetic"] = "folder"
    """`folder`: the user names it with --data; `synthetic`: made below the root folder."""
    report: str = "task_order"
    """Report that is written at the end."""

    @model_validator(mode="after")
    def _one_way_to_make_tasks(self) -> Self:
        if self.groups and self.scenario != "1-1":
            raise StudyError(
                f"scenario {self.scenario} and groups both say how tasks are made; give one of them"
            )
        if self.orders_axis.named and self.task0_axis:
            raise StudyError("orders that are named say which class is first; leave TaskZero out")
        return self

    @property
    def named_classes(self) -> tuple[str, ...]:
        """Classes that the study names, by themselves, in groups or in orders."""
        grouped = tuple(itertools.chain.from_iterable(self.groups))
        return self.classes or grouped or next(iter(self.orders_axis.named), ())

    @property
    def orders_axis(self) -> Orders:
        return next((axis for axis in self.axes if isinstance(axis, Orders)), Orders())

    @property
    def task0_axis(self) -> TaskZero | None:
        return next((axis for axis in self.axes if isinstance(axis, TaskZero)), None)


class Trial(Settings):
    """(config, sequence, seed) on a data set: one Ray Tune trial."""

    key: str
    study: str
    axes: dict[str, str]
    config: Config
    sequence: Sequence
    seed: int
    data_root: str
    fingerprints: dict[str, str]
    """Of each class's files."""
    weights: str
    """Identity of the backbone's weights, wherever their file lies."""

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(itertools.chain.from_iterable(self.sequence))


class Plan(Settings):
    """A study resolved on a data set: written to `study.json` before anything runs."""

    name: str
    study: Study
    data_root: str
    trials: tuple[Trial, ...]
    source: str = ""
    """The study's file; empty for one that comes with the package."""


def expand(
    name: str,
    study: Study,
    data_root: str,
    fingerprints: Mapping[str, str],
    weights: Mapping[BackboneConfig, str],
    source: str = "",
) -> Plan:
    """All trials of a study, in a fixed order and each once.

    Args:
        fingerprints: of each class to be learned, by name.
        weights: identity of every backbone's weights (a file's path is not its identity).
        source: the study's file.

    Raises:
        StudyError: no classes, or a task 0 that is none of them.
    """
    classes = study.named_classes or tuple(sorted(fingerprints))
    if not classes or not study.seeds:
        raise StudyError(f"study {name}: it has no classes or no seeds, so there is nothing to run")
    trials: dict[str, Trial] = {}
    for (overrides, config), order, seed in itertools.product(
        grid_points(study), sequences(study, classes), study.seeds
    ):
        axes = {"task0": task_name(order[0]), "order": order_name(order)}
        axes |= {field: json.dumps(value) for field, value in overrides.items()}
        tree: dict[str, Any] = {
            "study": name,
            "axes": axes,
            "config": config,
            "sequence": order,
            "seed": seed,
            "data_root": data_root,
            "fingerprints": {c: fingerprints[c] for c in classes},
        }
        tree["weights"] = weights[config.backbone]
        key = trial_key(config, order, seed, tree["fingerprints"], tree["weights"])
        trial = Trial(key=key, **tree)
        trials.setdefault(trial.key, trial)
    found = tuple(trials.values())
    return Plan(name=name, study=study, data_root=data_root, trials=found, source=source)


def grid_points(study: Study) -> list[tuple[dict[str, Any], Config]]:
    """Every combination of the grid axes: changed fields, and the config that they give."""
    grids = [axis for axis in study.axes if isinstance(axis, Grid)]
    points = itertools.product(*[[(grid.field, value) for value in grid.values] for grid in grids])
    return [(dict(point), study.base.updated(dict(point))) for point in points]


def sequences(study: Study, classes: Iterable[str]) -> list[Sequence]:
    """The task sequences that a study's axes ask for, each once.

    Raises:
        StudyError: classes and tasks do not fit, or a task 0 is none of the classes.
    """
    units, sizes = _units(study, tuple(classes))
    if study.orders_axis.named:
        orders = [_named(order, units) for order in study.orders_axis.named]
        return list(dict.fromkeys(cut(order, sizes) for order in orders))
    heads, count = _lanes(study, units, sizes)
    found = draw_sequences(units, sizes, heads, count, study.orders_axis.each)
    if study.task0_axis is None:
        return list(found)
    return sorted(found, key=lambda sequence: heads.index(found[sequence]))


def trials_asked(study: Study, classes: Iterable[str]) -> int:
    """How many trials a study has, at most; known without drawing or expanding anything.

    Raises:
        StudyError: as `sequences`.
    """
    units, sizes = _units(study, tuple(classes))
    orders = len(study.orders_axis.named)
    if not orders:
        heads, count = _lanes(study, units, sizes)
        orders = min(count, sequences_with(len(heads) or len(units), sizes))
    points = math.prod(len(axis.values) for axis in study.axes if isinstance(axis, Grid))
    return orders * points * len(study.seeds)


def _units(study: Study, names: tuple[str, ...]) -> tuple[Sequence, tuple[int, ...]]:
    """What orders permute, and how many of them make each task."""
    if study.groups:
        units = in_groups(study.groups, names)
        return units, (1,) * len(units)
    return in_scenario(names, "1-1"), task_sizes(study.scenario, len(names))


def _lanes(study: Study, units: Sequence, sizes: tuple[int, ...]) -> tuple[Sequence, int]:
    """The heads that orders are drawn for, and how many are asked for in all."""
    count, axis = max(1, study.orders_axis.count), study.task0_axis
    if axis is None:
        return units if sizes[0] == 1 else (), count
    heads = _heads(axis, units)
    return heads, count * len(heads)


def _named(order: tuple[str, ...], units: Sequence) -> Sequence:
    """Raises:
    StudyError: the order is none of these classes or groups, each once.
    """
    known = {"+".join(unit): unit for unit in units}
    problems = {
        "unknown:": sorted(set(order) - set(known)),
        "missing:": sorted(set(known) - set(order)),
        "named twice:": sorted(name for name, n in Counter(order).items() if n > 1),
    }
    told = [f"{what} {', '.join(names)}" for what, names in problems.items() if names]
    if told:
        raise StudyError(
            f"order {','.join(order)}: {'; '.join(told)}; name each of {', '.join(known)} once"
        )
    return tuple(known[name] for name in order)


def _heads(axis: TaskZero, units: Sequence) -> tuple[tuple[str, ...], ...]:
    """The classes, or groups, that the axis puts into task 0."""
    if not axis.classes and axis.count:
        return units[: axis.count]
    unit_of = {name: unit for unit in units for name in unit}
    unknown = [name for name in axis.classes if name not in unit_of]
    if unknown or not axis.classes:
        raise StudyError(
            f"task 0 {', '.join(unknown) or '(none)'}: not among the classes {', '.join(unit_of)}"
        )
    return tuple(dict.fromkeys(unit_of[name] for name in axis.classes))


def order_numbers(plan: Plan) -> dict[str, str]:
    """A short name for each order of the plan, by its name: O1, O2, … sorted by task 0."""
    found = {(task_name(t.sequence[0]), order_name(t.sequence)) for t in plan.trials}
    return {order: f"O{i}" for i, (_, order) in enumerate(sorted(found), start=1)}


def varying_axes(plan: Plan) -> list[str]:
    """Axes on which the trials of a plan differ."""
    names = plan.trials[0].axes if plan.trials else {}
    return [name for name in names if len({trial.axes[name] for trial in plan.trials}) > 1]


def trial_key(
    config: Config,
    sequence: Sequence,
    seed: int,
    fingerprints: Mapping[str, str],
    weights_digest: str,
) -> str:
    """Hash of what a trial's numbers depend on: not its study, machine, or where its files lie."""
    tree = config.model_dump(mode="json")
    tree["backbone"]["weights"] = weights_digest
    return digest(
        {
            "method": METHOD_VERSION,
            "config": tree,
            "sequence": sequence,
            "seed": seed,
            "data": {name: fingerprints[name] for task in sequence for name in task},
        }
    )


def digest(tree: Any) -> str:
    """Twenty hexadecimal characters of the SHA-256 of canonical JSON."""
    canonical = json.dumps(tree, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:20]


def check_name(name: str) -> str:
    """A study's name becomes a folder and an MLflow experiment.

    Raises:
        StudyError: it holds other than letters, digits, `_` and `-`.
    """
    if not name or set(name) - set(string.ascii_letters + string.digits + "_-"):
        raise StudyError(f"study name {name!r}: use letters, digits, '_' and '-' only")
    return name
