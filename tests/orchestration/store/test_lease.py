"""Leases are exclusive, die with their holders, ask no clock, and may be lost without harm."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestration.store.lease import Lease, Leases, active, sweep

pytestmark = pytest.mark.slow

NAME = "adapter/0123456789abcdef"
DEADLINE = 20.0

HOLDER = """
import sys
from pathlib import Path
from orchestration.store.lease import Leases
with Leases(Path(sys.argv[1]), sys.argv[2], period=0.05, patience=1.0) as leases:
    print("ready", flush=True)
    sys.stdin.readline()
    taken = [name for name in sys.argv[3:] if leases.acquire(name)]
    print(" ".join(taken), flush=True)
    sys.stdin.readline()
"""

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """(owner, names) -> a process, ready to take leases at one line, and to end at another."""
    started: list[subprocess.Popen[str]] = []

    def run(owner: str, *names: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", HOLDER, str(tmp_path), owner, *names]
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True))
        assert taken(started[-1]) == ["ready"]
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate()


def go_on(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def taken(process: subprocess.Popen[str]) -> list[str]:
    assert process.stdout is not None
    return process.stdout.readline().split()


def holder(start: Start) -> subprocess.Popen[str]:
    process = start("holder", NAME)
    go_on(process)
    assert taken(process) == [NAME]
    return process


def seconds_until_acquired(leases: Leases) -> float:
    began = time.monotonic()
    while not leases.acquire(NAME):
        assert time.monotonic() - began < DEADLINE, "never freed"
        time.sleep(0.01)
    return time.monotonic() - began


def lease_file(folder: Path) -> Path:
    (found,) = [path for path in folder.iterdir() if not path.name.startswith(".")]
    return found


def moved_to_another_machine(file: Path) -> None:
    """As if its holder ran elsewhere, where its process cannot be looked up."""
    claim = json.loads(file.read_text()) | {"machine": "another"}
    file.write_text(json.dumps(claim))


def test_of_processes_that_race_for_a_lease_one_gets_it(start: Start) -> None:
    names = [f"adapter/{number:04}" for number in range(150)]
    racers = [start(f"racer {number}", *names) for number in range(4)]
    for racer in racers:
        go_on(racer)
    got = [taken(racer) for racer in racers]
    assert sorted(name for names in got for name in names) == names


def test_of_two_that_find_a_dead_lease_one_gets_it(start: Start, tmp_path: Path) -> None:
    names = [f"adapter/{number:04}" for number in range(150)]
    dead = start("dead", *names)
    go_on(dead)
    assert taken(dead) == names
    racers = [start(f"racer {number}", *names) for number in range(2)]
    dead.kill()
    dead.wait()
    for racer in racers:
        go_on(racer)
    got = [taken(racer) for racer in racers]
    assert sorted(name for names in got for name in names) == names
    assert not list(tmp_path.glob(".*"))


def test_a_killed_holder_on_this_machine_frees_its_lease_at_once(
    start: Start, tmp_path: Path
) -> None:
    process = holder(start)
    with Leases(tmp_path, "other", patience=1000.0) as leases:
        assert not leases.acquire(NAME)
        process.kill()
        # No wait for the process: until its parent does so, it is a zombie, and dead all the same.
        assert seconds_until_acquired(leases) < 5.0


def test_a_process_that_got_the_id_of_a_dead_one_is_another(start: Start, tmp_path: Path) -> None:
    holder(start).kill()
    file = lease_file(tmp_path)
    claim = json.loads(file.read_text()) | {"pid": os.getpid()}
    file.write_text(json.dumps(claim))
    with Leases(tmp_path, "other", patience=1000.0) as leases:
        assert leases.acquire(NAME)


def test_a_killed_holder_on_another_machine_frees_its_lease_within_patience(
    start: Start, tmp_path: Path
) -> None:
    process = holder(start)
    process.kill()
    process.wait()
    moved_to_another_machine(lease_file(tmp_path))
    with Leases(tmp_path, "other", patience=0.5) as leases:
        assert 0.5 <= seconds_until_acquired(leases) < 5.0


@pytest.mark.parametrize("clock", [None, 0.0, 4e9], ids=["right", "1970", "2096"])
def test_a_stopped_holder_loses_its_lease_within_patience_whatever_its_clock(
    start: Start, tmp_path: Path, clock: float | None
) -> None:
    process = holder(start)
    process.send_signal(signal.SIGSTOP)
    if clock is not None:
        os.utime(lease_file(tmp_path), (clock, clock))
    with Leases(tmp_path, "other", patience=0.5) as leases:
        assert 0.5 <= seconds_until_acquired(leases) < 5.0


def test_a_stopped_holder_that_goes_on_takes_nothing_back(start: Start, tmp_path: Path) -> None:
    process = holder(start)
    process.send_signal(signal.SIGSTOP)
    with Leases(tmp_path, "other", patience=0.2) as leases:
        seconds_until_acquired(leases)
        process.send_signal(signal.SIGCONT)
        go_on(process)
        assert process.wait(DEADLINE) == 0
        assert [lease.owner for lease in active(tmp_path)] == ["other"]


@pytest.mark.parametrize("clock", [0.0, 4e9], ids=["1970", "2096"])
def test_a_renewed_lease_is_held_whatever_the_clocks_say(tmp_path: Path, clock: float) -> None:
    with Leases(tmp_path, "holder", period=0.02) as mine:
        assert mine.acquire(NAME)
        moved_to_another_machine(lease_file(tmp_path))
        with Leases(tmp_path, "other", patience=0.6) as others:
            os.utime(lease_file(tmp_path), (clock, clock))
            ends = time.monotonic() + 1.2
            while time.monotonic() < ends:
                assert not others.acquire(NAME)
                time.sleep(0.05)


@pytest.mark.parametrize("damage", ["deleted", "emptied"])
def test_a_lost_lease_file_harms_nothing(tmp_path: Path, damage: str) -> None:
    with Leases(tmp_path, "first", period=0.02) as first, Leases(tmp_path, "other") as other:
        assert first.acquire(NAME)
        file = lease_file(tmp_path)
        if damage == "deleted":
            file.unlink()
        else:
            file.write_text("")
            os.utime(file, (0, 0))
            assert not other.acquire(NAME)
            file.unlink()
        assert other.acquire(NAME)
        time.sleep(0.1)  # renewals go on; they must not touch what is not theirs
        first.release(NAME)
        assert [lease.owner for lease in active(tmp_path)] == ["other"]
        assert not first.acquire(NAME)


def test_a_holder_does_not_keep_alive_the_lease_that_took_the_place_of_its_own(
    tmp_path: Path,
) -> None:
    with Leases(tmp_path, "first", period=0.02) as first:
        assert first.acquire(NAME)
        file = lease_file(tmp_path)
        text = file.read_text().replace(json.loads(file.read_text())["nonce"], "another")
        file.write_text(text)
        moved_to_another_machine(file)
        with Leases(tmp_path, "other", patience=0.3) as other:
            seconds_until_acquired(other)


def test_a_lease_can_be_taken_again_after_its_release(tmp_path: Path) -> None:
    with Leases(tmp_path, "first") as first, Leases(tmp_path, "other") as other:
        assert first.acquire(NAME) and first.acquire(NAME)
        assert first.held() == (NAME,)
        assert not other.acquire(NAME)
        first.release(NAME)
        assert other.acquire(NAME)
        assert not first.acquire(NAME)
    assert list(tmp_path.iterdir()) == []


def test_where_leases_cannot_be_written_work_goes_on_with_one_warning(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("where a folder should be")
    said: list[str] = []
    with Leases(tmp_path / "file" / "leases", "first", warn=said.append) as leases:
        assert leases.acquire("base/1") and leases.acquire("base/2")
        leases.release("base/1")
    assert len(said) == 1 and "leases cannot be used" in said[0]


def test_no_thread_outlives_its_leases(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    with Leases(tmp_path, "first") as leases:
        leases.acquire(NAME)
        assert len(set(threading.enumerate()) - before) == 1
    assert set(threading.enumerate()) <= before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../../etc/passwd", "driver/a study", "x" * 500, ".hidden", ".."])
def test_any_name_is_a_file_in_the_folder(tmp_path: Path, name: str) -> None:
    with Leases(tmp_path / "leases", "first") as leases:
        assert leases.acquire(name)
        assert [lease.name for lease in active(tmp_path / "leases")] == [name]
        assert [path.name for path in tmp_path.iterdir()] == ["leases"]


def test_a_display_shows_who_holds_what(tmp_path: Path) -> None:
    assert active(tmp_path / "none") == []
    with Leases(tmp_path, "trial 7") as leases:
        leases.acquire("base/1")
        leases.acquire("adapter/2")
        shown = active(tmp_path)
        assert [lease.name for lease in shown] == ["adapter/2", "base/1"]
        assert isinstance(shown[0], Lease)
        assert (shown[0].owner, shown[0].pid) == ("trial 7", os.getpid())
        assert 0 <= shown[0].seconds < DEADLINE


def test_a_display_leaves_out_the_dead_of_this_machine_and_waits_for_those_of_others(
    start: Start, tmp_path: Path
) -> None:
    process = holder(start)
    assert [lease.name for lease in active(tmp_path)] == [NAME]
    process.kill()
    process.wait()
    assert active(tmp_path) == []
    moved_to_another_machine(lease_file(tmp_path))
    assert [lease.name for lease in active(tmp_path)] == [NAME]
    assert active(tmp_path, patience=0.3) == []


def test_a_sweep_takes_what_a_loss_of_power_left_and_no_lease_of_others(tmp_path: Path) -> None:
    """A file without its content, or with a part of it; not what another version has written."""
    with Leases(tmp_path, "own") as own:
        assert own.acquire("held")
        content = (tmp_path / "held").read_bytes()
        (tmp_path / "empty").write_bytes(b"")
        (tmp_path / "zeros").write_bytes(bytes(len(content)))
        (tmp_path / "cut").write_bytes(content[:-9])
        (tmp_path / "newer").write_text('{"form": 2}')
        (tmp_path / "folder").mkdir()
        sweep(tmp_path)
        left = {path.name for path in tmp_path.iterdir()}
        assert left == {"held", "newer", "folder"}
