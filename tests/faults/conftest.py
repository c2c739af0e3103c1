"""A small study, run by the command line in a process of its own, and what it gives undisturbed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pytest

from moleflow.data.synthetic import make_synthetic
from orchestration.records import results
from orchestration.records.events import Event, read_events
from orchestration.records.layout import Root, StudyFolder
from orchestration.records.ledger import Ledger, Record
from tests.small_study import small_study

LONGEST = 240.0
"""Seconds that one run of the study may take before the test fails."""


@dataclass(frozen=True)
class Ran:
    """A command that ended."""

    code: int
    text: str


@dataclass
class Arena:
    """A root folder, the study, and the processes that work on it."""

    study_file: Path
    data: Path
    root: Root
    logs: Path
    environment: dict[str, str]
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def folder(self) -> StudyFolder:
        return self.root.study(self.study_file.stem)

    def command(self, *options: str) -> list[str]:
        """`moleflow run` of the study."""
        asked = ["run", str(self.study_file), "--data", str(self.data)]
        return [*asked, "--root", str(self.root.path), *options]

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """A command of `moleflow` in a session of its own; its output goes to a file."""
        code = "from orchestration.cli import main; main()"
        log = self.logs / f"{len(self.running)}.txt"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-c", code, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=self.environment,
            )
        self.running.append(process)
        return process

    def ended(self, process: subprocess.Popen[bytes], longest: float = LONGEST) -> Ran:
        """Wait for a command."""
        code = process.wait(timeout=longest)
        log = self.logs / f"{self.running.index(process)}.txt"
        return Ran(code, log.read_text(encoding="utf-8", errors="replace"))

    def run(self, *options: str) -> Ran:
        """The study, to its end."""
        return self.ended(self.start(*self.command(*options)))

    def events(self) -> dict[str, list[Event]]:
        """Of every trial that has begun, by its key."""
        found = sorted(self.folder.trials.glob("*/events.jsonl"))
        return {path.parent.name: list(read_events(path)) for path in found}

    def wait_for(self, found: Callable[[Event], bool], longest: float = LONGEST) -> str:
        """The key of the first trial with such an event."""
        deadline = time.monotonic() + longest
        while time.monotonic() < deadline:
            for key, events in self.events().items():
                if any(found(event) for event in events):
                    return key
            time.sleep(0.02)
        raise AssertionError(f"no such event in {longest} s; {self.said()}")

    def said(self) -> str:
        """All that the commands printed."""
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.logs.iterdir()))

    def records(self) -> dict[str, Record]:
        return {record.key: record for record in Ledger(self.folder).records()}

    def processes(self) -> list[str]:
        """Command lines of living processes that have to do with this root folder."""
        mine = str(self.root.path).encode()
        found: list[str] = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                about = (entry / "cmdline").read_bytes() + b"\0" + (entry / "environ").read_bytes()
                state = (entry / "stat").read_text().rsplit(")", 1)[1].split()[0]
            except OSError:
                continue
            if mine in about and state != "Z":
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()[:200])
        return found


@dataclass(frozen=True)
class Outcome:
    """What may not depend on anything that died."""

    table: pd.DataFrame
    hashes: dict[str, dict[str, str]]


def outcome(arena: Arena) -> Outcome:
    """The results table, without the times it does not hold, and every trial's hashes."""
    table = results.read(arena.folder)
    columns = [name for name in table.columns if name != "study"]
    ordered = table[columns].sort_values(columns, ignore_index=True)
    return Outcome(ordered, {key: r.hashes for key, r in sorted(arena.records().items())})


def assert_undisturbed(arena: Arena, expected: Outcome) -> None:
    """Bit-identical numbers and hashes, every trial finished, nothing left behind."""
    records = arena.records()
    assert {record.status for record in records.values()} == {"finished"}
    found = outcome(arena)
    assert found.hashes == expected.hashes
    pd.testing.assert_frame_equal(found.table, expected.table, check_exact=True)
    assert wait_until(lambda: not arena.processes()), arena.processes()


def wait_until(found: Callable[[], bool], longest: float = 20.0) -> bool:
    deadline = time.monotonic() + longest
    while not found():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


@dataclass(frozen=True)
class MlflowRun:
    """A run as MLflow's database holds it."""

    status: str
    trial: str | None
    points: tuple[tuple[str, int, float], ...]


