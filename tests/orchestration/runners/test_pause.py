"""A store that is away for a while costs no trial: the next attempt waits, longer each time."""

import errno
import os
import time

import pytest

from moleflow.errors import StoreAwayError
from orchestration.records.events import Attempt, EventLog
from orchestration.records.layout import Root
from orchestration.records.ledger import Failure, Ledger
from orchestration.runners import runner
from orchestration.runners.inline import InlineRunner
from orchestration.runners.runner import describe_failure
from orchestration.sharing.schedule import Schedule
from orchestration.studies.expansion import Plan, Trial
from orchestration.studies.terms import Terms

pytestmark = pytest.mark.slow

BEGAN: dict[str, list[float]] = {}
AWAY: list[Exception] = []


def away_twice(trial: Trial, root: Root, terms: Terms) -> str:
    """Finishes at its third attempt."""
    folder = root.study(trial.study)
    EventLog(folder.events(trial.key)).add(Attempt())
    began = BEGAN.setdefault(trial.key, [])
    began.append(time.monotonic())
    if len(began) < 3:
        raise AWAY[0]
    record = describe_failure(trial, Failure(kind="", message=""), folder, time.time())
    done = {"status": "finished", "failure": None}
    Ledger(folder).write(record.model_copy(update=done))
    return "finished"


@pytest.mark.parametrize(
    ("error", "waits"),
    [
        (StoreAwayError("a bucket"), True),
        (OSError(errno.ESTALE, os.strerror(errno.ESTALE)), True),
        (RuntimeError("something else"), False),
    ],
)
def test_attempts_wait_longer_each_time_for_what_was_away_and_for_nothing_else(
    root: Root, plan: Plan, monkeypatch: pytest.MonkeyPatch, error: Exception, waits: bool
):
    monkeypatch.setattr(runner, "FIRST_PAUSE", 0.05)
    BEGAN.clear()
    AWAY[:] = [error]
    InlineRunner(root, Terms()).run(plan, Schedule(plan, root.study(plan.name)), away_twice)
    assert {r.status for r in Ledger(root.study(plan.name)).records()} == {"finished"}
    for first, second, third in BEGAN.values():
        assert (second - first >= 0.05 and third - second >= 0.25) == waits
