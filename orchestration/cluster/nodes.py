"""The nodes of a Ray cluster, and one function run on each of them."""

# Ray's own annotations are incomplete.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import time
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast, final

import ray
from ray.exceptions import RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from orchestration.cluster.joining import cluster
from orchestration.studies.terms import Resources

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds in which a node must answer; its first task also starts a worker there."""
ALL_GPUS = {"RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
"""A task that asks for no GPU sees those that its node gives away, as its Ray was started."""


@final
@dataclass(frozen=True)
class Node:
    """A node as the cluster's head knows it."""

    id: str
    name: str
    """Host and address; where several nodes share them, with the start of the id."""
    resources: Mapping[str, float]
    """What it declares, by Ray's names; memory in bytes."""
    alive: bool

    @property
    def gpus(self) -> int:
        return int(self.resources.get("GPU", 0))

    @property
    def accelerator(self) -> str:
        """Kind that Ray found out or was told, e.g. `A100`; empty for none."""
        kinds = [name for name in self.resources if name.startswith("accelerator_type:")]
        return kinds[0].partition(":")[2] if kinds else ""


@final
@dataclass(frozen=True)
class Answer(Generic[T]):
    """What a function returned on one node, or why it did not."""

    value: T | None
    error: str = ""
    """Kind and message of what it raised; or that the node did not answer, or died."""


@contextmanager
def joined(address: str) -> Generator[None]:
    """A cluster that runs, left as it is afterwards.

    Raises:
        StudyError: nobody answers there, it lets this process not in, or Ray or Python differ.
    """
    with cluster(Resources(address=address)):
        yield


def nodes() -> list[Node]:
    """Those of the cluster that this process has joined; dead ones too."""
    found: list[dict[str, Any]] = ray.nodes()
    names = [f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})" for node in found]
    count = Counter(names)
    return [
        Node(
            id=node["NodeID"],
            name=name if count[name] == 1 else f"{name} #{node['NodeID'][:6]}",
            resources=node["Resources"],
            alive=node["Alive"],
        )
        for node, name in zip(found, names, strict=True)
    ]


def wait_for_nodes(count: int, patience: float) -> list[Node]:
    """Those that live, once there are so many or patience, in seconds, is at its end."""
    deadline = time.monotonic() + patience
    while True:
        alive = [node for node in nodes() if node.alive]
        if len(alive) >= count or time.monotonic() > deadline:
            return alive
        time.sleep(0.2)


def on_every_node(
    function: Callable[..., T], *arguments: object, patience: float = PATIENCE
) -> dict[str, Answer[T]]:
    """Run a function once on every node that lives, by the nodes' names.

    Takes none of their CPUs, so that nodes at work answer too.

    Args:
        function: of a module, so that nodes can import it.
        patience: seconds after which a node counts as one that does not answer.
    """
    task = ray.remote(function)
    running = {
        node.name: task.options(
            num_cpus=0,
            max_retries=0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False),
            runtime_env={"env_vars": ALL_GPUS},
        ).remote(*arguments)
        for node in nodes()
        if node.alive
    }
    references = list(running.values())
    ray.wait(references, num_returns=len(references), timeout=patience)
    return {name: _answer(reference, patience) for name, reference in running.items()}


def _answer(reference: Any, patience: float) -> Answer[Any]:
    ready, _ = ray.wait([reference], timeout=0)
    if not ready:
        ray.cancel(reference, force=True)
        return Answer(None, f"no answer within {patience:.0f} s")
    try:
        return Answer(ray.get(reference))
    except Exception as error:
        # `cause` is declared to be an exception, and is the one that the function raised.
        cause = cast(Exception, error.cause) if isinstance(error, RayTaskError) else error
        lines = str(cause).strip().splitlines()
        return Answer(None, f"{type(cause).__name__}: {lines[0] if lines else 'no message'}")
