"""Whether a machine, or a cluster, can run a study; and what to do where it cannot.

What is found out is in `orchestration.doctor.machine`; here it is judged.
"""

import os
import platform
import resource
import shutil
import subprocess
import sys
import uuid
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, final
from urllib.parse import unquote

from packaging.requirements import Requirement

from moleflow.data.catalog import fingerprint, open_catalog
from moleflow.errors import DataError, StoreError
from moleflow.wording import counted
from orchestration.cluster.allowance import allowed_cpus
from orchestration.doctor.machine import Torch, ask_torch, exchange, faults_of_folder, leave_note
from orchestration.doctor.numbers import GpuNumbers, Steps, ask_numbers
from orchestration.hiding import safe_uri
from orchestration.records.dataset import kept_fingerprint
from orchestration.records.layout import Root
from orchestration.store.address import parts_of
from orchestration.store.store import open_store

State = Literal["ok", "warning", "problem"]

GB = 1e9
ROOM, LEAST_ROOM = 20 * GB, 1 * GB
"""Free bytes below the root under which one is warned, and under which a study cannot run."""
FILES = 8192
"""Files that a process should be able to open: a driver holds some for each worker."""
SHARED_MEMORY = 1 * GB
WRONG_NUMBERS = (
    "publish nothing computed there; look at its driver, torch and Triton (make gpu says more); "
    "without the package triton, PyTorch's own kernels compute"
)
RAY_PATIENCE = 120.0
"""Seconds in which Ray must be imported."""


@final
@dataclass(frozen=True)
class Finding:
    """One check."""

    name: str
    state: State
    found: str
    remedy: str = ""
    """Empty where there is nothing to do."""


def examine_machine(
    root: Root, data: Path | None, mlflow_uri: str | None, store: str | None, full: bool = False
) -> Iterator[Finding]:
    """This machine; the root folder is left as it was, or absent.

    Args:
        full: read the content of all data.
    """
    yield judge_python(sys.version_info[:2])
    yield judge_packages()
    torch = ask_torch()
    yield judge_torch(torch)
    if torch.gpus:
        yield judge_numbers({one.gpu: one for one in ask_numbers()})
    yield _ray()
    yield from _limits()
    with present(root.path):
        yield from judge_root(root)
    yield from examine_tracking(root, mlflow_uri)
    if data is not None:
        yield judge_data(data)
        if full:
            yield judge_content(data, root)
    if store is not None:
        yield judge_store(store)


def judge_python(found: tuple[int, ...]) -> Finding:
    text = f"Python {platform.python_version()}"
    if found < (3, 11):
        return Finding("python", "problem", text, "install Python 3.11 or newer")
    return Finding("python", "ok", text)


def judge_packages() -> Finding:
    """Installed versions against what our package requires."""
    try:
        needed = [Requirement(text) for text in requires("moleflow") or ()]
    except PackageNotFoundError:
        return Finding(
            "packages", "problem", "moleflow is not installed", "pip install -c constraints.txt ."
        )
    wanted = [need for need in needed if need.marker is None or need.marker.evaluate({"extra": ""})]
    wrong = [text for need in wanted if (text := _unmet(need))]
    if wrong:
        remedy = "pip install -c constraints.txt . (in this environment)"
        return Finding("packages", "problem", "; ".join(wrong), remedy)
    return Finding("packages", "ok", f"moleflow {version('moleflow')}, {len(wanted)} requirements")


def _unmet(need: Requirement) -> str:
    try:
        found = version(need.name)
    except PackageNotFoundError:
        return f"{need.name} is missing"
    fits = need.specifier.contains(found, prereleases=True)
    return "" if fits else f"{need.name} is {found}, needed is {need.specifier}"


def judge_torch(torch: Torch) -> Finding:
    """Whether torch can be imported, and uses the GPUs that are there."""
    if not torch.version:
        remedy = "pip install -c constraints.txt torch torchvision, both from one index"
        return Finding("torch", "problem", f"cannot be imported: {torch.complaint}", remedy)
    text = f"torch {torch.version}, {torch.cpu}"
    if torch.gpus:
        seen = ", ".join(f"{gpu.name} {gpu.memory / GB:.0f} GB ({gpu.kind})" for gpu in torch.gpus)
        return Finding("torch", "ok", f"{text}, {seen}")
    if torch.driver and not torch.cuda:
        remedy = "install a build of torch with CUDA: pip install -c constraints.txt torch"
        return Finding("torch", "warning", f"{text} has no CUDA, and there is a driver", remedy)
    if torch.driver:
        remedy = (
            f"update the NVIDIA driver, or install a torch built for it (now CUDA {torch.cuda})"
        )
        said = torch.complaint or "torch sees no GPU"
        return Finding("torch", "problem", f"{text}: a driver is there, but {said}", remedy)
    return Finding("torch", "ok", f"{text}, no GPU")


