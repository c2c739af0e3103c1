"""What stands above a study's process: it ends as that does, and says what that one could not."""

import os
import pty
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.processes import state, wait_for

pytestmark = pytest.mark.slow

TOP = Path(__file__).resolve().parent.parent
COUNT = """
import signal, sys, time
heard = []
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, lambda number, frame: heard.append(number))
print("ready", os.getpid(), flush=True)
while not heard:
    time.sleep(0.01)
time.sleep(0.3)  # for a second one to come
for number in heard:
    print("heard", signal.Signals(number).name, flush=True)
sys.exit(7)
"""
"""Work that tells each signal that it gets, and ends soon after the first. A signal that comes
between "ready" and a sleep does not end that, and one that comes within a print cannot print."""


def script(work: str) -> list[str]:
    body = "\n".join(f"    {line}" for line in ["import os", *work.strip().splitlines()])
    code = (
        f"def work():\n{body}\nfrom moleflow_start.supervisor import supervised\nsupervised(work)"
    )
    return [sys.executable, "-P", "-c", f"import sys; sys.path[:0] = [{str(TOP)!r}]\n{code}"]


def ran(work: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        script(work), capture_output=True, text=True, timeout=60, env=os.environ | variables
    )


@contextmanager
def waiting(work: str = COUNT) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The process that was started, and the one that works."""
    above = subprocess.Popen(
        script(work),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert above.stdout is not None
    _, below = above.stdout.readline().split()
    try:
        yield above, int(below)
    finally:
        above.kill()
        above.communicate()


@pytest.mark.parametrize("code", [0, 1, 2, 75, 130])
def test_the_exit_code_is_that_of_the_work(code: int) -> None:
    done = ran(f"import sys\nprint('said')\nsys.exit({code})")
    assert (done.returncode, done.stdout, done.stderr) == (code, "said\n", "")


@pytest.mark.parametrize("end", ["os._exit(1)", "os.abort()"])
def test_an_end_out_of_rays_own_code_is_told_with_a_remedy_and_its_own_code(
    end: str, tmp_path: Path
) -> None:
    done = ran(end, TMPDIR=str(tmp_path))
    assert done.returncode == 75 and done.stdout == ""
    assert "Ray ended" in done.stderr and "same command resumes" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("late", ["os._exit(1)", "os.abort()", "os.kill(os.getpid(), 9)"])
def test_what_the_work_decided_stands_whatever_ray_does_after(late: str) -> None:
    done = ran(f"import atexit, sys\natexit.register(lambda: {late})\nsys.exit(0)")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_defect_of_the_start_is_no_death_of_ray() -> None:
    done = ran("raise ImportError('no such module')")
    assert done.returncode == 1 and "ImportError" in done.stderr and "Ray" not in done.stderr


def test_a_driver_that_is_killed_says_so_and_ends_by_that_signal() -> None:
    with waiting() as (above, below):
        os.kill(below, signal.SIGKILL)
        _, said = above.communicate(timeout=30)
        assert above.returncode == -signal.SIGKILL
        assert "killed by signal 9" in said and "same command resumes" in said


@pytest.mark.parametrize("code", [1, 75])
def test_what_a_driver_left_of_its_cluster_is_cleared_away(code: int) -> None:
    with tempfile.TemporaryDirectory(prefix="s", dir="/tmp") as place:
        left = Path(place, "mf-12345678")
        left.mkdir()
        token = {"RAY_AUTH_TOKEN_PATH": f"{left}/token"}
        rest = subprocess.Popen(["sleep", "600"], env=os.environ | token)
        owned = f"import fcntl\nowner = open({str(left / 'owner')!r}, 'w')"
        try:
            done = ran(
                f"{owned}\nfcntl.flock(owner, fcntl.LOCK_EX)\nos._exit({code})", TMPDIR=place
            )
            assert done.returncode == 75
            assert rest.wait(10) == -signal.SIGKILL and not left.exists()
        finally:
            rest.kill()
            rest.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("send", [os.kill, os.killpg])
def test_a_signal_reaches_the_work_once_however_it_is_sent(
    send: object, number: signal.Signals
) -> None:
    assert callable(send)
    with waiting() as (above, _):
        send(above.pid, number)
        said, complaint = above.communicate(timeout=30)
        assert (above.returncode, said, complaint) == (7, f"heard {number.name}\n", "")


def test_ctrl_c_at_a_terminal_reaches_the_work_once() -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, script(COUNT))
    said = b""
    while b"ready" not in said:
        said += os.read(terminal, 1000)
    os.write(terminal, b"\x03")
    _, status = os.waitpid(pid, 0)
    said += os.read(terminal, 1000)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 7 and said.count(b"heard SIGINT") == 1


def test_what_is_stopped_stops_with_its_work_and_goes_on_with_it() -> None:
    with waiting() as (above, below):
        os.kill(above.pid, signal.SIGTSTP)
        wait_for(lambda: state(above.pid) == state(below) == "T", 10)
        os.kill(above.pid, signal.SIGCONT)
        wait_for(lambda: state(above.pid) == state(below) == "S", 10)
        os.kill(above.pid, signal.SIGTERM)
        assert above.wait(30) == 7


def test_signals_that_a_shell_ignores_for_a_command_stay_ignored() -> None:
    work = "import time\nprint('ready', os.getpid(), flush=True)\ntime.sleep(1)"
    quiet = ["bash", "-c", "trap '' INT HUP; exec \"$@\"", "bash", *script(work)]
    above = subprocess.Popen(quiet, stdout=subprocess.PIPE, start_new_session=True)
    assert above.stdout is not None and above.stdout.readline().startswith(b"ready")
    os.kill(above.pid, signal.SIGINT)
    os.killpg(above.pid, signal.SIGHUP)
    assert above.communicate(timeout=30) and above.returncode == 0


def test_work_does_not_outlive_a_killed_process_above_it() -> None:
    with waiting() as (above, below):
        above.kill()
        above.wait()
        wait_for(lambda: state(below) in ("", "Z"), 10)


def test_the_process_above_imports_nothing_of_what_the_work_imports() -> None:
    code = "import sys, moleflow_start.supervisor; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    names = {name.partition(".")[0] for name in done.stdout.split()}
    assert not names & {"orchestration", "moleflow", "rich", "torch", "ray", "numpy"}
