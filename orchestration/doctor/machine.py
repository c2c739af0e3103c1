"""What one machine is and sees, found out where it runs: on the driver's machine and on each node.

Judged in `orchestration.doctor.checks`. Imports no torch: that is asked in a process of its own.
"""

import hashlib
import os
import platform
import shutil
import tempfile
import time
import uuid
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import final

from moleflow.data.catalog import fingerprint, open_catalog
from moleflow.data.pictures import ClassData
from moleflow.errors import DataError, DeviceError, StoreError
from moleflow.files import replace_file
from moleflow.settings import Settings
from orchestration.cluster.asking import ask
from orchestration.records.layout import Root
from orchestration.studies.trial_keys import digest

VERSIONS = ("moleflow", "ray", "torch", "torchvision", "timm", "numpy")
"""What must be the same on all machines of a study."""
SAMPLES = 3
"""Files of a class whose content is compared, where not all are."""
TORCH_PATIENCE = 120.0
"""Seconds in which torch must be imported; from a cold network drive it takes a minute."""


class Gpu(Settings):
    """A GPU that torch can use."""

    name: str
    memory: int
    """Bytes."""
    kind: str
    """`cuda:sm_90:kernels2` and the like, as in stage keys."""


class Torch(Settings):
    """What torch can use on a machine."""

    version: str = ""
    cuda: str = ""
    """Version of CUDA that torch was built with; empty for a build without."""
    cpu: str = ""
    """`cpu:avx512` and the like, as in stage keys."""
    gpus: tuple[Gpu, ...] = ()
    driver: bool = False
    """Whether the system has an NVIDIA driver."""
    complaint: str = ""
    """What torch said of CUDA; or why it cannot be imported, and then there is no version."""


@final
@dataclass(frozen=True)
class Machine:
    """Of one node."""

    versions: Mapping[str, str]
    """Python and packages; empty text for one that is missing."""
    torch: Torch
    scratch: float
    """Free share of the disk that Ray keeps its files on."""


@final
@dataclass(frozen=True)
class Visibility:
    """What a machine sees of a meeting place and of the data."""

    left: str = ""
    """Name of the file that it wrote there."""
    trouble: str = ""
    """Why it did not read or not write there."""
    data: Mapping[str, str] | None = None
    """Appearance of each class."""
    no_data: str = ""


def describe() -> Machine:
    """This machine."""
    disk = shutil.disk_usage(tempfile.gettempdir())
    return Machine(versions(), ask_torch(), disk.free / disk.total)


def versions() -> dict[str, str]:
    """Python and the packages that must agree."""
    found = {"python": platform.python_version()}
    for name in VERSIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = ""
    return found


def clock() -> float:
    """Seconds since 1970, by this machine."""
    return time.time()


def ask_torch() -> Torch:
    """`describe_torch` in a process of its own."""
    try:
        return Torch.model_validate_json(ask(describe_torch, patience=TORCH_PATIENCE))
    except DeviceError as error:
        return Torch(complaint=str(error))


def _gpu(index: int) -> Gpu:
    import torch

    from orchestration.records.provenance import device_kind

    device = torch.device("cuda", index)
    _, memory = torch.cuda.mem_get_info(device)
    name = torch.cuda.get_device_name(device)
    return Gpu(name=name, memory=memory, kind=device_kind(device))


def describe_torch() -> Torch:
    """Imports torch."""
    import torch

    from orchestration.records.provenance import device_kind

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return Torch(
        version=torch.__version__,
        cuda=torch.version.cuda or "",
        cpu=device_kind(torch.device("cpu")),
        gpus=tuple(map(_gpu, range(count))),
        driver=Path("/proc/driver/nvidia/version").exists(),
        complaint="; ".join(str(warning.message).splitlines()[0] for warning in said),
    )


def faults_of_folder(folder: Path) -> list[str]:
    """What the file system of a folder does not do that results and leases rest on.

    The folder is left as it was.
    """
    aside = folder / f".doctor-{uuid.uuid4().hex}"
    try:
        aside.mkdir()
        return _faults(aside)
    except OSError as error:
        return [f"it cannot be written ({error.strerror or error})"]
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _faults(aside: Path) -> list[str]:
    found: list[str] = []
    for content in (b"old", b"new"):
        replace_file(aside / "file", content)
    if (aside / "file").read_bytes() != b"new":
        found.append("a file that is replaced keeps its old content")
    (aside / "made").mkdir()
    (aside / "made" / "file").touch()
    (aside / "made").rename(aside / "kept")
    if not (aside / "kept" / "file").exists():
        found.append("a folder that is renamed loses what is in it")
    return found + _link_faults(aside)


def _link_faults(aside: Path) -> list[str]:
    found: list[str] = []
    try:
        os.link(aside / "file", aside / "link")
        with suppress(FileExistsError):
            os.link(aside / "kept" / "file", aside / "link")
            found.append("a hard link takes the place of a file that is there")
        if (aside / "file").stat().st_nlink != 2:
            found.append("hard links are not counted")
    except OSError as error:
        found.append(f"it has no hard links ({error.strerror or error})")
    return found


def look(meeting: str, token: str, data: str) -> Visibility:
    """Read what the driver wrote to a meeting place, write an answer, and look at the data."""
    left, trouble = _meet(Path(meeting), token)
    if not data:
        return Visibility(left, trouble)
    try:
        return Visibility(left, trouble, appearance(data))
    except (DataError, OSError) as error:
        return Visibility(left, trouble, no_data=str(error).splitlines()[0])


def _meet(meeting: Path, token: str) -> tuple[str, str]:
    left = uuid.uuid4().hex
    try:
        if (meeting / "driver").read_text(encoding="utf-8") != token:
            return "", "it reads something else there"
        replace_file(meeting / left, f"{token} {left}".encode())
    except OSError as error:
        return "", error.strerror or str(error)
    return left, ""


def appearance(data: str) -> dict[str, str]:
    """A digest of each class: names and sizes of all its files, and the content of a few.

    Raises:
        DataError: it is no data set.
    """
    folder = Path(data)
    return {name: _appearance(found, folder) for name, found in open_catalog(folder).items()}


def fingerprints(data: str) -> dict[str, str]:
    """Fingerprint of each class: the content of all its files.

    Raises:
        DataError: it is no data set.
    """
    return {name: fingerprint(found) for name, found in open_catalog(Path(data)).items()}


def _appearance(data: ClassData, folder: Path) -> str:
    pictures = (*data.train, *data.test)
    files = [file for picture in pictures for file in picture.files]
    sizes = {os.path.relpath(file, folder): file.stat().st_size for file in files}
    # Chosen by a hash, so that each machine takes the same ones, from anywhere in the class.
    chosen = sorted(sizes, key=lambda name: hashlib.sha256(name.encode()).digest())[:SAMPLES]
    contents = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in chosen}
    return digest({"sizes": sizes, "contents": contents})


def exchange(store: str, key: str) -> str:
    """Read the driver's entry of a remote store, write one, and return its key.

    Raises:
        StoreError: it cannot be reached, read or written, or the driver's entry is not there.
    """
    from orchestration.store.store import open_store

    answer = uuid.uuid4().hex
    # Copies of its own, so that the store itself is read.
    with tempfile.TemporaryDirectory() as copies:
        opened = open_store(store, Root.at(copies))
        if opened.find("doctor", key) is None:
            raise StoreError("what the driver wrote is not there")
        opened.publish("doctor", answer, leave_note)
    return answer


def leave_note(folder: Path) -> None:
    """What an entry of `exchange` holds."""
    (folder / "note").write_text("written by moleflow doctor\n", encoding="utf-8")
