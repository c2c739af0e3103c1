"""The second way to whether the base's training loss foretells the result: from plain records."""

import statistics
from collections.abc import Callable, Mapping, Sequence

from reports.audit.correlations import chances, correlated
from reports.audit.first_tasks import layout
from reports.audit.records import Records, Trial
from reports.audit.second_way import Expected, Line, Numbers
from reports.audit.words import Allowed


def losses(trials: Sequence[Trial]) -> dict[str, dict[int, float]]:
    """By task 0 and seed, of those tasks 0 of which every trial has one."""
    found: dict[str, dict[int, list[float | None]]] = {}
    for trial in trials:
        loss = trial.losses.get(f"base {trial.task0}")
        found.setdefault(trial.task0, {}).setdefault(trial.seed, []).append(loss)
    return {
        name: {s: statistics.mean(v for v in of if v is not None) for s, of in seeds.items()}
        for name, seeds in found.items()
        if all(loss is not None for of in seeds.values() for loss in of)
    }


def _pairs(
    trials: Sequence[Trial], line: Line
) -> tuple[list[float], list[float], frozenset[str]] | None:
    """Loss and mean at the end of each task 0, and the trials of both."""
    found = layout(trials, line.measured(trials))
    if found is None:
        return None
    known = losses(found[1])
    names = [name for name in found[0].names if name in known]
    x = [statistics.mean(known[name].values()) for name in names]
    y = [found[0].means[found[0].names.index(name)] for name in names]
    return x, y, frozenset(trial.key for trial in found[1] if trial.task0 in known)


def correlation(line: Line) -> Expected:
    """Of a metric."""
    found = _pairs(line.finished, line)
    if found is None:
        raise ValueError("fewer than two tasks 0 or two seeds")
    x, y, keys = found
    numbers: Numbers = {"task_zeros": len(x)}
    return Expected(numbers | correlated(x, y, line.cells.get("p", "")), keys)


def loss(line: Line) -> Expected:
    """Of one task 0, over the seeds that the first metric has whole."""
    metric = next(m for m in line.records.margins if _of(line, m) is not None)
    found = layout(line.finished, _measured(line, metric).measured(line.finished))
    assert found is not None
    used = [trial for trial in found[1] if trial.task0 == line.cells["task0"]]
    values = list(losses(used)[line.cells["task0"]].values())
    numbers: Numbers = {"loss": statistics.mean(values), "loss_sd": statistics.stdev(values)}
    return Expected(numbers | {"seeds": len(values)}, frozenset(t.key for t in used))


def _measured(line: Line, metric: str) -> Line:
    return Line({"metric": metric}, "", (), line.setting, line.records)


def _of(line: Line, metric: str) -> object:
    return layout(line.finished, _measured(line, metric).measured(line.finished))


def words(trials: Sequence[Trial], records: Records) -> Allowed:
    """Correlations with their ends, and numbers of tasks 0, of any metric with a margin."""
    texts: set[str] = set()
    for metric in records.margins:
        found = _pairs(trials, Line({"metric": metric}, "", (), tuple(trials), records))
        if found is None:
            continue
        numbers = correlated(found[0], found[1], "")
        r, low, high = (numbers[f"correlation{end}"] for end in ("", "_low", "_high"))
        p = numbers["p"]
        texts |= chances(p, len(found[0])) if isinstance(p, float) else set()
        texts |= {f"n = {len(found[0])} tasks 0", _signed(r), f"{_signed(low)} to {_signed(high)}"}
        seeds = {trial.seed for trial in trials if trial.key in found[2]}
        texts |= {f"{len(found[0])} tasks 0", f"{len(seeds)} seeds"}
    return Allowed(frozenset(texts))


def too_few(trials: Sequence[Trial], records: Records) -> Allowed:
    """Most tasks 0 of a metric, and fewest of which the records have a loss."""
    known: list[int] = []
    have: list[int] = []
    for metric in records.margins:
        line = Line({"metric": metric}, "", (), tuple(trials), records)
        found = layout(trials, line.measured(trials))
        if found is not None:
            known.append(len(found[0].names))
            have.append(len(losses(found[1]).keys() & set(found[0].names)))
    texts = {f"{max(known)} tasks 0", f"{min(have)} of them"} if known else set[str]()
    return Allowed(frozenset(texts))


def _signed(value: object) -> str:
    return f"{value:.2f}".replace("-", "−") if isinstance(value, float) else "none"


WAYS: Mapping[str, Callable[[Line], Expected]] = {
    "reports.base_loss.correlation_table": correlation,
    "reports.base_loss.losses_table": loss,
}
RULES: Mapping[str, Callable[[Sequence[Trial], Records], Allowed]] = {
    "reports.base_loss.sentence": words,
    "reports.base_loss.figure": words,
    "reports.base_loss._too_few": too_few,
}
