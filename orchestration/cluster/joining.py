"""A Ray cluster, started here or joined, with our code on its workers."""

# Ray's own annotations are incomplete.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import gc
import logging
import os
import re
import signal
import socket
import sys
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ray
from ray._private import ray_constants
from ray._private import worker as rays_worker
from ray._private.authentication.authentication_utils import is_token_auth_enabled
from ray._raylet import AuthenticationTokenLoader, setproctitle  # pyright: ignore

from moleflow.errors import ClusterError, StudyError
from orchestration.cluster.allowance import allowed_cpus
from orchestration.cluster.delivery import EXCLUDED, sources
from orchestration.cluster.environment import quiet_environment
from orchestration.cluster.leftovers import end_session
from orchestration.cluster.lifeline import (
    WHAT,
    WHILE_STARTING,
    Starting,
    Watched,
    agents,
    watched,
)
from orchestration.cluster.scratch import Scratch, scratch_folder
from orchestration.hiding import HIDDEN, safe_command
from orchestration.studies.terms import Resources

PATIENCE = 10.0
"""Seconds in which an address must answer."""
LOOPBACK = "127.0.0.1"
FOREIGN = ("RAY_RUNTIME_ENV_HOOK", "RAY_JOB_CONFIG_JSON_ENV_VAR")
"""How a platform, or `ray job submit`, has workers of its own cluster begin: not those of ours."""
COMPILED = ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR")
TOKENS = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")


