"""The task sequences that a study asks for."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

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
from orchestration.studies.order_tables import published_order
from orchestration.studies.order_ways import Labelled, by_rule, orders_of_rule, unfit_rules
from orchestration.studies.orders_axis import Orders
from orchestration.studies.study import Study


@dataclass(frozen=True)
class Arrangement:
    """Classes in an order, cut into tasks."""

    axes: dict[str, str]
    """Its scenario, where that is an axis, and the order's name, where it has one."""
    sequence: Sequence


def arrangements(study: Study, classes: Iterable[str]) -> list[Arrangement]:
    """The task sequences that a study's axes ask for, each once in a scenario and under a name.

    Raises:
        StudyError: classes and tasks do not fit, or a task 0 is none of the classes.
    """
    names, found = tuple(classes), list[Arrangement]()
    for scenario in _scenarios(study, len(names)):
        axes = {"scenario": scenario} if study.scenarios_axis else {}
        units, sizes = _units(study, scenario, names)
        if study.orders_axis.given:
            orders = _given(study.orders_axis, units)
            found += [
                Arrangement(axes | ({"ordering": label} if label else {}), cut(order, sizes))
                for label, order in orders
            ]
        else:
            found += [Arrangement(axes, drawn) for drawn in _drawn(study, units, sizes)]
    return list({(*one.axes.values(), one.sequence): one for one in found}.values())


def sequences(study: Study, classes: Iterable[str]) -> list[Sequence]:
    """The task sequences that a study's axes ask for, each once.

    Raises:
        StudyError: as `arrangements`.
    """
    found = [one.sequence for one in arrangements(study, classes)]
    return list(dict.fromkeys(found))


def orders_asked(study: Study, classes: Iterable[str]) -> int:
    """How many arrangements a study has, at most; known without drawing any.

    Raises:
        StudyError: as `arrangements`.
    """
    names, count = tuple(classes), 0
    for scenario in _scenarios(study, len(names)):
        units, sizes = _units(study, scenario, names)
        if study.orders_axis.given:
            count += _given_count(study.orders_axis, len(units))
        else:
            heads, asked = _lanes(study, units, sizes)
            count += min(asked, sequences_with(len(heads) or len(units), sizes))
    return count


def left_out(study: Study, classes: Iterable[str]) -> list[str]:
    """What a study's axes name and leave out, as these classes do not fit it; a sentence each."""
    names, found = tuple(classes), list[str]()
    axis, scenarios = study.orders_axis, study.scenarios_axis
    if axis.fitting:
        units, _ = _units(study, study.scenario, names)
        found += [f"left out: {reason}" for reason in unfit_rules(axis, units).values()]
    if scenarios and scenarios.made_for not in (0, len(names)):
        cuts = {name: scenarios.cut(name, len(names)) for name in scenarios.names}
        found += [
            f"scenario {name} of {scenarios.made_for} classes: "
            + (f"{cut} of {len(names)}" if cut else f"left out, not whole with {len(names)}")
            for name, cut in cuts.items()
            if cut != name
        ]
    return [*found, *_fewer(study, names)]


def _fewer(study: Study, names: tuple[str, ...]) -> list[str]:
    """Of what is counted more than there is."""
    axis, found = study.task0_axis, dict[str, None]()
    for scenario in () if study.orders_axis.given else _scenarios(study, len(names)):
        units, sizes = _units(study, scenario, names)
        heads, asked = _lanes(study, units, sizes)
        if axis and axis.count > len(units):
            found[f"task 0: {axis.count} choices are asked for, and there are {len(units)}"] = None
        possible = sequences_with(len(heads) or len(units), sizes)
        if asked > possible:
            found[f"orders: {asked} are asked for, and there are {possible}"] = None
    return list(found)


def _scenarios(study: Study, classes: int) -> tuple[str, ...]:
    axis = study.scenarios_axis
    return axis.cuts(classes) if axis else (study.scenario,)


def _given(axis: Orders, units: Sequence) -> Labelled:
    """Orders that are stated, by name; those that are named class by class have none."""
    classes = frozenset(name for unit in units for name in unit)
    published = [(name, published_order(name, classes)) for name in axis.published]
    return [
        *(("", _named(order, units, "order " + ",".join(order))) for order in axis.named),
        *by_rule(axis, units),
        *((name, _named(order.classes, units, name)) for name, order in published),
        *((o.name, _named(o.classes, units, f"{o.place}: order {o.name}")) for o in axis.listed),
    ]


def _given_count(axis: Orders, units: int) -> int:
    ruled = sum(orders_of_rule(way, axis, units) for way in axis.ways)
    return len(axis.named) + ruled + len(axis.published) + len(axis.listed)


def _drawn(study: Study, units: Sequence, sizes: tuple[int, ...]) -> list[Sequence]:
    heads, count = _lanes(study, units, sizes)
    axis = study.orders_axis
    if study.task0_axis is None:
        return list(draw_sequences(units, sizes, heads, count, axis.each, axis.seed))
    # No head has more orders than its own, or the last ones would have none.
    each = min(axis.each, max(1, axis.count))
    found = draw_sequences(units, sizes, heads, count, each, axis.seed)
    return sorted(found, key=lambda sequence: heads.index(found[sequence]))


def _units(study: Study, scenario: str, names: tuple[str, ...]) -> tuple[Sequence, tuple[int, ...]]:
    """What orders permute, and how many of them make each task."""
    if study.groups:
        units = in_groups(study.groups, names)
        return units, (1,) * len(units)
    return in_scenario(names, "1-1"), task_sizes(scenario, len(names))


def _lanes(study: Study, units: Sequence, sizes: tuple[int, ...]) -> tuple[Sequence, int]:
    """The heads that orders are drawn for, and how many are asked for in all."""
    count, axis = max(1, study.orders_axis.count), study.task0_axis
    if axis is None:
        return units if sizes[0] == 1 else (), count
    heads = _heads(axis, units)
    return heads, count * len(heads)


def _named(order: tuple[str, ...], units: Sequence, what: str) -> Sequence:
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
        raise StudyError(f"{what}: {'; '.join(told)}; name each of {', '.join(known)} once")
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
