"""Where a study stands, from files alone: plan, records, events of begun trials, leases.

Half a millisecond per record, and only the event files of trials that were begun or failed.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from moleflow.errors import StoreError
from moleflow.wording import counted
from orchestration.records.events import read_events
from orchestration.records.forecasts import read_forecasts
from orchestration.records.layout import Root, StudyFolder
from orchestration.records.ledger import Ledger
from orchestration.records.watch import News
from orchestration.sharing import certificate
from orchestration.sharing.roles import Part
from orchestration.store.lease import PATIENCE, Lease, active
from orchestration.studies.expansion import Plan, Trial, varying_axes
from orchestration.views.compared import Comparison, compared
from orchestration.views.display import (
    METRIC_HEADS,
    WorkTable,
    bar,
    duration,
    failure_lines,
    headlines,
    label,
    new_table,
    nodes_table,
    percent,
    summary,
)
from orchestration.views.record_brief import RecordBrief, read_brief
from orchestration.views.study_state import StudyState
from orchestration.views.trial_state import TrialState

LEASES = 10
"""Most leases that are listed."""
LEAST_WIDTH = 120
"""Columns where the output is no terminal."""
SLACK = 5.0
"""Seconds by which clocks of two machines may differ without a trial being taken for lost."""


@dataclass(frozen=True)
class StudyStatus:
    """What the files of a study say."""

    study: StudyState
    driver: Lease | None
    leases: tuple[Lease, ...]
    """On stages, of this study's trials."""
    lost: tuple[TrialState, ...]
    """Begun, and worked on by nobody."""
    strays: int
    """Records of trials that are not in the plan."""
    damaged: tuple[str, ...]
    forecasts: tuple[Comparison, ...] = ()
    """Of every run, what was expected and what it took."""


@final
class Page:
    """Parts one below the other, of a readable width where the output is a file."""

    def __init__(self, parts: Sequence[RenderableType]):
        self._parts = parts

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        least = 0 if console.is_terminal else LEAST_WIDTH
        wide = options.update(width=max(least, options.max_width))
        for part in self._parts:
            yield from console.render(part, wide)


def status_table(plan: Plan, root: Root) -> Page:
    """Summary, every trial, what runs, and what failed."""
    now = time.time()
    found = study_status(plan, root, now)
    study = found.study
    parts: list[RenderableType] = [
        Text(f"{plan.name}: {summary(study, now)}", style="bold"),
        bar(study),
        *map(Text, headlines(study)),
        Text(_driver(found)),
        *(Text(one.sentence) for one in found.forecasts if one.sentence),
        *map(Text, found.damaged),
        *(Text(told, style="red") for told in study.cautions()),
    ]
    if found.strays:
        verb = "is" if found.strays == 1 else "are"
        stray = f"{counted(found.strays, 'earlier trial')} {verb} not in the present plan (kept)"
        parts.append(Text(stray))
    parts += [Text(), _trials(found)]
    if study.running:
        parts += [Text(), Text("in work", style="bold")]
        parts += [WorkTable(list(study.running.values()), now)]
        parts += [Text(), nodes_table(study.nodes())]
    if found.lost:
        parts += [Text(), Text("interrupted", style="bold"), WorkTable(found.lost, now)]
    if found.leases:
        parts += [Text(), _leases(found.leases)]
    if failures := failure_lines(study, len(study.briefs)):
        command = root.command("status", plan.name, "--failures")
        more = f"their tracebacks: {command}"
        parts += [Text(), *failures, Text(more, style="dim")]
    return Page(parts)


def study_status(plan: Plan, root: Root, now: float) -> StudyStatus:
    """Read the files of a study."""
    folder = root.study(plan.name)
    leases = active(root.leases, patience=PATIENCE)
    driver = next((lease for lease in leases if lease.name == f"driver/{plan.name}"), None)
    briefs, damaged = _briefs(plan, folder)
    study = StudyState(plan, briefs, now if driver is None else now - driver.seconds)
    study.certificates = certificate.read(folder)
    failed = {one.key for one in briefs if one.failure is not None}
    done = {one.key for one in briefs} - failed
    damaged += [
        text for t in plan.trials if t.key not in done and (text := _follow(study, t, folder))
    ]
    lost = _lay_down(study, driver, now)
    planned = {trial.key for trial in plan.trials}
    ledger = Ledger(folder)
    strays = set(ledger.keys()) - planned
    misfits = ledger.misfits(planned)
    damaged += map(str, misfits)
    return StudyStatus(
        study=study,
        driver=driver,
        leases=tuple(lease for lease in leases if lease.owner in planned),
        lost=tuple(lost),
        strays=len(strays) - len(misfits),
        damaged=tuple(damaged),
        forecasts=_forecasts(study, folder),
    )


