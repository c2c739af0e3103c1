"""The settings that a study asks for: every combination of the axes that change the config."""

import itertools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from moleflow.config import Config, config_fields, value_at
from moleflow.errors import MoleflowError, StudyError
from moleflow.inert import REMEMBERED
from orchestration.studies.axes import Grid, Variants, Varying
from orchestration.studies.proposing import Proposal, completed
from orchestration.studies.search import Choice, Distribution, Search
from orchestration.studies.slips import named_by
from orchestration.studies.study import Study
from orchestration.studies.written import plain

PROPOSAL = "proposal"
"""The axis that says which proposal of a search a trial is one of."""
HELD_OUT = "data.held_out"


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


def points(study: Study, proposals: Sequence[Proposal] | None = None) -> list[Point]:
    """Every combination, in the order of the axes, the last one's values next to each other.

    Axes with a condition come after those without, and apply where it holds; elsewhere they leave
    fields as they are. A search is an axis of proposals, before all others.

    Args:
        proposals: those made so far; None: as many as it asks for, at random.

    Raises:
        ConfigError: a value does not fit.
        StudyError: two axes change one field of the same trial.
    """
    search = study.search_axis
    found = [_Choice({}, {})]
    if search is not None:
        held_out = held_out_by(search, study.base)
        made = drawn_proposals(study) if proposals is None else proposals
        found = [_proposed(one, held_out) for one in made]
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
    proposals = study.search_axis.trials if study.search_axis else 1
    return proposals * math.prod(len(_choices(axis)) for axis in study.varying_axes)


def settings_of(study: Study) -> list[Config]:
    """The configs of all points, those of a union's parts too; of a search, the ends of its space.

    Raises:
        ConfigError, StudyError: as `points`.
    """
    if study.parts:
        return [config for part in study.leaves for config in settings_of(part)]
    ends = _ends(study.search_axis) if study.search_axis else ()
    return [point.config for point in points(study, ends)]


def settings_from(study: Study, source: str) -> list[Config]:
    """As `settings_of`; what is wrong names the study's file, where it has one.

    Raises:
        ConfigError, StudyError: as `points`.
    """
    with named_by(source):
        return settings_of(study)


def drawn_proposals(
    study: Study, made: Mapping[int, Proposal] | None = None, count: int | None = None
) -> list[Proposal]:
    """Proposals of a search, in order; none where there is no search.

    Args:
        made: those that there are, by number; the others are drawn at random. Of a method that
            learns from results, those after the first few stand for what it will propose.
        count: up to which number; None: as many as the search asks for.

    Raises:
        StudyError: the space holds too few that fit.
    """
    axis = study.search_axis
    if axis is None:
        return []
    count = axis.trials if count is None else count
    return list(completed(axis, made or {}, count, lambda values: fits(study, values)).values())


def fits(study: Study, values: Mapping[str, Any]) -> bool:
    """Whether values that a search proposes make settings."""
    try:
        points(study, [Proposal(number=1, values=dict(values), method="")])
    except MoleflowError:
        return False
    return True


def held_out_by(search: Search, base: Config) -> dict[str, Any]:
    """What a search changes of every trial: pictures are held out for its selection score."""
    if search.on_test or base.data.held_out:
        return {}
    return {HELD_OUT: search.held_out}


def _proposed(one: Proposal, held_out: Mapping[str, Any]) -> _Choice:
    names = {PROPOSAL: str(one.number), **dict.fromkeys(one.values, "")}
    return _Choice(names, {**one.values, **held_out})


def _ends(search: Search) -> list[Proposal]:
    """Values that each field can have, the others being those of the base; and all combinations of
    what decides about backbones."""
    values = {field: _some(spread) for field, spread in search.space.items()}
    seen = [field for field in values if field.startswith(("backbone.", "image."))]
    several = itertools.product(*(values[field] for field in seen))
    rows = [dict(zip(seen, row, strict=True)) for row in several]
    rows += [{field: value} for field in values if field not in seen for value in values[field]]
    made = (row for row in rows if row)
    return [Proposal(number=n, values=v, method="end") for n, v in enumerate(made, start=1)]


def _some(spread: Distribution) -> tuple[Any, ...]:
    return spread.values if isinstance(spread, Choice) else (spread.low, spread.high)


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
        config = _updated(base, point.changes)
    except MoleflowError as error:
        named = [f"{name} {value}" for name, value in point.names.items() if value]
        raise type(error)(f"{', '.join(named)}: {error}" if named else str(error)) from None
    axes = {name: value or written(config, name) for name, value in point.names.items()}
    return Point(axes, config)


def _updated(base: Config, changes: Mapping[str, Any]) -> Config:
    """Once for changes that are plain, as those are that a search draws: it is asked of each
    drawing whether it fits, and later for its settings."""
    if not all(isinstance(value, str | float | int) for value in changes.values()):
        return base.updated(changes)
    kinds = tuple(type(value).__name__ for value in changes.values())  # 1, 1.0, true are equal
    return _remembered(base, tuple(changes.items()), kinds)  # pyright: ignore[reportArgumentType]


@lru_cache(maxsize=REMEMBERED)
def _remembered(
    base: Config, changes: tuple[tuple[str, str | float], ...], kinds: tuple[str, ...]
) -> Config:
    return base.updated(dict(changes))


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
