"""What of a study is done, from study.json, the ledger and the event files alone."""

from collections import Counter

from rich.console import Group
from rich.table import Table
from rich.text import Text

from orchestration.events import read_events
from orchestration.layout import Root, StudyFolder
from orchestration.ledger import Ledger, Record
from orchestration.progress import MAIN_METRICS, duration, final_values, label
from orchestration.study import Plan, Trial


def status_table(plan: Plan, root: Root) -> Group:
    """One line per trial: state, task 0, seed, main metrics or what it was last doing."""
    folder = root.study(plan.name)
    records = {trial.key: Ledger(folder).read(trial.key) for trial in plan.trials}
    states = Counter(_state(folder, trial, records[trial.key]) for trial in plan.trials)
    counts = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("trial", "state"):
        table.add_column(column, no_wrap=True)
    table.add_column("order", no_wrap=True, overflow="ellipsis")
    for column in ("seed", "time", *MAIN_METRICS):
        table.add_column(column, justify="right", no_wrap=True)
    for trial in plan.trials:
        table.add_row(*_line(folder, trial, records[trial.key]))
    failures = [
        Text(
            f"{label(trial)}  {record.failure.kind} in {record.failure.stage}: "
            f"{record.failure.message}"
        )
        for trial in plan.trials
        if (record := records[trial.key]) is not None and record.failure is not None
    ]
    return Group(Text(f"{plan.name}: {len(plan.trials)} trials; {counts}"), table, *failures)


def _line(folder: StudyFolder, trial: Trial, record: Record | None) -> list[Text]:
    values = final_values(record) if record is not None else {}
    numbers = [values.get(f"{metric}/mean") for metric in MAIN_METRICS]
    cells = [
        label(trial),
        _state(folder, trial, record),
        trial.axes.get("order", ""),
        str(trial.seed),
        "" if record is None else duration(record.ended - record.started),
        *("" if number is None else f"{100 * number:.2f}" for number in numbers),
    ]
    return [Text(cell) for cell in cells]


def _state(folder: StudyFolder, trial: Trial, record: Record | None) -> str:
    """A trial with events but no record is in work, or was interrupted: files cannot tell which."""
    if record is not None:
        return record.status
    last = list(read_events(folder.events(trial.key)))[-1:]
    return f"begun ({last[0].stage or 'starting'} {last[0].name})" if last else "waiting"
