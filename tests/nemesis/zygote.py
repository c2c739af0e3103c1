"""A process that has imported what a study without Ray needs, and forks one for each command.

Importing takes longer than the study does. It is told of commands as JSON lines, and answers with
the process of each, later with its exit code.
"""

import json
import os
import select
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
SHIM = Path(__file__).resolve().parent / "shim"


class Zygote:
    """The process, as its user sees it; ended with the block."""

    def __init__(self) -> None:
        path = os.pathsep.join([str(TOP), str(SHIM)])
        kept = {n: v for n, v in os.environ.items() if n not in ("NEMESIS", "MLFLOW_TRACKING_URI")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.nemesis.zygote"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd="/",
            env={**kept, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
        )
        self._codes: dict[int, int] = {}
        self._started: list[int] = []

    def __enter__(self) -> "Zygote":
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.communicate()

    def start(self, command: Sequence[str], log: Path, state: Path, more: Mapping[str, str]) -> int:
        """Run a command of `moleflow` in a session of its own; returns its process.

        Args:
            state: folder of the shim.
        """
        told = {"command": [*command], "log": str(log), "state": str(state), "more": {**more}}
        assert self._process.stdin is not None
        print(json.dumps(told), file=self._process.stdin, flush=True)
        while not self._started:
            self._listen(60.0)
        return self._started.pop()

    def ended(self, pid: int) -> int | None:
        """A command's exit code, negative for a signal; None while it runs."""
        self._listen(0.0)
        return self._codes.get(pid)

    def _listen(self, seconds: float) -> None:
        out = self._process.stdout
        assert out is not None
        while select.select([out], [], [], seconds)[0]:
            line = out.readline()
            assert line, "the zygote has ended"
            told = json.loads(line)
            if "code" in told:
                self._codes[told["pid"]] = told["code"]
            else:
                self._started.append(told["pid"])
            seconds = 0.0


def main() -> None:
    """The process itself. Answers are written unbuffered, and read one by one."""
    imported()
    waits = set[int]()
    while True:
        if select.select([0], [], [], 0.02)[0]:
            line = _line()
            if not line:
                return
            pid = _forked(json.loads(line))
            waits.add(pid)
            _say({"pid": pid})
        for pid in [*waits]:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                waits.remove(pid)
                _say({"pid": pid, "code": os.waitstatus_to_exitcode(status)})


def imported() -> None:
    """What a command without Ray imports; quiet_environment is what it sets before."""
    from orchestration.tracking.tracker import quiet_environment

    os.environ.update(quiet_environment())
    import importlib

    for name in (
        "orchestration.cli",
        "orchestration.commands.run",
        "orchestration.driver.drive",
        "orchestration.runners.inline",
        "orchestration.tracking.mlflow.runs",
        "orchestration.trial.sequence",
        "orchestration.records.results",
        "reports.writing",
        "matplotlib.pyplot",
        "mlflow",
        "sqlalchemy",
        "timm",
    ):
        importlib.import_module(name)


def _line() -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        letter = os.read(0, 1)
        if not letter:
            return b""
        line += letter
    return line


def _say(told: Mapping[str, int]) -> None:
    os.write(1, json.dumps(told).encode() + b"\n")


def _forked(told: dict[str, object]) -> int:
    pid = os.fork()
    if pid:
        return pid
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    log = os.open(str(told["log"]), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for number, file in enumerate((nothing, log, log)):
        os.dup2(file, number)
    more = told["more"]
    assert isinstance(more, dict)
    os.environ.update(more)
    os.environ["NEMESIS"] = str(told["state"])
    import tempfile

    tempfile.tempdir = None
    command = told["command"]
    assert isinstance(command, list)
    sys.argv = ["moleflow", *command]
    import nemesis_shim  # pyright: ignore[reportMissingImports]

    nemesis_shim.install(str(told["state"]), "driver")
    from moleflow_start import main as moleflow

    try:
        moleflow()
    except SystemExit as end:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(end.code if isinstance(end.code, int) else 0 if end.code is None else 1)
    os._exit(0)


if __name__ == "__main__":
    main()
