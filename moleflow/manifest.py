"""`model.json`, what the folder of a saved model holds: read with mistrust, for a model may come
from anywhere.

What it names are plain files of the folder, whose sizes it says; what it asks for in memory fits
what these files hold.
"""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from moleflow.config import Config
from moleflow.config_parts import Bits
from moleflow.data.sequences import task_name
from moleflow.errors import ModelError
from moleflow.files import read_regular
from moleflow.sealed import seal, unsealed
from moleflow.settings import Settings

FORMAT = 2
MANIFEST = "model.json"
LARGEST_MANIFEST = 16 * 2**20
"""Bytes."""
LARGEST_SIDE = 4096
"""Pixels of pictures and maps."""
LARGEST_POSITIONS = 2**28
"""Numbers of a position code."""
PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}\.safetensors")
"""Names of files: nothing that could lead out of the folder."""


class TaskFiles(Settings):
    """Where one task's parts lie."""

    classes: tuple[str, ...]
    base: str
    bank: str
    router: str
    data: dict[str, str]
    """Fingerprint of each class's pictures."""
    bits: dict[str, Bits] = Field(default_factory=dict[str, Bits])
    """Bits that values of 16-bit files use, of each class that was trained on such files."""


class FileSum(Settings):
    """Of one file."""

    size: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Manifest(Settings):
    """`model.json`: what the folder holds."""

    format: int = FORMAT
    config: Config
    seed: int
    grid: tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]]
    channels: Annotated[int, Field(ge=0)]
    """Of the backbone's raw maps, for multi-scale context; else 0."""
    weights: str
    """Identity of the backbone's weights, wherever their file lies."""
    tasks: tuple[TaskFiles, ...]
    """In the order in which they were learned."""
    files: dict[str, FileSum]
    versions: dict[str, str]


def manifest_content(manifest: Manifest) -> bytes:
    """Of the file, which ends with its own checksum."""
    return seal(manifest.model_dump_json(indent=1))


def read_manifest(folder: Path) -> Manifest:
    """Raises:
    ModelError: not a model's folder, another format, or damaged; or what it says does not fit.
    """
    path = folder / MANIFEST
    try:
        content = read_inside(folder, MANIFEST, LARGEST_MANIFEST)
    except OSError as error:
        raise ModelError(
            f"{folder}: is not a saved model ({MANIFEST}: {error.strerror}); "
            "name the folder that `moleflow train` wrote"
        ) from None
    found = re.match(rb'\s*\{\s*"format":\s*(-?\d{1,9})\s*[,}]', content)
    if found is not None and int(found[1]) != FORMAT:
        raise ModelError(
            f"{path}: is of format {int(found[1])}, this moleflow reads {FORMAT}; "
            "train it anew, or use the version that wrote it"
        )
    try:
        manifest = Manifest.model_validate_json(unsealed(content))
    except ValidationError as error:
        wrong = error.errors()[0]
        place = ".".join(map(str, wrong["loc"]))
        raise ModelError(
            f"{path}: is not a model of format {FORMAT} ({place}: {wrong['msg']}); "
            "it was written by another version of moleflow: train it anew, or use that version"
        ) from None
    except ValueError as error:
        raise ModelError(f"{path}: {error}; restore it from a copy of the model") from None
    problem = next(problems(manifest), "")
    if problem:
        raise ModelError(f"{path}: {problem}; restore the model from a copy, or train it anew")
    return manifest


def read_inside(folder: Path, name: str, most: int) -> bytes:
    """A file of a folder: a regular one that lies in it, and no larger than was said.

    Raises:
        OSError: it cannot be read, or is something else.
    """
    path = folder / name
    if path.is_symlink():
        raise OSError(0, "is a link, and not followed", str(path))
    return read_regular(path, most)


def problems(manifest: Manifest) -> Iterator[str]:
    """What does not fit, one sentence each."""
    if manifest.format != FORMAT:
        yield f"is of format {manifest.format}"
    if not manifest.tasks:
        yield "names no task"
        return
    yield from _task_problems(manifest)
    yield from _file_problems(manifest)
    yield from _size_problems(manifest)


def _task_problems(manifest: Manifest) -> Iterator[str]:
    for task in manifest.tasks:
        if not task.classes or not all(task.classes):
            yield "a task has no class, or one without a name"
        if set(task.data) != set(task.classes):
            yield f"task {task_name(task.classes)}: its data are not those of its classes"
        if not set(task.bits) <= set(task.classes):
            yield f"task {task_name(task.classes)}: its bits are not those of its classes"
    classes = Counter(chain.from_iterable(task.classes for task in manifest.tasks))
    names = Counter(task_name(task.classes) for task in manifest.tasks)
    for name, times in [*classes.items(), *names.items()]:
        if times > 1:
            yield f"{name} is learned more than once"


def _file_problems(manifest: Manifest) -> Iterator[str]:
    tasks = manifest.tasks
    bases = [task.base for task in tasks]
    if len(set(bases)) != (len(tasks) if manifest.config.separate else 1):
        yield "its tasks do not have the bases that its config says"
    own = [*dict.fromkeys(bases), *(n for task in tasks for n in (task.bank, task.router))]
    if len(set(own)) != len(own):
        yield "two parts lie in one file"
    odd = sorted(name for name in own if not PLAIN.fullmatch(name))
    if odd:
        yield f"{odd[0]!r} is no plain name of a file in the folder"
    if set(own) != manifest.files.keys():
        left = sorted(set(own) ^ manifest.files.keys())
        yield f"{left[0]!r} is a part without a checksum, or a file that is no part"


def _size_problems(manifest: Manifest) -> Iterator[str]:
    """What would need more memory, or time, than a model of these files can."""
    config, (height, width) = manifest.config, manifest.grid
    dim, side = config.patches.dim, config.image.size
    largest = max(side, config.map_size)
    if largest > LARGEST_SIDE:
        yield f"its pictures or maps have a side of {largest}, above {LARGEST_SIDE} pixels"
    if max(height, width) > side or height * width * dim > LARGEST_POSITIONS:
        yield f"a grid of {height} x {width} patches does not fit pictures of {side} pixels"
    if config.patches.neighbourhood > 2 * max(height, width) + 1:
        yield f"patches.neighbourhood: {config.patches.neighbourhood} is wider than the grid"
    if (manifest.channels > 0) != (config.multiscale != "off"):
        yield "channels of raw maps without a use for them, or none where they are used"
    if next(_file_problems(manifest), ""):
        return
    rank = 0 if config.lora == "off" or not config.flow.blocks else config.lora.rank
    for task in manifest.tasks:
        for name, least in {
            task.base: config.flow.blocks * dim * dim + manifest.channels * dim,
            task.bank: config.dia.blocks * dim * dim + rank * dim,
            task.router: 8 * dim,
        }.items():
            if manifest.files[name].size < least:
                yield f"{name} is too small to hold what the config says"
