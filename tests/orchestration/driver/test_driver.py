"""One driver per study; another process can ask it to stop."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from moleflow.errors import StudyError
from orchestration.commands.control import stop
from orchestration.driver.driving import Driver, StopRequest, driver_of, driving, request_stop
from orchestration.records.files import write_atomically
from orchestration.records.layout import Root
from orchestration.records.plans import read_plan
from tests.processes import wait_for

pytestmark = pytest.mark.slow

TOP = str(Path(__file__).resolve().parents[3])
SCRIPT = """
import signal
import sys
import time
from orchestration.driver.driving import driving
from orchestration.records.layout import Root

if sys.argv[2] == "deaf":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
try:
    with driving("small", Root.at(sys.argv[1]), "moleflow run small"):
        print("driving", flush=True)
        time.sleep(60)
except KeyboardInterrupt:
    sys.exit(130)
"""

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(root: Root) -> Iterator[Start]:
    """A driver of the study `small` in another process; `deaf`: one that ignores SIGINT."""
    started: list[subprocess.Popen[str]] = []

    def run(kind: str = "usual") -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(root.path), kind],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": TOP},
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "driving\n"
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def test_a_second_driver_is_refused_with_who_and_remedy(root: Root, start: Start):
    first = start()
    with (
        pytest.raises(StudyError, match=f"process {first.pid} on .* moleflow stop small"),
        driving("small", root, "moleflow run small"),
    ):
        pass
    assert first.poll() is None


def test_another_study_of_the_same_root_has_its_own_driver(root: Root, start: Start):
    start()
    with driving("other", root, "moleflow run other"):
        claim = driver_of("other", root)
    assert claim is not None
    assert claim.pid == os.getpid()


def test_the_claim_of_a_killed_driver_is_taken_over(root: Root, start: Start):
    first = start()
    first.kill()
    first.wait()
    began = time.monotonic()
    with driving("small", root, "moleflow run small"):
        claim = driver_of("small", root)
    assert claim is not None
    assert claim.pid == os.getpid()
    assert time.monotonic() - began < 10


def test_a_driver_says_who_it_is_while_it_drives(root: Root):
    file = root.study("small").path / "driver.json"
    with driving("small", root, "moleflow run small --seeds 3"):
        said = Driver.model_validate_json(file.read_text())
    assert (said.pid, said.command) == (os.getpid(), "moleflow run small --seeds 3")
    assert not file.exists()


def test_a_study_that_was_never_planned_leaves_no_folder(root: Root):
    with pytest.raises(ValueError, match="no"), driving("small", root, "moleflow run small"):
        raise ValueError("no")
    assert not root.study("small").path.exists()


@pytest.mark.parametrize("kind", ["usual", "deaf"])
def test_stop_ends_a_driver_as_an_interrupt_does(root: Root, start: Start, kind: str):
    driver = start(kind)
    claim = request_stop("small", root, patience=20)
    assert claim is not None
    assert (claim.pid, driver.wait(timeout=10)) == (driver.pid, 130)
    assert driver_of("small", root) is None


def test_a_driver_that_is_asked_to_end_by_its_system_ends_in_order(root: Root, start: Start):
    """SIGTERM, whatever it is doing: planning, or running trials without Ray."""
    driver = start()
    os.kill(driver.pid, signal.SIGTERM)
    assert driver.wait(timeout=20) == 130
    assert driver_of("small", root) is None and not root.study("small").driver.exists()


def test_a_driver_whose_claim_was_taken_ends_and_leaves_what_is_another_s(root: Root, start: Start):
    """It was paused for so long that another machine took it for dead."""
    driver, folder = start(), root.study("small")
    (claim,) = root.leases.iterdir()
    other = json.loads(claim.read_text()) | {"nonce": "another", "host": "elsewhere"}
    write_atomically(claim, json.dumps(other))
    written = folder.trials / f".a.json.{'0' * 32}"  # by a worker of the other driver
    written.parent.mkdir()
    written.touch()
    assert driver.wait(timeout=20) == 130
    assert folder.driver.exists() and claim.exists() and written.exists()


def test_a_claim_that_somebody_deleted_is_taken_again(root: Root, start: Start):
    start()
    (claim,) = root.leases.iterdir()
    claim.unlink()
    wait_for(claim.exists, 20.0)


def test_a_driver_that_ignores_interrupts_still_ignores_those_of_a_terminal(start: Start):
    driver = start("deaf")
    os.kill(driver.pid, signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        driver.wait(timeout=1.5)


def test_a_request_to_an_earlier_driver_does_not_stop_the_next(root: Root, start: Start):
    asked = StopRequest(nonce="old", host="elsewhere", pid=1, asked=0.0)
    write_atomically(root.study("small").stop, asked.model_dump_json())
    driver = start()
    with pytest.raises(subprocess.TimeoutExpired):
        driver.wait(timeout=1.5)
    assert not root.study("small").stop.exists()


def test_a_driver_that_does_not_end_is_told(root: Root, start: Start):
    driver = start()
    os.kill(driver.pid, signal.SIGSTOP)
    with pytest.raises(StudyError, match=rf"process {driver.pid} .* has not ended after 0\.5 s"):
        request_stop("small", root, patience=0.5)


def test_the_command_says_what_is_left(root: Root, make_plan, start: Start, capsys):
    root.claim()
    make_plan(root)
    start()
    assert stop("small", root=root.path) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("4 of 4 trials are left")


def test_a_study_that_is_being_planned_is_stopped_too(root: Root, start: Start, capsys):
    root.claim()
    driver = start()
    with pytest.raises(StudyError, match="being planned"):
        read_plan("small", root)
    assert stop("small", root=root.path) == 0
    assert capsys.readouterr().out.splitlines()[1] == "it had planned no trials yet"
    assert driver.wait(timeout=10) == 130
    with pytest.raises(StudyError, match="no study 'small'"):
        stop("small", root=root.path)


def test_the_command_says_when_no_driver_runs(root: Root, make_plan, capsys):
    root.claim()
    make_plan(root)
    assert stop("small", root=root.path) == 0
    assert capsys.readouterr().out.startswith("no driver runs study small")
