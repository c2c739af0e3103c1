"""Where a study stands, at the terminal: a live table; plain lines where the output is a file."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from orchestration.events import Event
from orchestration.layout import StudyFolder
from orchestration.ledger import Record
from orchestration.study import Plan, Trial
from orchestration.watch import PERIOD, Follower, News, Warn

MAIN_METRICS = ("image_auroc", "pixel_auroc")
TRAINING_SHARE = 0.95
"""Share of a task's time that its training is taken to need; the rest is evaluation. A task's time
is taken to grow with its classes."""
ROWS_AROUND_TABLE = 6
LONGEST_NAME = 24
"""Characters of a task's name in the live table; a task may hold many classes."""
ENOUGH = 0.02
"""Fraction of a trial from which its own speed says how long trials take."""


@dataclass(frozen=True)
class Running:
    """A trial in work, as its events tell."""

    trial: Trial
    started: float
    """When its present attempt began."""
    attempts: int = 0
    task: int = 0
    name: str = ""
    stage: str = ""
    epoch: int = 0
    epochs: int = 0
    part: float = 0.0
    """Fraction of the present task that is done."""
    told: int = 0
    """Tasks whose end was announced."""
    values: dict[str, float] = field(default_factory=dict[str, float])
    """The last metrics."""

    @property
    def tasks(self) -> int:
        return len(self.trial.sequence)

    @property
    def fraction(self) -> float:
        sizes = [len(task) for task in self.trial.sequence]
        done = sum(sizes[: self.task]) + self.part * sizes[self.task]
        return min(1.0, done / sum(sizes))

    def after(self, event: Event) -> "Running":
        match event.kind:
            case "attempt":
                fresh = Running(self.trial, event.time, self.attempts + 1)
                return replace(fresh, told=self.told, values=self.values)
            case "stage":
                done = {"features": 0.0, "evaluation": TRAINING_SHARE}.get(event.stage, 0.0)
                if event.state == "finished" and event.stage != "features":
                    done = 1.0 if event.stage == "evaluation" else TRAINING_SHARE
                at = replace(self, task=event.task, name=event.name, stage=event.stage)
                return replace(at, epoch=0, epochs=0, part=done)
            case "epoch":
                done = TRAINING_SHARE * event.epoch / max(1, event.epochs)
                at = replace(self, task=event.task, name=event.name, stage=event.stage, part=done)
                return replace(at, epoch=event.epoch, epochs=event.epochs)
            case "metrics":
                return replace(self, values=event.values or self.values)
            case "end":
                return self


class Board:
    """State of all trials of a study, and what is worth a line when it changes."""

    def __init__(self, plan: Plan, done: Sequence[Record], now: float):
        self.plan = plan
        self.records = {record.key: record for record in done}
        self.running: dict[str, Running] = {}
        self._began = now
        self._earlier = len(done)

    def take(self, news: Sequence[News]) -> list[str]:
        """Bring the state up to date.

        Returns:
            Lines: one when a trial starts, one when each of its tasks ends, one when it ends.
        """
        lines: list[str] = []
        for item in news:
            for event in item.events:
                lines += self._take_event(item.trial, event)
            if item.record is not None:
                self.running.pop(item.record.key, None)
                self.records[item.record.key] = item.record
                lines.append(self._ended(item.trial, item.record))
        return lines

    def _take_event(self, trial: Trial, event: Event) -> list[str]:
        before = self.running.get(trial.key, Running(trial, event.time))
        after = self.running[trial.key] = before.after(event)
        if event.kind == "attempt":
            return [self._started(after)]
        ended = event.stage == "evaluation" and event.state == "finished"
        if ended and event.task + 1 > after.told:
            self.running[trial.key] = replace(after, told=event.task + 1)
            head = f"{label(trial)}: task {event.task + 1} of {after.tasks} ({event.name}) done"
            return [head + _tail([_numbers(after.values)])]
        return []

    def _started(self, state: Running) -> str:
        trial = state.trial
        again = f" again (attempt {state.attempts})" if state.attempts > 1 else ""
        axes = [f"{name} {value}" for name, value in trial.axes.items() if name != "order"]
        return f"{label(trial)}: started{again}{_tail([*axes, f'seed {trial.seed}'])}"

    def _ended(self, trial: Trial, record: Record) -> str:
        took = f"after {duration(record.ended - record.started)}"
        if record.failure:
            what = f"{record.failure.kind}: {record.failure.message}".splitlines()[0]
        else:
            what = _numbers(final_values(record))
        return f"{label(trial)}: {record.status} {took}{_tail([what, self.summary(time.time())])}"

    def count(self, status: str) -> int:
        return sum(record.status == status for record in self.records.values())

    def summary(self, now: float) -> str:
        """Counts, throughput and time left."""
        parts = [f"{len(self.records)} of {len(self.plan.trials)} trials done"]
        for status in ("diverged", "failed"):
            if self.count(status):
                parts.append(f"{self.count(status)} {status}")
        session = len(self.records) - self._earlier
        if session and now > self._began:
            parts.append(f"{3600 * session / (now - self._began):.3g} per hour")
        left = self.time_left(now)
        if left:
            parts.append(f"about {duration(left)} left")
        return ", ".join(parts)

    def time_left(self, now: float) -> float | None:
        """Seconds, from how long trials took and how far those in work are; none while unknown."""
        states = list(self.running.values())
        times = [r.ended - r.started for r in self.records.values() if r.status == "finished"]
        times = times or [
            (now - state.started) / state.fraction for state in states if state.fraction > ENOUGH
        ]
        waiting = len(self.plan.trials) - len(self.records) - len(states)
        if not times:
            return None
        rests = [1 - state.fraction for state in states]
        shared = (waiting + sum(rests)) / max(1, len(states))
        return max([shared, *rests]) * sum(times) / len(times)


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
        super().__init__(plan, folder, warn, period)
        self.console = console
        earlier = [item.record for item in self.watcher.look() if item.record]
        self.board = Board(plan, earlier, time.time())


