"""Which reports tell what a study asks, where it does not name them itself."""

from collections.abc import Iterable, Iterator

from orchestration.studies.axes import Axis, Grid, Orders, Scenarios, TaskZero, Variants, Zip
from orchestration.studies.search import Search

USUAL = ("task_order",)
"""Where nothing varies but seeds: every sequence has a first task and an order."""
SETTINGS = ("search", "scenarios", "ablation", "sensitivity")
"""The most telling first."""
ARRANGED = ("task_order", "task0")
"""Last: beside settings that vary, orders and first classes mostly repeat."""


def telling(axes: Iterable[Axis]) -> tuple[str, ...]:
    """Kinds of report about what varies along these axes, the main one first; none where nothing
    does: an axis of one value sets it."""
    orders_first = sorted(axes, key=lambda axis: isinstance(axis, TaskZero))
    return main_first(kind for axis in orders_first for kind in _of(axis))


def main_first(kinds: Iterable[str]) -> tuple[str, ...]:
    """Each once; what is none of ours was asked for by name, and goes before them."""
    places = {kind: place for place, kind in enumerate(SETTINGS)}
    places |= dict.fromkeys(ARRANGED, len(SETTINGS))
    return tuple(sorted(dict.fromkeys(kinds), key=lambda kind: places.get(kind, -1)))


def _of(axis: Axis) -> Iterator[str]:
    match axis:
        case Search():
            yield "search"
        case Scenarios() if len(set(axis.names)) > 1:
            yield "scenarios"
        case Variants() if len(axis.variants) > 1:
            yield "ablation"
        case Grid() if len(axis.values) > 1:
            yield "sensitivity"
        case Zip() if len(next(iter(axis.fields.values()))) > 1:
            yield "sensitivity"
        case Orders() if _several(axis):
            yield "task_order"
        case TaskZero() if max(axis.count, len(axis.classes)) > 1:
            yield "task0"
            yield "task_order"
        case _:
            pass


def _several(axis: Orders) -> bool:
    """Whether it is more than one order, as far as that shows before the classes are known."""
    if not axis.given:
        return axis.count > 1
    if {"first_swapped", "cyclic_shifts", "latin_square"} & set(axis.ways):
        return True
    drawn = axis.count if "random" in axis.ways else 0
    rules = len(set(axis.ways) - {"random"})
    return drawn + rules + sum(map(len, (axis.named, axis.published, axis.listed))) > 1
