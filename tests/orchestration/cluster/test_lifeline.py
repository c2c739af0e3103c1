"""Ray's own processes die, or do not start: that is said, by a code of its own; nothing is left."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from moleflow.errors import ClusterError
from orchestration.cluster.leftovers import end_session
from orchestration.cluster.lifeline import (
    UNKNOWN,
    Starting,
    agents,
    lost,
    unheard,
    watched,
)
from orchestration.records import results
from orchestration.records.layout import Root
from orchestration.store.lease import Leases, sweep
from orchestration.studies.expansion import Plan
from orchestration.studies.terms import Resources
from tests.orchestration.cluster.test_private_session import DRIVER, TOP
from tests.processes import below, marked, state, wait_for

Driver = subprocess.Popen[str]

HOLD = """
import sys
from pathlib import Path
from orchestration.store.lease import Leases
leases = Leases(Path(sys.argv[1]), "trial")
print(leases.acquire("base/1"), flush=True)
sys.stdin.read()
"""

RAYLET = """
import subprocess, sys
agent = "python -u ray/_private/runtime_env/agent/main.py --raylet-name=/sockets/raylet --x"
names = ["ray::DashboardAgent", agent, "ray::IDLE"]
children = [subprocess.Popen([name, "600"], executable="sleep") for name in names]
print(*(child.pid for child in children), flush=True)
sys.stdin.read()
for child in children:
    child.kill()
"""
"""What has two agents and a worker below it, and waits for none of them."""

WORK = """
import os
from orchestration.cluster.environment import quiet_environment
from orchestration.studies.terms import Resources
os.environ.update(quiet_environment(Resources()))
import ray
from orchestration.cluster.joining import cluster
with cluster(Resources()):
    print(ray.get(ray.remote(lambda: 1).remote()))
"""

SUPERVISED = """
import sys
from moleflow.errors import ClusterError
from moleflow_start.supervisor import supervised

def work():
    try:
        exec({driver!r}, {{}})
    except ClusterError as error:
        print("error:", error, file=sys.stderr)
        sys.exit(error.code)

supervised(work)
"""
"""What the command line does with a driver."""

LEAVE = """
import gc, os, threading, time
from orchestration.cluster.environment import quiet_environment
from orchestration.studies.expansion import Plan
from orchestration.studies.terms import Resources
os.environ.update(quiet_environment(Resources()))
import ray
from orchestration.cluster.joining import cluster

def collect():
    time.sleep(0.03)
    gc.collect()

def leave(shutdown=ray.shutdown):
    threading.Thread(target=collect, daemon=True).start()
    shutdown()

ray.shutdown = leave
with cluster(Resources()):
    gc.disable()
    for _ in range(3000):
        circle = [ray.put(1)]
        circle.append(circle)
    del circle
print("left")
"""
"""A driver that leaves while another thread collects garbage with references of Ray's in it."""


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    environment = {"RAY_AUTH_TOKEN_PATH": f"{tmp_path}/mf-1/token"}
    process = subprocess.Popen(["sleep", "600"], env=environment)
    yield process
    process.kill()
    process.wait()


