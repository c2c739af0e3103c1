"""What the router chose: confusion matrix, accuracy and smallest margin, over trials."""

from collections.abc import Sequence
from dataclasses import dataclass

from orchestration.ledger import Record
from reports.evidence import Setting
from reports.performance import file_name
from reports.tables import Table, Value, table


@dataclass(frozen=True)
class Confusion:
    """Sum over trials of the router's choices after the last task."""

    classes: tuple[str, ...]
    tasks: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    """Rows are true classes, columns the tasks chosen."""
    correct: int
    images: int
    trials: int
    smallest_margin: float | None

    @property
    def sentence(self) -> str:
        """Accuracy and margin with their n."""
        share = f"{100 * self.correct / self.images:.2f} %" if self.images else "none"
        text = (
            f"{self.correct} of {self.images} test images ({share}) went to their own task, summed "
            f"over n = {self.trials} trials."
        )
        if self.smallest_margin is not None:
            text += (
                f" Smallest margin between the best wrong task and the true one: "
                f"{self.smallest_margin:.4g} (below 0 an image was misrouted)."
            )
        return text


def confusion(records: Sequence[Record]) -> Confusion | None:
    """Sum of the recorded confusion matrices, matched by name; None where none was recorded."""
    known = [record.routing for record in records if record.routing is not None]
    if not known:
        return None
    classes = sorted({name for routing in known for name in routing.classes})
    tasks = sorted({name for routing in known for name in routing.tasks})
    sums = {(c, t): 0 for c in classes for t in tasks}
    correct = 0
    for routing in known:
        for name, row in zip(routing.classes, routing.counts, strict=True):
            for task, count in zip(routing.tasks, row, strict=True):
                sums[name, task] += count
                correct += count if name in task.split("+") else 0
    margins = [r.smallest_margin for r in known if r.smallest_margin is not None]
    return Confusion(
        tuple(classes),
        tuple(tasks),
        tuple(tuple(sums[c, t] for t in tasks) for c in classes),
        correct,
        sum(sums.values()),
        len(known),
        min(margins, default=None),
    )


def confusion_table(found: Confusion, setting: Setting) -> Table:
    """The counts."""
    rows = [(name, *map(str, row)) for name, row in zip(found.classes, found.counts, strict=True)]
    data: list[dict[str, Value]] = [
        {"class": name, "task": task, "images": count}
        for name, row in zip(found.classes, found.counts, strict=True)
        for task, count in zip(found.tasks, row, strict=True)
    ]
    caption = f"Router’s choices after the last task, images summed over n = {found.trials} trials"
    return table(file_name("confusion", setting), caption, ("True class", *found.tasks), rows, data)
