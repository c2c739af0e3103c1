"""The nemesis strikes where it says, and does the same again for the same seed."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.nemesis.aftermath import ASIDE, PASSING, TORN, left, left_behind
from tests.nemesis.arena import Arena, Process
from tests.nemesis.faults import KINDS, SETTINGS, draw
from tests.nemesis.nemesis import shortest
from tests.nemesis.proxy import HALF, Proxy
from tests.nemesis.table import Try, kinds_in, page, title
from tests.nemesis.zygote import SHIM, TOP
from tests.processes import state, wait_for

pytestmark = pytest.mark.slow

WORK = """
import os, sys, time
from pathlib import Path
root = Path(sys.argv[1])
for number in range(4):
    (root / f".{number}").write_text(str(number))
    os.replace(root / f".{number}", root / str(number))
print(time.time())
"""


def worked(folder: Path, *faults: dict[str, Any], work: str = WORK) -> tuple[int, list[str], str]:
    """Exit code, files and output of a process that works in a root folder, with these faults."""
    root = folder / "root"
    for path in (root, folder / "trace"):
        path.mkdir()
    common = {"role": "any", "nth": 1, "after": False, "seed": 0}
    told = {"root": str(root), "filler": "", "faults": [{**common, **one} for one in faults]}
    (folder / "schedule.json").write_text(json.dumps(told))
    ran = subprocess.run(
        [sys.executable, "-c", work, str(root)],
        env={**os.environ, "NEMESIS": str(folder), "PYTHONPATH": f"{SHIM}{os.pathsep}{TOP}"},
        capture_output=True,
        text=True,
    )
    return ran.returncode, sorted(path.name for path in root.iterdir()), ran.stdout


@pytest.mark.parametrize(("after", "left"), [(False, ["0", "1", ".2"]), (True, ["0", "1", "2"])])
def test_a_process_dies_before_or_after_the_third_rename(
    tmp_path: Path, after: bool, left: list[str]
):
    fault = {"operation": "rename", "nth": 3, "after": after}
    code, names, _ = worked(tmp_path, {**fault, "act": "signal", "signal": signal.SIGKILL})
    assert code == -signal.SIGKILL and names == sorted(left)


def test_a_fault_waits_for_the_one_before_it(tmp_path: Path):
    """The second counts from the moment of the first."""
    clock = {"operation": "rename", "nth": 2, "act": "clock", "ahead": 10**9}
    killed = {"operation": "rename", "nth": 2, "act": "signal", "signal": signal.SIGKILL}
    code, names, _ = worked(tmp_path, clock, killed)
    assert code == -signal.SIGKILL and names == [".3", "0", "1", "2"]
    assert sorted(path.name for path in tmp_path.glob("fired-*")) == ["fired-0", "fired-1"]


def test_a_fault_for_another_role_never_comes(tmp_path: Path):
    fault = {"operation": "rename", "role": "worker", "act": "signal", "signal": signal.SIGKILL}
    assert worked(tmp_path, fault)[0] == 0


def test_an_error_comes_so_many_times_and_a_damaged_file_is_told(tmp_path: Path):
    error = {"operation": "rename", "act": "error", "errno": 5, "times": 1}
    code, names, _ = worked(tmp_path, error)
    assert code == 1 and names == [".0"]


def test_a_file_is_damaged_in_the_same_way_for_the_same_seed(tmp_path: Path):
    fault = {"operation": "rename", "nth": 4, "after": True, "act": "damage", "files": "[0-9]"}
    found: list[tuple[list[str], str]] = []
    for place in ("one", "other"):
        (tmp_path / place).mkdir()
        _, names, _ = worked(tmp_path / place, {**fault, "how": "vanished", "seed": 3})
        told = json.loads((tmp_path / place / "fired-0").read_text())
        found.append((names, told["target"]))
    assert found[0] == found[1] and len(found[0][0]) == 3
    assert found[0][1] not in found[0][0]


def test_a_seed_gives_the_same_schedule_and_the_kinds_take_turns():
    for setting, kinds in SETTINGS.items():
        schedules = [draw(setting, seed) for seed in range(len(kinds))]
        assert schedules == [draw(setting, seed) for seed in range(len(kinds))]
        assert [schedule[0].name for schedule in schedules] == [*kinds]
    assert len({str(fault) for seed in range(30) for fault in draw("inline", seed)}) > 30
    assert all(kind.operations for kind in KINDS.values())


def test_the_document_lists_the_kinds_that_there_are_and_each_was_tried():
    text = (TOP / "docs" / "faults.md").read_text(encoding="utf-8")
    assert kinds_in(text) == {title(setting): [*kinds] for setting, kinds in SETTINGS.items()}
    rows = [line.split("|")[2:] for line in text.splitlines() if line.startswith("| ")]
    assert min(int(cells[0]) for cells in rows if cells[0].strip() != "tries") >= 3


def test_the_document_says_which_seeds_it_was_made_of():
    found = [
        Try("nodes", seed, "node killed", 0.0, 1.0, 0, 0, 0, seed == 7) for seed in (7, 3, 2, 1)
    ]
    sections = page(found, "a machine").split("## ")
    assert [one.count("Seeds: 1 to 3, 7.") for one in sections if one.startswith("A Ray ")] == [1]
    assert "4 faults in 4 schedules; of these, 1 came out otherwise" in sections[-1]


@pytest.mark.parametrize("needed", [1, 2, 5, 9])
def test_the_shortest_beginning_that_fails_is_found(needed: int):
    tried: list[int] = []

    def fails(count: int) -> bool:
        tried.append(count)
        return count >= needed

    assert shortest(fails, 9) == needed and len(tried) <= 4


def test_drivers_that_took_over_one_after_the_other_are_all_waited_for(tmp_path: Path):
    arena = Arena(tmp_path, tmp_path / "pictures")
    arena.make()
    started: list[subprocess.Popen[bytes]] = []

    def start(study: str, *more: str, **variables: str) -> Process:
        started.append(subprocess.Popen(["sleep", f"{0.4 / (1 + len(started)):.1f}"]))
        if len(started) < 3:
            arena.usurpers = [study]
        return Process((), started[-1].pid, started[-1].poll)

    arena.start = start
    codes = arena.run({"undying": ()})
    assert [one.returncode for one in started] == [0, 0, 0] and len(codes) == 3


def test_a_pause_ends_by_itself_and_a_blow_does_not(tmp_path: Path):
    arena = Arena(tmp_path, tmp_path / "pictures")
    paused, struck = (subprocess.Popen(["sleep", "60"]) for _ in range(2))
    arena.strike([paused.pid], 3600.0)
    arena.strike([struck.pid], 0.0)
    wait_for(lambda: state(paused.pid) == "T")
    assert struck.wait(10) == -signal.SIGKILL
    arena.keep_time()
    assert state(paused.pid) == "T"
    arena.keep_time(all_of_them=True)
    wait_for(lambda: state(paused.pid) == "S")
    paused.kill()
    paused.wait()


def test_what_is_left_behind_is_seen_and_weighed(tmp_path: Path):
    arena = Arena(tmp_path, tmp_path / "pictures")
    arena.make()
    for name in (f"leases/.{'0' * 32}", "leases/base%2Fkey", "store/a/b/key/manifest.json"):
        (arena.root.path / name).parent.mkdir(parents=True, exist_ok=True)
        (arena.root.path / name).write_text("12345")
    (arena.temporary / "mf-abc").write_text("1")
    assert len([*left_behind(arena)]) == 2
    assert left(arena) == 11


def test_names_of_what_is_left_behind_are_known():
    digits = "0" * 32
    for name in (f"leases/.{digits}", f".mlflow.db.{digits}", f"store/a/b/.key.{digits}/x.json"):
        assert TORN.fullmatch(name), name
    for name in ("store/a/b/key/manifest.json", f"mlartifacts/1/{digits}/artifacts/config.json"):
        assert not any(one.fullmatch(name) for one in (TORN, ASIDE, PASSING)), name


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """A server that answers every word so."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    if connection.recv(100):
                        connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def answer(port: int) -> bytes:
    found = b""
    with socket.create_connection(("127.0.0.1", port), timeout=5.0) as connection:
        connection.settimeout(0.4)
        connection.sendall(b"word")
        while piece := connection.recv(1000):
            found += piece
    return found


