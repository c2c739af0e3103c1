"""A Ray cluster, started here or joined, with our code on its workers; what fits on its nodes."""

# Ray's own annotations are incomplete.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import gc
import logging
import math
import os
import re
import signal
import socket
import sys
import threading
import time
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
from ray.util import accelerators

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
GB = 1e9
LOOPBACK = "127.0.0.1"
FOREIGN = ("RAY_RUNTIME_ENV_HOOK", "RAY_JOB_CONFIG_JSON_ENV_VAR")
"""How a platform, or `ray job submit`, has workers of its own cluster begin: not those of ours."""
COMPILED = ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR")
TOKENS = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
AHEAD = 16
"""Trials that may wait for a place on a cluster that was joined, or as many as there is room for if
that is more: an autoscaler starts nodes for them."""
LOOK = 1.0
"""Seconds between two looks at a cluster's nodes."""
SLIVER = 0.001
"""What a trial takes of a resource that only says what a node is."""
BUILT_IN = re.compile(r"CPU|GPU|memory|object_store_memory|node:.*|.*_group_.*")

RAYS_KINDS = frozenset(
    value
    for name, value in vars(accelerators).items()
    if isinstance(value, str) and not name.startswith("_")
)
"""Accelerator types that Ray finds out by itself."""

Declared = Mapping[str, float]
"""Resources that a node declares, by Ray's names; memory in bytes."""


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


def share_of_a_node(resources: Resources) -> dict[str, float]:
    """What one trial takes of a node, by Ray's names.

    Raises:
        StudyError: no node has as much, or none is of that kind. With `resources.autoscaling` such
            a node may come, and only Ray knows which can.
    """
    nodes = alive_nodes()
    share = {
        "CPU": resources.cpus_per_trial,
        "GPU": resources.gpus_per_trial,
        "memory": resources.memory_per_trial * GB,
    }
    if resources.accelerator is not None:
        share[_declared(resources.accelerator, nodes, resources.autoscaling)] = SLIVER
    share = {name: amount for name, amount in share.items() if amount > 0}
    if not resources.autoscaling and not any(fitting(node, share) for node in nodes):
        raise StudyError(
            f"a trial asks for {_described(share)}, and no node has as much ({_told(nodes)}); "
            "ask for less per trial, or join a larger cluster (--autoscaling: one that starts "
            "nodes for trials that wait)"
        )
    return share


class Capacity:
    """How many trials may be handed out at a time: as many as fit on the nodes that are there now,
    and on a cluster that was joined more, so that an autoscaler sees trials that wait."""

    def __init__(self, resources: Resources, share: Declared):
        self._joined = resources.address is not None
        self._share = share
        self._looked = -math.inf
        self._found = 0

    def __call__(self) -> int:
        now = time.monotonic()
        if now - self._looked > LOOK:
            self._found = sum(fitting(node, self._share) for node in alive_nodes())
            self._looked = now
        return self._found + max(self._found, AHEAD) if self._joined else self._found

    def described(self) -> str:
        """What is asked for, and what there is."""
        return f"a trial asks for {_described(self._share)}; {_told(alive_nodes())}"


def alive_nodes() -> list[Declared]:
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def fitting(node: Declared, share: Declared) -> int:
    """How many trials fit on a node. A part of a GPU is always a part of one GPU."""
    counts: list[int] = []
    for name, asked in share.items():
        there = node.get(name, 0.0)
        if name == "GPU" and asked < 1:
            counts.append(math.floor(there) * math.floor(1 / asked + 1e-9))
        else:
            counts.append(math.floor(there / asked + 1e-9))
    return min(counts)


def _declared(kind: str, nodes: Sequence[Declared], more_come: bool) -> str:
    """Ray's name of a kind of node."""
    known_to_ray = f"accelerator_type:{kind}"
    for name in (known_to_ray, kind):
        if any(name in node for node in nodes):
            return name
    if more_come:
        return known_to_ray if kind in RAYS_KINDS else kind
    known = {n.removeprefix("accelerator_type:") for node in nodes for n in node if _is_kind(n)}
    raise StudyError(
        f"--accelerator {kind}: no node declares it (declared: "
        f"{', '.join(sorted(known)) or 'nothing'}); start a node with "
        f"`ray start --resources '{{\"{kind}\": 1}}'`, or choose another kind"
    )


def _is_kind(name: str) -> bool:
    return BUILT_IN.fullmatch(name) is None


def _told(nodes: Sequence[Declared]) -> str:
    return f"the cluster's nodes: {'; '.join(map(_described, nodes)) or 'none'}"


def _described(amounts: Declared) -> str:
    parts = [f"{amounts.get('CPU', 0):g} CPUs", f"{amounts.get('GPU', 0):g} GPUs"]
    if "memory" in amounts:
        parts.append(f"{amounts['memory'] / GB:.3g} GB")
    parts += [name.removeprefix("accelerator_type:") for name in amounts if _is_kind(name)]
    return ", ".join(parts)


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
