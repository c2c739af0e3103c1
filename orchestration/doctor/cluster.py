"""Whether the nodes of a cluster can run a study together; the cluster is joined already.

Imports Ray: the command line imports this file when an address is given.
"""

import shutil
import time
import uuid
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import final

from moleflow.errors import DataError, StoreError, StudyError
from moleflow.wording import counted
from orchestration.cluster.nodes import PATIENCE, Answer, Node, on_every_node, wait_for_nodes
from orchestration.doctor.checks import Finding, folder_of, judge_numbers, present
from orchestration.doctor.machine import (
    SAMPLES,
    TORCH_PATIENCE,
    Machine,
    Visibility,
    appearance,
    clock,
    describe,
    exchange,
    fingerprints,
    leave_note,
    look,
    versions,
)
from orchestration.doctor.numbers import NUMBERS_PATIENCE, GpuNumbers, ask_numbers
from orchestration.records.layout import Root
from orchestration.store.store import open_store

LATE = 5.0
"""Seconds between clocks above which one is warned: log lines no longer stand in order."""
JOINING = 60.0
"""Seconds in which the nodes that are asked for must have joined."""
FULL_PATIENCE = 3600.0
"""Seconds in which a node must have read a whole data set."""
LEAST_SCRATCH = 0.05
"""Free share of a disk below which Ray refuses to start workers."""
NAMED = 5
"""Nodes named in one message."""
SHARED = "mount it on every node under the same path (NFS, EFS, Lustre), writable for this user"
SAME_DATA = "give every node the same files under the same path; moleflow doctor --full reads all"

Compare = Callable[[str], dict[str, str]]


def examine_nodes(count: int) -> Iterator[Finding]:
    """What the nodes are.

    Args:
        count: that many must be there; they are waited for a minute.
    """
    nodes = wait_for_nodes(count, JOINING)
    yield judge_count(nodes, count)
    answers = on_every_node(describe, patience=PATIENCE + TORCH_PATIENCE)
    yield from judge_answers(answers)
    machines = {name: a.value for name, a in answers.items() if a.value is not None}
    yield judge_versions(versions(), machines)
    yield judge_gpus(nodes, machines)
    yield judge_kinds(machines)
    if any(machine.torch.gpus for machine in machines.values()):
        yield judge_gpu_numbers()
    yield judge_scratch(machines)
    yield _clocks()


def examine_places(
    root: Root, data: Path | None, store: str | None, compare: Compare = appearance
) -> Iterator[Finding]:
    """What the nodes see.

    Args:
        compare: tells data apart: `appearance`, or `fingerprints`, which reads all of it.
    """
    with present(root.path):
        yield _meeting_at("root on nodes", root.path)
    if data is not None:
        yield _data(data.expanduser().resolve(), compare)
    if store is not None:
        yield _store(store)


def check_nodes(root: Path, data: Path) -> None:
    """Refuse a cluster on which some node does not see what a study reads and writes.

    Takes a task per node, so seconds. Nothing is left on disk.

    Raises:
        StudyError: naming the nodes and what they do not see.
        StoreError: the root folder cannot be written here.
    """
    mine = appearance(str(data))
    with _meeting(root) as place:
        answers = on_every_node(look, str(place.folder), place.token, str(data))
        troubles = _strangers(place, answers)
    if troubles:
        raise StudyError(f"--root {root}: {_told(troubles, len(answers))}; {SHARED}")
    seen = {name: a.value for name, a in answers.items() if a.value is not None}
    found = {n: one.no_data or _difference(mine, one.data or {}) for n, one in seen.items()}
    if troubles := {name: why for name, why in found.items() if why}:
        raise StudyError(f"--data {data}: {_told(troubles, len(answers))}; {SAME_DATA}")


def judge_count(nodes: Sequence[Node], count: int) -> Finding:
    kinds = [
        f"{node.name}: {node.resources.get('CPU', 0):g} CPUs, {counted(node.gpus, 'GPU')}"
        + (f" {node.accelerator}" if node.accelerator else "")
        for node in nodes
    ]
    text = f"{len(nodes)}: {_some(kinds, '; ')}"
    if len(nodes) < count:
        remedy = "look at what `ray start --address=HEAD:6379` says on those that are missing"
        return Finding("nodes", "problem", f"{text}; asked for {count}", remedy)
    return Finding("nodes", "ok", text)


def judge_answers(answers: Mapping[str, Answer[Machine]]) -> Iterator[Finding]:
    """Nodes that could not say what they are."""
    silent = {name: answer.error for name, answer in answers.items() if answer.value is None}
    if silent:
        remedy = (
            "give them this machine's environment: pip install -c constraints.txt .; or end them"
        )
        yield Finding("answers", "problem", _told(silent, len(answers)), remedy)


