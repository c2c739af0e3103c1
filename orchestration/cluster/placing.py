"""What a trial takes of a Ray cluster, and how many fit on its nodes."""

# Ray's own annotations are incomplete.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import math
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

import ray
from ray._private.resource_and_label_spec import ResourceAndLabelSpec
from ray.util import accelerators

from moleflow.errors import StudyError
from orchestration.cluster.allowance import allowed_cpus
from orchestration.studies.terms import Resources

GB = 1e9
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


def share_of_a_node(resources: Resources) -> dict[str, float]:
    """What one trial takes of a node, by Ray's names.

    Raises:
        StudyError: no node has as much, or none is of that kind. With `resources.autoscaling` such
            a node may come, and only Ray knows which can.
    """
    return _share(resources, alive_nodes())


def check_this_machine(resources: Resources) -> None:
    """What `share_of_a_node` will refuse on a cluster of this machine, before there is one. Memory
    aside, of which there may be more by then.

    Raises:
        StudyError: this machine has less than a trial asks for.
    """
    if resources.address is None and not ray.is_initialized():
        _share(resources.model_copy(update={"memory_per_trial": 0.0}), [this_machine()])


def this_machine() -> Declared:
    """What a cluster that is started here will have."""
    found: Any = ResourceAndLabelSpec(num_cpus=allowed_cpus()).resolve(is_head=True)
    return found.to_resource_dict()


def _share(resources: Resources, nodes: Sequence[Declared]) -> dict[str, float]:
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
