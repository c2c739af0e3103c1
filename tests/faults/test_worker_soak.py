"""Workers killed at each stage and at random moments: nothing is lost, nothing is different."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from moleflow.streams import numpy_stream
from orchestration.records.events import Event, StageStarted

pytestmark = [pytest.mark.cluster, pytest.mark.soak]
STAGES = ("features", "base", "adapter", "evaluation")
Kill = Callable[[Any, str], bool]
KILLS = 10
MORE = ("--seeds", "6", "--set", "training.epochs=60")
"""Twelve trials that take a while."""


def begins(event: Event, kind: str) -> bool:
    return isinstance(event, StageStarted) and event.stage.kind == kind


@pytest.mark.parametrize("stage", ["adapter"])
def test_a_worker_killed_in_a_stage_changes_no_bit(
    arena: Any, check: Callable[[Any], None], kill_worker: Kill, stage: str
) -> None:
    process = arena.start(*arena.command())
    key = arena.wait_for(lambda event: begins(event, stage))
    assert kill_worker(arena, key)
    ran = arena.ended(process)
    assert ran.code == 0, ran.text
    check(arena)
    assert arena.records()[key].attempts == 2


def test_ten_workers_killed_at_any_moment_change_no_bit(
    new_arena: Callable[[Path], Any],
    check_against: Callable[[Any, Any], None],
    kill_worker: Kill,
    tmp_path: Path,
) -> None:
    """Each kind of stage at its start, then moments drawn from a seeded stream. A study that ends
    before ten were killed is followed by another, in a root folder of its own."""
    draws, killed = numpy_stream("soak", 0), 0
    quiet = new_arena(tmp_path / "quiet")
    assert quiet.run("--runner", "inline", *MORE).code == 0
    for number in range(KILLS):
        arena = new_arena(tmp_path / f"soak {number}")
        process = arena.start(*arena.command("--max-retries", "60", *MORE))
        killed += in_each_stage(arena, kill_worker)
        while killed < KILLS and process.poll() is None:
            time.sleep(float(draws.uniform(1.0, 6.0)))
            running = sorted(set(arena.events()) - set(arena.records()))
            killed += bool(running) and kill_worker(
                arena, running[int(draws.integers(len(running)))]
            )
        ran = arena.ended(process, longest=900)
        assert ran.code == 0, ran.text
        check_against(arena, quiet)
        if killed >= KILLS:
            return
    raise AssertionError(f"only {killed} kills in {KILLS} studies")


def in_each_stage(arena: Any, kill_worker: Kill) -> int:
    """Kill one worker at the start of each kind of stage; returns how many there were."""
    killed = 0
    for stage in STAGES:
        key = arena.wait_for(lambda event, stage=stage: begins(event, stage))
        killed += kill_worker(arena, key)
    return killed
