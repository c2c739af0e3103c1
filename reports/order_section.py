"""The part of a report on all orders of the tasks: how far apart, best and worst, and why."""

from dataclasses import dataclass

from reports import (
    all_orders,
    base_loss,
    class_distances,
    first_task,
    order_causes,
    order_choice,
    order_spread,
    variance,
)
from reports.all_orders import Orders
from reports.class_distances import Distances
from reports.document import Block, Gallery, Section, Text, Words, note
from reports.evidence import Evidence, Setting
from reports.invariance import Invariance
from reports.picture_doubt import Kept


@dataclass(frozen=True)
class AllOrders:
    """What is said of a setting's orders."""

    effect: tuple[Words, ...]
    """What the order after task 0 changes; none where nothing is derived."""
    answer: tuple[Words, ...]
    """What else is to be said of it."""
    sections: tuple[Section, ...]


def all_of(evidence: Evidence, setting: Setting, compared: Invariance, kept: Kept) -> AllOrders:
    """What is derived where no order can matter to training, and measured where it may."""
    found = all_orders.orders_of(evidence, setting)
    runs = [one for m in evidence.concluded if (one := order_spread.running(m, found))]
    checked = all_orders.checked(evidence, found.groups)
    whole: list[Block] = [Text(all_orders.sentence(found, checked)), *map(note, found.silent)]
    if checked.differing:
        whole.append(Text(all_orders.warning(checked), "bad"))
    if found.groups:
        whole.append(order_spread.spread_table(evidence, setting, found))
        whole += [order_spread.sample_figure(evidence, setting, one) for one in runs if one.several]
        whole.append(all_orders.all_orders_table(setting, found))
        whole += _left_out(evidence, found)
    measured = order_causes.measured_table(evidence, setting)
    if measured:
        whole.append(note(
            "Here training depends on the order, so nothing is derived and nothing certified: "
            "these are differences between orders that were trained, with the doubt of their seeds."
        ))  # fmt: skip
        whole.append(measured)
    near = class_distances.distances_of(evidence, setting)
    sections = [Section("All orders", tuple(whole))]
    first = _which_first(evidence, setting, near, kept)
    if not runs:
        return AllOrders((), (), (*sections, *first))
    causes = order_causes.causes_table(evidence, setting, runs, compared)
    effect = order_spread.sentence(runs, bool(compared.proof))
    answer = (order_causes.sentence(runs, causes),)
    drawn = [class_distances.similarity_map(evidence, setting, near)] if near else []
    told = note(
        "Averaging: a mean over steps counts a class once for every step at which it is known, so "
        "classes learned early weigh more. Routing: a picture can go to another task only once "
        "that is known. At the end of the sequence all tasks are known, and no order matters."
    )
    sections.append(Section("Where order effects come from", (causes, told, *drawn)))
    places = Gallery(tuple(order_choice.places_figure(evidence, setting, one) for one in runs))
    extremes = order_choice.extremes_table(evidence, setting, runs)
    regret = order_choice.regret_table(evidence, setting, runs, near)
    sections.append(Section("Best and worst orders", (extremes, places, regret)))
    return AllOrders((effect,), answer, (*sections, *first))


def _which_first(
    evidence: Evidence, setting: Setting, near: Distances | None, kept: Kept
) -> tuple[Section, ...]:
    """Effects of task 0, where several were run with several seeds."""
    every = [first_task.first_tasks(evidence, setting, m, kept) for m in evidence.concluded]
    found = [one for one in every if one is not None]
    if not found:
        return ()
    blocks: list[Block] = [
        first_task.verdicts_table(evidence, setting, found),
        first_task.dots(evidence, setting, found),
        *(first_task.effects_table(evidence, setting, one, kept) for one in found),
        variance.components_table(evidence, setting, found, kept),
    ]
    if near:
        blocks.append(class_distances.effect_table(evidence, setting, found, near))
    blocks += base_loss.blocks(evidence, setting, found)
    return (Section("Which task first", tuple(blocks)),)


def _left_out(evidence: Evidence, found: Orders) -> list[Block]:
    """Metrics that could not be had of all classes."""
    told = {
        f"{evidence.tasks.get(name, name)}: {why}"
        for group in found.groups
        for metric in evidence.concluded
        for name, why in group.without(metric.name)
    }
    return [note(text) for text in sorted(told)]