def judge_numbers(found: Mapping[str, GpuNumbers], name: str = "numbers") -> Finding:
    """Args:
    found: by the names that GPUs are told by.
    """
    wrong = {gpu: said for gpu, one in found.items() if (said := _wrong(one))}
    if wrong:
        return Finding(name, "problem", _told(wrong), WRONG_NUMBERS)
    slow = {gpu: one.note for gpu, one in found.items() if one.note}
    if slow:
        remedy = "numbers are right there; training is slower than on a GPU that captures steps"
        return Finding(name, "warning", _told(slow), remedy)
    every = [steps for one in found.values() for steps in one.steps]
    worst = [_worst(kind, every) for kind in dict.fromkeys(steps.precision for steps in every)]
    text = f"steps on {counted(len(found), 'GPU')} deviate from the processor's by at most"
    return Finding(name, "ok", f"{text} {'; '.join(worst)}; the same bits each time")


def _wrong(one: GpuNumbers) -> str:
    if one.trouble:
        return one.trouble
    unsound = [_worst(steps.precision, [steps]) for steps in one.steps if not steps.sound]
    unlike = [steps.precision for steps in one.steps if not steps.repeated]
    said = [f"steps are not the processor's, {'; '.join(unsound)}"] if unsound else []
    return "; ".join([*said, *(f"other bits the second time in {kind}" for kind in unlike)])


def _worst(precision: str, every: Sequence[Steps]) -> str:
    of = [steps for steps in every if steps.precision == precision]
    parts = [
        f"{what} {max(getattr(steps, name) for steps in of):.0e}"
        for name, what in (
            ("log_p", "log-likelihoods"),
            ("gradient", "gradients"),
            ("moves", "moves"),
        )
    ]
    return f"{', '.join(parts)} in {precision}"


def _told(texts: Mapping[str, str]) -> str:
    return "; ".join(f"{name}: {text}" for name, text in texts.items())


def _ray() -> Finding:
    command = [sys.executable, "-P", "-c", "import ray.tune; print(ray.__version__)"]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, timeout=RAY_PATIENCE)
    except subprocess.TimeoutExpired:
        return Finding("ray", "problem", f"no import within {RAY_PATIENCE:.0f} s", "try once more")
    if asked.returncode != 0:
        said = (asked.stderr.strip().splitlines() or ["no message"])[-1]
        return Finding("ray", "problem", said, "pip install -c constraints.txt 'ray[tune]'")
    return Finding("ray", "ok", f"Ray {asked.stdout.strip()}")


