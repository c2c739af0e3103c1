"""Slips in a study that show before its classes are known: each refused in a message that names the
field and the remedy. What was written to disk is read as it is."""

import json
from collections import Counter
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from itertools import chain
from typing import Any

from moleflow.data.dataset_layout import composed
from moleflow.data.sequences import CLASS_JOINT, JOINT, as_seen, task_sizes
from moleflow.errors import MoleflowError, StudyError
from orchestration.studies.axes import Axis, Grid, Scenarios, TaskZero, Variants, Varying, Zip
from orchestration.studies.order_tables import like_published, published_names
from orchestration.studies.orders_axis import Orders
from orchestration.studies.search import Choice, Search
from orchestration.studies.study import Study

LARGEST_SEED = 2**53 - 1
"""Programs that read JSON or tables of floats round larger ones."""
BY_DIFFICULTY = (
    "give it with difficulty={class: metric, …}, higher where easier, or with difficulty_of, the "
    "name of a finished study of this root folder"
)


@contextmanager
def named_by(source: str) -> Generator[None]:
    """What is wrong in a block names the study's file, where it has one."""
    try:
        yield
    except MoleflowError as error:
        if not source or str(error).startswith(source):
            raise
        raise type(error)(f"{source}: {error}") from None


def check_written(study: Study) -> None:
    """Raises:
    StudyError: a value says nothing, or something twice, or contradicts another one.
    """
    if not study.question.strip():
        raise StudyError("question: is empty; write one sentence, which heads the report")
    _check_names("parts", study.parts)
    for name, part in study.parts.items():
        with named_by(f"parts {name}"):
            check_written(part)
    _check_seeds(study)
    _once("classes", study.classes)
    _check_groups(study)
    _check_scenario("scenario", study.scenario)
    for axis in study.axes:
        _check_axis(axis, study)


def _check_seeds(study: Study) -> None:
    if not study.seeds:
        raise StudyError("seeds: there are none, so nothing would run; write e.g. seeds=(0, 1, 2)")
    _once("seeds", study.seeds)
    if min(study.seeds) < 0:
        raise StudyError(f"seeds: {min(study.seeds)}; write whole numbers from 0 on")
    if max(study.seeds) > LARGEST_SEED:
        raise StudyError(f"seeds: {max(study.seeds)}; write whole numbers up to {LARGEST_SEED}")


def _check_groups(study: Study) -> None:
    if not all(study.groups):
        raise StudyError("groups: one of them is empty; leave it out")
    twice = [n for n, count in Counter(chain.from_iterable(study.groups)).items() if count > 1]
    if twice:
        raise StudyError(f"groups: {twice[0]} stands in two places; each class is in one group")


def _check_scenario(field: str, name: str) -> None:
    """Whether it can be read; whether it fits is known with the classes."""
    if name == JOINT:
        return
    first = name.partition("-")[0]
    with named_by(field):
        task_sizes(name, int(first) if first.isdecimal() and name.count("-") == 1 else 1)


def _check_axis(axis: Axis, study: Study) -> None:
    match axis:
        case TaskZero():
            _check_task0(axis)
        case Orders():
            _check_orders(axis, study)
        case Scenarios():
            _once("Scenarios.names", axis.names)
            for name in axis.names:
                _check_scenario("Scenarios.names", name)
        case Search():
            for field, spread in axis.space.items():
                if isinstance(spread, Choice):
                    _once(f"Search.space, {field}", spread.values)
        case _:
            _check_varying(axis)


def _check_task0(axis: TaskZero) -> None:
    if axis.count < 0 or not (axis.count or axis.classes):
        raise StudyError(
            f'TaskZero.count: {axis.count}; name the classes, TaskZero(classes=("a", "b")), or '
            "how many, TaskZero(count=3)"
        )
    if axis.count and axis.classes:
        raise StudyError("TaskZero: classes and count both say which are first; give one of them")
    _once("TaskZero.classes", axis.classes)


def _check_orders(axis: Orders, study: Study) -> None:
    if axis.count < 1:
        raise StudyError(f"Orders.count: {axis.count}; give a number of orders from 1 on")
    _once("Orders.ways", axis.ways)
    _once("Orders.named", axis.named)
    _once("Orders.published", axis.published)
    for name in axis.published:
        if name not in published_names():
            raise StudyError(
                f"Orders.published: {name!r} is no published order{like_published(name)}"
            )
    _check_known(axis, study)


def _check_known(axis: Orders, study: Study) -> None:
    """Refuse groups that are not there, and ways that need what is not told."""
    grouped = [n for n in chain.from_iterable(axis.named) if CLASS_JOINT in n]
    if grouped and not study.groups:
        raise StudyError(
            f"Orders.named: {grouped[0]} is a group, and the study has none; say which there are: "
            f'groups=(("a", "b"), ("c",)), or --groups a+b c'
        )
    ruled = [way for way in ("easy_first", "hard_first") if way in axis.ways]
    if ruled and not (axis.difficulty or axis.difficulty_of or axis.fitting):
        raise StudyError(
            f"Orders.ways: {ruled[0]} asks how difficult each class is; {BY_DIFFICULTY}"
        )


def _check_varying(axis: Varying) -> None:
    match axis:
        case Grid():
            _once(f"Grid, {axis.field}", axis.values)
            changed = {axis.field}
        case Zip():
            _once(f"Zip, {', '.join(axis.fields)}", zip(*axis.fields.values(), strict=True))
            changed = set(axis.fields)
        case Variants():
            _check_names("Variants.name", [axis.name])
            _check_names("Variants.variants", axis.variants)
            changed = {axis.name, *chain.from_iterable(axis.variants.values())}
    own = sorted(changed & set(axis.when))
    if own:
        raise StudyError(
            f"{type(axis).__name__}.when: {own[0]} is what the axis itself changes; name another "
            "field or axis, or leave it out"
        )


def _check_names(field: str, names: Iterable[str]) -> None:
    """Refuse names that pages do not show, or that they show alike."""
    for name in names:
        if as_seen(name) != name:
            raise StudyError(
                f"{field}: {name!r} reads like another name, for characters in it that cannot be "
                f"seen; write e.g. {as_seen(name)!r}"
            )
    _once(field, map(composed, names))


def _once(field: str, values: Iterable[Any]) -> None:
    written = [one if isinstance(one, str) else json.dumps(one) for one in values]
    twice = [one for one, count in Counter(written).items() if count > 1]
    if twice:
        raise StudyError(f"{field}: {twice[0]} is there more than once; write each once")