def mlflow_runs(root: Root) -> list[MlflowRun]:
    """Read from the SQLite file itself: what any client would see."""
    import sqlite3

    with sqlite3.connect(f"file:{root.mlflow_db}?mode=ro", uri=True) as database:
        runs = database.execute("select run_uuid, status from runs").fetchall()
        tags = dict(
            database.execute("select run_uuid, value from tags where key = 'moleflow.trial'")
        )
        points: dict[str, list[tuple[str, int, float]]] = {}
        for run, key, step, value in database.execute(
            "select run_uuid, key, step, value from metrics order by key, step"
        ):
            points.setdefault(run, []).append((key, step, value))
    database.close()
    return [MlflowRun(s, tags.get(run), tuple(points.get(run, ()))) for run, s in runs]


def assert_tracked_once(arena: Arena) -> None:
    """One FINISHED run for each trial and for the study, and every measurement once; how long
    stages took is measured again when a trial is retried."""
    runs = mlflow_runs(arena.root)
    trials = [run.trial for run in runs if run.trial]
    assert sorted(trials) == sorted(arena.records())
    assert len(runs) == len(trials) + 1
    assert {run.status for run in runs} == {"FINISHED"}
    for run in runs:
        measured = [(n, step) for n, step, _ in run.points if not n.startswith("seconds/")]
        assert len(measured) == len(set(measured))


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_synthetic(tmp_path_factory.mktemp("faults") / "pictures")


@pytest.fixture(scope="session")
def new_arena(
    data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Path], Arena]]:
    made: list[Arena] = []

    def make(folder: Path) -> Arena:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "undying.py").write_text(small_study(epochs=20, seeds=(0, 1)))
        (folder / "logs").mkdir()
        root = Root.at(folder / "root")
        elsewhere = ("MLFLOW_TRACKING_URI", "RAY_ADDRESS")
        environment = {n: v for n, v in os.environ.items() if n not in elsewhere}
        arena = Arena(folder / "undying.py", data, root, folder / "logs", environment)
        made.append(arena)
        return arena

    yield make
    for arena in made:
        for process in arena.running:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@pytest.fixture(scope="session")
def undisturbed(
    new_arena: Callable[[Path], Arena], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Arena, Outcome]:
    """One trial after another in one process; and what features cost is kept for the others."""
    arena = new_arena(tmp_path_factory.mktemp("undisturbed"))
    ran = arena.run("--runner", "inline")
    assert ran.code == 0, ran.text
    return arena, outcome(arena)


@pytest.fixture
def arena(new_arena: Callable[[Path], Arena], tmp_path: Path) -> Arena:
    """A root folder of its own."""
    return new_arena(tmp_path)


@pytest.fixture
def check_against() -> Callable[[Arena, Arena], None]:
    """That a root folder holds what an undisturbed one does, tracked once."""

    def run(arena: Arena, undisturbed: Arena) -> None:
        assert_undisturbed(arena, outcome(undisturbed))
        assert_tracked_once(arena)

    return run


@pytest.fixture
def check(
    check_against: Callable[[Arena, Arena], None], undisturbed: tuple[Arena, Outcome]
) -> Callable[[Arena], None]:
    """The same against the study as it stands."""
    return lambda arena: check_against(arena, undisturbed[0])


@pytest.fixture
def trained(undisturbed: tuple[Arena, Outcome], arena: Arena) -> Arena:
    """A root folder in whose store everything lies, and no study."""
    shutil.copytree(undisturbed[0].root.store, arena.root.store)
    return arena


def worker_pid(folder: StudyFolder, key: str) -> int | None:
    """The process of a trial's present attempt."""
    try:
        return int(json.loads((folder.trial(key) / "worker.json").read_text())["pid"])
    except (OSError, ValueError, KeyError):
        return None


@pytest.fixture
def kill_worker() -> Callable[[Arena, str], bool]:
    """Ends the process of a trial's present attempt; whether there was one not ended before."""
    ended: set[int] = set()

    def kill(arena: Arena, key: str) -> bool:
        pid = worker_pid(arena.folder, key)
        if pid is None or pid in ended:
            return False
        ended.add(pid)
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True

    return kill