def test_a_death_is_told_with_a_remedy_and_ends_the_process_with_its_own_code(
    tmp_path: Path, sleeper: subprocess.Popen[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    codes, ended = list[int](), threading.Event()

    def end(code: int) -> None:
        codes.append(code)
        ended.set()

    with watched(lambda: {"raylet": sleeper}, tmp_path, end):
        sleeper.kill()
        assert ended.wait(10)
    assert codes == [ClusterError.code] == [75]
    said = capsys.readouterr().err
    assert "raylet" in said and "signal 9" in said and "same command resumes" in said


@pytest.mark.soak
@pytest.mark.slow
def test_garbage_of_other_threads_does_not_end_a_process_that_leaves_its_cluster() -> None:
    """Seen once in a suite of eleven minutes: exit code 1, and not a word."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", LEAVE], cwd=TOP, capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout.split()) == (0, ["left"]), done.stderr[-2000:]


def test_nothing_is_said_of_processes_that_end_after_the_block(
    tmp_path: Path, sleeper: subprocess.Popen[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    with watched(lambda: {"raylet": sleeper}, tmp_path):
        pass
    sleeper.kill()
    assert capsys.readouterr().err == "" and "GCS" in lost("gcs_server", 1)


def test_what_a_session_started_is_ended_and_others_are_not(
    tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    wait_for(lambda: Path(f"/proc/{sleeper.pid}/comm").read_text() == "sleep\n")
    end_session(tmp_path / "mf-2")
    assert sleeper.poll() is None
    end_session(tmp_path / "mf-1")
    assert sleeper.wait(10) == -signal.SIGKILL


@pytest.mark.parametrize(("name", "belongs"), [("ray::DashboardAgent", True), ("tail", False)])
def test_a_process_that_wrote_its_name_over_its_environment_is_known_by_its_open_files(
    tmp_path: Path, name: str, belongs: bool
) -> None:
    (tmp_path / "mf-1").mkdir()
    with (tmp_path / "mf-1/log").open("w") as log:
        process = subprocess.Popen([name, "600"], executable="sleep", env={}, stdout=log)
    try:
        wait_for(lambda: Path(f"/proc/{process.pid}/cmdline").read_text().startswith(name))
        end_session(tmp_path / "mf-1")
        if belongs:
            assert process.wait(10) == -signal.SIGKILL
        else:
            assert process.poll() is None
    finally:
        process.kill()
        process.wait()


def test_the_agents_of_a_raylet_are_found_and_their_end_is_noticed() -> None:
    raylet = subprocess.Popen(
        [sys.executable, "-c", RAYLET], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert raylet.stdout is not None
    dashboard, *_ = map(int, raylet.stdout.readline().split())
    try:
        found = agents(raylet.pid)
        of_dashboard, of_environments = (found[name] for name in sorted(found))
        assert "DashboardAgent" in min(found) and "runtime_env/agent" in max(found)
        assert of_dashboard.poll() is of_environments.poll() is None
        os.kill(dashboard, signal.SIGKILL)
        wait_for(lambda: of_dashboard.poll() == UNKNOWN, 10)
        assert of_environments.poll() is None
    finally:
        raylet.communicate()
    assert of_environments.poll() == UNKNOWN


def test_what_dies_while_a_cluster_starts_is_noticed_before_the_cluster_is_there() -> None:
    starting = Starting()
    begun = [
        subprocess.Popen([f"/ray/{name} --x", "600"], executable="sleep")
        for name in ("raylet", "gcs_server", "sleep")
    ]
    try:
        wait_for(lambda: {"gcs_server", "raylet"} < starting().keys(), 10)
        assert len(starting()) == 3
        begun[0].kill()
        wait_for(lambda: starting()["raylet"].poll() == UNKNOWN, 10)
        begun[0].wait()
        assert starting()["raylet"].poll() == UNKNOWN and starting()["gcs_server"].poll() is None
    finally:
        for process in begun:
            process.kill()
            process.wait()


def test_a_start_that_takes_for_ever_is_over_after_its_time() -> None:
    starting = Starting(0.2)
    (start,) = starting().values()
    assert start.poll() is None
    wait_for(lambda: start.poll() == UNKNOWN, 10)
    assert "has 0.2 s, has ended" in lost(min(starting()), UNKNOWN)


def test_what_a_raylet_has_just_started_is_not_taken_for_an_agent() -> None:
    own = "/ray/raylet --agent=dashboard/agent.py --other=runtime_env/agent/main.py"
    script = f"exec -a ray::DashboardAgent sleep 600 & exec -a '{own}' sleep 600 & wait"
    raylet = subprocess.Popen([own, "-c", script], executable="/bin/bash")
    try:
        wait_for(lambda: len(below(raylet.pid, " 600")) == 2 and agents(raylet.pid), 10)
        assert [name.split()[1] for name in agents(raylet.pid)] == ["DashboardAgent,"]
    finally:
        for pid in (*below(raylet.pid), raylet.pid):
            os.kill(pid, signal.SIGKILL)
        raylet.wait()


@pytest.mark.parametrize(
    "said", [lost("raylet", -9), lost("gcs_server", 1), unheard(1), unheard(-6), unheard(-9)]
)
def test_every_such_end_is_told_with_how_to_go_on(said: str) -> None:
    assert "the study has ended. The same command resumes it" in said and "dmesg" in said


@pytest.mark.slow
def test_a_ray_that_does_not_start_is_said_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from orchestration.cluster import joining as cluster

    def slow(**options: object) -> None:
        raise RuntimeError("The current node timed out during startup.\nSome details.")

    monkeypatch.setattr(cluster.ray, "init", slow)
    with tempfile.TemporaryDirectory(prefix="s", dir="/tmp") as place:
        monkeypatch.setattr(tempfile, "tempdir", place)
        refused = pytest.raises(ClusterError, match=r"timed out.*Run the same command again")
        with refused, cluster.cluster(Resources()):
            pass
        assert list(Path(place).iterdir()) == []


@pytest.mark.slow
def test_leases_of_killed_processes_are_swept_and_living_ones_are_not(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None and holder.stdout.readline() == b"True\n"
    with Leases(tmp_path, "other") as leases:
        assert leases.acquire("base/2")
        sweep(tmp_path)
        assert len(list(tmp_path.iterdir())) == 2
        holder.kill()
        holder.communicate()
        sweep(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["base%2F2"]


def test_halves_of_a_results_table_are_cleared_away(tmp_path: Path) -> None:
    folder = Root.at(tmp_path).study("small")
    folder.trials.mkdir(parents=True)
    (folder.path / ".results.parquet.0123").write_bytes(b"PAR1")
    results.write(folder)
    assert [path.name for path in folder.path.glob("*results*")] == ["results.parquet"]
    assert [path.name for path in folder.path.glob(".*")] == []


@pytest.mark.soak
@pytest.mark.cluster
def test_a_worker_that_dies_when_it_begins_is_not_waited_for() -> None:
    def is_worker(pid: int) -> bool:
        with suppress(OSError):
            told = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
            return "_private/workers/" in told and not told.split()[0].endswith("/raylet")
        return False

    work = [sys.executable, "-P", "-c", WORK]
    with subprocess.Popen(work, cwd=TOP, stdout=subprocess.PIPE, text=True) as working:
        while not (workers := [*filter(is_worker, below(working.pid))]):
            assert working.poll() is None
        os.kill(workers[0], signal.SIGKILL)
        assert (working.communicate(timeout=120)[0], working.returncode) == ("1\n", 0)


@contextmanager
def a_study(make_plan: Callable[[Root], Plan], place: Path) -> Iterator[tuple[Driver, Path, Path]]:
    """Its driver, the first trial's events, and the folder of temporary files."""
    root = Root.at(place / "root")
    plan, mark = make_plan(root), f"mark-{uuid.uuid4().hex}"
    code = SUPERVISED.format(driver=DRIVER)
    with tempfile.TemporaryDirectory(prefix="mft-", dir="/tmp") as scratch:
        driver = subprocess.Popen(
            [sys.executable, "-P", "-c", code, str(root.path), TOP],
            env=os.environ | {"TMPDIR": scratch, "MOLEFLOW_MARK": mark, "PYTHONPATH": TOP},
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield driver, root.study("small").events(plan.trials[0].key), Path(scratch)
        finally:
            for process in {*below(driver.pid), *marked(mark)}:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            driver.kill()
            driver.communicate()


@pytest.mark.soak
@pytest.mark.cluster
@pytest.mark.parametrize("moment", ["while it starts", "while trials run"])
@pytest.mark.parametrize("name", ["raylet/raylet", "gcs_server", "DashboardAgent", "env/agent"])
def test_a_run_whose_ray_dies_says_so_and_leaves_no_process(
    make_plan, tmp_path: Path, name: str, moment: str
):
    with a_study(make_plan, tmp_path) as (driver, events, scratch):
        if moment == "while trials run":
            wait_for(events.exists, 120)
        wait_for(lambda: below(driver.pid, name), 120)
        os.kill(below(driver.pid, name)[0], signal.SIGKILL)
        family = below(driver.pid)
        _, said = driver.communicate(timeout=90)
        assert driver.returncode == ClusterError.code
        assert "ame command" in said and "Traceback" not in said
        wait_for(lambda: {*map(state, family)} <= {"", "Z"}, 10)
        assert list(scratch.glob("mf-*")) == []