def test_a_proxy_passes_on_or_does_as_it_is_told():
    whole = bytes(range(200))
    with answering(whole) as port, Proxy(port) as proxy:
        assert answer(proxy.port) == whole
        proxy.behave("answers half")
        assert answer(proxy.port) == whole[:HALF]
        proxy.behave("stalls")
        with pytest.raises(TimeoutError):
            answer(proxy.port)
        for mode in ("refuses", "resets"):
            proxy.behave(mode)
            with pytest.raises(ConnectionError):
                answer(proxy.port)
        proxy.behave("passes")
        assert answer(proxy.port) == whole


NAMED = """
import sys
from pathlib import Path
from moleflow.files import replace_file
from orchestration.tracking.mlflow.database import make_once
root = Path(sys.argv[1])
make_once(root / "once", lambda path: path.write_text("made") and None)
replace_file(root / "replaced", b"content")
(root / "cut off").write_text("no fsync")
(root / "last").mkdir()
"""


def test_what_is_made_once_or_replaced_survives_a_loss_of_power(tmp_path: Path):
    """The shim knows which files no fsync has made safe."""
    worked(tmp_path, {"operation": "folder made", "act": "clock", "ahead": 0}, work=NAMED)
    assert json.loads((tmp_path / "fired-0").read_text())["unsafe"] == ["cut off"]
