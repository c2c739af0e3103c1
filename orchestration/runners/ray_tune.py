"""Trials on a Ray cluster, one Ray Tune trial each. The only file that imports Ray Tune.

A run is one *wave*: a Tune experiment with a name of its own, fed with keys while it runs. Tune
only places and restarts; what may start is the schedule's, what is done stands in the ledger,
and Tune's own state is never read again.
"""

# Ray's own annotations are incomplete.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import os
import re
import shutil
import signal
import threading
import time
import uuid
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import ray
from ray import cloudpickle, tune
from ray.exceptions import RayTaskError
from ray.tune.execution.class_cache import ENV_VARS_TO_PROPAGATE
from ray.tune.search import Searcher

from moleflow.errors import StudyError
from orchestration.cluster.joining import cluster
from orchestration.cluster.placing import Capacity, check_this_machine, share_of_a_node
from orchestration.doctor.cluster import check_nodes
from orchestration.hiding import safe_text
from orchestration.records.files import write_atomically
from orchestration.records.layout import Root, StudyFolder
from orchestration.records.ledger import Failure, Ledger
from orchestration.records.worker import announce, asked_trial, output_kept
from orchestration.runners.guard import HUNG, Guard, Limit
from orchestration.runners.runner import (
    Runner,
    TrialFunction,
    describe_failure,
    hand_out,
    last_of,
    pause_after,
    run_trial,
)
from orchestration.sharing.schedule import Schedule
from orchestration.studies.expansion import Plan, Trial
from orchestration.studies.terms import Terms

__all__ = ["RayTuneRunner", "cluster"]

UNBEGUN = 60.0
"""Seconds in which trials were handed out and none runs, after which that is said."""
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
"""Escape sequences by which Ray colours tracebacks."""

# Keys of AWS among them: Ray writes them into command lines of workers, which everybody can read.
ENV_VARS_TO_PROPAGATE.clear()


class RayTuneRunner(Runner):
    """Starts a cluster of this machine, or joins one."""

    def check(self) -> None:
        check_this_machine(self.resources)

    def run(self, plan: Plan, schedule: Schedule, function: TrialFunction = run_trial) -> None:
        if schedule.exhausted:
            return
        folder = self.root.study(plan.name)
        try:
            # Twice, for connecting to a cluster sets Ray's own handlers.
            with _interruptible(), cluster(self.resources), _interruptible():
                share = share_of_a_node(self.resources)
                self._check_nodes(Path(plan.data_root))
                with Guard(folder, self.resources) as guard:
                    capacity = Capacity(self.resources, share)
                    queue = TrialQueue(schedule, folder, guard, capacity, self.warn)
                    self._run_wave(folder, queue, share, plan.most, function)
        finally:
            shutil.rmtree(folder.waves, ignore_errors=True)
        queue.check_ended()

    def _check_nodes(self, data: Path) -> None:
        """What this machine sees, every node of a cluster that was joined must see."""
        if self.resources.address and data.exists():
            check_nodes(self.root.path, data)

    def _run_wave(
        self,
        folder: StudyFolder,
        queue: "TrialQueue",
        share: dict[str, float],
        most: int,
        function: TrialFunction,
    ) -> None:
        work = tune.with_parameters(
            _work, root=self.root, study=folder.name, terms=self.terms, function=function
        )
        tune.run(
            tune.with_resources(work, tune.PlacementGroupFactory([share])),
            name=f"wave-{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:6]}",
            storage_path=str(folder.waves),
            search_alg=_Feed(queue),
            num_samples=-1,
            # How many trials Tune lets wait for a place; how many are out is the queue's to say.
            max_concurrent_trials=most,
            max_failures=self.resources.max_retries,
            reuse_actors=False,
            raise_on_failed_trial=False,
            trial_name_creator=_key_of,
            trial_dirname_creator=_key_of,
            callbacks=[_Outcomes(queue)],
            verbose=0,
        )


