"""Drivers that die or meet, stores that are damaged, disks that are full, clocks that jump."""

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from orchestration.records.ledger import Record
from orchestration.records.stages import StageRef
from tests.orchestration.tracking.stores import served

pytestmark = [pytest.mark.cluster, pytest.mark.soak]
Check = Callable[[Any], None]


def trained(event: Any) -> bool:
    return event.kind == "stage finished" and event.stage.kind == "adapter"


def test_a_driver_that_was_killed_is_resumed_by_the_same_command(arena: Any, check: Check) -> None:
    process = arena.start(*arena.command())
    arena.wait_for(trained)
    process.kill()
    process.wait()
    before = results_of_stages(arena)
    ran = arena.run()
    assert ran.code == 0, ran.text
    check(arena)
    after = results_of_stages(arena)
    assert before and {path: after[path] for path in before} == before, "done again"


def results_of_stages(arena: Any) -> dict[Path, tuple[int, int]]:
    """Which file each result in the store is, and when it was written."""
    manifests = sorted(arena.root.store.glob("*/??/*/manifest.json"))
    found = {path: path.stat() for path in manifests if not path.parent.name.startswith(".")}
    return {path: (status.st_ino, status.st_mtime_ns) for path, status in found.items()}


def test_an_interrupted_study_is_resumed_by_the_same_command(arena: Any, check: Check) -> None:
    process = arena.start(*arena.command())
    arena.wait_for(trained)
    os.kill(process.pid, signal.SIGINT)
    ran = arena.ended(process)
    assert ran.code == 130 and "resume with: " in ran.text
    assert not arena.processes()
    assert arena.run().code == 0
    check(arena)


def test_of_two_drivers_one_refuses_and_says_who_drives(arena: Any, check: Check) -> None:
    first = arena.start(*arena.command())
    arena.wait_for(lambda event: event.kind == "attempt")
    second = arena.run()
    assert second.code == 2 and f"{first.pid}" in second.text and "moleflow stop" in second.text
    assert arena.ended(first).code == 0
    check(arena)


def test_a_study_is_stopped_from_another_process_and_resumed(arena: Any, check: Check) -> None:
    process = arena.start(*arena.command())
    arena.wait_for(trained)
    stop = arena.ended(arena.start("stop", "undying", "--root", str(arena.root.path)))
    assert stop.code == 0, stop.text
    assert arena.ended(process).code == 130
    assert not arena.processes()
    assert arena.run().code == 0
    check(arena)


def test_leases_deleted_while_it_runs_change_nothing(arena: Any, check: Check) -> None:
    process = arena.start(*arena.command())
    while process.poll() is None:
        for lease in list(arena.root.leases.glob("*")):
            if "driver" not in lease.name:
                lease.unlink(missing_ok=True)
        time.sleep(0.05)
    assert arena.ended(process).code == 0
    check(arena)


def test_a_tracking_server_that_is_killed_and_started_again_changes_no_number(
    arena: Any, check: Check, tmp_path: Path
) -> None:
    with served(tmp_path) as server:
        process = arena.start(*arena.command("--mlflow-uri", server.uri))
        arena.wait_for(trained)
        server.kill()
        # It is asked every few seconds, and at the study's end.
        while process.poll() is None and "away" not in arena.said():
            time.sleep(0.05)
        server.start()
        ran = arena.ended(process)
        assert ran.code == 0 and "away" in ran.text, ran.text
        # Where the study ended meanwhile, the rest is brought as it says.
        place = ("--root", str(arena.root.path), "--mlflow-uri", server.uri)
        synced = arena.ended(arena.start("sync", arena.study_file.stem, *place))
        assert synced.code == 0, synced.text
        with (
            closing(sqlite3.connect(tmp_path / "server.db")) as held,
            closing(sqlite3.connect(arena.root.mlflow_db)) as copy,
        ):
            held.backup(copy)
    check(arena)


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


