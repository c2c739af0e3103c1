"""Trials on a Ray cluster, one Ray Tune trial each. The only file that imports Ray.

A run is one *wave*: a Tune experiment with a name of its own, given the keys of the trials that are
left. Tune only schedules and restarts; what is done stands in the ledger, never in Tune's state.
"""

# Ray's own annotations are incomplete.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import logging
import math
import os
import re
import shutil
import signal
import tempfile
import threading
import time
import uuid
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import ray
from ray import tune
from ray.exceptions import RayTaskError
from ray.tune.logger import JsonLoggerCallback

from moleflow.errors import StudyError
from orchestration.layout import Root, StudyFolder
from orchestration.ledger import Failure, Ledger
from orchestration.runners.base import (
    Resources,
    Runner,
    TrialFunction,
    describe_failure,
    last_of,
    quiet_environment,
    run_trial,
)
from orchestration.study import Plan, Trial

SOCKET_PATH_ROOM = 40
"""Ray's socket paths, of which its folder is the beginning, may have 107 characters."""


COLOUR = re.compile(r"\x1b\[[0-9;]*m")
"""Escape sequences by which Ray colours tracebacks."""


class RayTuneRunner(Runner):
    """Starts a cluster of this machine, or joins one; workers find their trial in `study.json`."""

    def run(self, plan: Plan, trials: Sequence[Trial], function: TrialFunction = run_trial) -> None:
        if not trials:
            return
        folder, started = self.root.study(plan.name), time.time()
        wave = f"wave-{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:6]}"
        # Twice, for connecting to a cluster sets Ray's own handlers.
        with _interruptible(), cluster(self.resources), _interruptible():
            slots = _slots(self.resources)
            tuner = self._tuner(folder, wave, trials, function, slots)
            results = {Path(result.path).name: result for result in tuner.fit()}
        self._record_lost(folder, trials, results, started)
        if any(not folder.record(trial.key).exists() for trial in trials):
            raise KeyboardInterrupt
        waves = folder.path / "waves"
        shutil.rmtree(waves / wave)
        if not any(waves.iterdir()):
            waves.rmdir()

    def _tuner(
        self,
        folder: StudyFolder,
        wave: str,
        trials: Sequence[Trial],
        function: TrialFunction,
        slots: int,
    ) -> tune.Tuner:
        work = tune.with_parameters(
            _work, root=self.root, study=folder.name, resources=self.resources, function=function
        )
        amounts = {"cpu": self.resources.cpus_per_trial, "gpu": self.resources.gpus_per_trial}
        return tune.Tuner(
            tune.with_resources(work, amounts),
            param_space={"trial": tune.grid_search([trial.key for trial in trials])},
            tune_config=tune.TuneConfig(
                max_concurrent_trials=min(slots, len(trials)),
                reuse_actors=False,
                trial_name_creator=_key_of,
                trial_dirname_creator=_key_of,
            ),
            run_config=tune.RunConfig(
                name=wave,
                storage_path=str(folder.path / "waves"),
                failure_config=tune.FailureConfig(max_failures=self.resources.max_retries),
                callbacks=[JsonLoggerCallback()],
                verbose=0,
            ),
        )

    def _record_lost(
        self,
        folder: StudyFolder,
        trials: Sequence[Trial],
        results: Mapping[str, tune.Result],
        started: float,
    ) -> None:
        """Write `failed` for trials that Tune gave up; one that an interrupt left has no error."""
        ledger = Ledger(folder)
        for trial in trials:
            result = results.get(trial.key)
            if result is None or folder.record(trial.key).exists():
                continue
            if result.error is not None:
                failure = _failure(result.error, self.resources.max_retries + 1)
                ledger.write(describe_failure(trial, failure, folder, started))


def _work(
    config: dict[str, Any],
    root: Root,
    study: str,
    resources: Resources,
    function: TrialFunction,
) -> dict[str, str]:
    """Body of a Tune trial, in a worker."""
    plan = Plan.model_validate_json(root.study(study).asked.read_text(encoding="utf-8"))
    trial = next(trial for trial in plan.trials if trial.key == config["trial"])
    return {"status": function(trial, root, resources)}