def judge_versions(mine: Mapping[str, str], machines: Mapping[str, Machine]) -> Finding:
    """Of Python and packages: other versions give other bits, and trials share results."""
    wrong: dict[str, str] = {}
    for name, machine in machines.items():
        differing = [
            f"{package} {machine.versions.get(package) or 'missing'} (here {wanted})"
            for package, wanted in mine.items()
            if machine.versions.get(package) != wanted
        ]
        if differing:
            wrong[name] = ", ".join(differing)
    if wrong:
        remedy = "install the same there: pip install -c constraints.txt ., with the same Python"
        return Finding("versions", "problem", _told(wrong, len(machines)), remedy)
    text = ", ".join(f"{package} {found}" for package, found in mine.items())
    return Finding("versions", "ok", f"the same on all nodes: {text}")


def judge_gpus(nodes: Sequence[Node], machines: Mapping[str, Machine]) -> Finding:
    """GPUs that Ray gives away against those that torch can use."""
    declared = {node.name: node.gpus for node in nodes if node.name in machines}
    wrong = {
        name: f"Ray gives away {count}, torch sees {seen}"
        for name, count in declared.items()
        if count != (seen := len(machines[name].torch.gpus))
    }
    if wrong:
        remedy = (
            "start Ray there with --num-gpus of what nvidia-smi lists; a trial that gets a GPU "
            "which torch does not see computes on the CPU"
        )
        return Finding("gpus", "warning", _told(wrong, len(machines)), remedy)
    return Finding("gpus", "ok", f"{sum(declared.values())}, as Ray says")


def judge_gpu_numbers() -> Finding:
    """Of all GPUs; a node that does not answer is told as if it were one."""
    found: dict[str, GpuNumbers] = {}
    for node, answer in on_every_node(ask_numbers, patience=PATIENCE + NUMBERS_PATIENCE).items():
        of = answer.value or () if not answer.error else (GpuNumbers(gpu="", trouble=answer.error),)
        found |= {f"{node} {one.gpu}".strip(): one for one in of}
    return judge_numbers(found, "numbers on nodes")


def judge_kinds(machines: Mapping[str, Machine]) -> Finding:
    """Kinds of GPUs, or of processors where there is no GPU at all."""
    gpus = {gpu.kind for machine in machines.values() for gpu in machine.torch.gpus}
    kinds = sorted(gpus or {machine.torch.cpu for machine in machines.values()})
    if len(kinds) > 1:
        remedy = "keep a study to one kind with --accelerator NAME"
        text = f"{', '.join(kinds)}: bits differ between kinds, so each kind trains its own stages"
        return Finding("kinds", "warning", text, remedy)
    return Finding("kinds", "ok", ", ".join(kinds))


def judge_scratch(machines: Mapping[str, Machine]) -> Finding:
    full = {
        name: f"{machine.scratch:.0%} free"
        for name, machine in machines.items()
        if machine.scratch < LEAST_SCRATCH
    }
    if full:
        remedy = "free space there, or start Ray there with --temp-dir on another disk"
        return Finding("scratch", "problem", _told(full, len(machines)), remedy)
    return Finding("scratch", "ok", f"more than {LEAST_SCRATCH:.0%} of each disk is free")


def _clocks() -> Finding:
    before = time.time()
    answers = on_every_node(clock)
    after = time.time()
    read = {name: a.value for name, a in answers.items() if a.value is not None}
    return judge_clocks(before, read, after)


def judge_clocks(before: float, read: Mapping[str, float], after: float) -> Finding:
    """Args:
    before, after: this machine's clock around the time when the others were read.
    """
    off = {name: max(before - value, value - after, 0.0) for name, value in read.items()}
    late = {name: f"{seconds:.0f} s off" for name, seconds in off.items() if seconds > LATE}
    if late:
        remedy = "run chrony or ntpd there; results do not depend on it, times in logs do"
        return Finding("clocks", "warning", _told(late, len(read)), remedy)
    return Finding("clocks", "ok", f"none is more than {LATE:.0f} s off")


@final
@dataclass(frozen=True)
class _Place:
    """Where machines leave files for each other."""

    folder: Path
    token: str


@contextmanager
def _meeting(folder: Path) -> Generator[_Place]:
    """A fresh folder: a network file system's cached listings cannot know its names."""
    place = _Place(folder / f".doctor-{uuid.uuid4().hex}", uuid.uuid4().hex)
    try:
        place.folder.mkdir(parents=True)
        (place.folder / "driver").write_text(place.token, encoding="utf-8")
        yield place
    except OSError as error:
        raise StoreError(f"{folder}: cannot be written here ({error.strerror or error})") from None
    finally:
        shutil.rmtree(place.folder, ignore_errors=True)


