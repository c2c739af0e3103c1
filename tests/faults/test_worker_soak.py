"""Workers killed at each stage and at random moments: nothing is lost, nothing is different."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from moleflow.streams import numpy_stream

pytestmark = [pytest.mark.cluster, pytest.mark.soak]
STAGES = ("features", "base", "adapter", "evaluation")
Kill = Callable[[Any, str], bool]


@pytest.mark.parametrize("stage", ["adapter"])
def test_a_worker_killed_in_a_stage_changes_no_bit(
    arena: Any, check: Callable[[Any], None], kill_worker: Kill, stage: str
) -> None:
    process = arena.start(*arena.command())
    key = arena.wait_for(lambda event: (event.stage, event.state) == (stage, "started"))
    assert kill_worker(arena, key)
    ran = arena.ended(process)
    assert ran.code == 0, ran.text
    check(arena)
    assert arena.records()[key].attempts == 2


def test_twenty_workers_killed_at_any_moment_change_no_bit(
    new_arena: Callable[[Path], Any],
    check_against: Callable[[Any, Any], None],
    kill_worker: Kill,
    tmp_path: Path,
) -> None:
    """Each kind of stage at its start, then moments drawn from a seeded stream."""
    draws = numpy_stream("soak", 0)
    quiet, arena = new_arena(tmp_path / "quiet"), new_arena(tmp_path / "soak")
    more = ("--seeds", "6", "--set", "training.epochs=60")
    assert quiet.run("--runner", "inline", *more).code == 0
    process = arena.start(*arena.command("--max-retries", "60", *more))
    killed: list[str] = []
    for stage in STAGES:
        key = arena.wait_for(
            lambda event, stage=stage: (event.stage, event.state) == (stage, "started")
        )
        if kill_worker(arena, key):
            killed.append(f"{key} {stage}")
    while len(killed) < 20 and process.poll() is None:
        time.sleep(float(draws.uniform(1.0, 6.0)))
        running = sorted(set(arena.events()) - set(arena.records()))
        if running:
            key = running[int(draws.integers(len(running)))]
            if kill_worker(arena, key):
                killed.append(key)
    ran = arena.ended(process, longest=900)
    assert ran.code == 0, ran.text
    assert len(killed) >= 20, f"only {len(killed)} kills before the study ended"
    check_against(arena, quiet)
    attempts = sum(record.attempts for record in arena.records().values())
    assert attempts >= 20