DAMAGE: dict[str, Callable[[Path], None]] = {
    "truncated": lambda file: os.truncate(file, file.stat().st_size // 2),
    "flipped": flip,
    "missing": lambda file: file.unlink(),
}


@pytest.fixture
def damaged_store(undisturbed: tuple[Any, Any], arena: Any) -> dict[str, int]:
    """Every result of an earlier study, a third of them damaged in each of three ways."""
    shutil.copytree(undisturbed[0].root.store, arena.root.store)
    draws, done = random.Random(0), dict.fromkeys(DAMAGE, 0)
    for kind in ("features", "base", "adapter", "scores", "metrics"):
        for entry in sorted((arena.root.store / kind).glob("*/*")):
            how = draws.choice([*DAMAGE])
            files = sorted(path for path in entry.iterdir() if path.name != "manifest.json")
            DAMAGE[how](draws.choice(files))
            done[how] += 1
    return done


def test_every_damaged_entry_of_the_store_is_computed_again(
    arena: Any, damaged_store: dict[str, int], check: Check
) -> None:
    assert min(damaged_store.values()) > 0
    assert arena.run("--runner", "inline").code == 0
    check(arena)
    records: list[Record] = list(arena.records().values())
    first = min(records, key=lambda record: record.started)
    assert {s.source for s in first.stages.values()} == {"made"}


CLOCK = """
import os
import time

now, now_ns = time.time, time.time_ns


def ahead():
    with open(os.environ["CLOCK"]) as file:
        return int(file.read() or 0)


time.time = lambda: now() + ahead()
time.time_ns = lambda: now_ns() + ahead() * 10**9
"""


def test_a_clock_that_is_set_while_it_runs_changes_no_number(
    arena: Any, check: Check, tmp_path: Path
) -> None:
    """All Python of the study, Ray's and MLflow's too, sees the wall clock go a day ahead, then a
    day behind where it was. Python imports `sitecustomize` when it starts."""
    clock, patch = tmp_path / "clock", tmp_path / "patch" / "sitecustomize.py"
    clock.write_text("0")
    patch.parent.mkdir()
    patch.write_text(CLOCK)
    others = os.environ.get("PYTHONPATH", "")
    arena.environment |= {
        "CLOCK": str(clock),
        "PYTHONPATH": f"{patch.parent}{os.pathsep}{others}".rstrip(os.pathsep),
    }
    process, began = arena.start(*arena.command()), time.time()
    arena.wait_for(trained)
    clock.write_text("86400")
    arena.wait_for(lambda event: event.time > began + 80_000)
    clock.write_text("-86400")
    ran = arena.ended(process)
    assert ran.code == 0, ran.text
    times = [event.time - began for events in arena.events().values() for event in events]
    assert min(times) < -80_000 and max(times) > 80_000, "the clock was not set"
    check(arena)


def test_files_that_a_clock_a_day_ahead_left_change_no_number(arena: Any, check: Check) -> None:
    """Leases, heartbeats and the store."""
    process = arena.start(*arena.command())
    arena.wait_for(trained)
    ahead = time.time() + 86400
    for path in [*arena.root.leases.glob("*"), *arena.folder.trials.glob("*/*.json*")]:
        if path.exists():
            os.utime(path, (ahead, ahead))
    assert arena.ended(process).code == 0
    check(arena)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 200 kB."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(place)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("only root may mount a small file system")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_told_and_what_was_finished_is_kept(
    new_arena: Callable[[Path], Any], arena: Any, check: Check, small_disk: Path
) -> None:
    """The store is on the full disk; moved to a larger one, the same command finishes."""
    full = arena.run("--runner", "inline", "--store", str(small_disk / "store"))
    assert full.code in (1, 2)
    assert "No space left" in full.text and "Traceback" not in full.text
    for record in arena.records().values():
        assert record.failure is None or record.failure.kind == "StoreError"
    assert not list((small_disk / "store").glob("*/*/.*")), "half an entry was left"
    again = arena.run("--runner", "inline", "--retry", "failed")
    assert again.code == 0, again.text
    check(arena)


def test_a_diverging_trial_is_on_record_and_the_others_finish(arena: Any) -> None:
    text = arena.study_file.read_text()
    wild = "axes=(Grid(field='training.lr', values=(2e-3, 1e30)), "
    text = text.replace("axes=(", wild).replace("import Orders", "import Grid, Orders")
    text = text.replace('"lora.rank": 2,', '"lora.rank": 2, "training.clip_norm": 1e30,')
    text = text.replace('"flow.blocks": 2,', '"flow.blocks": 2, "adapter.bounds": "none",')
    arena.study_file.write_text(text)
    ran = arena.run("--runner", "inline", "--seeds", "1")
    assert ran.code == 1
    states = sorted((r.config.training.lr, r.status) for r in arena.records().values())
    assert states == [(2e-3, "finished")] * 2 + [(1e30, "diverged")] * 2
    wild_records = [r for r in arena.records().values() if r.status == "diverged"]
    for record in wild_records:
        assert record.failure is not None and record.failure.stage == StageRef("base", "fabric")
        assert {"epoch", "loss", "grad_norm"} <= set(record.failure.numbers)
    again = arena.run("--runner", "inline", "--seeds", "1", "--retry", "diverged")
    assert again.code == 1 and "2 trials that diverged run again" in again.text
    kept = list(arena.folder.trials.glob("*/earlier/1.json"))
    assert len(kept) == 2 and {json.loads(p.read_text())["status"] for p in kept} == {"diverged"}
