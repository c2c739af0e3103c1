"""What every runner shares: what a trial gets, what runs it, and how a lost trial is recorded."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from moleflow.config import NonNegative, Positive
from moleflow.settings import Settings
from orchestration.events import read_events
from orchestration.layout import Root, StudyFolder
from orchestration.ledger import Failure, Ledger, Record
from orchestration.study import Plan, Trial


class Resources(Settings):
    """What one trial gets, and where trials run."""

    cpus_per_trial: Positive = 1.0
    """CPU cores of one trial; its threads are this, rounded down, and at least one."""
    gpus_per_trial: NonNegative = 0.0
    """GPUs of one trial; below 1, trials share a GPU."""
    address: str | None = None
    """An existing Ray cluster, e.g. `auto` or `10.0.0.1:6379`; none: a cluster of this machine."""
    max_retries: Annotated[int, Field(ge=0)] = 2
    """How often a trial is started again after its worker was lost or failed to read or write."""

    @model_validator(mode="after")
    def _schedulable(self) -> Self:
        for name, amount in (("CPUs", self.cpus_per_trial), ("GPUs", self.gpus_per_trial)):
            if amount > 1 and amount != int(amount):
                raise ValueError(
                    f"{name} per trial: {amount} is above 1, so it must be a whole number"
                )
        return self

    @property
    def threads(self) -> int:
        """Threads that a trial computes with."""
        return max(1, int(self.cpus_per_trial))


TrialFunction = Callable[[Trial, Root, Resources], str]
"""Runs one trial in the present process, publishes its record and returns the record's status.
It raises only what another attempt can cure. A module's function, so that workers can import it."""


def run_trial(trial: Trial, root: Root, resources: Resources) -> str:
    """The trial function of real studies. Torch is imported here: in workers, not in the driver."""
    from orchestration import trial as sequence

    return sequence.run_trial(trial, root, resources)


class Runner(ABC):
    """Runs trials of one study until each has a ledger record."""

    def __init__(self, root: Root, resources: Resources):
        self.root = root
        self.resources = resources

    @abstractmethod
    def run(self, plan: Plan, trials: Sequence[Trial], function: TrialFunction = run_trial) -> None:
        """Run these trials of the plan (those without a record; `left_to_run` names them).

        A trial whose attempts all failed gets a record with status `failed`, so the others go on.

        Raises:
            StudyError: no machine has what a trial asks for; nothing was started.
            KeyboardInterrupt: SIGINT or SIGTERM; every worker has ended.
        """


def left_to_run(plan: Plan, root: Root) -> list[Trial]:
    """Plan minus ledger, in the plan's order."""
    done = set(Ledger(root.study(plan.name)).keys())
    return [trial for trial in plan.trials if trial.key not in done]


def describe_failure(trial: Trial, failure: Failure, folder: StudyFolder, started: float) -> Record:
    """The record of a trial that could not write one itself. What only its worker knew is empty."""
    attempts = _attempts(folder.events(trial.key))
    return Record(
        key=trial.key,
        study=trial.study,
        status="failed",
        failure=failure,
        axes=trial.axes,
        sequence=trial.sequence,
        seed=trial.seed,
        config=trial.config,
        data_root=trial.data_root,
        data={},
        weights=trial.weights,
        versions={},
        git="unknown",
        device="",
        threads=0,
        host="",
        started=attempts[0] if attempts else started,
        ended=time.time(),
        attempts=max(1, len(attempts)),
    )


def _attempts(path: Path) -> list[float]:
    """When each attempt began; a damaged file, which may be why they failed, says nothing."""
    try:
        return [event.time for event in read_events(path) if event.kind == "attempt"]
    except ValueError:
        return []


def last_of(attempts: int, message: str) -> str:
    return f"{message} (last of {attempts} attempts)"


DETERMINISTIC = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
"""Without it torch refuses matrix products on a GPU when only deterministic ones are allowed."""


def quiet_environment(resources: Resources) -> dict[str, str]:
    """Variables that the CLI sets before Ray is imported, and every worker gets."""
    threads = str(resources.threads)
    return {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",
        "RAY_AIR_NEW_OUTPUT": "0",
        "RAY_CHDIR_TO_TRIAL_DIR": "0",
        "RAY_DEDUP_LOGS_SKIP_REGEX": "died|killed",
        "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
        # Without it Tune waits ten seconds for busy trials before it ends them.
        "TUNE_DISABLE_SIGINT_HANDLER": "1",
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        **DETERMINISTIC,
    }
