"""A study runs in a process below the one that was started, which waits for it.

Ray ends a program whose cluster is lost out of its own C++ code: at any moment, with the exit code
of failed trials, and past everything that Python does at an end. So it is told from above.
"""

import ctypes
import os
import resource
import signal
from collections.abc import Callable
from contextlib import suppress

RAYS_CODE = 1
STOPS = (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
CRASHES = (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGKILL)
"""Ends that nobody asked for, or that told nobody why."""
PR_SET_PDEATHSIG = 1


def supervised(work: Callable[[], None]) -> None:
    """Do the work in a process below this one, which ends as that does, signals included.

    Where that one ends without a word, this one says what became of it. What the work decides (the
    code of its SystemExit) stands, whatever Ray does after.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    reader, writer = os.pipe()
    above, below = os.getpid(), os.fork()
    if below:
        os.close(writer)
        status = _waited(below)
        decided = os.read(reader, 1)
        _end_as(os.waitstatus_to_exitcode(status), decided[0] if decided else None)
    os.close(reader)
    _ends_with(above)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    code = 1
    try:
        work()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        raise
    finally:
        os.write(writer, bytes([code]))


def _ends_with(above: int) -> None:
    """Let the process below not outlive the one above, and get from it what a terminal sends: each
    signal once, however it was sent."""
    os.setpgid(0, 0)
    # A terminal with `stty tostop` would stop who writes from another group than its own.
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != above:  # it has ended in between
        os.kill(os.getpid(), signal.SIGKILL)


def _waited(below: int) -> int:
    """Pass on what signals come until the process below has ended; returns its wait status."""
    while True:
        number = signal.sigwaitinfo(signal.valid_signals()).si_signo
        if number == signal.SIGCHLD:
            ended, status = os.waitpid(below, os.WNOHANG)
            if ended:
                return status
        elif number in STOPS:
            _send_all(below, number)
            os.kill(os.getpid(), signal.SIGSTOP)
        elif number == signal.SIGCONT:
            _send_all(below, number)
        else:
            os.kill(below, number)


def _send_all(below: int, number: int) -> None:
    """To the group of the process below; it may not have made one yet."""
    with suppress(ProcessLookupError):
        os.killpg(below, number)


def _end_as(code: int, decided: int | None) -> None:
    """End this process.

    Args:
        code: how the process below ended, negative for a signal.
        decided: the exit code that its work decided on.
    """
    if decided is not None:
        os._exit(decided)
    _clear()
    if code in (RAYS_CODE, -signal.SIGABRT):
        os._exit(_told(code))
    if -code in CRASHES:
        _told(code)
    if code >= 0:
        os._exit(code)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if -code != signal.SIGKILL:
        signal.signal(-code, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [-code])
    os.kill(os.getpid(), -code)
    os._exit(128 - code)


def _clear() -> None:
    """End and delete what the process below has left of its cluster."""
    from orchestration.cluster import scratch

    scratch.clear_left_behind()


def _told(code: int) -> int:
    """Say what became of the process below; returns the exit code for it."""
    from moleflow.errors import ClusterError
    from orchestration.cluster import lifeline

    lifeline.tell(lifeline.unheard(code))
    return ClusterError.code