def _key_of(trial: Any) -> str:
    return str(trial.config["trial"])


def _failure(error: Exception, attempts: int) -> Failure:
    """Kind and message of what ended the last attempt, without Ray's wrapping."""
    cause = error.cause if isinstance(error, RayTaskError) else error
    lines = str(cause).strip().splitlines()
    return Failure(
        kind=type(cause).__name__,
        message=last_of(attempts, lines[0] if lines else "no message"),
        traceback=COLOUR.sub("", str(error)),
    )


@contextmanager
def cluster(resources: Resources) -> Generator[None]:
    """A cluster of this machine, ended afterwards with its folder; or one that exists, then left.

    Does nothing where a caller has connected already.
    """
    if ray.is_initialized():
        yield
        return
    for name in ("ray", "ray.tune", "ray.train", "ray.air"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    packages = str(Path(__file__).resolve().parents[2])
    environment = {**quiet_environment(resources), "PYTHONPATH": packages}
    common: dict[str, Any] = {
        "log_to_driver": False,
        "logging_level": logging.CRITICAL,
        "runtime_env": {"env_vars": environment},
    }
    scratch: Path | None = None
    try:
        if resources.address:
            ray.init(address=resources.address, **common)
        else:
            scratch = _scratch_folder()
            ray.init(
                address="local",
                num_cpus=os.cpu_count(),
                include_dashboard=False,
                _temp_dir=str(scratch),
                **common,
            )
        yield
    finally:
        with _uninterrupted():
            ray.shutdown()
            if scratch is not None:
                _remove(scratch)


def _scratch_folder() -> Path:
    usual = Path(tempfile.gettempdir())
    short = usual if len(str(usual)) < SOCKET_PATH_ROOM else Path("/tmp")
    return Path(tempfile.mkdtemp(prefix="mf-", dir=short))


def _remove(folder: Path, patience: float = 10.0) -> None:
    """Delete a folder in which ending processes may still write for a moment."""
    deadline = time.monotonic() + patience
    while folder.exists():
        shutil.rmtree(folder, ignore_errors=time.monotonic() < deadline)
        time.sleep(0.05)


def _slots(resources: Resources) -> int:
    """How many trials can run at a time.

    A cluster that was joined may grow: twice as many make its autoscaler see demand.

    Raises:
        StudyError: no node is large enough for one trial.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    slots = sum(_fitting(node, resources) for node in nodes)
    if slots == 0:
        found = "; ".join(
            f"{node.get('CPU', 0):g} CPUs, {node.get('GPU', 0):g} GPUs" for node in nodes
        )
        raise StudyError(
            f"a trial asks for {resources.cpus_per_trial:g} CPUs and "
            f"{resources.gpus_per_trial:g} GPUs, and no node has as much "
            f"(the cluster's nodes: {found or 'none'}); "
            "ask for less per trial, or join a larger cluster"
        )
    return 2 * slots if resources.address else slots


def _fitting(node: Mapping[str, float], resources: Resources) -> int:
    fits = [math.floor(node.get("CPU", 0) / resources.cpus_per_trial + 1e-9)]
    gpus, asked = node.get("GPU", 0), resources.gpus_per_trial
    if asked >= 1:
        fits.append(math.floor(gpus / asked))
    elif asked > 0:
        fits.append(math.floor(gpus) * math.floor(1 / asked + 1e-9))
    return min(fits)


@contextmanager
def _interruptible() -> Generator[None]:
    """SIGTERM does what SIGINT does; Ray's and Tune's handlers do not outlive the run."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
    before = {number: signal.getsignal(number) for number in signals}
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    signal.raise_signal(signal.SIGINT)


@contextmanager
def _uninterrupted() -> Generator[None]:
    """A second Ctrl-C must not leave processes behind; what is protected takes seconds."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {n: signal.signal(n, signal.SIG_IGN) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
