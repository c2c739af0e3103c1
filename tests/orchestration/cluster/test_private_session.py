"""A study that runs on this machine, as another user of it sees it: nothing to read, to write, to
connect to or to put in its way."""

import ipaddress
import json
import os
import re
import signal
import stat
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestration.records.events import Attempt, EventLog, Note, read_events
from orchestration.records.layout import Root
from orchestration.studies.expansion import Plan, Trial
from orchestration.studies.terms import Terms
from tests.bait import lay_bait
from tests.processes import marked, wait_for

pytestmark = pytest.mark.cluster
TOP = str(Path(__file__).resolve().parents[3])
NOBODY = 65534
SECRETS = {
    name: f"{name.lower()}-3f9c"
    for name in (
        *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"),
        *("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "HF_TOKEN"),
    )
}
"""What a driver's environment may hold."""

DRIVER = """
import os, sys
sys.path[:] = [sys.argv[2], *sys.path[1:]]
from orchestration.records.layout import Root
from orchestration.cluster.environment import quiet_environment
from orchestration.studies.terms import Resources, Terms
os.environ.update(quiet_environment(Resources()))
from orchestration.runners.ray_tune import RayTuneRunner
from orchestration.sharing.schedule import Schedule
from orchestration.records.plans import plan_of
from tests.orchestration.cluster.test_private_session import tells_and_waits

root = Root.at(sys.argv[1])
plan = plan_of(root.study("small"))
RayTuneRunner(root, Terms()).run(plan, Schedule(plan, root.study("small")), tells_and_waits)
"""

INTRUDER = """
import os, sys
os.setgroups([]); os.setgid({nobody}); os.setuid({nobody})
got = []
for path in sys.argv[1:]:
    for way in (os.O_RDONLY, os.O_WRONLY):
        try:
            os.close(os.open(path, way))
            got.append(path)
        except OSError:
            pass
    if os.access(path, os.W_OK) or os.access(path, os.R_OK):
        got.append(path)
print(*sorted(set(got)), sep="\\n")
"""


def tells_and_waits(trial: Trial, root: Root, terms: Terms) -> str:
    import time

    import ray

    # Part of the command line that a worker begins with, before it names itself.
    given = ray.get_runtime_context().runtime_env.to_dict()
    EventLog(root.study(trial.study).events(trial.key)).add(Note(note=json.dumps(given)))
    note = os.pathsep.join([str(Path.cwd()), *sys.path])
    EventLog(root.study(trial.study).events(trial.key)).add(Attempt(host=note))
    time.sleep(600)
    return "never"


@dataclass(frozen=True)
class Session:
    """A run in which trials are at work."""

    scratch: Path
    processes: list[int]
    told: list[str]
    """Where a worker is, and what it imports from."""
    given: str
    """Its runtime environment."""
    baited: Path
    """The folder that the driver was started in."""
    executed: Path

    @property
    def folder(self) -> Path:
        (found,) = self.scratch.glob("mf-*")
        return found

    @property
    def token(self) -> bytes:
        return (self.folder / "token").read_bytes()


@pytest.fixture(scope="module")
def session(make_plan, tmp_path_factory) -> Iterator[Session]:
    root = Root.at(tmp_path_factory.mktemp("root"))
    plan: Plan = make_plan(root)
    baited, mark = tmp_path_factory.mktemp("baited"), f"mark-{uuid.uuid4().hex}"
    lay_bait(baited)
    executed = tmp_path_factory.mktemp("executed") / "modules"
    # As the machine's own: others pass, and may write. Sockets lie below it, so it must be short.
    with tempfile.TemporaryDirectory(prefix="mft-", dir="/tmp") as scratch:
        Path(scratch).chmod(0o1777)
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        environment |= {"TMPDIR": scratch, "MOLEFLOW_MARK": mark, "BAIT": str(executed)}
        environment |= SECRETS
        driver = subprocess.Popen(
            [sys.executable, "-P", "-c", DRIVER, str(root.path), TOP],
            env=environment,
            cwd=baited,
            start_new_session=True,
            umask=0o022,
        )
        try:
            key = plan.trials[0].key
            events = root.study("small").events(key)
            wait_for(lambda: events.exists() and len(list(read_events(events))) == 2, 90)
            given, began = read_events(events)
            told = began.host.split(os.pathsep)
            yield Session(Path(scratch), marked(mark), told, given.note, baited, executed)
            os.killpg(driver.pid, signal.SIGINT)
            driver.wait(30)
        finally:
            for process in marked(mark):
                os.kill(process, signal.SIGKILL)
            driver.wait()


def everything(top: Path) -> list[Path]:
    return [
        Path(folder, name) for folder, folders, files in os.walk(top) for name in (*folders, *files)
    ]


def test_all_of_a_sessions_files_lie_in_a_folder_that_others_cannot_enter(session: Session) -> None:
    assert stat.S_IMODE(session.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((session.folder / "token").stat().st_mode) == 0o600
    assert len(everything(session.folder)) > 20
    # Beside it only what each program makes for itself alone, e.g. `pymp-…`.
    for path in session.scratch.iterdir():
        assert not stat.S_IMODE(path.lstat().st_mode) & 0o077, path


@pytest.mark.skipif(os.getuid() != 0, reason="only root can look as somebody else")
def test_somebody_else_can_open_nothing_of_a_session(session: Session) -> None:
    paths = [str(path) for path in everything(session.scratch)]
    secret = [f"/proc/{pid}/{name}" for pid in session.processes for name in ("environ", "fd")]
    program = INTRUDER.format(nobody=NOBODY)
    ran = subprocess.run(
        [sys._base_executable, "-I", "-S", "-c", program, *paths, *secret, "/etc/passwd"],  # pyright: ignore
        capture_output=True,
        text=True,
        cwd="/",
    )
    assert ran.stdout.split() == ["/etc/passwd"], ran.stderr


def test_no_command_line_and_no_file_but_its_own_holds_the_token(session: Session) -> None:
    token, seen = session.token, 0
    assert len(token) == 64
    for process in session.processes:
        assert token not in Path(f"/proc/{process}/cmdline").read_bytes()
    for path in everything(session.scratch):
        if path.is_file() and path.stat().st_size and path != session.folder / "token":
            seen += 1
            assert token not in path.read_bytes(), path
    assert seen > 5


def test_no_command_line_and_no_file_of_a_session_holds_what_is_secret(session: Session) -> None:
    files = [path for path in everything(session.folder) if path.is_file()]
    for name, secret in SECRETS.items():
        assert secret not in session.given, name
        assert not [path for path in files if secret.encode() in path.read_bytes()], name
    assert "PYTHONSAFEPATH" in session.given


def test_nothing_of_a_session_listens_to_other_machines(session: Session) -> None:
    names = [name for pid in session.processes for name in _sockets(pid)]
    found = {host for inode, host in _listening() if inode in names}
    assert found and all(host.is_loopback for host in found)


def test_neither_driver_nor_worker_imports_from_the_folder_that_it_is_in(session: Session) -> None:
    here, *imported = session.told
    assert Path(here).is_relative_to(session.folder)
    assert not any(Path(here).iterdir())
    assert not {"", ".", str(session.baited)} & set(imported)
    assert not session.executed.exists()


def _sockets(pid: int) -> list[str]:
    found: list[str] = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found += re.findall(r"socket:\[(\d+)\]", str(entry.readlink()))
        except OSError:
            continue
    return found


def _listening() -> Iterator[tuple[str, ipaddress.IPv4Address | ipaddress.IPv6Address]]:
    """Inode and address of each socket that waits for connections."""
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            if state == "0A":
                words = bytes.fromhex(local.partition(":")[0])
                host = ipaddress.ip_address(
                    b"".join(words[i : i + 4][::-1] for i in range(0, len(words), 4))
                )
                mapped = getattr(host, "ipv4_mapped", None)
                yield rest[5], mapped or host
