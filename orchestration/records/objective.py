"""What a search makes large: read from the records of a proposal's trials."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from moleflow.measurement import Measurement
from moleflow.metrics.means import mean
from orchestration.records.ledger import Record
from orchestration.studies.expansion import Plan, Trial
from orchestration.studies.points import PROPOSAL
from orchestration.studies.proposing import Told
from orchestration.studies.search import Search

CHOSEN = "image_auroc"
"""The metric that `selection` alone means."""


def metric_of(search: Search) -> str:
    return search.objective.partition(":")[2] or CHOSEN


def value_of(record: Record, search: Search) -> float | None:
    """Mean over classes after the last task that was learned, routed; None where it was not
    measured."""
    if search.on_test:
        return mean_of(record.rows, search, "final_mean")
    return mean_of(record.selection, search, "step_mean")


def mean_of(rows: Iterable[Measurement], search: Search, definition: str) -> float | None:
    """The last of these means of what the search makes large; None where there is none."""
    wanted = (metric_of(search), "routed", definition)
    found = [row for row in rows if (row.metric, row.routing, row.definition) == wanted]
    return max(found, key=lambda row: row.step).value if found else None


def trials_by_proposal(plan: Plan) -> dict[int, list[Trial]]:
    """Every proposal's trials; one that two proposals make is of both."""
    found: dict[int, list[Trial]] = {n: [] for n in range(1, plan.proposed + 1)}
    for trial in plan.trials:
        for number in dict.fromkeys(axes[PROPOSAL] for axes in (trial.axes, *trial.also)):
            found.setdefault(int(number), []).append(trial)
    return found


def outcome(
    number: int,
    trials: Sequence[Trial],
    records: Mapping[str, Record],
    search: Search,
    value: Callable[[Record, Search], float | None] = value_of,
) -> Told | None:
    """What became of a proposal; None where nothing can be said of it: a machine failed, or it
    makes no trial.

    Args:
        value: of a record; who has its numbers elsewhere reads them there.
    """
    found = [records[trial.key] for trial in trials if trial.key in records]
    statuses = {record.status for record in found}
    if not trials or "failed" in statuses:
        return None
    if "diverged" in statuses:
        return Told(number=number, outcome="diverged")
    if "stopped" in statuses:
        ends = [record.stopped for record in found if record.stopped is not None]
        reached = mean(one.value for one in ends)
        tasks = min(one.tasks for one in ends)
        return Told(number=number, outcome="stopped", value=reached, tasks=tasks)
    values = [found_value for record in found if (found_value := value(record, search)) is not None]
    if len(found) < len(trials) or len(values) < len(trials):
        return Told(number=number, outcome="in work")
    return Told(number=number, outcome="finished", value=mean(values))
