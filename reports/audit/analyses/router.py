"""The second way to what an analysis says of the router: from the record's counts and metrics, and
the distances of every picture that the trial keeps."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence

from reports.audit.analyses.analysed import (
    LINES,
    Analysed,
    Says,
    Should,
    Table,
    column_of,
    numbers,
    whole,
    within,
)
from reports.audit.kept_scores import DISTANCE, rows_of
from reports.audit.samples import mean

METRICS = ("image_auroc", "pixel_ap")


def routing(of: Analysed) -> Iterator[Should]:
    """Counts as recorded, shares of them with their intervals, and what misrouting costs."""
    counts = of.tables["routing_confusion"]
    recorded = _recorded(of)
    yield from column_of("routing", "class", of.own)
    yield from column_of("routing_confusion", "class", of.own)
    for i, (name, own) in enumerate(of.own.items()):
        for task in of.tasks if recorded else ():
            count = recorded.get((name, task), 0)
            yield Should("routing_confusion", i, task, count, recorded=True)
        if i < len(counts):
            yield from _shares(i, own, {task: whole(counts[i][task]) for task in of.tasks})
        for metric in METRICS:
            yield from _costs(of, i, name, metric)
    yield from _margins(of)
    pairs = [*itertools.combinations(of.tasks, 2)]
    yield Should("routing_cosines", 0, LINES, len(pairs))
    for i, pair in enumerate(pairs):
        for column, task in zip(("task_a", "task_b"), pair, strict=True):
            yield Should("routing_cosines", i, column, task)


def _recorded(of: Analysed) -> dict[tuple[str, str], int]:
    """Pictures by class and the task that they went to."""
    told = of.trial.routing
    return {
        (name, task): many
        for name, row in zip(told.get("classes", ()), told.get("counts", ()), strict=True)
        for task, many in zip(told["tasks"], row, strict=True)
    }


def _shares(line: int, own: str, sent: Mapping[str, int]) -> Iterator[Should]:
    n, hits = sum(sent.values()), sent[own]
    low, high = within(hits, n)
    wrong = {task: many for task, many in sent.items() if many and task != own}
    most = max(wrong.values(), default=0)
    confused = next((task for task, many in wrong.items() if many == most), "")
    for column, value in (
        *(("task", own), ("pictures", n), ("accuracy [share]", hits / n)),
        *(("accuracy_low_95", low), ("accuracy_high_95", high), ("most_confused_with", confused)),
    ):
        yield Should("routing", line, column, value)


def _costs(of: Analysed, line: int, name: str, metric: str) -> Iterator[Should]:
    for routed in ("oracle", "routed"):
        value = of.at_the_end(metric, routed, name)
        yield Should("routing", line, f"{metric}_{routed}", value, recorded=True)
    table = of.tables["routing"]
    said = [table[line][f"{metric}_{r}"] for r in ("oracle", "routed")] if line < len(table) else []
    loss = float(said[0]) - float(said[1]) if said and all(said) else None
    yield Should("routing", line, f"{metric}_loss", loss)


def _margins(of: Analysed) -> Iterator[Should]:
    """From the distances of every picture, where the trial keeps them."""
    if len(of.tasks) < 2:
        return
    try:
        rows = rows_of(of.records, of.trial)
        far = [
            (row["class"], {task: float(row[DISTANCE + task]) for task in of.tasks}) for row in rows
        ]
    except (OSError, ValueError, KeyError):
        return
    for i, (name, own) in enumerate(of.own.items()):
        pairs = [
            (to[own], min(v for task, v in to.items() if task != own))
            for of_class, to in far
            if of_class == name
        ]
        margins = sorted(wrong - right for right, wrong in pairs)
        relative = [(w - r) / (w + r) for r, w in pairs if w + r > 0]
        for column, value in (
            ("margin_min", margins[0]),
            ("margin_5_percent", _quantile(margins, 0.05)),
            ("margin_median", _quantile(margins, 0.5)),
            ("relative_margin_min", min(relative, default=None)),
        ):
            yield Should("routing", i, column, value, recorded=True)


def _quantile(ordered: Sequence[float], share: float) -> float:
    """Between the two that are nearest."""
    place = (len(ordered) - 1) * share
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def routing_says(of: Analysed) -> Says:
    if len(of.tasks) == 1:
        return Says("There is one task, so the router had nothing to choose.")
    counts: Table = of.tables["routing_confusion"]
    hits = sum(float(line[of.own[line["class"]]]) for line in counts)
    every = sum(float(line[task]) for line in counts for task in of.tasks)
    told = "{} of {} test pictures went to their own task"
    loss = mean(numbers(of.tables["routing"], "image_auroc_loss"))
    if loss is None:
        return Says(f"{told}.", [hits, every])
    cost = "misrouting costs {} points of image AUROC, mean over classes"
    return Says(f"{told}; {cost}.", [hits, every, 100 * loss])