class TrialQueue:
    """Hands trials of a schedule to Tune, and learns what became of them."""

    def __init__(
        self,
        schedule: Schedule,
        folder: StudyFolder,
        guard: Guard,
        capacity: Capacity,
        warn: Callable[[str], None],
    ):
        self._schedule = schedule
        self._folder = folder
        self._guard = guard
        self._capacity = capacity
        self._warn = warn
        self._running: set[str] = set()
        self._idle_since = time.monotonic()
        self._warned = False
        self._ledger = Ledger(folder)
        self._out: dict[str, Trial] = {}
        self._unrecorded: list[str] = []
        self._since = time.time()

    @property
    def exhausted(self) -> bool:
        return self._schedule.exhausted

    def hand_out(self) -> dict[str, str] | None:
        """The next trial as Tune's config; None while no more fit, or all that are left must wait.

        Raises:
            StudyError: they wait for nothing, as none is in work.
        """
        if self._out and len(self._out) >= self._capacity():
            return None
        start = hand_out(self._schedule, self._folder)
        if start is not None:
            self._out[start.trial.key] = start.trial
            return {"trial": start.trial.key, "role": start.role}
        if not self._out and not self.exhausted:
            left = len(self._schedule.left)
            raise StudyError(f"{left} trials wait for others, and no trial runs; a defect")
        return None

    def began(self, tuned: Any) -> None:
        actor, self._warned = tuned.temporary_state.ray_actor, False
        self._running.add(_key_of(tuned))

        def end(limit: Limit) -> None:
            if limit == "wall":
                tuned.max_failures = 0
            # Reaches every node, and a stopped process too: that one within seconds.
            ray.kill(actor)

        self._guard.began(_key_of(tuned), end)

    def tries_again(self, tuned: Any) -> None:
        self._guard.ended(_key_of(tuned))
        self._rest(_key_of(tuned))

    def failed(self, tuned: Any) -> None:
        """All attempts are used up; it goes on record, unless the last one still wrote its own."""
        key = _key_of(tuned)
        verdict, attempts = self._guard.ended(key), int(tuned.num_failures)
        if not self._recorded(key):
            failure = _hung(verdict, attempts) if verdict else _failure(tuned, attempts)
            record = describe_failure(self._out[key], failure, self._folder, self._since)
            assert record.failure is not None
            write_atomically(self._folder.verdict(key), record.failure.message + "\n")
            self._ledger.write(record)
        self._end(key)

    def completed(self, tuned: Any) -> None:
        key = _key_of(tuned)
        self._guard.ended(key)
        if not self._recorded(key):
            self._unrecorded.append(key)
        self._end(key)

    def check(self) -> None:
        """Again and again. Raises what ended the guard."""
        if self._guard.error is not None:
            raise self._guard.error
        waits = self._out and not self._running and not self._warned
        if waits and time.monotonic() - self._idle_since > UNBEGUN:
            self._warned = True
            self._warn(
                f"no trial has begun for {UNBEGUN:g} s: {self._capacity.described()}. "
                "Other work may fill them; where an autoscaler should start some, `ray status` on "
                "the cluster's head says why it does not"
            )

    def check_ended(self) -> None:
        """After a wave.

        Raises:
            StudyError: a trial ended without a record.
            KeyboardInterrupt: Tune was interrupted, and has ended its trials gracefully.
        """
        if self._unrecorded:
            raise StudyError(
                f"{len(self._unrecorded)} trials ended, and their records are not in "
                f"{self._folder.trials} (the first is {self._unrecorded[0]}); "
                "--root must be a folder that all nodes see"
            )
        if self._out or not self.exhausted:
            raise KeyboardInterrupt

    def _recorded(self, key: str) -> bool:
        # A network file system may remember that a file was missing until its folder is opened.
        with suppress(OSError):
            os.scandir(self._folder.trials).close()
        return self._folder.record(key).exists()

    def _end(self, key: str) -> None:
        del self._out[key]
        self._rest(key)
        self._schedule.ended(key)

    def _rest(self, key: str) -> None:
        self._running.discard(key)
        self._idle_since = time.monotonic()


class _Feed(Searcher):
    """What Tune asks for trials."""

    def __init__(self, queue: TrialQueue):
        super().__init__()
        self._queue = queue

    def suggest(self, trial_id: str) -> Any:
        if self._queue.exhausted:
            return Searcher.FINISHED
        return self._queue.hand_out()

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """`_Outcomes` is told more."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: what is left is plan minus ledger."""


class _Outcomes(tune.Callback):
    """What Tune tells of trials. It takes some errors of callbacks for the trial's, so they are
    kept, and raised where they end the study."""

    def __init__(self, queue: TrialQueue):
        self._queue = queue
        self._error: Exception | None = None

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        if self._error is not None:
            raise self._error
        self._queue.check()

    on_step_end = on_step_begin

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        with self._kept():
            self._queue.began(trial)

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        with self._kept():
            self._queue.tries_again(trial)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        with self._kept():
            self._queue.failed(trial)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        with self._kept():
            self._queue.completed(trial)

    @contextmanager
    def _kept(self) -> Generator[None]:
        try:
            yield
        except Exception as error:
            self._error = self._error or error


def _work(
    config: dict[str, Any], root: Root, study: str, terms: Terms, function: TrialFunction
) -> dict[str, str]:
    """Body of a Tune trial, in a worker."""
    folder, key = root.study(study), str(config["trial"])
    trial = asked_trial(folder, key)
    announce(folder, key, ray.get_runtime_context().get_node_id())
    with output_kept(folder.log(key)):
        terms = terms.model_copy(update={"role": config["role"]})
        try:
            return {"status": function(trial, root, terms)}
        except Exception as error:
            pause_after(error, folder, key)
            raise


def _key_of(trial: Any) -> str:
    return str(trial.config["trial"])


def _hung(verdict: str, attempts: int) -> Failure:
    return Failure(kind=HUNG, message=last_of(attempts, verdict))


def _failure(tuned: Any, attempts: int) -> Failure:
    """Kind and message of what ended the last attempt, without Ray's wrapping."""
    # Tune's own accessors read where these files are copied to later.
    if tuned.pickled_error_file is None:
        text = safe_text(Path(tuned.error_file).read_text(encoding="utf-8"))
        return Failure(kind="TuneError", message=last_of(attempts, "see below"), traceback=text)
    error = cloudpickle.loads(Path(tuned.pickled_error_file).read_bytes())
    cause = error.cause if isinstance(error, RayTaskError) else error
    lines = safe_text(str(cause)).strip().splitlines()
    return Failure(
        kind=type(cause).__name__,
        message=last_of(attempts, lines[0] if lines else "no message"),
        traceback=safe_text(COLOUR.sub("", str(error))),
    )


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
    raise KeyboardInterrupt
