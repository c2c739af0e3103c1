"""What the router chose: confusion matrices, accuracy and smallest margin, over trials."""

from collections.abc import Sequence
from dataclasses import dataclass

from moleflow.data.sequences import task_name
from moleflow.wording import grouped
from orchestration.records.ledger import Record
from reports import how_many
from reports.document import Number, Table, Value, Words, computed, table
from reports.evidence import Setting, keys
from reports.performance import file_name


@dataclass(frozen=True)
class Confusion:
    """Sum of the router's choices after the last task, over trials with the same tasks."""

    number: int
    """From 1; 0 where all trials of the setting have the same tasks."""
    classes: tuple[str, ...]
    """Task by task."""
    tasks: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    """Rows are true classes, columns the tasks chosen."""
    correct: int
    records: tuple[Record, ...]
    """Of the trials that it sums."""
    smallest_margin: float | None

    @property
    def keys(self) -> list[str]:
        return keys(self.records)

    @property
    def images(self) -> int:
        return sum(map(sum, self.counts))

    def file_name(self, name: str, setting: Setting) -> str:
        return file_name(f"{name}-{self.number}" if self.number else name, setting)


def confusions(records: Sequence[Record]) -> tuple[Confusion, ...]:
    """A matrix for each way in which classes make tasks, of the trials that recorded choices."""
    alike: dict[tuple[tuple[str, ...], ...], list[Record]] = {}
    for record in records:
        if record.routing is not None:
            alike.setdefault(tuple(sorted(record.sequence)), []).append(record)
    return tuple(
        _summed(i if len(alike) > 1 else 0, tasks, alike[tasks])
        for i, tasks in enumerate(sorted(alike), start=1)
    )


def _summed(
    number: int, tasks: tuple[tuple[str, ...], ...], records: Sequence[Record]
) -> Confusion:
    known = [record.routing for record in records if record.routing is not None]
    names = {task_name(task): task for task in tasks}
    sums = {(c, t): 0 for task in tasks for c in task for t in names}
    for routing in known:
        for class_name, row in zip(routing.classes, routing.counts, strict=True):
            for task, count in zip(routing.tasks, row, strict=True):
                sums[class_name, task] += count
    margins = [r.smallest_margin for r in known if r.smallest_margin is not None]
    classes = tuple(c for task in tasks for c in task)
    return Confusion(
        number,
        classes,
        tuple(names),
        tuple(tuple(sums[c, t] for t in names) for c in classes),
        sum(sums[c, t] for t, task in names.items() for c in task),
        tuple(records),
        min(margins, default=None),
    )


def sentence(found: Sequence[Confusion]) -> Words:
    """Accuracy and margin over all trials, with their n."""
    if not found:
        return "No trial recorded the router’s choices."
    if all(len(one.tasks) == 1 for one in found):
        return "There is one task, so the router had nothing to choose; its accuracy says nothing."
    correct, images = sum(one.correct for one in found), sum(one.images for one in found)
    share = f"{100 * correct / images:.2f} %" if images else "none"
    source = computed(sentence, (key for one in found for key in one.keys))
    words = (
        Number(f"{grouped(correct)} of {grouped(images)} test images ({share})", source),
        " went to their own task, summed over n = ",
        how_many.trials(record for one in found for record in one.records),
        ".",
    )
    margins = [one.smallest_margin for one in found if one.smallest_margin is not None]
    if not margins:
        return words
    return (
        *words,
        " Smallest margin between the best wrong task and the true one: ",
        Number(f"{min(margins):,.4g}", source),
        " (below 0 an image was misrouted).",
    )


def drawn_of(found: Sequence[Confusion], drawn: int) -> Number:
    """How many of the matrices a page draws."""
    source = computed(drawn_of, (key for one in found for key in one.keys))
    return Number(f"{drawn} of {len(found)} matrices", source)


def confusion_table(found: Confusion, setting: Setting) -> Table:
    """The counts."""
    rows = [
        (name, *map(grouped, row)) for name, row in zip(found.classes, found.counts, strict=True)
    ]
    data: list[dict[str, Value]] = [
        {"class": name, "task": task, "images": count}
        for name, row in zip(found.classes, found.counts, strict=True)
        for task, count in zip(found.tasks, row, strict=True)
    ]
    of = how_many.trials(found.records)
    caption = ("Router’s choices after the last task, images summed over n = ", of)
    name = found.file_name("confusion", setting)
    source = computed(confusion_table, found.keys)
    return table(name, caption, ("True class", *found.tasks), rows, data, source)
