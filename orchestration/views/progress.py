"""Where a study stands, at the terminal: a live table; plain lines where the output is a file."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from moleflow.errors import StoreError
from moleflow.wording import counted
from orchestration.records.events import Attempt, Event, Note, StageFinished
from orchestration.records.layout import StudyFolder
from orchestration.records.ledger import Record
from orchestration.records.watch import PERIOD, Follower, News, Warn
from orchestration.sharing import certificate
from orchestration.studies.expansion import Plan, Trial
from orchestration.views.display import (
    NODES,
    WorkTable,
    bar,
    duration,
    failure_lines,
    failure_text,
    headlines,
    label,
    metrics,
    nodes_table,
    summary,
)
from orchestration.views.record_brief import RecordBrief, brief, read_brief
from orchestration.views.study_state import StudyState
from orchestration.views.trial_state import TrialState

HEADS = 7
"""Lines of a live table besides rows and headlines: summary, bar, pause, heads, rest, last line."""
QUIET = 120.0
"""Seconds without a line after which a log is told where the trials are."""
MOST_NAMED = 3
"""Trials in work that such a line names."""
FAILURES = 3
"""Most failures below a table."""
LEVELS = ((NODES, FAILURES), (3, 1), (0, 1))
"""How many nodes and failures are shown, on lower and lower terminals."""
ENOUGH = 5
"""Rows of trials for which nodes and failures must leave space."""
SOURCES = {
    "made": "trained in {}",
    "resumed": "trained by an earlier attempt",
    "shared": "taken from the store",
}


class Progress(Follower):
    """Follows a study for a console. What earlier runs left is where it starts from, not news."""

    def __init__(
        self,
        plan: Plan,
        folder: StudyFolder,
        console: Console,
        warn: Warn,
        period: float = PERIOD,
    ):
        done = _outlines(plan, folder)
        super().__init__(plan, folder, warn, period, known={one.key for one in done})
        self.console = console
        self.study = StudyState(plan, done, time.time())
        self.study.certificates = certificate.read(folder)
        for item in self.watcher.look():
            self.study.take(item)
        self.study.rest()

    def take_plan(self, plan: Plan) -> None:
        super().take_plan(plan)
        self.study.grow(plan)

    def look_again(self, news: Sequence[News]) -> None:
        """Certificates are made when trials end."""
        if any(item.record for item in news):
            self.study.certificates = certificate.read(self.folder)


class PlainProgress(Progress):
    """One line when a trial starts, one when each of its tasks ends, one when it ends; and one of
    where the trials are when that was long ago, as a task may take an hour."""

    def __enter__(self) -> Self:
        self._said = time.monotonic()
        return super().__enter__()

    def handle(self, news: Sequence[News]) -> None:
        self.look_again(news)
        for item in news:
            for event in item.events:
                self.study.take(News(item.trial, (event,)))
                self._tell(item.trial, event)
            if item.record is not None:
                self.study.take(News(item.trial, record=item.record))
                self._print(self._ended(item.trial, item.record))
        if self.study.running and time.monotonic() - self._said > QUIET:
            self._print(_in_work(self.study, time.time()))

    def finish(self, interrupted: bool) -> None:
        return

    def _print(self, text: str) -> None:
        self._said = time.monotonic()
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _tell(self, trial: Trial, event: Event) -> None:
        state = self.study.states[trial.key]
        if isinstance(event, Attempt):
            self._print(_started(state))
        elif isinstance(event, Note):
            self._print(f"{label(trial)}: {event.note}")
        elif isinstance(event, StageFinished) and state.evaluated > state.told:
            self.study.states[trial.key] = replace(state, told=state.evaluated)
            self._print(_task_done(state, event))

    def _ended(self, trial: Trial, record: Record) -> str:
        one = brief(record)
        took = f"after {duration(one.duration)}"
        if one.failure:
            what = failure_text(one, trial, self.study.states.get(trial.key))
        else:
            what = metrics(one.values)
        return (
            f"{label(trial)}: {one.status} {took}{_tail([what, summary(self.study, time.time())])}"
        )


class LiveProgress(Progress):
    """A table of the trials in work, drawn in place; notes stand above it."""

    def __enter__(self) -> Self:
        self._live = Live(console=self.console, auto_refresh=False)
        self._live.start()
        return super().__enter__()

    def handle(self, news: Sequence[News]) -> None:
        self.look_again(news)
        for item in news:
            self.study.take(item)
            for event in item.events:
                if isinstance(event, Note):
                    self._live.console.print(Text(f"{label(item.trial)}: {event.note}"))
        shown = _fitting(self.study, self.console.height)
        self._live.update(shown, refresh=True)

    def finish(self, interrupted: bool) -> None:
        self._live.stop()


def progress(plan: Plan, folder: StudyFolder, console: Console, warn: Warn) -> Progress:
    """The view that fits the console."""
    kind = LiveProgress if console.is_terminal else PlainProgress
    return kind(plan, folder, console, warn)


def table(
    study: StudyState, now: float, rows: int, nodes: int = NODES, failures: int = FAILURES
) -> Group:
    """Summary, a bar for the study, nodes, trials in work and what failed last: at most so many
    rows of each."""
    states, found = list(study.running.values()), study.nodes()
    head = Text(f"{study.plan.name}: {summary(study, now)}", style="bold")
    lines = [head, *map(Text, headlines(study)), *failure_lines(study, failures)]
    for line in lines:
        line.overflow, line.no_wrap = "ellipsis", True
    told = len(headlines(study)) + 1
    parts: list[RenderableType] = [head, bar(study), *lines[1:told]]
    if found and nodes:
        parts += [Text(), nodes_table(found, nodes)]
    if states:
        parts += [Text(), WorkTable(states[:rows], now)]
    if len(states) > rows:
        parts.append(Text(f"and {counted(len(states) - rows, 'more trial')} in work"))
    return Group(*parts, *([Text()] if lines[told:] else []), *lines[told:])


def _fitting(study: StudyState, height: int) -> Group:
    """The fullest table that a terminal of so many lines holds."""
    wanted = min(ENOUGH, len(study.running))
    rooms = [(height - _around(study, *level), level) for level in LEVELS]
    rows, (nodes, failures) = next((room for room in rooms if room[0] >= wanted), rooms[-1])
    return table(study, time.time(), max(1, rows), nodes, failures)


def _around(study: StudyState, nodes: int, failures: int) -> int:
    """Lines of a live table that are no trial in work."""
    there, failed = len(study.nodes()), len(study.failures())
    lines = HEADS + len(headlines(study))
    lines += 2 + min(there, nodes + 1) if there and nodes else 0
    return lines + (1 + min(failed, failures + 1) if failed else 0)


def _outlines(plan: Plan, folder: StudyFolder) -> list[RecordBrief]:
    """Of the records that are there; the watcher tells of those that are damaged."""
    found: list[RecordBrief] = []
    for trial in plan.trials:
        try:
            one = read_brief(folder, trial.key)
        except StoreError:
            continue
        if one is not None:
            found.append(one)
    return found


def _started(state: TrialState) -> str:
    trial = state.trial
    again = f" again (attempt {state.attempts})" if state.attempts > 1 else ""
    place = f" on {state.host}" if state.host else ""
    role = f" as {state.role}" if state.role not in (None, "shared") else ""
    axes = [f"{name} {value}" for name, value in trial.axes.items() if name != "order"]
    return f"{label(trial)}: started{again}{place}{role}{_tail([*axes, f'seed {trial.seed}'])}"


def _in_work(study: StudyState, now: float) -> str:
    """The trials that were begun last, what each does, and how the study stands."""
    states = sorted(study.running.values(), key=lambda state: -state.started)
    doing = [_doing(state) for state in states[:MOST_NAMED]]
    doing += [f"{len(states) - MOST_NAMED} more"] if len(states) > MOST_NAMED else []
    return f"in work: {', '.join(doing)}; {summary(study, now)}"


def _doing(state: TrialState) -> str:
    if state.waits:
        return f"{label(state.trial)} (waits for {state.waits})"
    epoch = f", epoch {state.epoch} of {state.epochs}" if state.epochs else ""
    return f"{label(state.trial)} ({state.stage or 'starting'}{epoch})"


def _task_done(state: TrialState, event: StageFinished) -> str:
    """Tasks are told in their order, when they are evaluated."""
    learned = state.learned.get(event.task)
    source = SOURCES[learned.source].format(duration(learned.seconds)) if learned else ""
    head = f"{label(state.trial)}: task {event.task + 1} of {state.tasks} ({event.stage.task}) done"
    return head + _tail([source, metrics(state.values)])


def _tail(parts: Sequence[str]) -> str:
    present = [part for part in parts if part]
    return f"; {'; '.join(present)}" if present else ""