def _strangers(place: _Place, answers: Mapping[str, Answer[Visibility]]) -> dict[str, str]:
    """Nodes that did not read or write at a meeting place as this machine sees it."""
    found: dict[str, str] = {}
    for name, answer in answers.items():
        if answer.value is None:
            found[name] = answer.error
        elif answer.value.trouble:
            found[name] = answer.value.trouble
        elif not _is_seen(place, answer.value.left):
            found[name] = "what it writes is not seen here"
    return found


def _is_seen(place: _Place, left: str) -> bool:
    # Opened by name: a listing may be an old one.
    try:
        return (place.folder / left).read_text(encoding="utf-8") == f"{place.token} {left}"
    except OSError:
        return False


def _meeting_at(name: str, folder: Path) -> Finding:
    try:
        with _meeting(folder) as place:
            answers = on_every_node(look, str(place.folder), place.token, "")
            troubles = _strangers(place, answers)
    except StoreError as error:
        return Finding(name, "problem", str(error), SHARED)
    if troubles:
        return Finding(name, "problem", f"{folder}: {_told(troubles, len(answers))}", SHARED)
    return Finding(name, "ok", f"{folder}: read and written from {counted(len(answers), 'node')}")


def _data(data: Path, compare: Compare) -> Finding:
    compared = (
        "the content of all files"
        if compare is fingerprints
        else f"names and sizes of all files, content of {SAMPLES} per class"
    )
    try:
        mine = compare(str(data))
    except (DataError, OSError) as error:
        remedy = "give --data a folder that this machine sees too"
        return Finding("data on nodes", "problem", str(error).splitlines()[0], remedy)
    answers = on_every_node(
        compare, str(data), patience=FULL_PATIENCE if compare is fingerprints else PATIENCE
    )
    return judge_sameness(data, mine, answers, compared)


def judge_sameness(
    data: Path,
    mine: Mapping[str, str],
    answers: Mapping[str, Answer[dict[str, str]]],
    compared: str,
) -> Finding:
    troubles = {
        name: answer.error or _difference(mine, answer.value or {})
        for name, answer in answers.items()
    }
    troubles = {name: why for name, why in troubles.items() if why}
    if troubles:
        told = f"{data}: {_told(troubles, len(answers))}"
        return Finding("data on nodes", "problem", told, SAME_DATA)
    return Finding("data on nodes", "ok", f"{data}: the same everywhere ({compared})")


def _difference(mine: Mapping[str, str], theirs: Mapping[str, str]) -> str:
    missing = [name for name in mine if name not in theirs]
    more = [name for name in theirs if name not in mine]
    other = [name for name in mine if name in theirs and mine[name] != theirs[name]]
    parts = [
        f"{said} {_some(names)}"
        for said, names in (("lacks", missing), ("has also", more), ("differs in", other))
        if names
    ]
    return ", ".join(parts)


def _store(store: str) -> Finding:
    folder = folder_of(store)
    if folder is not None:
        with present(folder):
            return _meeting_at("store on nodes", folder)
    try:
        with TemporaryDirectory() as copies:
            return _exchanged(store, Root.at(copies))
    except StoreError as error:
        return Finding("store on nodes", "problem", str(error), "mend --store")


def _exchanged(store: str, copies: Root) -> Finding:
    opened, keys = open_store(store, copies), [uuid.uuid4().hex]
    try:
        opened.publish("doctor", keys[0], leave_note)
        answers = on_every_node(exchange, store, keys[0])
        keys += [answer.value for answer in answers.values() if answer.value is not None]
        troubles = {
            name: answer.error or "what it writes is not seen here"
            for name, answer in answers.items()
            if answer.value is None or opened.find("doctor", answer.value) is None
        }
    finally:
        for key in keys:
            opened.remove("doctor", key)
    if troubles:
        remedy = "give the nodes the network and the credentials that this machine has"
        return Finding("store on nodes", "problem", _told(troubles, len(answers)), remedy)
    return Finding("store on nodes", "ok", f"read and written from {counted(len(answers), 'node')}")


def _told(troubles: Mapping[str, str], total: int) -> str:
    """`2 of 3 nodes: a (10.0.0.2) and b (10.0.0.3): No such file or directory`."""
    by_reason: dict[str, list[str]] = {}
    for name, why in troubles.items():
        by_reason.setdefault(why, []).append(name)
    told = "; ".join(f"{_some(names)}: {why}" for why, names in by_reason.items())
    return f"{len(troubles)} of {counted(total, 'node')}: {told}"


def _some(names: Sequence[str], separator: str = ", ") -> str:
    more = len(names) - NAMED
    return separator.join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
