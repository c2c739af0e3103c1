"""The command line about tracking: `moleflow sync`, `moleflow ui`."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import IO, Annotated

from cyclopts import Parameter
from rich.markup import escape

from moleflow.errors import StoreError, StudyError
from orchestration.cluster.proxies import ask_here, without_proxies_here
from orchestration.commands.consoles import err, out
from orchestration.commands.options import RootOption, UriOption, tracking_uri
from orchestration.commands.whole_numbers import WHOLE
from orchestration.hiding import safe_text, safe_uri, without
from orchestration.records.layout import Root
from orchestration.records.plans import read_plan
from orchestration.tracking.address import default_uri, is_server
from orchestration.tracking.exporter import sync as send_all
from orchestration.tracking.mlflow.saved_view import study_pages
from orchestration.tracking.tracker import quiet_environment

DONE, INCOMPLETE = 0, 1
START, STOP = 60.0, 10.0
"""Seconds that the view has to answer, and to end."""
LAST_LINES = 20
"""Of what the view said, where it did not start."""


def sync(study: str, *, root: RootOption = Path("runs"), mlflow_uri: UriOption = None) -> int:
    """Bring the tracking store up to date with a study's ledger and report."""
    place, uri = Root.at(root), tracking_uri(mlflow_uri)
    os.environ.update(quiet_environment() | without_proxies_here(os.environ))
    from orchestration.tracking.mlflow.runs import MlflowTracker

    plan, tracker = read_plan(study, place), MlflowTracker(place, uri)
    return DONE if send_all(plan, place.study(plan.name), tracker, _warn) else INCOMPLETE


def ui(
    *,
    root: RootOption = Path("runs"),
    port: Annotated[int, WHOLE, Parameter(help="Port on this machine, 127.0.0.1.")] = 5000,
    mlflow_uri: UriOption = None,
) -> int:
    """Open MLflow's own view of the tracked runs, until Ctrl-C."""
    place, named = Root.at(root), tracking_uri(mlflow_uri)
    if not 0 < port < 2**16:
        raise StudyError(f"--port {port}: give a number from 1 to 65535")
    uri = named or default_uri(place)
    if is_server(uri):
        out.print(f"MLflow    {escape(safe_uri(uri))}")
        return DONE
    if named is None and not place.mlflow_db.exists():
        raise StudyError(f"{place.mlflow_db}: nothing is tracked there yet; is --root right?")
    address = f"http://127.0.0.1:{port}"
    _check_free(port)
    _find_artifacts(uri, place)
    try:
        with _view(uri, place, port) as view:
            _wait_until_it_answers(view, address)
            out.print(f"MLflow    {address}    (Ctrl-C ends it)")
            _tell_pages(address)
            raise StudyError(f"MLflow's view ended by itself (exit code {view.wait()}); see above")
    except KeyboardInterrupt:
        return DONE


def _find_artifacts(uri: str, root: Root) -> None:
    """Of a root folder that was moved since its last run."""
    from sqlalchemy.exc import SQLAlchemyError

    from orchestration.tracking.mlflow import places
    from orchestration.tracking.mlflow.owner import owner_of

    try:
        if root.owner.exists() and places.strayed(uri, root, owner := owner_of(root)):
            places.bring_home(uri, root, owner)
    except (StoreError, SQLAlchemyError) as error:
        reason = without(str(error).splitlines()[0], uri)
        _warn(f"artifacts of {root.path} may be sought where it was before: {reason}")


def _tell_pages(address: str) -> None:
    """Where the trials of each study are compared."""
    try:
        for study, page in study_pages(address).items():
            out.print(f"{escape(study):<9} {page}", soft_wrap=True, highlight=False)
    except OSError as error:
        _warn(f"{address}: its studies cannot be told ({error})")


def _check_free(port: int) -> None:
    """Raises:
    StudyError: something else listens there.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise StudyError(
                f"--port {port}: cannot be used ({error.strerror}); choose another one"
            ) from None


@contextmanager
def _view(uri: str, root: Root, port: int) -> Generator[subprocess.Popen[bytes]]:
    """MLflow's server for this person alone; all its processes end with the block.

    The store is named by variables: a command line, with its password, is seen by everyone. It
    runs in an empty folder, since it imports from the one that it is in.
    """
    place = {
        "MLFLOW_BACKEND_STORE_URI": uri,
        "MLFLOW_REGISTRY_STORE_URI": uri,
        "MLFLOW_ARTIFACTS_DESTINATION": root.mlflow_artifacts.as_uri(),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    command = [sys.executable, "-P", "-m", "mlflow", "server", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--workers", "1", "--uvicorn-opts", "--log-level error"]
    with (
        _interrupted_by_sigterm(),
        tempfile.TemporaryFile() as said,
        tempfile.TemporaryDirectory() as nothing,
    ):
        view = subprocess.Popen(
            command,
            cwd=nothing,
            env={**os.environ, **quiet_environment(), **place},
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        try:
            yield view
        except StudyError:
            err.print(escape(without(_end_of(said), uri)))
            raise
        finally:
            _end(view)


def _end_of(said: IO[bytes]) -> str:
    said.seek(0)
    lines = said.read().decode(errors="replace").splitlines()
    return "\n".join(lines[-LAST_LINES:])


@contextmanager
def _interrupted_by_sigterm() -> Generator[None]:
    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _wait_until_it_answers(view: subprocess.Popen[bytes], address: str) -> None:
    """Raises:
    StudyError: it ended, or does not answer in time.
    """
    deadline = time.monotonic() + START
    while time.monotonic() < deadline and view.poll() is None:
        try:
            with ask_here(f"{address}/health", 1):
                return
        except OSError:
            time.sleep(0.1)
    raise StudyError(f"MLflow's view did not start at {address}; see above")


def _end(view: subprocess.Popen[bytes]) -> None:
    """End the view and every process that it started: they are one group."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + STOP
        there = _send(view.pid, number)
        while there and time.monotonic() < deadline:
            view.poll()  # until it is waited for, a process that has ended still counts
            time.sleep(0.05)
            there = _send(view.pid, 0)


def _send(group: int, number: int) -> bool:
    """Whether there was still a process to send it to."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True


def _warn(text: str) -> None:
    err.print(f"[yellow]warning:[/] {escape(safe_text(text))}")
