"""Where a study stands, for programs: what `moleflow status --json` prints."""

import time

from orchestration.records.layout import Root
from orchestration.studies.expansion import Plan, Trial
from orchestration.views.answers import Compared, State, StatusAnswer
from orchestration.views.compared import Comparison
from orchestration.views.status import StudyStatus, study_status


def status_answer(plan: Plan, root: Root) -> StatusAnswer:
    """From the files of a study."""
    now = time.time()
    found = study_status(plan, root, now)
    study, driver = found.study, found.driver
    lost = {state.trial.key for state in found.lost}
    return StatusAnswer(
        study=plan.name,
        trials=len(plan.trials),
        finished=study.count("finished"),
        stopped=study.count("stopped"),
        diverged=study.count("diverged"),
        failed=study.count("failed"),
        in_work=len(study.running),
        interrupted=len(lost),
        left=len(plan.trials) - len(study.briefs),
        driver="" if driver is None else f"process {driver.pid} on {driver.host}",
        seconds_left=study.time_left(now),
        forecasts=tuple(map(_compared, found.forecasts)),
        states=tuple(_state(trial, found, lost) for trial in plan.trials),
        damaged=found.damaged,
        cautions=tuple(study.cautions()),
    )


def _compared(one: Comparison) -> Compared:
    return Compared(
        made=one.forecast.made,
        basis=one.forecast.basis,
        tasks=one.tasks,
        expected=round(one.expected, 1),
        took=round(one.took, 1),
        trials=one.trials,
        expected_at_work=round(one.expected_at_work, 1),
        took_at_work=round(one.took_at_work, 1),
    )


def _state(trial: Trial, found: StudyStatus, lost: set[str]) -> State:
    study = found.study
    one, state = study.briefs.get(trial.key), study.states.get(trial.key)
    status = "in work" if trial.key in study.running else "waiting"
    if trial.key in lost:
        status = "interrupted"
    return State(
        trial=trial.key,
        axes=trial.axes,
        seed=trial.seed,
        status=one.status if one else status,
        fraction=1.0 if one else round(state.fraction, 3) if state else 0.0,
        seconds=round(one.duration, 1) if one else None,
        host=one.host if one else state.host if state else "",
        values=dict(one.values) if one else dict(state.values) if state else {},
        failure=one.failure.message if one and one.failure else "",
        traceback=one.failure.traceback if one and one.failure else "",
    )
