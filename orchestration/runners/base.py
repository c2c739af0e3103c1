"""What every runner shares: what runs a trial, and how a lost trial is recorded."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable

from orchestration.driver.schedule import Schedule, Start
from orchestration.events import Event, read_events
from orchestration.history import history
from orchestration.layout import Root, StudyFolder
from orchestration.ledger import Failure, Ledger, Record, write_atomically
from orchestration.study import Plan, Trial
from orchestration.terms import Resources, Terms

TrialFunction = Callable[[Trial, Root, Terms], str]
"""Runs one trial in the present process, publishes its record and returns the record's status.
It raises only what another attempt can cure. A module's function, so that workers can import it."""


def run_trial(trial: Trial, root: Root, terms: Terms) -> str:
    """The trial function of real studies. Torch is imported here: in workers, not in the driver."""
    from orchestration.trial import sequence

    return sequence.run_trial(trial, root, terms)


class Runner(ABC):
    """Runs trials of one study until each has a ledger record."""

    def __init__(self, root: Root, terms: Terms, warn: Callable[[str], None] | None = None):
        """Args:
        terms: of every trial; the schedule decides each one's role.
        warn: told what the user should know while trials run.
        """
        self.root = root
        self.terms = terms
        self.warn = warn or _unheard

    @property
    def resources(self) -> Resources:
        return self.terms.resources

    @abstractmethod
    def run(self, plan: Plan, schedule: Schedule, function: TrialFunction = run_trial) -> None:
        """Run what the schedule hands out, until it has nothing left.

        A trial whose attempts all failed gets a record with status `failed`, so the others go on.

        Raises:
            StudyError: no machine has what a trial asks for; nothing was started.
            KeyboardInterrupt: SIGINT or SIGTERM; every worker has ended.
        """


def _unheard(text: str) -> None:
    """Nobody listens."""


def hand_out(schedule: Schedule, folder: StudyFolder) -> Start | None:
    """What may start now, written where its worker reads it: a worker must not read a whole plan.

    Raises:
        StoreError: the folder cannot be written.
    """
    start = schedule.next()
    if start is not None:
        write_atomically(folder.asked_of(start.trial.key), start.trial.model_dump_json())
    return start


def left_to_run(plan: Plan, root: Root) -> list[Trial]:
    """Plan minus ledger, in the plan's order."""
    ledger = Ledger(root.study(plan.name))
    done = set(ledger.keys()) - {one.path.stem for one in ledger.misfits()}
    return [trial for trial in plan.trials if trial.key not in done]


def describe_failure(trial: Trial, failure: Failure, folder: StudyFolder, started: float) -> Record:
    """The record of a trial that could not write one itself. What only its worker knew is empty;
    where it was, and its last numbers, are what its events say."""
    events = _events(folder, trial.key)
    known = history(events)
    ended = time.time()
    if failure.kind and not failure.stage:
        failure = failure.model_copy(update=_last_words(events, failure.message))
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
        started=known.spans[0].started if known.spans else started,
        ended=ended,
        attempts=max(1, len(known.spans)),
        spans=known.spans,
        seconds=known.seconds,
    )


def whereabouts(folder: StudyFolder, key: str) -> str:
    """Where a trial's present attempt is, e.g. `adapter cookie, epoch 3 of 40`; may be empty."""
    stage, numbers = _position(_events(folder, key))
    return ", ".join(part for part in (stage, _told(numbers)) if part)


def _events(folder: StudyFolder, key: str) -> list[Event]:
    """A file that cannot be read, which may be why a trial failed, says nothing."""
    try:
        return list(read_events(folder.events(key)))
    except OSError:
        return []


def _last_words(events: list[Event], message: str) -> dict[str, object]:
    stage, numbers = _position(events)
    if not stage:
        return {}
    where = ", ".join(part for part in (stage, _told(numbers)) if part)
    return {"stage": stage, "numbers": numbers, "message": f"{message}; it was in {where}"}


def _position(events: list[Event]) -> tuple[str, dict[str, float]]:
    """Stage and task that the last attempt told of last, and the last numbers of that stage."""
    begun = max((i for i, e in enumerate(events) if e.kind == "attempt"), default=0)
    told = [e for e in events[begun:] if e.kind in ("stage", "epoch")]
    if not told:
        return "", {}
    last, numbers = told[-1], dict[str, float]()
    if last.kind == "epoch":
        numbers |= {"epoch": last.epoch, "epochs": last.epochs}
        # A repeated epoch's losses stand where they were told first.
        same = (
            e
            for e in events
            if e.kind == "epoch"
            and (e.stage, e.name, e.epoch) == (last.stage, last.name, last.epoch)
        )
        for event in same:
            numbers |= event.values
    return f"{last.stage} {last.name}".strip(), numbers


def _told(numbers: dict[str, float]) -> str:
    if "epoch" not in numbers:
        return ""
    values = [f"{k} {v:.4g}" for k, v in numbers.items() if k not in ("epoch", "epochs")]
    return ", ".join([f"epoch {numbers['epoch']:g} of {numbers['epochs']:g}", *values])


def last_of(attempts: int, message: str) -> str:
    return f"{message} (last of {attempts} attempts)" if attempts > 1 else message


DETERMINISTIC = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
"""Without it torch refuses matrix products on a GPU when only deterministic ones are allowed."""


OWN_CLUSTER = {
    "RAY_AUTH_MODE": "token",
    # By the name that Ray gives it on two systems; on all, a cluster of one machine then listens on
    # 127.0.0.1 alone, which `_node_ip_address` does not bring about.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
}
"""What Ray must know, when it is imported, to start a cluster that nobody else can use."""


def quiet_environment(resources: Resources) -> dict[str, str]:
    """Variables that the CLI sets before Ray is imported, and every worker gets."""
    threads = str(resources.threads)
    return {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",
        "RAY_AIR_NEW_OUTPUT": "0",
        "RAY_CHDIR_TO_TRIAL_DIR": "0",
        # A driver below `uv run` would have each worker started by uv, in a copy of this folder.
        "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
        # Trials are what the machine is for: they get the driver's own priority, not nice 15.
        "RAY_worker_niceness": "0",
        # Nothing that Ray says of lost workers and nodes is printed: the ledger tells of it.
        "RAY_DEDUP_LOGS_SKIP_REGEX": "^",
        "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
        # Without it Tune waits ten seconds for busy trials before it ends them.
        "TUNE_DISABLE_SIGINT_HANDLER": "1",
        # Tune's own state is never read: no snapshot of it but the one at the end.
        "TUNE_GLOBAL_CHECKPOINT_S": str(10**9),
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        **DETERMINISTIC,
        # No process that is started imports modules from the folder that it is started in.
        "PYTHONSAFEPATH": "1",
        **({} if resources.address else OWN_CLUSTER),
    }