def _forecasts(study: StudyState, folder: StudyFolder) -> tuple[Comparison, ...]:
    kept = read_forecasts(folder)
    return tuple(compared(kept, study.keys, study.briefs)) if kept else ()


def _briefs(plan: Plan, folder: StudyFolder) -> tuple[list[RecordBrief], list[str]]:
    """Records in brief, and what is wrong with those that cannot be read."""
    found: list[RecordBrief] = []
    damaged: list[str] = []
    for trial in plan.trials:
        try:
            one = read_brief(folder, trial.key)
        except (StoreError, OSError) as error:
            damaged.append(str(error))
            continue
        if one is not None:
            found.append(one)
    return found, damaged


def _follow(study: StudyState, trial: Trial, folder: StudyFolder) -> str:
    """Take a trial's events; returns what is wrong with them."""
    told: list[str] = []
    try:
        study.take(News(trial, tuple(read_events(folder.events(trial.key), told.append))))
    except OSError as error:
        told.append(f"{folder.events(trial.key)}: cannot be read ({error.strerror})")
    return "".join(told)


def _lay_down(study: StudyState, driver: Lease | None, now: float) -> list[TrialState]:
    """Trials that have said nothing since the present driver began are in nobody's hands."""
    since = now if driver is None else now - driver.seconds - SLACK
    lost = [state for state in study.running.values() if driver is None or state.heard < since]
    for state in lost:
        study.states[state.trial.key] = replace(state, over=True)
    return lost


def _driver(found: StudyStatus) -> str:
    driver = found.driver
    if driver is not None:
        return (
            f"driven by process {driver.pid} on {driver.host} for {duration(driver.seconds)}; "
            f"{counted(len(found.study.running), 'trial')} in work"
        )
    if found.study.complete:
        return "nothing is left to run"
    return "no driver is running it: run the same command again to resume"


def _trials(found: StudyStatus) -> Table:
    """Every trial of the plan."""
    study = found.study
    axes = [name for name in varying_axes(study.plan) if name not in ("order", "task0")]
    outlook = {} if study.complete else study.outlook()
    lost = {state.trial.key for state in found.lost}
    table = new_table("trial", "state", "order", "seed", *axes, "time", *METRIC_HEADS, "node")
    for trial in study.plan.trials:
        key, one = trial.key, study.briefs.get(trial.key)
        state = study.states.get(key)
        host = one.host if one else state.host if state else ""
        cells = [
            Text(label(trial)),
            Text(_state(study, trial, "interrupted" if key in lost else "", outlook.get(key))),
            Text(trial.axes.get("order", ""), no_wrap=True, overflow="ellipsis"),
            Text(str(trial.seed)),
            *(Text(trial.axes.get(name, "")) for name in axes),
            Text(duration(one.duration) if one else ""),
            *percent(one.values if one else state.values if state else {}),
            Text(host),
        ]
        table.add_row(*cells)
    return table


def _state(study: StudyState, trial: Trial, lost: str, part: Part | None) -> str:
    one = study.briefs.get(trial.key)
    if one is not None:
        origin = f", from {one.adopted_from}" if one.adopted_from else ""
        return f"{one.status}{'' if one.role == 'shared' else f', {one.role}'}{origin}"
    if lost or trial.key in study.running:
        role = part.role if part else "shared"
        return lost or f"in work{'' if role == 'shared' else f', {role}'}"
    return "awaits certificate" if part and part.waits else "waiting"


def _leases(leases: Sequence[Lease]) -> Table:
    """Who computes which stage now."""
    table = new_table("lease", "trial", "node", "process", "time")
    for lease in leases[:LEASES]:
        kind, _, key = lease.name.partition("/")
        what = f"{kind} {key[:8]}"
        cells = [what, lease.owner[:8], lease.host, str(lease.pid), duration(lease.seconds)]
        table.add_row(*map(Text, cells))
    if len(leases) > LEASES:
        table.add_row(Text(f"and {len(leases) - LEASES} more"))
    return table