class PlainProgress(Progress):
    """One line for each thing that happened."""

    def handle(self, news: Sequence[News]) -> None:
        for line in self.board.take(news):
            self.console.print(line, markup=False, highlight=False, emoji=False, soft_wrap=True)

    def finish(self, interrupted: bool) -> None:
        return


class LiveProgress(Progress):
    """A table of the trials in work, drawn in place."""

    def __enter__(self) -> Self:
        self._live = Live(console=self.console, auto_refresh=False)
        self._live.start()
        return super().__enter__()

    def handle(self, news: Sequence[News]) -> None:
        self.board.take(news)
        rows = max(1, self.console.height - ROWS_AROUND_TABLE)
        self._live.update(table(self.board, time.time(), rows), refresh=True)

    def finish(self, interrupted: bool) -> None:
        self._live.stop()


def progress(plan: Plan, folder: StudyFolder, console: Console, warn: Warn) -> Progress:
    """The view that fits the console."""
    kind = LiveProgress if console.is_terminal else PlainProgress
    return kind(plan, folder, console, warn)


def table(board: Board, now: float, rows: int) -> Group:
    """Summary, a bar for the study, and at most `rows` trials in work."""
    total = len(board.plan.trials)
    states = list(board.running.values())
    done = len(board.records) + sum(state.fraction for state in states)
    grid = Table.grid(padding=(0, 2))
    for state in states[:rows]:
        epoch = f"epoch {state.epoch} of {state.epochs}" if state.epochs else ""
        grid.add_row(
            Text(label(state.trial)),
            Text(f"task {state.task + 1} of {state.tasks}"),
            _clipped(state.name),
            Text(state.stage or "starting"),
            Text(epoch),
            ProgressBar(total=1, completed=state.fraction, width=20),
            Text(duration(now - state.started)),
            Text(_numbers(state.values)),
        )
    bar = Table.grid()  # a bar alone does not end its line
    bar.add_row(ProgressBar(total=total, completed=done, width=60))
    parts = [Text(board.summary(now)), bar, grid]
    if len(states) > rows:
        parts.append(Text(f"and {len(states) - rows} more trials in work"))
    return Group(*parts)


def _clipped(name: str) -> Text:
    text = Text(name)
    text.truncate(LONGEST_NAME, overflow="ellipsis")
    return text


def label(trial: Trial) -> str:
    return trial.key[:8]


def final_values(record: Record) -> dict[str, float]:
    """The main metrics after the last task: mean over classes, routed."""
    return {
        f"{row.metric}/mean": row.value
        for row in record.rows
        if row.definition == "final_mean" and row.routing == "routed"
    }


def duration(seconds: float) -> str:
    """`42 s`, `3 min 05 s`, `2 h 10 min`."""
    whole = max(0, math.ceil(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _numbers(values: dict[str, float]) -> str:
    names = [f"{metric}/mean" for metric in MAIN_METRICS]
    return ", ".join(f"{name} {values[name]:.4f}" for name in names if name in values)


def _tail(parts: Sequence[str]) -> str:
    present = [part for part in parts if part]
    return f"; {'; '.join(present)}" if present else ""