def _limits() -> Iterator[Finding]:
    yield judge_cpus(allowed_cpus(), os.cpu_count() or 1)
    yield judge_files(resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    memory = Path("/dev/shm")
    if memory.is_dir():
        yield judge_shared_memory(shutil.disk_usage(memory).total)


def judge_cpus(allowed: int, there: int) -> Finding:
    """Args:
    allowed: by affinity and control groups.
    """
    few = f"{allowed} of {there} may be used (affinity, control groups)"
    return Finding("cpus", "ok", few if allowed < there else f"{there}")


def judge_files(most: int) -> Finding:
    """Args:
    most: what the limit may be raised to, as Ray does by itself; -1 is no limit.
    """
    text = "no limit" if most < 0 else f"{most} at a time"
    if 0 <= most < FILES:
        return Finding("open files", "warning", text, f"ulimit -Hn {FILES}, or in limits.conf")
    return Finding("open files", "ok", text)


def judge_shared_memory(size: int) -> Finding:
    text = f"{size / GB:.1f} GB"
    if size < SHARED_MEMORY:
        remedy = "Ray then uses the disk: start the container with --shm-size=2g"
        return Finding("/dev/shm", "warning", text, remedy)
    return Finding("/dev/shm", "ok", text)


def judge_root(root: Root) -> Iterator[Finding]:
    """Room, file system and format of a folder that is there."""
    yield judge_disk(shutil.disk_usage(root.path).free)
    faults = faults_of_folder(root.path)
    if faults:
        remedy = "choose another --root: a local disk, NFS, EFS or Lustre"
        yield Finding("root", "problem", f"{root.path}: {'; '.join(faults)}", remedy)
        return
    try:
        root.check_format()
    except StoreError as error:
        yield Finding("root", "problem", str(error), "choose another --root")
        return
    yield Finding("root", "ok", f"{root.path}: writes, renames and links as it must")


def judge_disk(free: int) -> Finding:
    text = f"{free / GB:.1f} GB free below the root"
    if free < LEAST_ROOM:
        return Finding("disk", "problem", text, "free some space, or choose another --root")
    if free < ROOM:
        remedy = "features of 15 classes alone may take this; see moleflow store gc"
        return Finding("disk", "warning", text, remedy)
    return Finding("disk", "ok", text)


def examine_tracking(root: Root, uri: str | None) -> Iterator[Finding]:
    """Whether the tracking store answers; the default is a file of the root folder."""
    if uri is None:
        yield Finding("mlflow", "ok", f"SQLite: {root.mlflow_db}")
        return
    from orchestration.tracking.mlflow.connection import check_reachable

    trouble = check_reachable(uri)
    if trouble is None:
        yield Finding("mlflow", "ok", safe_uri(uri))
        return
    remedy = "start the server or mend --mlflow-uri; a study also runs without: moleflow sync later"
    yield Finding("mlflow", "problem", trouble, remedy)


def judge_data(data: Path) -> Finding:
    try:
        found = open_catalog(data.expanduser().resolve())
    except DataError as error:
        remedy = f"see moleflow data check {data}"
        return Finding("data", "problem", str(error).splitlines()[0], remedy)
    pictures = sum(len(one.train) + len(one.test) for one in found.values())
    return Finding(
        "data", "ok", f"{data}: {counted(len(found), 'class')}, {counted(pictures, 'picture')}"
    )


def judge_content(data: Path, root: Root) -> Finding:
    """The content of all files against what the root folder believes of them by their dates."""
    changed: list[str] = []
    try:
        found = open_catalog(data.expanduser().resolve())
        for name, one in found.items():
            believed = kept_fingerprint(one, root)
            if believed not in (None, fingerprint(one)):
                changed.append(name)
    except (DataError, OSError) as error:
        remedy = f"see moleflow data check {data}"
        return Finding("data content", "problem", str(error).splitlines()[0], remedy)
    if changed:
        return Finding(
            "data content",
            "problem",
            f"{data}: other content than was checked, with the same dates and sizes: "
            f"{', '.join(changed)}",
            f"delete {root.checked} (it is made again), and begin a new --root if trials ran since",
        )
    return Finding(
        "data content", "ok", f"{data}: all files were read; nothing is believed wrongly"
    )


def judge_store(store: str) -> Finding:
    """Whether a store that is not the root's own can be written and read back from here."""
    folder = folder_of(store)
    try:
        if folder is not None:
            with present(folder):
                faults = faults_of_folder(folder)
            return _judged_store(str(folder), faults)
        with TemporaryDirectory() as copies:
            opened, keys = open_store(store, Root.at(copies)), [uuid.uuid4().hex]
            try:
                opened.publish("doctor", keys[0], leave_note)
                keys.append(exchange(store, keys[0]))
            finally:
                for key in keys:
                    opened.remove("doctor", key)
    except StoreError as error:
        return _judged_store("", [str(error)])
    return _judged_store(safe_uri(store), [])


def _judged_store(name: str, faults: list[str]) -> Finding:
    if faults:
        return Finding("store", "problem", f"{name} {'; '.join(faults)}".strip(), "mend --store")
    return Finding("store", "ok", f"{name}: can be written and read")


def folder_of(store: str) -> Path | None:
    """The folder that a store's address names; none for one behind a network protocol."""
    if "://" not in store:
        return Path(store).expanduser().resolve()
    return Path(unquote(parts_of(store).path)) if store.startswith("file://") else None


@contextmanager
def present(folder: Path) -> Generator[None]:
    """Makes a folder for as long as it is looked at."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"--root {folder}: cannot be made ({error.strerror}); choose another folder"
        ) from None
    try:
        yield
    finally:
        for path in missing:
            if not any(path.iterdir()):
                path.rmdir()
