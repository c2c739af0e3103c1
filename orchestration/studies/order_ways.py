"""Orders that are made by a rule from the classes alone, or from a table about them.

What is permuted are units: single classes, or groups of them.
"""

from collections.abc import Callable, Mapping
from typing import Literal

from moleflow.data.sequences import Sequence, Task, permutations, task_name
from moleflow.errors import StudyError
from orchestration.studies.order_tables import FAMILIES, families
from orchestration.studies.orders_axis import Orders

Labelled = list[tuple[str, Sequence]]
"""Orders, each under what it is called."""


def by_rule(axis: Orders, units: Sequence) -> Labelled:
    """The orders of all the rules that an axis names, or of those that the classes fit.

    Raises:
        StudyError: a table that a rule needs lacks a class, or has no two kinds of it.
    """
    unfit = unfit_rules(axis, units) if axis.fitting else {}
    ways = [way for way in axis.ways if way not in unfit]
    return [one for way in ways for one in _RULES[way](axis, units)]


def unfit_rules(axis: Orders, units: Sequence) -> dict[str, str]:
    """By rule of an axis, why the classes do not fit it."""
    found = dict[str, str]()
    for way in axis.ways:
        try:
            _RULES[way](axis, units)
        except StudyError as error:
            found[way] = str(error)
    return found


def orders_of_rule(way: str, axis: Orders, units: int) -> int:
    """How many orders a rule makes of so many units."""
    if way == "random":
        return axis.count
    if way == "latin_square":
        return 2 * units if units % 2 and units > 1 else units
    return units if way in ("first_swapped", "cyclic_shifts") else 1


def _alphabetical(axis: Orders, units: Sequence) -> Labelled:
    return [("alphabetical", tuple(sorted(units, key=task_name)))]


def _reversed(axis: Orders, units: Sequence) -> Labelled:
    return [("reversed", units[::-1])]


def _random(axis: Orders, units: Sequence) -> Labelled:
    """Each by itself: neither the first order nor the first class of one depends on others."""
    found: Labelled = []
    for number in range(axis.count):
        places = next(permutations(len(units), "random order", axis.seed, number))
        found.append(
            (f"random {number + 1} of seed {axis.seed}", tuple(units[place] for place in places))
        )
    return found


def _first_swapped(axis: Orders, units: Sequence) -> Labelled:
    """Each unit once in front of the others, which stay as they are."""
    return [
        (f"{task_name(first)} first", (first, *(unit for unit in units if unit != first)))
        for first in units
    ]


def _cyclic_shifts(axis: Orders, units: Sequence) -> Labelled:
    return [(f"shifted by {k}", units[k:] + units[:k]) for k in range(len(units))]


def _latin_square(axis: Orders, units: Sequence) -> Labelled:
    """Every unit at every place equally often, and every one directly after every other one equally
    often (Williams 1949); an odd number of units needs each order and its reverse."""
    count = len(units)
    zigzag = [i // 2 + 1 if i % 2 else (count - i // 2) % count for i in range(count)]
    rows = [tuple(units[(place + row) % count] for place in zigzag) for row in range(count)]
    if count % 2 and count > 1:
        rows += [row[::-1] for row in rows]
    return [(f"latin square {number}", row) for number, row in enumerate(rows, start=1)]


def _family_first(first: str) -> Callable[[Orders, Sequence], Labelled]:
    def made(axis: Orders, units: Sequence) -> Labelled:
        way = f"{first}s_first"
        of = families() | dict(axis.families)
        unknown = sorted({name for unit in units for name in unit if name not in of})
        if unknown:
            raise StudyError(
                f"{way}: {', '.join(unknown)} not known as {' or '.join(FAMILIES)}; say which: "
                f'Orders(ways=("{way}",), families={{"{unknown[0]}": "{FAMILIES[0]}", …}})'
            )
        kinds = {name: of[name] for unit in units for name in unit}
        if len(set(kinds.values())) < 2:
            only = next(iter(kinds.values()))
            raise StudyError(f"{way}: all of these classes are {only}s; leave it out")
        mixed = [unit for unit in units if len({kinds[name] for name in unit}) > 1]
        if mixed:
            raise StudyError(f"{way}: group {task_name(mixed[0])} holds both kinds; leave it out")
        return [(way, tuple(sorted(units, key=lambda unit: kinds[unit[0]] != first)))]

    return made


def _by_difficulty(
    way: Literal["easy_first", "hard_first"],
) -> Callable[[Orders, Sequence], Labelled]:
    """A group is as easy as its classes are on average; what is equally easy stays as it was."""

    def made(axis: Orders, units: Sequence) -> Labelled:
        table = axis.difficulty
        _complete(way, table, units, "difficulty={class: metric, …}, higher where easier")
        means = {unit: sum(table[name] for name in unit) / len(unit) for unit in units}
        return [(way, tuple(sorted(units, key=means.__getitem__, reverse=way == "easy_first")))]

    return made


def _greedy(way: Literal["similar", "dissimilar"]) -> Callable[[Orders, Sequence], Labelled]:
    """After the first unit always the nearest, or farthest, of those that are left: by the mean
    distance of their classes to those of the unit before; the first in order of equals."""

    def made(axis: Orders, units: Sequence) -> Labelled:
        table = axis.distances
        _complete(way, table, units, "distances={class: {class: distance, …}, …}")
        for name in table:
            _complete(way, table[name] | {name: 0.0}, units, "distances of every two classes")

        def distance(one: Task, other: Task) -> float:
            pairs = [table[a][b] for a in one for b in other]
            return sum(pairs) / len(pairs)

        order, rest = [units[0]], list(units[1:])
        pick = min if way == "similar" else max
        while rest:
            following = pick(rest, key=lambda unit: distance(order[-1], unit))
            order.append(following)
            rest.remove(following)
        return [(way, tuple(order))]

    return made


def _complete(way: str, table: Mapping[str, object], units: Sequence, remedy: str) -> None:
    missing = [name for unit in units for name in unit if name not in table]
    if missing:
        raise StudyError(f"{way}: nothing is known of {', '.join(missing)}; give {remedy}")


_RULES: dict[str, Callable[[Orders, Sequence], Labelled]] = {
    "alphabetical": _alphabetical,
    "reversed": _reversed,
    "random": _random,
    "first_swapped": _first_swapped,
    "latin_square": _latin_square,
    "cyclic_shifts": _cyclic_shifts,
    "textures_first": _family_first("texture"),
    "objects_first": _family_first("object"),
    "easy_first": _by_difficulty("easy_first"),
    "hard_first": _by_difficulty("hard_first"),
    "similar": _greedy("similar"),
    "dissimilar": _greedy("dissimilar"),
}
