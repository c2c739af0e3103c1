"""The settings that a study asks for: every combination of the axes that change the config."""

import itertools
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from moleflow.config import Config, config_fields, value_at
from moleflow.errors import MoleflowError, StudyError
from orchestration.studies.axes import Grid, Variants, Varying
from orchestration.studies.study import Study
from orchestration.studies.written import plain

OPEN = "a Search axis has no list of values: its trials are proposed while the study runs"


@dataclass(frozen=True)
class Point:
    """One combination."""

    axes: dict[str, str]
    """Values of the axes that apply to it, by the name of a field or of an axis of variants."""
    config: Config


@dataclass(frozen=True)
class _Choice:
    """A value of an axis: what it is called, and the fields that it changes."""

    names: dict[str, str]
    changes: dict[str, Any]


def points(study: Study) -> list[Point]:
    """Every combination, in the order of the axes, the last one's values next to each other.

    Axes with a condition come after those without, and apply where it holds; elsewhere they leave
    fields as they are.

    Raises:
        ConfigError: a value does not fit.
        StudyError: two axes change one field of the same trial, or an axis is a search.
    """
    if study.search_axis is not None:
        raise StudyError(OPEN)
    found = [_Choice({}, {})]
    for axis in sorted(study.varying_axes, key=lambda axis: bool(axis.when)):
        choices = _choices(axis)
        found = [
            both
            for point in found
            for both in (
                (_joined(point, choice) for choice in choices)
                if _holds(axis.when, point, study.base)
                else (point,)
            )
        ]
    return [_resolved(point, study.base) for point in found]


def points_asked(study: Study) -> int:
    """How many combinations there are, at most; known without making any."""
    return math.prod(len(_choices(axis)) for axis in study.varying_axes)


def settings_of(study: Study) -> list[Config]:
    """The configs of all points, those of a union's parts too."""
    if study.parts:
        return [*itertools.chain.from_iterable(map(settings_of, study.parts.values()))]
    return [point.config for point in points(study)]


def matches(condition: Mapping[str, Any], axes: Mapping[str, Any], tree: Mapping[str, Any]) -> bool:
    """Whether axes, or fields of a config's tree, have the values of a condition."""
    return all(
        _is(value_at(tree, name) if name in config_fields() else axes.get(name), value)
        for name, value in condition.items()
    )


def _is(value: Any, wanted: Any) -> bool:
    """Several wanted values stand in a tuple; a value that is a list itself may be wanted whole."""
    either: list[Any] = [wanted, *wanted] if isinstance(wanted, tuple) else [wanted]
    return any(_same(plain(value), one) for one in either)


def _same(value: Any, wanted: Any) -> bool:
    return value == wanted and isinstance(value, bool) == isinstance(wanted, bool)


def _choices(axis: Varying) -> list[_Choice]:
    if isinstance(axis, Variants):
        return [_Choice({axis.name: name}, dict(made)) for name, made in axis.variants.items()]
    fields = {axis.field: axis.values} if isinstance(axis, Grid) else axis.fields
    rows = zip(*fields.values(), strict=True)
    changes = [dict(zip(fields, row, strict=True)) for row in rows]
    return [_Choice(dict.fromkeys(made, ""), made) for made in changes]


def _joined(point: _Choice, choice: _Choice) -> _Choice:
    twice = sorted(set(point.changes) & set(choice.changes))
    if twice:
        told = ", ".join(f"{k} {v}".strip() for k, v in (point.names | choice.names).items())
        raise StudyError(f"{twice[0]}: two axes change it in one trial ({told}); leave one out")
    return _Choice(point.names | choice.names, point.changes | choice.changes)


def _holds(condition: Mapping[str, Any], point: _Choice, base: Config) -> bool:
    if not condition:
        return True
    named = {name: value for name, value in point.names.items() if value}
    return matches(condition, named, base.tree_with(point.changes))


def _resolved(point: _Choice, base: Config) -> Point:
    """Fields are called by the values that the config has, however they were written."""
    try:
        config = base.updated(point.changes)
    except MoleflowError as error:
        named = [f"{name} {value}" for name, value in point.names.items() if value]
        raise type(error)(f"{', '.join(named)}: {error}" if named else str(error)) from None
    axes = {name: value or written(config, name) for name, value in point.names.items()}
    return Point(axes, config)


def written(config: Config, field: str) -> str:
    """A field's value as JSON."""
    value: Any = config
    for name in field.split("."):
        value = getattr(value, name)
    if isinstance(value, tuple | str | float | int):
        return json.dumps(value)
    return json.dumps(value_at(config.model_dump(mode="json"), field))


def fields_of(axes: Iterable[Varying]) -> set[str]:
    """Config fields that some axis changes in every trial."""
    everywhere = set[str]()
    for axis in axes:
        if axis.when:
            continue
        if isinstance(axis, Variants):
            each = [set(made) for made in axis.variants.values()]
            everywhere |= each[0].intersection(*each[1:])
        else:
            everywhere |= {axis.field} if isinstance(axis, Grid) else set(axis.fields)
    return everywhere