@contextmanager
def cluster(resources: Resources) -> Generator[None]:
    """A cluster of this machine, ended afterwards with its folder; or one that exists, then left.

    Does nothing where a caller has connected already.

    Raises:
        StudyError: nobody answers at the address, it lets this process not in, or Ray or Python
            differ from ours there.
    """
    if ray.is_initialized():
        yield
        return
    for name in ("ray", "ray.tune", "ray.train", "ray.air"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    if HIDDEN in (said := safe_command(sys.argv)):
        # Ray tells whoever may see the cluster which command line a driver has.
        setproctitle(said)
    with _joined(resources) if resources.address else _started(resources):
        yield


@contextmanager
def _joined(resources: Resources) -> Generator[None]:
    assert resources.address is not None
    try:
        _join(resources.address, resources)
        yield
    finally:
        with _uninterrupted():
            _leave()


@contextmanager
def _started(resources: Resources) -> Generator[None]:
    with scratch_folder() as scratch, _token_of(scratch), _without(FOREIGN):
        try:
            with watched(Starting(), scratch.path, period=WHILE_STARTING):
                _start(scratch, resources)
            lifeline = _lifeline()
            with watched(lambda: lifeline, scratch.path):
                yield
        finally:
            with _uninterrupted():
                _leave()
                end_session(scratch.path)


def _lifeline() -> Mapping[str, Watched]:
    """The processes without which the cluster is none."""
    node: Any = rays_worker._global_node  # pyright: ignore[reportPrivateUsage]
    started: dict[str, Any] = {name: node.all_processes[name][0].process for name in WHAT}
    # What dies first comes first, so that it is what is told.
    return agents(started["raylet"].pid) | started


@contextmanager
def _without(names: Sequence[str]) -> Generator[None]:
    before = {name: os.environ.pop(name, None) for name in names}
    try:
        yield
    finally:
        os.environ.update({name: value for name, value in before.items() if value is not None})


@contextmanager
def _token_of(scratch: Scratch) -> Generator[None]:
    """Ray and all that it starts read the token from its file, whose path they inherit; what is in
    `runtime_env` instead stands in logs and command lines."""
    try:
        with _without(TOKENS):
            os.environ["RAY_AUTH_TOKEN_PATH"] = str(scratch.token)
            AuthenticationTokenLoader.instance().reset_cache()
            try:
                yield
            finally:
                del os.environ["RAY_AUTH_TOKEN_PATH"]
    finally:
        AuthenticationTokenLoader.instance().reset_cache()


def _start(scratch: Scratch, resources: Resources) -> None:
    open_to_others = ray_constants.ENABLE_RAY_CLUSTER or not is_token_auth_enabled()
    if open_to_others:
        raise StudyError(
            "Ray was imported before this study could say that nobody else may use its cluster; "
            "call run before `import ray`, or name a cluster that runs with address"
        )
    # Workers of this machine import what the driver imports, from where it lies.
    places = [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")]
    path = os.pathsep.join(place for place in places if place)
    environment = {**quiet_environment(resources), "PYTHONPATH": path}
    # What torch compiles is code: kept where nobody else can put any, and gone afterwards.
    environment |= {n: str(scratch.path / n.lower()) for n in COMPILED if n not in os.environ}
    try:
        ray.init(
            address="local",
            num_cpus=allowed_cpus(),
            include_dashboard=False,
            _node_ip_address=LOOPBACK,
            _temp_dir=str(scratch.session),
            log_to_driver=False,
            logging_level=logging.CRITICAL,
            # Without a folder of their own, workers import from the one that the driver is in.
            runtime_env={"env_vars": environment, "working_dir": str(scratch.nothing)},
        )
    except (Exception, SystemExit) as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ClusterError(
            f"Ray did not start on this machine ({said}); nothing was run. Run the same command "
            "again when the machine is less busy; `moleflow doctor` looks for what is missing, and "
            "--runner inline does without Ray"
        ) from None


def _join(address: str, resources: Resources) -> None:
    if address != "auto":
        _find(address)
    with TemporaryDirectory() as nothing:
        _connect(address, resources, nothing)


def _connect(address: str, resources: Resources, nothing: str) -> None:
    """Args:
    nothing: an empty folder, as `Scratch.nothing`.
    """
    try:
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level=logging.CRITICAL,
            runtime_env={
                "env_vars": quiet_environment(resources),
                "py_modules": sources(),
                "excludes": EXCLUDED,
                "working_dir": nothing,
            },
        )
    except (ConnectionError, SystemExit, RuntimeError) as error:
        if _is_locked(error):
            raise StudyError(
                f"--address {address}: the cluster takes only those who know its token; run "
                "`export RAY_AUTH_MODE=token` here, and copy ~/.ray/auth_token from its head"
            ) from None
        if isinstance(error, RuntimeError):
            raise StudyError(_refused(address, str(error))) from None
        raise StudyError(_nobody(address, "it found no Ray cluster")) from None


def _find(address: str) -> None:
    """Ray itself looks for minutes, and then ends the process."""
    host, separator, port = address.rpartition(":")
    if not separator or not host or not port.isdigit() or "://" in address:
        raise StudyError(
            f"--address {address}: give HOST:PORT of a cluster's head node, e.g. 10.0.0.1:6379, "
            "or auto for a cluster that this machine is part of"
        )
    try:
        socket.create_connection((host, int(port)), timeout=PATIENCE).close()
    except (OSError, OverflowError) as error:
        raise StudyError(_nobody(address, str(error))) from None


def _is_locked(error: BaseException | None) -> bool:
    """Whether somewhere among its causes Ray refused a token."""
    while error is not None:
        if "InvalidAuthToken" in str(error) or "AuthenticationError" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _nobody(address: str, why: str) -> str:
    return (
        f"--address {address}: no Ray cluster answers there ({why}); start one with "
        "`ray start --head --port=6379`, or leave --address out to use this machine alone"
    )


def _refused(address: str, message: str) -> str:
    """Two versions, told from `Ray: 2.60.0` and `Python: 3.11.7` of the cluster, then of us."""
    rays, pythons = (re.findall(rf"{name}: (\S+)", message) for name in ("Ray", "Python"))
    if len(rays) >= 2 and len(pythons) >= 2:
        return (
            f"--address {address}: the cluster runs Ray {rays[0]} on Python {pythons[0]}, and this "
            f"is Ray {rays[1]} on Python {pythons[1]}; they must be the same: start the cluster's "
            f"nodes in an environment like this one, or install ray=={rays[0]} on "
            f"Python {pythons[0]} here"
        )
    return f"--address {address}: the cluster cannot be joined: {message.strip()}"


def _leave() -> None:
    """End Ray's client. Where another thread's garbage collection meets one of its references in
    that moment, Ray ends the process, with exit code 1: so what is garbage goes before."""
    collects = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        ray.shutdown()
    finally:
        if collects:
            gc.enable()


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
