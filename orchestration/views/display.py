"""How both views say things: sentences, and tables that fit a terminal of 100 columns."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, final

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from moleflow.data.sequences import task_name
from moleflow.metrics.catalogue import HEADLINES
from moleflow.wording import counted
from orchestration.records.stages import TRAINED, StageRef
from orchestration.studies.expansion import Trial
from orchestration.views.record_brief import RecordBrief
from orchestration.views.study_state import NodeLoad, StudyState
from orchestration.views.trial_state import TrialState

MAIN_METRICS = HEADLINES[:2]
METRIC_HEADS = tuple(metric.title.replace(" ", "\n", 1) for metric in MAIN_METRICS)
NUMBERS = {"time", "tasks", "epoch", "seed", "last\nword", *METRIC_HEADS}
"""Columns that are flush right."""
LONGEST_NAME = 24
"""Characters of a task's name in a table; a task may hold many classes."""
LONGEST_NODE = 12
"""The same of a node's name beside its trials."""
NARROW = 120
"""Columns of a terminal below which trials have no bars."""
NODES = 8
"""Most rows of nodes."""
GB = 1e9


def label(trial: Trial | RecordBrief) -> str:
    return trial.key[:8]


def duration(seconds: float) -> str:
    """`42 s`, `3 min 05 s`, `2 h 10 min`."""
    whole = max(0, math.ceil(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def roughly(seconds: float) -> str:
    """`42 s`, `3 min`, `2.2 h`: for columns."""
    if seconds < 60:
        return f"{max(0, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def clipped(name: str, longest: int = LONGEST_NAME) -> str:
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def metrics(values: Mapping[str, float]) -> str:
    """The main metrics: mean over classes, routed."""
    names = [f"{metric.name}/mean" for metric in MAIN_METRICS]
    return ", ".join(f"{name} {values[name]:.4f}" for name in names if name in values)


def percent(values: Mapping[str, float]) -> list[Text]:
    """The same as cells."""
    found = [values.get(f"{metric.name}/mean") for metric in MAIN_METRICS]
    return [Text("" if value is None else f"{100 * value:.2f}") for value in found]


def summary(study: StudyState, now: float) -> str:
    """Counts, throughput and time left."""
    parts = [f"{len(study.briefs)} of {counted(len(study.trials), 'trial')} done"]
    for status in ("stopped", "diverged", "failed"):
        if study.count(status):
            parts.append(f"{study.count(status)} {status}")
    if study.plan.to_propose:
        parts.append(f"{counted(study.plan.to_propose, 'proposal')} to come")
    rate, left = study.per_hour(now), study.time_left(now)
    if rate is not None:
        parts.append(f"{rate:.0f} per hour" if rate >= 10 else f"{rate:.1f} per hour")
    if left is not None:
        parts.append(f"about {roughly(left)} left")
    return ", ".join(parts)


def headlines(study: StudyState) -> list[str]:
    """What has come of sharing, certificates, and what is waited for; nothing where there is
    nothing to tell."""
    return [line for line in (_shared(study), _certified(study), _waiting(study)) if line]


def _shared(study: StudyState) -> str:
    done = study.sharing()
    if not (done.trained or done.shared or done.derived):
        return ""
    taken = [(done.shared, "taken from the store"), (done.derived, "derived")]
    text = [f"{counted(done.trained, 'task')} trained"]
    text += [f"{number} {what}" for number, what in taken if number]
    saved = f": {duration(done.saved)} of computing saved" if done.saved else ""
    return ", ".join(text) + saved


def _certified(study: StudyState) -> str:
    holds, failed, none = study.certified()
    parts = [(holds, "holds" if holds == 1 else "hold"), (failed, "failed"), (none, "to come")]
    text = [f"{number} {what}" for number, what in parts if number]
    return f"order-invariance certificates: {', '.join(text)}" if text else ""


def _waiting(study: StudyState) -> str:
    waits = Counter(state.waits for state in study.waits())
    if not waits:
        return ""
    kinds = ", ".join(f"{what} ({count})" for what, count in waits.most_common())
    return f"{counted(waits.total(), 'trial')} waiting for what others are making: {kinds}"


def failure_text(one: RecordBrief, trial: Trial, state: TrialState | None = None) -> str:
    """Why a trial has no result: error, stage and task, epoch and last numbers, first line.

    Args:
        state: what its events say, which is more than its record does.
    """
    failure = one.failure
    if failure is None:
        return one.status
    stage = failure.stage or (state.stage if state else None)
    place = place_of(trial, stage.task) if stage else ""
    where = [f"{stage} ({place})" if place else str(stage or "")]
    where += [_epoch(failure.numbers, state, stage)]
    lines = (failure.message or "no message").splitlines()
    # Where it was has just been said.
    message = lines[0].split(f"; it was in {stage}")[0] if stage else lines[0]
    place_text = ", ".join(part for part in where if part)
    return f"{failure.kind}{f' in {place_text}' if place_text else ''}: {message}"


def _epoch(known: Mapping[str, Any], state: TrialState | None, stage: StageRef | None) -> str:
    """`epoch 12 of 60, loss 0.51, grad_norm 3.2`: the last that ended, as events or record say."""
    told = None if state is None or stage is None else state.last_epoch(stage.task)
    numbers: Mapping[str, Any]
    if told is not None:
        epoch, epochs, numbers = told
    elif "epochs" in known:
        numbers = {key: v for key, v in known.items() if key not in ("epoch", "epochs")}
        epoch, epochs = int(known["epoch"]), int(known["epochs"])
    else:
        return ""
    values = [f"{key} {value:.4g}" for key, value in numbers.items()]
    return ", ".join([f"epoch {epoch} of {epochs}", *values])


def place_of(trial: Trial, name: str) -> str:
    """`task 7 of 15`; empty for what is no task of the trial."""
    names = [task_name(task) for task in trial.sequence]
    return f"task {names.index(name) + 1} of {len(names)}" if name in names else ""


def failure_lines(study: StudyState, most: int) -> list[Text]:
    """The last failures, one line each."""
    found = study.failures()
    lines = [
        Text(f"{label(one)}  {failure_text(one, study.trials[one.key], study.states.get(one.key))}")
        for one in found[:most]
    ]
    if len(found) > most:
        lines.append(Text(f"and {len(found) - most} more that failed; see moleflow status"))
    return lines


def bar(study: StudyState) -> RenderableType:
    """How much of the study is done, trials in work counted in part."""
    done = len(study.briefs) + sum(state.fraction for state in study.running.values())
    grid = Table.grid()  # a bar alone does not end its line
    grid.add_row(ProgressBar(total=max(1, len(study.trials)), completed=done, width=60))
    return grid


def nodes_table(nodes: Sequence[NodeLoad], most: int = NODES) -> Group:
    """What trials use of each node, the busiest first."""
    table = new_table("node", "trials", "cores", "of given", "of node", "memory", "GPU memory")
    for column in table.columns[1:]:
        column.justify = "right"
    busy = sorted(nodes, key=lambda node: -node.trials)
    for node in busy[:most]:
        table.add_row(*map(Text, _node_cells(node)))
    more = [Text(f"and {counted(len(nodes) - most, 'more node')}")] if len(nodes) > most else []
    return Group(table, *more)


def _node_cells(node: NodeLoad) -> list[str]:
    if not node.loads:
        return [node.host, str(node.trials)]
    last = node.loads[-1]
    used = sum(load.gpu_used for load in node.gpus.values())
    total = sum(load.gpu_total for load in node.gpus.values())
    return [
        node.host,
        str(node.trials),
        f"{node.cores:.1f}",
        str(node.given),
        str(last.host_cores),
        _amount(node.memory, last.host_memory),
        _amount(used, total),
    ]


def _amount(used: int, total: int) -> str:
    if not used:
        return ""
    return f"{used / GB:.1f} of {total / GB:.0f} GB" if total else f"{used / GB:.1f} GB"


@final
class WorkTable:
    """Trials that were begun, one row each."""

    def __init__(self, states: Sequence[TrialState], now: float):
        self._states = states
        self._now = now

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        left_out = {"bar"} if options.max_width < NARROW else set[str]()
        if all(state.role in (None, "shared") for state in self._states):
            left_out.add("role")
        if len({state.host for state in self._states}) < 2:
            left_out.add("node")
        rows = [_work_cells(state, self._now) for state in self._states]
        shown = [name for name in (rows[0] if rows else ()) if name not in left_out]
        table = new_table(*shown)
        for row in rows:
            table.add_row(*(row[name] for name in shown))
        yield table


def _work_cells(state: TrialState, now: float) -> dict[str, RenderableType]:
    cells: dict[str, RenderableType] = {
        "trial": Text(label(state.trial)),
        "role": Text(state.role or ""),
        "tasks": Text(f"{len(state.learned)} of {state.tasks}"),
        "doing": _doing(state),
        "epoch": Text(f"{state.epoch} of {state.epochs}" if state.epochs else ""),
        "bar": ProgressBar(total=1, completed=state.fraction, width=10),
        "time": Text(roughly(now - state.started)),
        "last\nword": Text(f"{roughly(now - state.heard)} ago"),
    }
    cells |= dict(zip(METRIC_HEADS, percent(state.values), strict=True))
    return cells | {"node": Text(clipped(state.host.split(".")[0], LONGEST_NODE))}


def _doing(state: TrialState) -> Text:
    if state.waits:
        return Text(f"waits for {clipped(state.waits)}", style="yellow", overflow="ellipsis")
    stage = state.stage
    what = f"{stage.kind} {clipped(stage.task)}" if stage else "starting"
    if stage and stage.kind in TRAINED and len(state.training) > 1:
        what += f" +{len(state.training) - 1}"
    return Text(what, overflow="ellipsis", no_wrap=True)


def new_table(*columns: str) -> Table:
    """Without lines; what is too long for the terminal is broken, in the columns `doing`, `order`
    and `what` alone."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name in columns:
        number = name in NUMBERS
        flexible = name in ("doing", "order", "what")
        table.add_column(
            "" if name == "bar" else name,
            justify="right" if number else "left",
            no_wrap=not flexible,
            overflow="ellipsis",
        )
    return table
