"""A study in a folder of its own, its processes, and the faults that come to them."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from orchestration.records.layout import Root, StudyFolder
from tests.nemesis.faults import Fault
from tests.nemesis.proxy import Proxy
from tests.nemesis.zygote import SHIM, TOP, Zygote
from tests.processes import below, born, command, state
from tests.small_study import small_study

LONGEST = 300.0
"""Seconds that one command may take: then it hangs."""
LOOK = 0.02
DISK = 96
"""Megabytes of a file system that can be filled."""
MACHINE = "NEMESIS_MACHINE"
"""The shim lets a process play another machine, which this names."""
START = "from moleflow_start import main; main()"


@dataclass(frozen=True)
class Fired:
    """A fault that came to pass."""

    number: int
    at: float
    """Of the machine's monotonic clock."""
    pid: int
    target: str
    """The file that was damaged."""
    unsafe: tuple[str, ...]


@dataclass
class Process:
    """A command that was started."""

    command: Sequence[str]
    pid: int
    ended: Callable[[], int | None]
    code: int | None = None


@dataclass
class Arena:
    """A root folder, studies in it, and all processes that were ever seen at work on them."""

    folder: Path
    data: Path
    faults: Sequence[Fault] = ()
    zygote: Zygote | None = None
    """None: commands are started anew, as a user does."""
    database: Path = Path()
    """Where MLflow's runs are."""
    uri: str = ""
    """Of a tracking server."""
    more: Mapping[str, str] = field(default_factory=dict[str, str])
    """Variables of the environment of all commands."""
    studies: Sequence[str] = ("undying",)
    options: Sequence[str] = ()
    raylets: Sequence[int] = ()
    """Of a cluster's nodes, without its head."""
    proxies: Mapping[str, Proxy] = field(default_factory=dict[str, Proxy])
    seen: dict[int, str] = field(default_factory=dict[int, str])
    """When each process was born: ids are used again."""
    codes: list[int] = field(default_factory=list[int])
    timers: list[tuple[float, Callable[[], None]]] = field(
        default_factory=list[tuple[float, Callable[[], None]]]
    )
    met: set[int] = field(default_factory=set[int])
    usurpers: list[str] = field(default_factory=list[str])
    """Studies of which another driver is to be started now."""

    @property
    def root(self) -> Root:
        return Root.at(self.folder / "disk" / "root")

    @property
    def state(self) -> Path:
        """Of the shim."""
        return self.folder / "state"

    @property
    def temporary(self) -> Path:
        return self.folder / "t"

    @property
    def filler(self) -> Path:
        return self.folder / "disk" / "filler"

    def study(self, name: str) -> StudyFolder:
        return self.root.study(name)

    def make(self) -> None:
        for name in ("state/trace", "t", "logs", "disk"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        for study in self.studies:
            text = small_study(epochs=4)
            (self.folder / f"{study}.py").write_text(text)
        told = {
            "root": str(self.root.path),
            "filler": str(self.filler),
            "faults": [fault.told() for fault in self.faults],
        }
        (self.state / "schedule.json").write_text(json.dumps(told))

    def start(self, study: str, *more: str, **variables: str) -> Process:
        """Args:
        more: further options of `run`; or `sync`, which is another command.
        """
        command = ["run", str(self.folder / f"{study}.py"), "--data", str(self.data)]
        command += ["--root", str(self.root.path), *self.options, *more]
        if more == ("sync",):
            command = ["sync", study, "--root", str(self.root.path), "--mlflow-uri", self.uri]
        log = self.folder / "logs" / f"{len(self.codes)} {variables.get(MACHINE, study)}.txt"
        added = {"TMPDIR": str(self.temporary), **self.more, **variables}
        if self.zygote is not None:
            zygote = self.zygote
            pid = zygote.start(command, log, self.state, added)
            return Process(command, pid, lambda: zygote.ended(pid))
        gone = ("MLFLOW_TRACKING_URI", "RAY_ADDRESS")
        environment = {n: v for n, v in (os.environ | added).items() if n not in gone}
        environment |= {"NEMESIS": str(self.state), "PYTHONPATH": f"{SHIM}{os.pathsep}{TOP}"}
        with log.open("ab") as out:
            started = subprocess.Popen(
                [sys.executable, "-c", START, *command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=environment,
                cwd="/",
            )
        return Process(command, started.pid, started.poll)

    def said(self) -> str:
        """All that commands printed."""
        logs = sorted((self.folder / "logs").iterdir())
        return "\n".join(path.read_text(errors="replace") for path in logs)

    def run(self, wanted: Mapping[str, Sequence[str]]) -> dict[str, int]:
        """Commands side by side, to their end; their exit codes, by study.

        Args:
            wanted: further options, by study.
        """
        running = {study: self.start(study, *more) for study, more in wanted.items()}
        deadline, looked = time.monotonic() + LONGEST, 0.0
        while any(process.code is None for process in running.values()):
            for process in running.values():
                if process.code is None:
                    process.code = process.ended()
            if time.monotonic() - looked > 10 * LOOK:
                looked = time.monotonic()
                self.look([process.pid for process in running.values()])
            self.meet([process.pid for process in running.values()])
            self.keep_time()
            while self.usurpers:
                study = self.usurpers.pop()
                # A machine of its own: what is paused runs on, for those on the same machine.
                machine = f"{study} on machine {len(self.codes) + len(running)}"
                running[machine] = self.start(study, **{MACHINE: machine})
            if time.monotonic() > deadline:
                self.end_all([process.pid for process in running.values()])
                raise Hangs(f"a command has not ended after {LONGEST:g} s")
            time.sleep(LOOK)
        self.meet([process.pid for process in running.values()])
        self.keep_time(all_of_them=True)
        self.codes += [process.code or 0 for process in running.values()]
        return {study: process.code or 0 for study, process in running.items()}

    def look(self, pids: Sequence[int]) -> None:
        """Remember all processes that these have started."""
        for pid in pids:
            for one in [pid, *below(pid)]:
                if one not in self.seen:
                    self.seen[one] = born(one)

    def alive(self) -> list[int]:
        return [pid for pid, since in self.seen.items() if since and born(pid) == since]

    def end_all(self, pids: Sequence[int]) -> None:
        """Kill what these have started, and themselves."""
        self.look(pids)
        for pid in self.alive():
            kill(pid)

    def fired(self) -> list[Fired]:
        found: list[Fired] = []
        for number in range(len(self.faults)):
            with contextlib.suppress(FileNotFoundError):
                told = json.loads((self.state / f"fired-{number}").read_text())
                told["unsafe"] = tuple(told["unsafe"])
                found.append(Fired(number=number, **told))
        return found

    def meet(self, pids: Sequence[int]) -> None:
        """What faults that have come to pass want from without."""
        for fired in self.fired():
            if fired.number in self.met:
                continue
            self.met.add(fired.number)
            fault = self.faults[fired.number]
            if fault.wanted:
                self.look(pids)
                self.act(fault, fired)
            (self.state / f"acted-{fired.number}").touch()

    def act(self, fault: Fault, fired: Fired) -> None:
        match fault.wanted.split():
            case ["continue"]:
                self.later(fault.seconds, lambda: kill(fired.pid, signal.SIGCONT))
            case ["take", "over"]:
                self.usurpers = [*self.studies]
                self.later(fault.seconds, lambda: kill(fired.pid, signal.SIGCONT))
            case ["room"]:
                self.later(fault.seconds, lambda: self.filler.unlink(missing_ok=True))
            case ["all", "killed"]:
                self.kill_all()
            case ["power", "lost"]:
                self.kill_all()
                self.cut_off(fired.unsafe)
            case ["workers", "killed"]:
                for pid in self.workers():
                    kill(pid)
            case [("raylet" | "GCS") as what, "killed" | "paused"]:
                name = "gcs_server" if what == "GCS" else what
                struck = [pid for pid in self.alive() if program(pid).startswith(f"{name} --")]
                self.strike(struck, fault.seconds)
            case [("node" | "nodes") as what, "killed" | "paused"]:
                living = [raylet for raylet in self.raylets if state(raylet) not in ("", "Z")]
                # One is left: a study without nodes waits for some.
                struck = living[: min(1 if what == "node" else 2, len(living) - 1)]
                self.strike(
                    [p for raylet in struck for p in [raylet, *below(raylet)]], fault.seconds
                )
            case [("tracker" | "bucket") as where, *words]:
                proxy = self.proxies[where]
                proxy.behave(" ".join(words))
                self.later(fault.seconds, lambda: proxy.behave("passes"))
            case _:
                raise AssertionError(fault.wanted)

    def strike(self, pids: Sequence[int], seconds: float) -> None:
        """Kill processes, or pause them for so many seconds where it is any."""
        for pid in pids:
            kill(pid, signal.SIGSTOP if seconds else signal.SIGKILL)
            if seconds:
                self.later(seconds, partial(kill, pid, signal.SIGCONT))

    def later(self, seconds: float, do: Callable[[], None]) -> None:
        self.timers.append((time.monotonic() + seconds, do))

    def keep_time(self, all_of_them: bool = False) -> None:
        due = [timer for timer in self.timers if all_of_them or timer[0] <= time.monotonic()]
        for timer in due:
            self.timers.remove(timer)
            timer[1]()

    def kill_all(self) -> None:
        """Everything at once, as far as that can be done one by one."""
        for _ in range(2):  # what was started meanwhile, too
            for pid in self.alive():
                kill(pid)
                for child in below(pid):
                    kill(child)

    def workers(self) -> list[int]:
        """Processes of trials."""
        found: list[int] = []
        for path in self.root.path.glob("studies/*/trials/*/worker.json"):
            with contextlib.suppress(OSError, ValueError, KeyError):
                found.append(int(json.loads(path.read_text())["pid"]))
        return [pid for pid in found if pid in self.alive()]

    def cut_off(self, unsafe: Sequence[str]) -> None:
        """Half of a file that no fsync made safe is on the disk, or nothing."""
        for number, name in enumerate(unsafe):
            path = self.root.path / name
            with contextlib.suppress(OSError):
                if path.is_file() and path.suffix not in (".db", ".db-journal"):
                    os.truncate(path, path.stat().st_size // 2 if number % 2 else 0)


class Hangs(AssertionError):
    """A command that does not end."""


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def program(pid: int) -> str:
    """A process's command line, without the folder of the program."""
    path, _, options = command(pid).partition(" ")
    return f"{path.rpartition('/')[2]} {options}"


@contextlib.contextmanager
def folder(own_disk: bool) -> Iterator[Path]:
    """A folder with a short name, for paths of sockets; with a small file system in it.

    Raises:
        PermissionError: only root may mount one.
    """
    made = Path(tempfile.mkdtemp(prefix="n-", dir="/tmp"))
    disk = made / "disk"
    disk.mkdir()
    try:
        if own_disk:
            mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}m", "tmpfs", str(disk)]
            if subprocess.run(mount, capture_output=True).returncode:
                raise PermissionError(str(disk))
        yield made
    finally:
        if own_disk:
            subprocess.run(["umount", "-l", str(disk)], capture_output=True)
        shutil.rmtree(made, ignore_errors=True)


def trace(arena: Arena) -> list[tuple[float, str, frozenset[str], str, int, int]]:
    """All operations in their order: when, role, what, path, size of an event file, process."""
    found: list[Any] = []
    for path in (arena.state / "trace").iterdir():
        for line in path.read_text().splitlines():
            at, role, what, where, size = json.loads(line)
            found.append((at, role, frozenset(what), where, size, int(path.name)))
    return sorted(found, key=lambda one: one[0])
