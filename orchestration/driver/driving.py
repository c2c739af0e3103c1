"""One driver per study: the claim that says so, and how another process asks it to stop."""

import os
import platform
import shutil
import signal
import threading
import time
import uuid
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, suppress
from types import FrameType

from moleflow.errors import StudyError
from moleflow.files import remove
from moleflow.settings import Settings
from orchestration.records.files import write_atomically
from orchestration.records.layout import Root, StudyFolder
from orchestration.store.lease import LOOK, PATIENCE, Lease, Leases, active, sweep
from orchestration.store.unfinished import clear_unfinished

PERIOD = 0.5
"""Seconds between two looks for a request to stop, and for what became of it."""


class Driver(Settings):
    """`studies/<study>/driver.json` while a study is driven."""

    host: str
    pid: int
    started: float
    command: str


class StopRequest(Settings):
    """`studies/<study>/stop`: asks the driver to end as Ctrl-C would."""

    nonce: str
    host: str
    pid: int
    asked: float


@contextmanager
def driving(
    study: str, root: Root, command: str, warn: Callable[[str], None] | None = None
) -> Generator[None]:
    """Drives a study while a block lasts: no other process can, and `request_stop` reaches this
    one, whose main thread it interrupts.

    Raises:
        StudyError: another driver lives. One that died has its claim taken over within seconds.
    """
    folder = root.study(study)
    with Leases(root.leases, f"driver of {study}", warn=warn) as leases:
        _claim(study, root, leases)
        new = not folder.path.exists()
        here = Driver(host=platform.node(), pid=os.getpid(), started=time.time(), command=command)
        # What was asked of an earlier driver is not asked of this one.
        remove(folder.stop)
        write_atomically(folder.driver, here.model_dump_json())
        since = folder.driver.stat().st_mtime_ns
        lost = _Lost(study, leases, warn)
        try:
            with _stoppable(folder, lost):
                yield
        finally:
            if not lost():
                remove(folder.driver)
                remove(folder.stop)
                sweep(root.leases)
                clear_unfinished(root, folder, since)
                if new and not folder.asked.exists():  # refused
                    shutil.rmtree(folder.proposals, ignore_errors=True)
                with suppress(OSError):  # not empty: something was planned
                    folder.path.rmdir()


class _Lost:
    """Whether another process drives the study by now, or has: this one was paused, or cut off from
    the file system, for so long that it seemed dead."""

    def __init__(self, study: str, leases: Leases, warn: Callable[[str], None] | None):
        self._study, self._leases, self._warn = study, leases, warn
        self._looked = time.monotonic()
        self._lost = False

    def __call__(self) -> bool:
        """Told once. A claim that somebody has deleted is taken again."""
        slept, self._looked = time.monotonic() - self._looked, time.monotonic()
        if self._lost:
            return True
        name, who = _name(self._study), "another process"
        try:
            holder = self._leases.holder(name)
            if holder is None and slept < PATIENCE:
                self._leases.acquire(name)
            if holder is not None:
                who = f"process {holder.pid} on {holder.host}"
            self._lost = not self._leases.keeps(name) or (holder is None and slept >= PATIENCE)
        except OSError:  # looked for again
            return False
        if self._lost and self._warn is not None:
            self._warn(
                f"study {self._study} was taken over by {who}, as this one gave no sign of life "
                f"for {PATIENCE:g} s; this one ends"
            )
        return self._lost


def driver_of(study: str, root: Root, patience: float = PATIENCE) -> Lease | None:
    """The claim of the process that drives a study.

    Args:
        patience: seconds to wait for a sign of life from another machine; 0 trusts the claim.
    """
    found = active(root.leases, patience=patience)
    return next((lease for lease in found if lease.name == _name(study)), None)


def request_stop(study: str, root: Root, patience: float = 60.0) -> Lease | None:
    """Ask the driver of a study to end, and wait until it has.

    Returns:
        The claim that it gave up; None if there was no driver.

    Raises:
        StudyError: it has not ended within `patience` seconds.
    """
    claim = driver_of(study, root)
    if claim is None:
        return None
    asked = StopRequest(
        nonce=uuid.uuid4().hex, host=platform.node(), pid=os.getpid(), asked=time.time()
    )
    write_atomically(root.study(study).stop, asked.model_dump_json())
    deadline = time.monotonic() + patience
    while driver_of(study, root, patience=0.0) is not None:
        if time.monotonic() > deadline and driver_of(study, root) is not None:
            raise StudyError(
                f"the driver of {study} (process {claim.pid} on {claim.host}) was asked to stop "
                f"and has not ended after {patience:g} s; it may still: look again with "
                f"`{root.command('status', study)}`, or end the process there"
            )
        time.sleep(PERIOD)
    return claim


def _name(study: str) -> str:
    return f"driver/{study}"


def _claim(study: str, root: Root, leases: Leases) -> None:
    deadline = time.monotonic() + 2 * PATIENCE
    while not leases.acquire(_name(study)):
        holder = driver_of(study, root)
        if holder is not None or time.monotonic() > deadline:
            who = f"process {holder.pid} on {holder.host}" if holder else "another process"
            raise StudyError(
                f"study {study} is driven by {who} already; wait for it, or end it with: "
                f"{root.command('stop', study)}"
            )
        time.sleep(LOOK)


@contextmanager
def _stoppable(folder: StudyFolder, lost: Callable[[], bool]) -> Generator[None]:
    """A request, or that the study is `lost` to another driver, interrupts the main thread once,
    even of a process that ignores SIGINT; SIGTERM does so too, unless the program that drives has
    its own way with it."""
    asked, leaving = threading.Event(), threading.Event()

    def listen() -> None:
        while not leaving.wait(PERIOD):
            if lost() or _is_asked(folder):
                asked.set()
                os.kill(os.getpid(), signal.SIGINT)
                return

    thread = threading.Thread(target=listen, name="stop", daemon=True)
    with ExitStack() as stack:
        if threading.current_thread() is threading.main_thread():
            before = signal.getsignal(signal.SIGINT)
            ignored = before is signal.SIG_IGN

            def interrupt(number: int, frame: FrameType | None) -> None:
                if asked.is_set() or not ignored:
                    raise KeyboardInterrupt

            signal.signal(signal.SIGINT, interrupt)
            stack.callback(signal.signal, signal.SIGINT, before)
            if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
                signal.signal(signal.SIGTERM, _terminated)
                stack.callback(signal.signal, signal.SIGTERM, signal.SIG_DFL)
        stack.callback(thread.join)
        stack.callback(leaving.set)
        thread.start()
        yield


def _terminated(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _is_asked(folder: StudyFolder) -> bool:
    """Its folder is listed: a network file system may remember that a file was missing."""
    try:
        with os.scandir(folder.path) as entries:
            return any(entry.name == folder.stop.name for entry in entries)
    except OSError:
        return False
