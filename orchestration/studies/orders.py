"""The task sequences that a study asks for."""

from collections import Counter
from collections.abc import Iterable

from moleflow.data.sequences import (
    Sequence,
    cut,
    draw_sequences,
    in_groups,
    in_scenario,
    sequences_with,
    task_sizes,
)
from moleflow.errors import StudyError
from orchestration.studies.axes import TaskZero
from orchestration.studies.study import Study


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


def orders_asked(study: Study, classes: Iterable[str]) -> int:
    """How many sequences a study has, at most; known without drawing any.

    Raises:
        StudyError: as `sequences`.
    """
    units, sizes = _units(study, tuple(classes))
    if study.orders_axis.named:
        return len(study.orders_axis.named)
    heads, count = _lanes(study, units, sizes)
    return min(count, sequences_with(len(heads) or len(units), sizes))


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
